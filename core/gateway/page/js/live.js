/** The connection to the gateway: it fills the store, and remembers what the person should know of it. */

import { Client } from "../rtp.js";
import { scopeMatcher, scopeOf } from "./matching.js";

const MOST_NOTES = 50;
const MOST_DELAYS = 200;

export class Live {
  /** "connecting", "live", "stale" (the gateway itself has lost rtp's events), "waiting" or "refused" */
  phase = "connecting";
  message = "";
  since = Date.now();
  retryAt = null;
  received = 0;
  skipped = 0;
  /** @type {{at: number, text: string}[]} gaps and losses of the connection, the newest first */
  notes = [];
  delays = [];
  #client;
  #store;
  #onEvent;
  #onChange;
  #onRefused;
  #subscriptions = new Map();

  /** @param {{base: URL, token: string|null, store: import("./store.js").Store, onEvent: (event: Object) => void, onChange: () => void,
   *   onRefused: () => void}} options */
  constructor({ base, token, store, onEvent, onChange, onRefused }) {
    this.#store = store;
    this.#onEvent = onEvent;
    this.#onChange = onChange;
    this.#onRefused = onRefused;
    this.#client = new Client(base, { token: token ?? undefined, onState: (state) => this.#takeState(state) });
  }

  /**
   * Follow these entities from now on, and the one that is looked at, which a filter of the address may leave out. What
   * they are now comes first.
   * @param {import("./address.js").Address} address
   */
  follow({ filter, subject }) {
    const wanted = Object.fromEntries(Object.entries(scopeOf(filter)).filter(([, names]) => names.length));
    const [kind, chain, entity] = subject ?? [];
    const isBeside = subject && !scopeMatcher(filter)({ kind, chain, entity });
    this.#renew("all", wanted);
    this.#renew("beside", isBeside ? { kind, chain, entity } : null);
  }

  #renew(name, wanted) {
    const before = this.#subscriptions.get(name);
    const asked = JSON.stringify(wanted);
    if (asked === (before?.asked ?? "null")) return;
    before?.subscription.close();
    if (wanted) this.#subscriptions.set(name, { asked, subscription: this.#subscribe(wanted) });
    else this.#subscriptions.delete(name);
  }

  #subscribe(wanted) {
    return this.#client.subscribe({ ...wanted, snapshot: true }, {
      event: (message) => this.#takeEvent(message),
      snapshot: (message) => this.#takeSnapshot(message),
      gap: ({ reason, message }) => this.#takeGap(reason, message),
      subscribed: ({ resumed }) => {
        if (resumed) this.#note("The connection is back. No event was missed.");
      },
      error: (error) => {
        this.#note(error.message);
        this.#onRefused();
      },
    });
  }

  retry() {
    this.#client.retry();
  }

  /** How long after their detection events come here, in milliseconds: `[half, nearly all]`; null before there are some. */
  get delay() {
    if (!this.delays.length) return null;
    const sorted = [...this.delays].sort((one, other) => one - other);
    return [sorted[Math.floor(sorted.length / 2)], sorted[Math.floor(sorted.length * 0.99)]];
  }

  #takeEvent({ event, skipped }) {
    this.received += 1;
    this.skipped += skipped;
    const flat = this.#store.take(event);
    if (!flat) return;
    this.delays.push(Date.now() - flat.detectedAt);
    if (this.delays.length > MOST_DELAYS) this.delays.shift();
    this.#onEvent(flat);
    this.#onChange();
  }

  #takeSnapshot({ entries, done }) {
    this.#store.fill(entries);
    if (done) this.#store.order();
    this.#onChange();
  }

  #takeGap(reason, message) {
    if (reason === "another_log" || reason === "stream_lost") this.#store.clear();
    this.#note(`Events may be missing: ${message}`);
  }

  #takeState({ connection, upstream, retryInMs, message }) {
    const phases = { open: upstream ? "live" : "stale", waiting: "waiting", refused: "refused" };
    const phase = phases[connection] ?? "connecting";
    if (phase === "waiting" && this.phase !== "waiting" && this.phase !== "connecting") this.#note(`${message}.`);
    if (phase === "stale" && this.phase !== "stale") this.#note(message);
    if (phase !== this.phase) this.since = Date.now();
    this.phase = phase;
    this.message = message;
    this.retryAt = phase === "waiting" ? Date.now() + retryInMs : null;
    this.#onChange();
  }

  #note(text) {
    this.notes.unshift({ at: Date.now(), text });
    this.notes.length = Math.min(this.notes.length, MOST_NOTES);
    this.#onChange();
  }
}
