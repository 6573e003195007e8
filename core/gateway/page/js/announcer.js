/** Tells screen readers what came, in one sentence for all of it and not too often: a live region must not flood. */

import { counted, percent } from "./amounts.js";
import { rank } from "./matching.js";

const EVERY = 15_000;

export class Announcer {
  #region;
  #number = 0;
  #largest = null;
  #toldAt = -Infinity;
  isOn = true;

  constructor(region) {
    this.#region = region;
  }

  take(event) {
    this.#number += 1;
    if (!this.#largest || weight(event) > weight(this.#largest)) this.#largest = event;
  }

  /** Say what has come since, if it is time to. */
  tick(now) {
    if (!this.#number || now - this.#toldAt < EVERY) return;
    if (this.isOn) this.#region.textContent = `${counted(this.#number, "event")}. ${inWords(this.#largest)}`;
    this.#number = 0;
    this.#largest = null;
    this.#toldAt = now;
  }
}

const weight = (event) => rank(event.severity) * 1e6 + Math.min(1e5, Math.abs(event.change ?? 0));

/** `usdc on ethereum: depeg, −0.61 %, critical.` */
export function inWords({ entity, chain, reason, change, severity }) {
  const parts = [reason.replaceAll("_", " "), change === null ? "" : percent(change), severity];
  return `${entity} on ${chain}: ${parts.filter(Boolean).join(", ")}.`;
}
