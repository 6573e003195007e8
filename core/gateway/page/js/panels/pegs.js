/** Pegged prices: how far each is from its peg, and since when it is off. */

import { amount, counted, dateTime, span } from "../amounts.js";
import { distanceColumn, nameColumn, valueColumn } from "../cells.js";
import { h, svg } from "../dom.js";
import { scopeMatcher } from "../matching.js";
import { Table } from "../table.js";
import { panel } from "./panel.js";

const targetColumn = { id: "target", label: "Peg", text: (row) => amount(row.target), order: (row) => Number(row.target) };

const sinceColumn = {
  id: "since",
  label: "Off since",
  text: (row, now) => (row.offSince === null ? "on its peg" : `${span(now - row.offSince)}`),
  paint: (cell, row, text) => {
    const isOff = row.offSince !== null;
    cell.replaceChildren(h("span", { class: "badge", "data-severity": isOff ? "critical" : "none" }, isOff ? `off ${text}` : text));
    cell.title = isOff ? `since ${dateTime(row.offSince)}` : "";
  },
  order: (row) => row.offSince,
  isAscending: true,
};

/** Where the price is between what counts as off, below and above: the band fills the middle half. */
const gaugeColumn = {
  id: "gauge",
  label: "Within",
  text: (row) => `${Math.round(place(row))} ${row.offSince !== null}`,
  paint: (cell, row) => {
    if (!cell.firstChild) cell.append(gauge());
    cell.firstChild.lastChild.setAttribute("cx", place(row));
    cell.firstChild.dataset.off = row.offSince !== null;
    cell.title = row.deviation === null ? "" : `off at ${row.deviation} bps`;
  },
};

function gauge() {
  return svg("svg", { viewBox: "0 0 96 14", width: 96, height: 14, "aria-hidden": "true" },
    svg("rect", { x: 0, y: 6, width: 96, height: 2, class: "rail" }),
    svg("rect", { x: 24, y: 4, width: 48, height: 6, rx: 1, class: "band" }),
    svg("rect", { x: 47.5, y: 2, width: 1, height: 10, class: "mid" }),
    svg("circle", { cy: 7, r: 3.5, class: "mark" }));
}

function place({ distance, deviation }) {
  if (distance === null || !deviation) return 48;
  return 48 + Math.max(-44, Math.min(44, (distance / deviation) * 24));
}

export class PegTable {
  #page;

  constructor(page) {
    this.#page = page;
    this.table = new Table({
      caption: "Pegs",
      className: "pegs",
      columns: [nameColumn(page.hrefOf), valueColumn, distanceColumn, gaugeColumn, sinceColumn, targetColumn],
    });
    this.panel = panel("Pegs", this.table.element);
    this.element = this.panel.element;
  }

  draw(address, now) {
    const { pegs } = this.#page;
    const isInScope = scopeMatcher(address.filter);
    const words = address.filter.q.toLowerCase();
    const rows = [...pegs.known.values()].filter((peg) => isInScope(peg) && `${peg.entity} ${peg.chain}`.toLowerCase().includes(words));
    rows.sort(farthestFirst);
    this.table.draw(rows, { now });
    const off = rows.filter((peg) => peg.offSince !== null).length;
    this.panel.count(rows.length ? `${counted(rows.length, "peg")}, ${off ? `${off} off` : "all on"}` : "");
    this.panel.none(rows.length ? "" : pegs.trouble || "No peg that fits the filters: `peg:` in the settings names one.");
  }
}

/** Those that are off first, then by how much of the distance that is allowed they have gone. */
function farthestFirst(one, other) {
  const isOff = (peg) => Number(peg.offSince !== null);
  return isOff(other) - isOff(one) || share(other) - share(one) || (one.key < other.key ? -1 : 1);
}

const share = ({ distance, deviation }) => Math.abs(distance ?? 0) / (deviation || 1);
