/** Which events and entities the filters let through; the same rules as the gateway's. */

const RANKS = { info: 1, warning: 2, critical: 3 };
const WITHIN = { "5m": 300_000, "": 3_600_000, "1d": 86_400_000, any: Infinity };

/** How much a severity matters; 0 where there is none. */
export const rank = (severity) => RANKS[severity] ?? 0;

/** What is subscribed to: which entities. The rest of a filter picks among what came, so that values stay true. */
export const scopeOf = ({ kind, chain, entity }) => ({ kind, chain, entity });

/** @param {import("./address.js").Address["filter"]} filter */
export function matcher(filter) {
  const isInScope = scopeMatcher(filter);
  const least = Number(filter.min_pct) || 0;
  const lowest = rank(filter.severity);
  const words = filter.q.toLowerCase().split(/\s+/).filter(Boolean);
  return (known) =>
    isInScope(known) &&
    (!least || Math.abs(known.change ?? 0) >= least) &&
    (!lowest || rank(known.severity) >= lowest) &&
    (!filter.reason.length || filter.reason.includes(known.reason)) &&
    (!filter.market || (filter.market === "true") === Boolean(known.market)) &&
    words.every((word) => known.text.includes(word));
}

/** By kind, chain and entity alone: for what is not an event, such as a peg. */
export function scopeMatcher(filter) {
  const kinds = filter.kind.map(glob);
  const chains = filter.chain.map(glob);
  const entities = filter.entity.map(glob);
  return (known) =>
    (!kinds.length || kinds.some((fits) => fits(known.kind))) &&
    (!chains.length || chains.some((fits) => fits(known.chain))) &&
    (!entities.length || entities.some((fits) => fits(known.entity)));
}

/** How long ago a mover may have moved, in milliseconds. */
export const withinOf = (filter) => WITHIN[filter.within] ?? WITHIN[""];

/** A name or a glob (`*`, `?`, `[...]`), whatever the case; a name that looks like a glob is found by itself. */
export function glob(wanted) {
  const name = wanted.toLowerCase();
  if (!/[*?[]/.test(name)) return (text) => text.toLowerCase() === name;
  let pattern;
  try {
    pattern = new RegExp(`^${translated(name)}$`, "su");
  } catch {
    return (text) => text.toLowerCase() === name; // an empty range, as in [z-a]
  }
  return (text) => text.toLowerCase() === name || pattern.test(text.toLowerCase());
}

function translated(name) {
  return name.replace(/\[(!?)(\]?[^\]]*)\]|[\s\S]/gu, (part, not, members) => {
    if (part === "*") return ".*";
    if (part === "?") return ".";
    if (members !== undefined) return `[${not ? "^" : ""}${members.replace(/[\\\]^[]/g, "\\$&")}]`;
    return part.replace(/[\\^$.|+(){}[\]/]/g, "\\$&");
  });
}
