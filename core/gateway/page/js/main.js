/** The page: it puts its parts together, follows the address, and draws what has come. */

import { filtered, format, parse } from "./address.js";
import { Alerts } from "./alerts.js";
import { Announcer } from "./announcer.js";
import { Api } from "./api.js";
import { Choices } from "./choices.js";
import { byId, h, say } from "./dom.js";
import { Filters } from "./filters.js";
import { Health } from "./health.js";
import { Live } from "./live.js";
import { matcher } from "./matching.js";
import { Pace } from "./pace.js";
import { EntityView } from "./panels/entity.js";
import { Movers } from "./panels/movers.js";
import { PegTable } from "./panels/pegs.js";
import { StatusView } from "./panels/status.js";
import { Stream } from "./panels/stream.js";
import { Pegs } from "./pegs.js";
import { phaseText } from "./phase.js";
import { connectSettings } from "./settings.js";
import { Store } from "./store.js";
import { askForToken, token } from "./token.js";

const ASK_PEGS_EVERY = 15_000;
const ASK_HEALTH_EVERY = 15_000;
const ASK_HEALTH_OFTEN = 3000;
const FOLLOW_AFTER = 300;

class Page {
  address = parse(location.hash);
  store = new Store();
  #fits = matcher(this.address.filter);
  #following = null;
  #title = h("h1", { class: "unseen" });

  constructor() {
    const base = new URL(".", document.baseURI);
    const key = token();
    this.api = new Api({ base, token: key, onNoToken: () => askForToken() });
    this.pegs = new Pegs(this.api);
    this.health = new Health(this.api);
    this.choices = new Choices((choices) => this.#look(choices));
    this.alerts = new Alerts(this.choices, ({ kind, chain, entity }) => this.open([kind, chain, entity]));
    this.announcer = new Announcer(byId("announcements"));
    this.pace = new Pace(() => this.#drawings());
    this.live = new Live({ base, token: key, store: this.store, onEvent: (event) => this.#take(event), onChange: () => this.redraw(), onRefused: () => this.#ask({ isAtOnce: true }) });
    this.filters = new Filters((changes) => this.#filter(changes));
    this.parts = { movers: new Movers(this), pegs: new PegTable(this), stream: new Stream(this), entity: new EntityView(this), status: new StatusView(this) };
    this.main = byId("main");
    this.main.append(this.#title, ...Object.values(this.parts).map(({ element }) => element));
  }

  start() {
    connectSettings(this.choices, this.alerts);
    this.#look(this.choices.now);
    addEventListener("hashchange", () => this.#follow(parse(location.hash), true));
    document.addEventListener("visibilitychange", () => document.hidden || this.#ask());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.parts.entity.recolour());
    this.#follow(this.address, false);
    this.#ask();
    setInterval(() => this.redraw(), 1000);
    setInterval(() => document.hidden || this.#ask(), ASK_HEALTH_OFTEN);
  }

  redraw() {
    this.pace.ask();
  }

  /** The address of an entity's own view, with the filters of now. */
  hrefOf = ({ kind, chain, entity }) => format({ ...this.address, view: "entity", subject: [kind, chain, entity] });

  open(subject) {
    location.hash = format({ ...this.address, view: "entity", subject });
  }

  /** Other filters or another order: no step of the browser's history, as each letter typed would be one. */
  go(changes) {
    const next = filtered(this.address, changes);
    history.replaceState(null, "", format(next));
    this.#follow(next, false);
  }

  #filter(changes) {
    this.go(changes);
  }

  #follow(address, isJourney) {
    const isOther = isJourney && (address.view !== this.address.view || String(address.subject) !== String(this.address.subject));
    this.address = address;
    this.#fits = matcher(address.filter);
    this.filters.show(address.filter);
    document.body.dataset.view = address.view;
    const isBoard = address.view === "board";
    for (const [name, { element }] of Object.entries(this.parts)) {
      element.hidden = name !== address.view && !(isBoard && ["movers", "pegs", "stream"].includes(name));
    }
    for (const link of document.querySelectorAll("[data-view]:is(a)")) {
      link.href = format({ ...address, view: link.dataset.view, subject: null });
      if (link.dataset.view === address.view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.parts.entity.open(address.subject);
    const title = address.subject ? `${address.subject[2]} on ${address.subject[1]}` : address.view[0].toUpperCase() + address.view.slice(1);
    say(this.#title, title);
    document.title = `${title} · rtp`;
    clearTimeout(this.#following);
    this.#following = setTimeout(() => this.live.follow(address), this.#following === null ? 0 : FOLLOW_AFTER);
    if (isOther) {
      scrollTo(0, 0);
      this.main.focus({ preventScroll: true });
    }
    if (address.view === "status") this.#ask();
    this.redraw();
  }

  #take(event) {
    this.pegs.take(event);
    this.parts.entity.take(event);
    if (!this.#fits(event)) return;
    this.alerts.take(event);
    this.announcer.take(event);
  }

  /** What is asked for and does not come by itself. The answers tell whether a token is wanted, too. */
  async #ask({ isAtOnce = false } = {}) {
    const healthEvery = this.address.view === "status" ? ASK_HEALTH_OFTEN : ASK_HEALTH_EVERY;
    const isDue = (part, every) => isAtOnce || Date.now() - part.askedAt > every - 500;
    await Promise.all([
      isDue(this.health, healthEvery) && this.health.ask(),
      isDue(this.pegs, ASK_PEGS_EVERY) && this.pegs.ask(),
    ]);
    this.redraw();
  }

  #look({ theme, announce }) {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    this.announcer.isOn = announce;
    this.parts?.entity.recolour();
  }

  #drawings() {
    const shown = Object.values(this.parts).filter(({ element }) => !element.hidden);
    return [...shown.map((part) => () => part.draw(this.address, Date.now())), () => this.#drawFrame(Date.now())];
  }

  #drawFrame(now) {
    this.filters.offer(this.store);
    this.announcer.tick(now);
    this.#showState(now);
  }

  #showState(now) {
    const { live, health } = this;
    const problems = health.problems;
    const state = byId("state");
    state.dataset.phase = live.phase === "live" && problems.length ? "uneasy" : live.phase;
    say(byId("state-text"), live.phase === "live" && problems.length ? "Live, rtp in trouble" : phaseText(live, now));
    const notice = byId("notice");
    const text = live.phase === "refused" ? live.message : live.phase === "live" ? problems[0] ?? "" : "";
    notice.hidden = !text;
    say(notice, text);
  }
}

new Page().start();
