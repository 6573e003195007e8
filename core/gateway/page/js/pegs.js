/** The pegged prices: asked for once in a while, and moved on by each event between. */

import { keyOf } from "./store.js";
import { moment } from "./amounts.js";

export class Pegs {
  /** @type {Map<string, Object>} */
  known = new Map();
  trouble = "Asking for the pegs.";
  askedAt = 0;
  #api;

  constructor(api) {
    this.#api = api;
  }

  async ask() {
    this.askedAt = Date.now();
    try {
      const { pegs, note } = await this.#api.get("pegs");
      this.known = new Map(pegs.map((peg) => [keyOf(peg), pegOf(peg)]));
      this.trouble = pegs.length ? "" : note ?? "";
    } catch (error) {
      this.trouble = `The pegs are not known: ${error.message}`;
    }
  }

  /** @param {Object} event flat */
  take(event) {
    const peg = this.known.get(event.key);
    if (!peg) return;
    peg.value = event.current;
    peg.distance = distance(event.current, peg.target);
    if (event.reason === "depeg" || event.reason === "escalated") peg.offSince = event.offSince ?? event.changedAt;
    if (event.reason === "repeg") peg.offSince = null;
  }
}

function pegOf({ kind, chain, entity, target, deviation_bps: deviation, value, distance_bps: bps, off_since: offSince }) {
  return {
    key: keyOf({ kind, chain, entity }),
    kind,
    chain,
    entity,
    target,
    deviation: Number(deviation),
    value,
    distance: bps === null ? null : Number(bps),
    offSince: moment(offSince),
  };
}

function distance(value, target) {
  const ratio = value === null ? NaN : Number(value) / Number(target);
  return Number.isFinite(ratio) ? (ratio - 1) * 10_000 : null;
}
