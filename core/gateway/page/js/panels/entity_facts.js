/** What the gateway tells of an entity, as the view needs it. */

import { amount, dateTime, fieldText, moment, NOTHING } from "../amounts.js";

/** The values with their times; those that are no finite number are left out. */
export function seriesOf({ series, series_from: from, entry, watch }, events) {
  const points = series.map(([at, value]) => [at, value === null ? NaN : Number(value)]);
  points.sort(([one], [other]) => one - other);
  // What the first event came from is the beginning of its step.
  if (from === "events" && points.length && events.at(-1)?.previous) points.unshift([points[0][0] - 1, Number(events.at(-1).previous)]);
  // Without any, the baseline is the value of when it was seen.
  const seenAt = moment(watch?.baseline?.reported_at ?? null);
  if (!points.length && seenAt !== null && watch.baseline.value !== null) points.push([seenAt, Number(watch.baseline.value)]);
  const now = entry?.value == null ? NaN : Number(entry.value);
  const last = points.at(-1);
  const asOf = moment(entry?.as_of ?? null);
  // A value that moved without an event is the newest there is.
  if (asOf !== null && (!last || (asOf > last[0] && now !== last[1]))) points.push([asOf, now]);
  return points.filter(([, value]) => Number.isFinite(value));
}

/** Baseline and levels, to be drawn across the chart. */
export function levelsOf(watch) {
  const { baseline, levels } = watch ?? {};
  return [
    [baseline?.value, "baseline", "quiet"],
    [levels?.fires_above, "fires above", "up"],
    [levels?.fires_below, "fires below", "down"],
    [levels?.depegs_above, "depegs above", "critical"],
    [levels?.depegs_below, "depegs below", "critical"],
  ].filter(([value]) => value !== null && value !== undefined && Number.isFinite(Number(value)))
    .map(([value, label, tone]) => ({ value: Number(value), label, tone }));
}

/** Names and texts. @returns {[string, string][]} */
export function factsOf({ entry, watch, provenance, confidence }) {
  const { baseline, levels } = watch ?? {};
  const facts = [
    ["Baseline", baseline?.value, digits],
    ["Reported", baseline?.reported_at, at],
    ["Fires at or above", levels?.fires_above, digits],
    ["Fires at or below", levels?.fires_below, digits],
    ["Depegs above", levels?.depegs_above, digits],
    ["Depegs below", levels?.depegs_below, digits],
    ["Held back beyond", levels?.jumps_beyond, digits],
    ["Cooldown until", levels?.cooled_until, at],
    ["Heartbeat from", levels?.heartbeat_at, at],
    ["Off its peg since", baseline?.off_peg_since, at],
    ["In quarantine", baseline?.suspect_value, digits],
    ["Samples that wait", watch?.waiting || null, String],
    ["Value", entry?.value, digits],
    ["As of", entry?.as_of, at],
    ["Source", provenance, String],
    ["Confidence", confidence, (share) => `${Math.round(share * 100)} %`],
    ["Watch", watch?.name, (name) => `${name}, on ${watch.table}`],
    ["Judged by", watch?.judged_by, String],
  ];
  const fields = Object.entries(entry?.fields ?? {}).map(([name, value]) => [name, fieldText(value)]);
  const known = facts.filter(([, value]) => value !== null && value !== undefined).map(([name, value, words]) => [name, words(value)]);
  return [...fields, ...known];
}

/** What makes a change an event. @returns {string[]} */
export function sentencesOf(watch) {
  const { watched = [], rule } = watch ?? {};
  if (rule) return rule.words;
  return watched.length ? [`A change of ${new Intl.ListFormat("en", { type: "disjunction" }).format(watched)} is an event.`] : [];
}

const at = (text) => dateTime(moment(text));

/** Digit for digit; beside more of them than one can read, the size. */
function digits(text) {
  if (text === null) return NOTHING;
  return /^-?\d{7,}/.test(text) ? `${text} (${amount(text)})` : text;
}
