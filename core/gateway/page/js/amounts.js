/** Amounts, times and spans as a person reads them. The whole digits stand in titles and on the entity's page. */

export const NOTHING = "–";
const MINUS = "−";
const STEPS = [[1e12, "T"], [1e9, "B"], [1e6, "M"]];

/** Made when it is first needed: each costs milliseconds, which the page's beginning has no time for. */
function once(make) {
  const made = new Map();
  return (key) => made.get(key) ?? made.set(key, make(key)).get(key);
}

const formatter = once((digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const significant = once((digits) => new Intl.NumberFormat("en", { maximumSignificantDigits: digits, minimumSignificantDigits: digits }));

/** `24.300 B`, `2,480.31`, `0.99873`. @param {string|null} text a decimal string of rtp's */
export function amount(text) {
  if (text === null || text === undefined) return NOTHING;
  const value = Number(text);
  if (!Number.isFinite(value)) return text;
  return signed(value, () => magnitude(Math.abs(value)));
}

function magnitude(size) {
  const step = STEPS.find(([least]) => size >= least);
  if (step) return size >= 1e18 ? size.toExponential(3) : `${formatter(3).format(size / step[0])} ${step[1]}`;
  if (size >= 1000) return formatter(2).format(size);
  if (size >= 1) return formatter(size >= 10 ? 4 : 5).format(size);
  if (size === 0) return "0";
  return size < 1e-6 ? size.toExponential(3) : significant(size < 1e-3 ? 4 : 5).format(size);
}

function signed(value, size) {
  return (value < 0 ? MINUS : "") + size();
}

/** `+4.21 %`. @param {number|null} value */
export function percent(value) {
  if (value === null || Number.isNaN(value)) return NOTHING;
  if (!Number.isFinite(value)) return value > 0 ? "+∞" : `${MINUS}∞`;
  const size = Math.abs(value);
  const text = size >= 10_000 ? size.toExponential(1) : formatter(size >= 100 ? 1 : 2).format(size);
  return `${value > 0 ? "+" : value < 0 ? MINUS : ""}${text} %`;
}

/** `+12.4`. Hundredths of a percent. @param {number|null} value */
export function basisPoints(value) {
  if (value === null || !Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  const text = formatter(size >= 100 ? 0 : 1).format(size);
  return `${value > 0 ? "+" : value < 0 ? MINUS : ""}${text}`;
}

/** `4 s`, `12 min`, `3 h`, `5 d`. @param {number} milliseconds */
export function span(milliseconds) {
  const seconds = Math.max(0, milliseconds / 1000);
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

const FORMS = {
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  day: { day: "numeric", month: "short" },
  whole: { dateStyle: "medium", timeStyle: "medium" },
};
const timeFormatter = once((form) => new Intl.DateTimeFormat("en-GB", FORMS[form]));

/** `14:03:59` today, `3 Nov 14:03:59` before. @param {number} moment in milliseconds */
export function time(moment, now = Date.now()) {
  const clock = timeFormatter("clock").format(moment);
  return Math.abs(now - moment) < 43_200_000 ? clock : `${timeFormatter("day").format(moment)} ${clock}`;
}

/** `3 Nov 2026, 14:03:59`. */
export const dateTime = (moment) => (moment === null || Number.isNaN(moment) ? NOTHING : timeFormatter("whole").format(moment));

/** A column of metadata, whatever is in it. */
export const fieldText = (value) => (value === null || value === undefined ? NOTHING : typeof value === "string" ? value : JSON.stringify(value));

/** Milliseconds of one of rtp's times; null where there is none. */
export const moment = (text) => (text ? Date.parse(text) : null);

/** `1 event`, `2 events`. */
export const counted = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
