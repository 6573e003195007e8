/** All about one entity: its value over time, what it takes to be an event, and the events that were. */

import { amount, dateTime, percent, time } from "../amounts.js";
import { turnOf } from "../cells.js";
import { Chart } from "../chart.js";
import { h, say } from "../dom.js";
import { flattened, keyOf } from "../store.js";
import { Table } from "../table.js";
import { factsOf, levelsOf, sentencesOf, seriesOf } from "./entity_facts.js";
import { eventColumns } from "./stream.js";

const MOST_EVENTS = 100;
const ASK_AGAIN = 5000;

export class EntityView {
  #page;
  #key = "";
  #subject = null;
  #events = [];
  #chart = null;
  #askedAt = -Infinity;
  #isAsking = false;
  #table;
  #name = h("h2", { id: "entity-name" });
  #where = h("p", { class: "where" });
  #value = h("p", { class: "value" });
  #change = h("p", { class: "change" });
  #state = h("p", { class: "conclusion" });
  #trouble = h("p", { class: "problem", role: "alert", hidden: true });
  #remark = h("p", { class: "quiet", hidden: true });
  #readout = h("span");
  #place = h("div", { class: "chart", role: "img" });
  #box = h("div", { class: "chart-box" }, h("div", { class: "readout", "aria-hidden": "true" }, this.#readout), this.#place);
  #facts = h("dl");
  #words = h("ul", { class: "words" });
  #keys = h("details", {}, h("summary", {}, "Key by key"), h("table", {}, h("tbody")));
  #knowledge = h("div", { class: "facts" }, h("h2", {}, "Facts"), this.#facts, h("h2", {}, "Rule"), this.#words, this.#keys);
  #empty = h("p", { class: "empty" }, "No event of it is known.");

