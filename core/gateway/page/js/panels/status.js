/** The state of the connection, and of rtp: what a trader wants to know before trusting a quiet page. */

import { counted, dateTime, moment, span, time } from "../amounts.js";
import { h, say } from "../dom.js";
import { phaseText } from "../phase.js";
import { MOST_ENTITIES } from "../store.js";

export class StatusView {
  #page;
  #written = "";
  #connection = h("dl");
  #notes = h("ol", { class: "notes" });
  #problems = h("ul", { class: "problems" });
  #rtp = h("dl");
  #tables = h("div", { class: "status-tables" });
  #retry;

  constructor(page) {
    this.#page = page;
    this.#retry = h("button", { type: "button", class: "plain", onclick: () => page.live.retry() }, "Connect now");
    this.element = h("div", { class: "status", hidden: true },
      h("section", { class: "panel", "aria-labelledby": "status-connection" },
        h("header", {}, h("h2", { id: "status-connection" }, "This connection"), this.#retry),
        h("div", { class: "inside" }, this.#connection, this.#notes)),
      h("section", { class: "panel", "aria-labelledby": "status-rtp" },
        h("header", {}, h("h2", { id: "status-rtp" }, "rtp")),
        h("div", { class: "inside" }, this.#problems, this.#rtp, this.#tables)));
  }

  draw(_, now) {
    const { live, health, store } = this.#page;
    this.#retry.hidden = live.phase !== "waiting";
    facts(this.#connection, connectionFacts(live, store, now));
    const notes = live.notes.slice(0, 20).map((note) => `${time(note.at, now)}  ${note.text}`);
    if (notes.join() !== this.#written) {
      this.#written = notes.join();
      this.#notes.replaceChildren(...notes.map((text) => h("li", {}, text)));
    }
    this.#drawRtp(health, now);
  }

  #drawRtp(health, now) {
    const problems = [health.remark, ...health.problems].filter(Boolean);
    this.#problems.hidden = !problems.length;
    if (this.#problems.textContent !== problems.join("")) this.#problems.replaceChildren(...problems.map((text) => h("li", {}, text)));
    if (!health.document) return;
    facts(this.#rtp, rtpFacts(health, now));
    const { sinks, watches, tables } = health.document.status ?? {};
    const shown = JSON.stringify([sinks, watches, tables]);
    if (this.#tables.dataset.of === health.document.at) return;
    this.#tables.dataset.of = health.document.at;
    if (shown === this.#tables.shown) return;
    this.#tables.shown = shown;
    this.#tables.replaceChildren(
      ...listing("Sinks", ["sink", "waits", "oldest", "dead letters"], sinks?.map((sink) =>
        [sink.sink, counted(sink.lag_events, "event"), span(sink.lag_seconds * 1000), String(sink.dead_letters)])),
      ...listing("Watches", ["watch", "table", "entities", "off peg", "armed"], watches?.map((watch) =>
        [watch.watch, watch.table, String(watch.entities ?? watch.baselines ?? ""), String(watch.off_peg ?? ""), watch.is_armed === false ? "no" : watch.is_armed ? "yes" : ""])),
      ...listing("Tables", ["table", "state", "items"], tables?.map((table) => [table.table, table.problem ?? table.status ?? "", String(table.items ?? "")])));
  }
}

function connectionFacts(live, store, now) {
  const delay = live.delay;
  return [
    ["State", phaseText(live, now)],
    ["Since", dateTime(live.since)],
    ["Events received", live.received.toLocaleString("en")],
    ["Left out for newer ones", live.skipped ? counted(live.skipped, "event") : "none"],
    ["Delay of the last 200", delay ? `half within ${Math.round(delay[0])} ms, 99 % within ${Math.round(delay[1])} ms, if both clocks are right` : "no event so far"],
    ["Kept in this page", `${counted(store.entities.size, "entity", "entities")}, ${counted(store.events.length, "event")}`],
    ...(store.forgotten ? [["Entities left out", `${store.forgotten.toLocaleString("en")}, beyond ${MOST_ENTITIES.toLocaleString("en")}`]] : []),
  ];
}

function rtpFacts({ document: { source, at, stream, status } }, now) {
  const { leader, log, installation, processes } = status ?? {};
  const version = processes?.find(({ is_alive: isAlive }) => isAlive)?.version;
  return [
    ["As of", `${span(now - moment(at))} ago, from ${{ postgres: "PostgreSQL", dynamodb: "the streams", redis: "Redis alone" }[source]}`],
    ...(leader ? [["Leader", leader.is_leading ? `${leader.host}, epoch ${leader.epoch}` : "none"]] : []),
    ...(leader?.standbys.length ? [["Standbys", String(leader.standbys.length)]] : []),
    ...(version ? [["Version", version]] : []),
    ...(installation ? [["Log", installation.log_id]] : []),
    ...(log ? [["Events in the log", `${log.is_estimate ? "about " : ""}${log.events.toLocaleString("en")}`]] : []),
    ...(stream ? [["Events in Redis", stream.events.toLocaleString("en")], ["Newest", stream.newest_at ? `${span(now - moment(stream.newest_at))} ago` : "none"]] : []),
  ];
}

/** Writes only what differs, so that a person can select a text. */
function facts(list, pairs) {
  while (list.children.length > pairs.length * 2) list.lastChild.remove();
  while (list.children.length < pairs.length * 2) list.append(h("dt"), h("dd"));
  pairs.forEach(([name, text], place) => {
    say(list.children[place * 2], name);
    say(list.children[place * 2 + 1], text);
  });
}

function listing(title, heads, rows) {
  if (!rows?.length) return [];
  return [
    h("h3", {}, title),
    h("div", { class: "wide-table", tabindex: "0", role: "region", "aria-label": title },
      h("table", {},
        h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
        h("tbody", {}, ...rows.map(([first, ...others]) => h("tr", {}, h("th", { scope: "row" }, first), ...others.map((text) => h("td", {}, text))))))),
  ];
}
