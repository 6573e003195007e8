/** The entities that have moved, the largest change first: live values in an order that does not jump about. */

import {
  ageColumn, changeColumn, confidenceColumn, nameColumn, reasonColumn, severityColumn, sourceColumn, trendColumn, valueColumn,
} from "../cells.js";
import { h, say } from "../dom.js";
import { counted } from "../amounts.js";
import { matcher, withinOf } from "../matching.js";
import { Table } from "../table.js";
import { panel } from "./panel.js";

const ORDER_STANDS_FOR = 1000;
const STEP = 100;
const METADATA = new Set(["added", "changed", "removed"]);
const ON_THE_BOARD = 40;

export class Movers {
  #page;
  #most = STEP;
  #order = [];
  #orderedAt = -Infinity;
  #orderedBy = "";

  constructor(page) {
    this.#page = page;
    this.table = new Table({
      caption: "Movers",
      className: "movers",
      columns: [nameColumn(page.hrefOf), valueColumn, changeColumn, trendColumn, severityColumn, reasonColumn, sourceColumn, confidenceColumn,
        ageColumn],
      onSort: (sort) => page.go({ sort }),
    });
    this.more = h("button", { type: "button", class: "plain wide", onclick: () => this.#showMore() });
    this.panel = panel("Movers", this.table.element, this.more);
    this.element = this.panel.element;
  }

  draw(address, now) {
    const isBoard = address.view === "board";
    const sort = address.filter.sort || "-change";
    const rows = this.#ordered(address.filter, sort, now);
    const most = isBoard ? ON_THE_BOARD : this.#most;
    this.table.draw(rows.slice(0, most), { sort, now });
    this.panel.count(counted(rows.length, "entity", "entities") + (this.table.isHeld ? ", the order stands while you are at it" : ""));
    this.panel.none(rows.length ? "" : this.#whyNone(address));
    this.more.hidden = isBoard || rows.length <= most;
    say(this.more, `Show ${Math.min(STEP, rows.length - most)} more of ${rows.length.toLocaleString("en")}`);
  }

  #ordered(filter, sort, now) {
    const by = `${sort} ${JSON.stringify(filter)}`;
    const isSame = by === this.#orderedBy;
    if (isSame && (this.table.isHeld || now - this.#orderedAt < ORDER_STANDS_FOR)) return this.#order;
    const fits = matcher(filter);
    const since = now - withinOf(filter);
    const isWanted = (known) => fits(known) && (known.value !== null || known.isDeleted || known.change !== null) && !METADATA.has(known.reason) && (since === -Infinity || (known.changedAt !== null && known.changedAt >= since));
    this.#order = this.table.sorted([...this.#page.store.entities.values()].filter(isWanted), sort);
    this.#orderedAt = now;
    this.#orderedBy = by;
    return this.#order;
  }

  #whyNone({ filter }) {
    if (!this.#page.store.entities.size) return "Nothing is known so far.";
    return filter.within === "any" ? "No entity fits the filters." : "Nothing that fits the filters has moved lately: choose a longer time.";
  }

  #showMore() {
    this.#most += STEP;
    this.#page.redraw();
  }
}