  constructor(page) {
    this.#page = page;
    this.#table = new Table({ caption: "Events of this entity, the newest first", className: "stream", columns: eventColumns });
    this.element = h("section", { class: "entity", "aria-labelledby": "entity-name", hidden: true },
      h("header", {}, this.#name, this.#where, this.#value, this.#change, this.#state),
      this.#trouble,
      this.#remark,
      h("div", { class: "columns" },
        this.#box,
        this.#knowledge),
      h("section", { class: "panel", "aria-labelledby": "entity-events" },
        h("header", {}, h("h2", { id: "entity-events" }, "Events")),
        h("div", { class: "scroller" }, this.#table.element, this.#empty)));
  }

  /** @param {[string, string, string]|null} subject kind, chain and entity; null: nobody looks any more */
  open(subject) {
    const [kind, chain, entity] = subject ?? [];
    const key = subject ? keyOf({ kind, chain, entity }) : "";
    if (key === this.#key) return;
    this.#key = key;
    this.#subject = subject;
    this.#chart?.remove();
    this.#chart = null;
    if (!subject) return;
    say(this.#name, entity);
    say(this.#where, `${kind} on ${chain}`);
    for (const part of [this.#value, this.#change, this.#state, this.#readout]) say(part, "");
    for (const part of [this.#facts, this.#words]) part.replaceChildren();
    this.#knowledge.hidden = true;
    this.#events = this.#known();
    this.#chart = new Chart(this.#place, (at, value) => say(this.#readout, at === null ? "" : `${time(at)}  ${amount(String(value))}`));
    this.#ask(true);
  }

  /** @param {Object} event flat */
  take(event) {
    if (event.key !== this.#key) return;
    if (this.#events.some(({ sequence }) => sequence === event.sequence)) return;
    this.#events.unshift(event);
    this.#events.length = Math.min(this.#events.length, MOST_EVENTS);
    if (event.current !== null && Number.isFinite(Number(event.current))) {
      this.#chart?.add({ at: event.changedAt, value: Number(event.current), severity: event.severity });
    }
    // Its baseline and levels have moved with it; and where there was no chart, there is one now.
    if (this.#box.hidden || performance.now() - this.#askedAt > ASK_AGAIN) this.#ask(this.#box.hidden);
  }

  draw(_, now) {
    const known = this.#page.store.entities.get(this.#key);
    if (known) this.#show(known.value, known.change);
    this.#table.draw(this.#events, { now });
    this.#empty.hidden = this.#events.length > 0;
  }

  recolour() {
    this.#chart?.recolour();
  }

  async #ask(isFirst) {
    if (this.#isAsking && !isFirst) return;
    const key = this.#key;
    this.#askedAt = performance.now();
    this.#isAsking = true;
    try {
      const found = await this.#page.api.get("entities", ...this.#subject);
      if (key === this.#key) this.#fill(found, isFirst);
    } catch (error) {
      if (key !== this.#key) return;
      this.#tell(error.message);
      if (isFirst) this.#drawChart({ entity: this.#subject[2], chain: this.#subject[1], entry: null, series: this.#series(), series_from: "events" }, []);
    } finally {
      this.#isAsking = false;
    }
  }

  #fill(found, isFirst) {
    this.#tell("");
    this.#remark.hidden = !found.note;
    say(this.#remark, found.note ?? "");
    const { watch } = found;
    const levels = levelsOf(watch);
    if (isFirst) {
      this.#events = found.events.map(({ sequence, data }) => flattened({ id: `${sequence}`, sequence, data }));
      this.#events = withoutRepeats(this.#events, this.#known());
      this.#drawChart(found, levels);
      this.#show(found.entry?.value ?? null, this.#events[0]?.change ?? null);
    } else {
      this.#chart?.setLevels(levels);
    }
    say(this.#state, watch?.conclusion?.words ?? "");
    this.#facts.replaceChildren(...factsOf(found).flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]));
    this.#words.replaceChildren(...sentencesOf(watch).map((sentence) => h("li", {}, sentence)));
    this.#knowledge.hidden = false;
    this.#showKeys(watch?.rule?.keys ?? []);
    this.#page.redraw();
  }

  /** What this page has seen of it. */
  #known() {
    return this.#page.store.events.filter((event) => event.key === this.#key).reverse();
  }

  #series() {
    return this.#events.map(({ changedAt, current }) => [changedAt, current]);
  }

  #drawChart(found, levels) {
    const series = seriesOf(found, this.#events);
    const marks = this.#events
      .filter(({ current }) => current !== null && Number.isFinite(Number(current)))
      .map(({ changedAt, current, severity }) => ({ at: changedAt, value: Number(current), severity }));
    this.#box.hidden = !series.length; // metadata, or an entity of which no value is known
    if (!series.length) return;
    this.#place.setAttribute("aria-label", summary(found, series));
    this.#chart?.show({ series, levels, marks, isHistory: found.series_from === "table" }).catch((error) => this.#tell(error.message));
  }

  #show(value, change) {
    say(this.#value, value === null ? "" : amount(value));
    this.#value.title = value ?? "";
    say(this.#change, change === null ? "" : percent(change));
    this.#change.dataset.turn = turnOf(change);
  }

  #showKeys(keys) {
    this.#keys.hidden = !keys.length;
    this.#keys.querySelector("tbody").replaceChildren(
      ...keys.filter(({ value }) => value !== null).map(({ key, value, origin }) =>
        h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, typeof value === "string" ? value : JSON.stringify(value)), h("td", { class: "quiet" }, origin))));
  }

  #tell(text) {
    this.#trouble.hidden = !text;
    say(this.#trouble, text);
  }
}

/** The gateway's and the page's own, each once: they are told apart by their place in the log. */
function withoutRepeats(events, others) {
  const known = new Set(events.map(({ sequence }) => sequence));
  const all = [...events, ...others.filter(({ sequence }) => !known.has(sequence))];
  return all.sort((one, other) => other.detectedAt - one.detectedAt).slice(0, MOST_EVENTS);
}

function summary({ entity, chain, entry }, series) {
  const values = series.map(([, value]) => value);
  const low = amount(String(Math.min(...values)));
  const high = amount(String(Math.max(...values)));
  return `Chart of ${entity} on ${chain}: ${series.length} values since ${dateTime(series[0][0])}, between ${low} and ${high}, now ${amount(entry?.value ?? String(values.at(-1)))}. The events stand in the table below.`;
}
