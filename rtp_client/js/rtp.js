/**
 * rtp's client for browsers and Node: events as they come through `rtp serve`, none lost and none twice.
 *
 *     import { Client } from "./rtp.js";
 *
 *     const client = new Client("https://rtp.example", { token });
 *     for await (const { event, position } of client.events({ kind: "price", reason: "depeg" })) {
 *       console.log(event.subject, event.data.change_pct, position);
 *     }
 *
 * A lost connection is made again, and goes on behind the last event that was handed over. Where that cannot be, or
 * the gateway has lost its own place, a gap is told. Node before 22 has no WebSocket of its own: give a class as an
 * option, or start it with --experimental-websocket.
 *
 * @typedef {object} Wanted  Which events, from where. Each part of the filter may be left out.
 * @property {string | string[]} [kind]  Names or globs, of which one must fit; so with chain and entity.
 * @property {string | string[]} [chain]
 * @property {string | string[]} [entity]
 * @property {string | number} [min_pct]  At least this |change_pct|.
 * @property {"info" | "warning" | "critical"} [severity]  At least this.
 * @property {string | string[]} [reason]
 * @property {boolean} [market]  Whether it is part of a market-wide move.
 * @property {string} [resume]  Go on behind this position; "0" is before all that Redis holds.
 * @property {boolean} [snapshot]  Whether the current values come first, and again after each gap.
 * @property {"conflate" | "disconnect"} [slow]  What the gateway does where this client reads too slowly.
 *
 * @typedef {object} LiveEvent
 * @property {"event"} type
 * @property {object} event  The CloudEvent, as `rtp schema` describes it.
 * @property {string} position  Where to resume behind it.
 * @property {number} skipped  How many older events of the same entities were left out before it, as this client is slow.
 *
 * @typedef {object} Snapshot  A page of current values.
 * @property {"snapshot"} type
 * @property {object[]} entries
 * @property {boolean} first  Whether a new snapshot begins: what is known from before is void.
 * @property {boolean} done  Whether it is complete.
 *
 * @typedef {object} Gap  Events may be missing here.
 * @property {"gap"} type
 * @property {"too_old" | "another_log" | "stream_lost" | "trimmed"} reason
 * @property {string} message
 * @property {string} position  Where the events go on.
 *
 * @typedef {object} Subscribed  From this position on nothing is missed.
 * @property {"subscribed"} type
 * @property {string} position
 * @property {boolean} resumed
 *
 * @typedef {object} State
 * @property {"idle" | "connecting" | "open" | "waiting" | "refused" | "closed"} connection
 * @property {boolean} upstream  Whether the gateway itself reads rtp's events.
 * @property {number} attempt  How often connecting has failed in a row.
 * @property {number} retryInMs  When it is tried again, while waiting.
 * @property {string} message  Why it is so, in one line.
 *
 * @typedef {object} Handlers  Each may be left out.
 * @property {(message: LiveEvent) => void} [event]
 * @property {(message: Snapshot) => void} [snapshot]
 * @property {(message: Gap) => void} [gap]
 * @property {(message: Subscribed) => void} [subscribed]
 * @property {(error: Refused) => void} [error]  The subscription has ended.
 */

const PROTOCOL = "rtp.v1";
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;
const HANDSHAKE_MS = 10_000;
// As far apart as two copies of one event can be in the stream (REDELIVERY_REACH of rtp_client).
const IDS_REMEMBERED = 20_000;
// So much an iteration holds before it leaves the rest with the gateway.
const QUEUE_LIMIT = 1_000;
// What a newer gateway calls otherwise is a lost place, too.
const GAPS = new Set(["too_old", "another_log", "stream_lost", "trimmed"]);
const POLICY = 1008;
const TOO_BIG = 1009;
// What a gateway refuses now, and may take a little later.
const PASSING = ["too_many_connections", "too_many_messages"];

/** The gateway does not take what was asked for; asking again would not help. */
export class Refused extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = "Refused";
    this.code = code;
  }
}

class RecentIds {
  #ids = new Set();

  /** @param {string} id @returns {boolean} false where it was there already */
  add(id) {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > IDS_REMEMBERED) this.#ids.delete(this.#ids.values().next().value);
    return true;
  }
}

function ownerOf({ kind, chain, entity }) {
  return JSON.stringify([kind, chain, entity]);
}

/** What one subscription has received, and from where it goes on after a new connection. */
class Reception {
  #seen = new RecentIds();
  #filter;
  #slow;
  #wantsSnapshot;
  #resume;
  #behindSnapshot = null;
  #isFirstPage = true;
  #held = new Map();
  #n = 0;
  isPaused = false;
  isSubscribed = false;
  position = null;

