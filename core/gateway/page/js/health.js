/** The state of rtp itself, as `rtp status` tells it: asked for now and then, and often while somebody looks. */

import { moment, span } from "./amounts.js";

const RECENT = 3_600_000;

export class Health {
  document = null;
  trouble = "";
  askedAt = 0;
  #api;

  constructor(api) {
    this.#api = api;
  }

  async ask() {
    this.askedAt = Date.now();
    try {
      this.document = await this.#api.get("status");
      this.trouble = "";
    } catch (error) {
      this.trouble = `The state of rtp is not known: ${error.message}`;
    }
  }

  /** What of rtp is not as it should be, a sentence each. @returns {string[]} */
  get problems() {
    const status = this.document?.status;
    return status ? [...problemsOf(status)] : [];
  }

  /** What is not known of it, and why. */
  get remark() {
    return this.trouble || (this.document?.note ?? "");
  }
}

/** @param {Object} status as `rtp status --json` tells it */
export function* problemsOf({ at, leader, processes = [], sinks = [], watches = [], tables = [], trigger_errors: errors = [] }) {
  if (leader && !leader.is_leading) yield "No rtp run is active: nothing is delivered.";
  for (const { figures } of processes.filter(({ is_alive: isAlive }) => isAlive)) {
    if (figures.lead_trouble) yield `${figures.role}: ${figures.lead_trouble}`;
    for (const { service, last_error: error } of figures.circuits ?? []) if (error) yield `${service}: ${error}`;
    for (const { part, cause } of figures.troubles ?? []) yield `${part}: ${cause}`;
  }
  for (const sink of sinks) {
    if (sink.mismatch) yield `${sink.sink}: ${sink.mismatch}`;
    else if (sink.is_alarming) yield `${sink.sink} is ${span(sink.lag_seconds * 1000)} behind.`;
  }
  for (const watch of watches) {
    if (watch.is_armed === false) yield `${watch.watch} is not armed: ${watch.unarmed_cause}`;
    else if (watch.is_alarming) yield `${watch.watch}: its samples have waited ${span(watch.waiting_seconds * 1000)}.`;
  }
  for (const table of tables) if (table.problem) yield `${table.table}: ${table.problem}`;
  // They stay in the database for ever; what is long past is no trouble of now.
  for (const error of errors) if (moment(at) - moment(error.occurred_at) < RECENT) yield `${error.watch}: ${error.message}`;
}
