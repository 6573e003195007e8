/** What the page knows: the newest state of each entity, and the last events. Both are bounded, whatever comes. */

import { moment } from "./amounts.js";

export const MOST_ENTITIES = 5000;
export const MOST_EVENTS = 2000;
const MOST_POINTS = 40;

/** An event as the views need it: flat, with numbers beside the digits. */
export function flattened({ id, sequence, data }) {
  return {
    id,
    key: keyOf(data),
    formerKey: data.previous_entity && !data.previous_taken ? keyOf({ ...data, chain: data.previous_chain, entity: data.previous_entity }) : null,
    kind: data.kind,
    chain: data.chain,
    entity: data.entity,
    previous: data.previous,
    current: data.current,
    change: changeOf(data),
    fields: data.fields,
    reason: data.reason,
    severity: data.severity,
    market: data.market ?? null,
    duration: data.duration_seconds ?? null,
    confidence: data.confidence,
    provenance: data.provenance,
    changedAt: moment(data.changed_at),
    offSince: moment(data.off_since ?? null),
    detectedAt: moment(data.detected_at),
    sequence,
    text: `${data.entity} ${data.chain} ${data.kind} ${data.reason} ${data.provenance ?? ""}`.toLowerCase(),
  };
}

/** Away from zero, and to Infinity, there is no percentage: the move is above any bound. */
function changeOf({ change_pct: change, reason, current }) {
  if (change !== null) return Number(change);
  if (reason === "from_zero" || current === "Infinity") return Infinity;
  return current === "-Infinity" ? -Infinity : null;
}

export const keyOf = ({ kind, chain, entity }) => [kind, chain, entity].map(encodeURIComponent).join("/");

export class Store {
  /** @type {Map<string, Object>} those that have changed last come last */
  entities = new Map();
  /** @type {Object[]} the newest is the last */
  events = [];
  kinds = new Set();
  chains = new Set();
  forgotten = 0;
  #ids = new Set();

  /** @returns {Object|null} the event, flat; null where it is known already */
  take(document) {
    const event = flattened(document);
    if (!this.#remember(event)) return null;
    const known = this.#entity(event);
    this.entities.delete(event.formerKey);
    this.entities.delete(event.key);
    this.entities.set(event.key, known);
    Object.assign(known, newsOf(event), { value: event.current });
    this.#point(known, event.previous, event.current);
    this.#forget();
    return event;
  }

  /** @param {Object[]} entries of a snapshot */
  fill(entries) {
    for (const entry of entries) {
      const known = this.#entity(entry);
      const event = entry.event && flattened(entry.event);
      if (event) {
        Object.assign(known, newsOf(event));
        if (this.#remember(event)) this.#point(known, event.previous, event.current);
      }
      if (entry.value !== event?.current) this.#point(known, null, entry.value);
      Object.assign(known, { value: entry.value, isDeleted: entry.is_deleted });
    }
    this.#forget();
  }

  /** A snapshot tells of each entity's last event, in the order of entities. */
  order() {
    this.events.sort((one, other) => one.detectedAt - other.detectedAt);
  }

  /** Another database's values, or those of before a loss: the snapshot that follows says what is true. */
  clear() {
    this.entities.clear();
  }

  #entity({ kind, chain, entity }) {
    const key = keyOf({ kind, chain, entity });
    let known = this.entities.get(key);
    if (!known) {
      known = { key, kind, chain, entity, value: null, change: null, reason: "", severity: "", confidence: null,
        provenance: null, changedAt: null, text: `${entity} ${chain} ${kind}`.toLowerCase(), points: [], pointsSeen: 0, isDeleted: false };
      this.entities.set(key, known);
      this.kinds.add(kind);
      this.chains.add(chain);
    }
    return known;
  }

  #point(known, previous, current) {
    if (!known.points.length && previous !== null) push(known, Number(previous));
    if (current !== null) push(known, Number(current));
  }

  #remember(event) {
    if (this.#ids.has(event.id)) return false;
    this.#ids.add(event.id);
    this.events.push(event);
    return true;
  }

  /** In portions, as each costs a copy; the oldest, for a snapshot brings old ones behind the new ones. */
  #forget() {
    if (this.events.length > MOST_EVENTS * 1.25) {
      this.order();
      for (const event of this.events.splice(0, this.events.length - MOST_EVENTS)) this.#ids.delete(event.id);
    }
    for (const key of this.entities.keys()) {
      if (this.entities.size <= MOST_ENTITIES) break;
      this.entities.delete(key);
      this.forgotten += 1;
    }
  }
}

function newsOf(event) {
  const { change, reason, severity, market, confidence, provenance, changedAt, previous, text } = event;
  return { change, reason, severity, market, confidence, provenance, changedAt, previous, text, isDeleted: reason === "deleted" };
}

function push(known, value) {
  if (!Number.isFinite(value)) return;
  known.points.push(value);
  known.pointsSeen += 1;
  if (known.points.length > MOST_POINTS) known.points.shift();
}