  /** @param {Wanted} wanted @param {(message: object) => void} tell */
  constructor({ resume = null, snapshot = false, slow, ...filter }, tell) {
    this.#filter = filter;
    this.#slow = slow;
    this.#wantsSnapshot = snapshot;
    this.#resume = resume;
    this.tell = tell;
  }

  /** What asks the gateway for the events from here on. */
  request(id) {
    this.#n = 0;
    this.#isFirstPage = true;
    this.isSubscribed = false;
    const request = { type: "subscribe", id, filter: this.#filter, snapshot: this.#wantsSnapshot };
    if (this.#slow) request.slow = this.#slow;
    // Until a snapshot is complete there is nothing to go on from.
    if (this.#resume !== null) request.resume = this.#resume;
    return request;
  }

  /** @returns {boolean} false where a message before this one is missing */
  take(message) {
    switch (message.type) {
      case "subscribed":
        this.isSubscribed = true;
        if (this.#resume === null) this.#beginAt(message.position);
        this.position ??= message.position;
        this.tell({ type: "subscribed", position: message.position, resumed: message.resumed });
        break;
      case "reset":
        this.#beginAt(message.position);
        this.tell({ type: "gap", reason: GAPS.has(message.reason) ? message.reason : "stream_lost", message: message.message, position: message.position });
        break;
      case "snapshot":
        this.#takeSnapshot(message);
        break;
      case "event":
        return this.#takeEvent(message);
    }
    return true;
  }

  #beginAt(position) {
    this.position = position;
    this.#behindSnapshot = position;
    this.#isFirstPage = true;
    this.#resume = this.#wantsSnapshot ? null : position;
  }

  #takeSnapshot({ entries, done }) {
    const first = this.#isFirstPage;
    this.#isFirstPage = false;
    if (first) this.#held.clear();
    for (const entry of entries) this.#held.set(ownerOf(entry), entry);
    if (done) this.#resume = this.#behindSnapshot;
    this.tell({ type: "snapshot", entries, first, done });
  }

  #takeEvent({ n, position, event, skipped = 0 }) {
    if (n !== this.#n + 1 + skipped) return false;
    this.#n = n;
    this.#resume = this.position = position;
    if (this.#seen.add(event.id) && !this.#holds(event, position)) this.tell({ type: "event", event, position, skipped });
    return true;
  }

  /** A new connection goes on behind the snapshot's start, and what came since may be in its values. */
  #holds({ data }, position) {
    const held = this.#held.get(ownerOf(data));
    const [, log, sequence] = /^(.*)\.(\d+)\./.exec(position) ?? [];
    // Beyond 2^53 JavaScript cannot tell one from the next: rather a repeat than a loss.
    return Number.isSafeInteger(held?.sequence) && held.log === log && Number(sequence) <= held.sequence;
  }
}

/** A connection to `rtp serve`, made when it is first needed; any number of subscriptions share it. */
export class Client {
  #address;
  #token;
  #WebSocket;
  #onState;
  #socket = null;
  #receptions = new Set();
  #asked = new Map();
  #lastId = 0;
  #timers = { retry: 0, alive: 0, handshake: 0 };
  #waitMs = null;
  #complaint = null;
  #isProven = false;
  /** @type {State} */
  #state = Object.freeze({ connection: "idle", upstream: true, attempt: 0, retryInMs: 0, message: "" });

  /**
   * @param {string | URL} url  Where `rtp serve` is: http, https, ws or wss.
   * @param {object} [options]
   * @param {string | (() => string | Promise<string>)} [options.token]  A function is asked at each connection.
   * @param {(state: State) => void} [options.onState]
   * @param {typeof WebSocket} [options.WebSocket]
   */
  constructor(url, { token, onState = () => {}, WebSocket = globalThis.WebSocket } = {}) {
    if (!WebSocket) {
      throw new Error("This Node has no WebSocket. Give a class as an option, or start it with --experimental-websocket");
    }
    this.#address = new URL(url);
    this.#token = token;
    this.#onState = onState;
    this.#WebSocket = WebSocket;
    globalThis.addEventListener?.("online", this.#retryAtOnce);
  }

  /** @returns {State} */
  get state() {
    return this.#state;
  }

  /**
   * Every event that is wanted, from this call on or behind `resume`.
   * @param {Wanted} wanted
   * @param {(gap: Gap) => void} [onGap]  Told in the order of the events; without it a gap goes to console.warn.
   * @returns {AsyncGenerator<LiveEvent, void, void>}
   */
  async *events(wanted = {}, onGap = (gap) => console.warn(`rtp: ${gap.message}`)) {
    for await (const message of this.messages({ ...wanted, snapshot: false })) {
      if (message.type === "event") yield message;
      else if (message.type === "gap") onGap(message);
    }
  }

  /**
   * The events with all that goes with them: where they begin, snapshots and gaps, in order.
   * @param {Wanted} wanted
   * @returns {AsyncGenerator<LiveEvent | Snapshot | Gap | Subscribed, void, void>}
   */
  async *messages(wanted = {}) {
    const waiting = { messages: [], error: null, wake: () => {} };
    const tell = (message) => {
      waiting.messages.push(message);
      if (waiting.messages.length >= QUEUE_LIMIT) this.#pause(reception);
      waiting.wake();
    };
    const reception = new Reception(wanted, tell);
    reception.end = (error) => {
      waiting.error = error;
      waiting.wake();
    };
    this.#add(reception);
    try {
      while (waiting.messages.length || this.#receptions.has(reception)) {
        yield* waiting.messages.splice(0);
        if (waiting.messages.length || !this.#receptions.has(reception)) continue;
        const woken = new Promise((resolve) => (waiting.wake = resolve));
        this.#goOn(reception);
        await woken;
      }
      if (waiting.error) throw waiting.error;
    } finally {
      this.#remove(reception);
    }
  }

  /**
   * The same, told to functions.
   * @param {Wanted} wanted
   * @param {Handlers} handlers
   * @returns {{ readonly position: string | null, close(): void }}
   */
  subscribe(wanted, handlers) {
    const reception = new Reception(wanted, (message) => handlers[message.type]?.(message));
    reception.end = (error) => error && handlers.error?.(error);
    this.#add(reception);
    return {
      get position() {
        return reception.position;
      },
      close: () => this.#remove(reception),
    };
  }

  /** Try again at once, where it waits or was refused. */
  retry() {
    if (["waiting", "refused"].includes(this.#state.connection)) this.#connect();
  }

  /** End all subscriptions, and the connection. */
  close() {
    for (const reception of this.#receptions) this.#end(reception, null);
    globalThis.removeEventListener?.("online", this.#retryAtOnce);
    this.#hangUp();
    this.#change({ connection: "closed", message: "" });
  }

  #retryAtOnce = () => this.retry();

  #add(reception) {
    this.#receptions.add(reception);
    if (this.#socket?.readyState === 1) this.#ask(reception);
    else if (["idle", "refused", "closed"].includes(this.#state.connection)) this.#connect();
  }

  #remove(reception) {
    this.#leave(reception);
    this.#receptions.delete(reception);
    // Not at once: a page that replaces one subscription by another keeps its connection.
    setTimeout(() => {
      if (this.#receptions.size || this.#state.connection === "closed") return;
      this.#hangUp();
      this.#change({ connection: "idle", message: "" });
    });
  }

  #end(reception, error) {
    this.#receptions.delete(reception);
    reception.end(error);
  }

  #pause(reception) {
    reception.isPaused = true;
    this.#leave(reception);
  }

  #goOn(reception) {
    if (!reception.isPaused) return;
    reception.isPaused = false;
    if (this.#socket?.readyState === 1) this.#ask(reception);
  }

  #ask(reception) {
    // A new id each time: what is still on its way for the last one is none of this one's.
    const id = `s${++this.#lastId}`;
    this.#asked.set(id, reception);
    this.#send(reception.request(id));
  }

  #leave(reception) {
    for (const [id, asked] of this.#asked) {
      if (asked !== reception) continue;
      this.#asked.delete(id);
      if (this.#socket?.readyState === 1) this.#send({ type: "unsubscribe", id });
    }
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  async #connect() {
    this.#hangUp();
    this.#change({ connection: "connecting" });
    let socket;
    try {
      const token = typeof this.#token === "function" ? await this.#token() : this.#token;
      if (this.#state.connection !== "connecting" || this.#socket) return;
      socket = new this.#WebSocket(this.#endpoint(), token ? [PROTOCOL, `rtp.token.${token}`] : [PROTOCOL]);
    } catch (error) {
      this.#refuse(new Refused("token", `The token cannot be used: ${error.message}`));
      return;
    }
    this.#socket = socket;
    this.#isProven = false;
    this.#waitMs = this.#complaint = null;
    this.#timers.handshake = setTimeout(() => this.#lose("The gateway does not answer"), HANDSHAKE_MS);
    const whileCurrent = (act) => (event) => this.#socket === socket && act(event);
    socket.addEventListener("open", whileCurrent(() => {
      clearTimeout(this.#timers.handshake);
      this.#change({ connection: "open", upstream: true, message: "" });
      for (const reception of this.#receptions) if (!reception.isPaused) this.#ask(reception);
    }));
    socket.addEventListener("message", whileCurrent(({ data }) => this.#take(JSON.parse(data))));
    // "close" follows, and says why; but Node 20 sends none where nobody listens.
    const giveUp = whileCurrent(() => this.#lose("The gateway cannot be reached"));
    socket.addEventListener("error", () => setTimeout(giveUp, 50));
    socket.addEventListener("close", whileCurrent((event) => this.#closed(event)));
  }

  #endpoint() {
    const url = new URL(this.#address);
    url.protocol = ["https:", "wss:"].includes(url.protocol) ? "wss:" : "ws:";
    url.pathname = `${url.pathname.replace(/\/(v1\/ws)?$/, "")}/v1/ws`;
    url.search = url.hash = "";
    return url.href;
  }

  #take(message) {
    this.#timers.heardAt = Date.now();
    switch (message.type) {
      case "welcome":
        this.#watchOver(message.ping_seconds * 1000);
        break;
      case "upstream":
        this.#change({ upstream: message.state === "back", message: message.message });
        break;
      case "reconnect":
        this.#waitMs = message.after_ms;
        this.#timers.retry = setTimeout(() => this.#connect(), message.after_ms);
        this.#change({ message: message.message });
        break;
      case "error":
        this.#hearComplaint(message);
        break;
      default:
        this.#deliver(message);
    }
  }

  #hearComplaint({ id, code, message }) {
    const reception = this.#asked.get(id);
    if (!reception) {
      this.#complaint = new Refused(code, message);
    } else if (reception.isSubscribed) {
      this.#change({ message });
    } else {
      this.#asked.delete(id);
      this.#end(reception, new Refused(code, message));
    }
  }

  #deliver(message) {
    const reception = this.#asked.get(message.id);
    if (!reception) return;
    if (reception.take(message)) {
      this.#isProven = true;
      if (this.#state.attempt) this.#change({ attempt: 0 });
    } else {
      this.#lose("A message of the gateway was lost"); // a new connection gets it
    }
  }

  /** Find out where the other end is gone without a word: pings of the WebSocket itself are hidden from scripts. */
  #watchOver(everyMs) {
    let askedAt = null;
    clearInterval(this.#timers.alive);
    this.#timers.alive = setInterval(() => {
      const silentMs = Date.now() - this.#timers.heardAt;
      if (askedAt !== null && this.#timers.heardAt < askedAt) {
        this.#lose("The gateway is silent");
      } else if (silentMs >= everyMs / 2) {
        askedAt = Date.now();
        this.#send({ type: "ping" });
      }
    }, everyMs);
  }

  #closed({ code, reason }) {
    const complaint = this.#complaint ?? new Refused("policy", reason || "The gateway refused");
    // A token that was good until now is over: the next one may do.
    const mayRenew = code === POLICY && typeof this.#token === "function" && this.#isProven;
    if ([POLICY, TOO_BIG].includes(code) && !PASSING.includes(complaint.code) && !mayRenew) this.#refuse(complaint);
    else this.#lose(this.#complaint?.message || reason || "The connection was lost");
  }

  #refuse(error) {
    this.#hangUp();
    this.#change({ connection: "refused", message: error.message });
    for (const reception of this.#receptions) this.#end(reception, error);
  }

  #lose(message) {
    const afterMs = this.#waitMs;
    this.#hangUp();
    const attempt = this.#state.attempt + 1;
    const bound = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt - 1, 20));
    const retryInMs = Math.round(afterMs ?? Math.random() * bound);
    this.#timers.retry = setTimeout(() => this.#connect(), retryInMs);
    this.#change({ connection: "waiting", attempt, retryInMs, message });
  }

  #hangUp() {
    const socket = this.#socket;
    this.#socket = null;
    this.#asked.clear();
    clearTimeout(this.#timers.retry);
    clearTimeout(this.#timers.handshake);
    clearInterval(this.#timers.alive);
    socket?.close();
  }

  /** @param {Partial<State>} change */
  #change(change) {
    this.#state = Object.freeze({ ...this.#state, retryInMs: 0, ...change });
    this.#onState(this.#state);
  }
}
