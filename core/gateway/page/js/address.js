/** What is looked at, and by which filters: all of it lives in the address, so that it can be shared. */

export const VIEWS = ["board", "movers", "pegs", "stream", "status", "entity"];
const LISTS = ["kind", "chain", "entity", "reason"];
const WORDS = ["min_pct", "severity", "market", "q", "within", "sort"];

/**
 * @typedef {Object} Address
 * @property {string} view
 * @property {[string, string, string]|null} subject kind, chain and entity of the view `entity`
 * @property {{kind: string[], chain: string[], entity: string[], reason: string[], min_pct: string, severity: string,
 *             market: string, q: string, within: string, sort: string}} filter
 */

/** @param {string} hash @returns {Address} */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view, ...subject] = path.split("/").map(decoded);
  const known = VIEWS.includes(view) && (view === "entity") === (subject.length === 3);
  const words = new URLSearchParams(query);
  const filter = {};
  for (const name of LISTS) filter[name] = listed(words.get(name));
  for (const name of WORDS) filter[name] = words.get(name)?.trim() ?? "";
  return { view: known ? view : "board", subject: known && view === "entity" ? subject : null, filter };
}

/** @param {Address} address */
export function format({ view, subject, filter }) {
  const path = [view, ...(subject ?? [])].map(encodeURIComponent).join("/");
  const words = [];
  for (const name of LISTS) if (filter[name].length) words.push(`${name}=${filter[name].map(encodeURIComponent).join(",")}`);
  for (const name of WORDS) if (filter[name]) words.push(`${name}=${encodeURIComponent(filter[name])}`);
  return `#/${path}${words.length ? `?${words.join("&")}` : ""}`;
}

/** Names between commas. */
export const listed = (text) => (text ?? "").split(",").map((name) => name.trim()).filter(Boolean);

/** The address with other filters. */
export const filtered = (address, changes) => ({ ...address, filter: { ...address.filter, ...changes } });

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a lone percent sign, typed by hand
  }
}
