/** Events as they come, the newest first. Where somebody reads, it stands still and counts what is new. */

import { amount, counted, dateTime, fieldText, NOTHING, time } from "../amounts.js";
import { changeColumn, confidenceColumn, nameColumn, reasonColumn, severityColumn, sourceColumn } from "../cells.js";
import { h, say } from "../dom.js";
import { matcher } from "../matching.js";
import { Table } from "../table.js";
import { panel } from "./panel.js";

const MOST_ROWS = 60;
const ON_THE_BOARD = 30;

const timeColumn = {
  id: "time",
  label: "Time",
  text: (event) => time(event.changedAt),
  paint: (cell, event, text) => {
    cell.textContent = text;
    cell.title = dateTime(event.changedAt);
  },
};
const stepColumn = {
  id: "step",
  label: "From, to",
  text: (event) => (event.fields ? stepsOf(event.fields) : `${amount(event.previous)} → ${amount(event.current)}`),
  paint: (cell, event, text) => {
    cell.textContent = text;
    cell.title = event.fields ? text : `${event.previous ?? NOTHING} → ${event.current ?? NOTHING}`;
  },
};

export const eventColumns = [timeColumn, severityColumn, reasonColumn, changeColumn, stepColumn, confidenceColumn, sourceColumn];

export class Stream {
  #page;
  #isPaused = false;
  #shown = [];
  #shownBy = "";

  constructor(page) {
    this.#page = page;
    const [first, ...others] = eventColumns;
    this.table = new Table({ caption: "Events, the newest first", className: "stream", columns: [first, nameColumn(page.hrefOf), ...others] });
    this.pause = h("button", { type: "button", class: "plain", "aria-pressed": "false", onclick: () => this.#toggle() }, "Pause");
    this.fresh = h("span", { class: "fresh", hidden: true });
    this.panel = panel("Stream", this.table.element);
    this.panel.tools.append(this.fresh, this.pause);
    this.element = this.panel.element;
  }

  draw(address, now) {
    const most = address.view === "board" ? ON_THE_BOARD : MOST_ROWS;
    const by = `${most} ${JSON.stringify(address.filter)}`;
    const isHeld = this.#shownBy === by && this.#shown.length > 0 && (this.#isPaused || this.table.isHeld || this.panel.scroller.scrollTop > 0);
    const found = newest(this.#page.store.events, matcher(address.filter), most);
    if (!isHeld) {
      this.#shown = found;
      this.#shownBy = by;
    }
    this.table.draw(this.#shown, { now });
    this.#tellOfNew(isHeld ? newer(found, this.#shown[0]) : 0, most);
    this.panel.none(this.#shown.length ? "" : "No event that fits the filters so far.");
  }

  #tellOfNew(number, most) {
    this.fresh.hidden = !number;
    say(this.fresh, number >= most ? `${most}+ new` : counted(number, "new", "new"));
  }

  #toggle() {
    this.#isPaused = !this.#isPaused;
    this.pause.setAttribute("aria-pressed", String(this.#isPaused));
    say(this.pause, this.#isPaused ? "Go on" : "Pause");
    this.#page.redraw();
  }
}

/** What has changed of metadata: `audits: 2 → 3, category: – → Lending`. */
function stepsOf(fields) {
  const steps = Object.entries(fields).map(([name, { previous, current }]) => `${name}: ${fieldText(previous)} → ${fieldText(current)}`);
  return steps.join(", ");
}

function newest(events, fits, most) {
  const found = [];
  for (let place = events.length - 1; place >= 0 && found.length < most; place -= 1) {
    if (fits(events[place])) found.push(events[place]);
  }
  return found;
}

function newer(found, than) {
  const place = found.indexOf(than);
  return place < 0 ? found.length : place;
}
