/** Cells that several tables share. */

import { amount, basisPoints, NOTHING, percent, span } from "./amounts.js";
import { h } from "./dom.js";
import { rank } from "./matching.js";
import { outline } from "./sparkline.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * The entity's name, a link to its own view, with its chain and kind; and what a narrow screen has no columns for.
 * @param {(row: Object) => string} hrefOf
 */
export const nameColumn = (hrefOf) => ({
  id: "name",
  label: "Entity",
  text: (row) => `${hrefOf(row)} ${remarkOn(row)}`,
  paint: (cell, row) => {
    cell.title = `${row.entity} on ${row.chain}`;
    cell.replaceChildren(
      h("a", { href: hrefOf(row) }, row.entity),
      " ", h("span", { class: "remark", "data-severity": row.severity ?? "" }, remarkOn(row)),
      " ", h("span", { class: "chain" }, row.chain),
      " ", h("span", { class: "kind" }, row.kind));
  },
  order: (row) => row.entity.toLowerCase(),
  isAscending: true,
});

export const valueColumn = {
  id: "value",
  label: "Value",
  text: (row) => row.value ?? (row.isDeleted ? "gone" : NOTHING),
  paint: (cell, row, text, before) => {
    cell.textContent = row.value === null ? text : amount(text);
    cell.title = text;
    flash(cell, Number(text) - Number(before));
  },
  order: (row) => (row.value === null ? null : Number(row.value)),
};

export const changeColumn = {
  id: "change",
  label: "Change",
  text: (row) => percent(row.change),
  paint: (cell, row, text) => {
    cell.textContent = text;
    cell.dataset.turn = turnOf(row.change);
  },
  order: (row) => (row.change === null ? null : Math.abs(row.change)),
};

export const trendColumn = {
  id: "trend",
  label: "Trend",
  text: (row) => `${row.key} ${row.pointsSeen}`,
  paint: (cell, row) => {
    if (!cell.firstChild) cell.append(outline());
    cell.firstChild.draw(row.points);
  },
};

export const severityColumn = {
  id: "severity",
  label: "Severity",
  text: (row) => row.severity || NOTHING,
  paint: (cell, row, text) => {
    if (row.severity) cell.replaceChildren(h("span", { class: "badge", "data-severity": text }, text));
    else cell.textContent = text;
  },
  order: (row) => rank(row.severity) || null,
};

export const confidenceColumn = {
  id: "confidence",
  label: "Conf.",
  text: (row) => (row.confidence === null ? NOTHING : `${Math.round(row.confidence * 100)} %`),
  paint: (cell, row, text) => {
    cell.textContent = text;
    cell.toggleAttribute("data-low", row.confidence !== null && row.confidence < 0.9);
  },
  order: (row) => row.confidence,
};

export const reasonColumn = { id: "reason", label: "Reason", text: (row) => row.reason.replaceAll("_", " ") || NOTHING };

export const sourceColumn = { id: "source", label: "Source", text: (row) => row.provenance ?? NOTHING };

export const ageColumn = {
  id: "age",
  label: "Age",
  text: (row, now) => (row.changedAt === null ? NOTHING : span(now - row.changedAt)),
  order: (row) => (row.changedAt === null ? null : -row.changedAt),
  isAscending: true,
};

export const distanceColumn = {
  id: "distance",
  label: "bps",
  text: (row) => basisPoints(row.distance),
  paint: (cell, row, text) => {
    cell.textContent = text;
    cell.dataset.turn = turnOf(row.distance);
  },
  order: (row) => (row.distance === null ? null : Math.abs(row.distance)),
};

/** Severity and reason, where they are not the usual ones, and whether all the market moves. */
function remarkOn({ severity, reason, market }) {
  const parts = [severity === "info" ? "" : severity, reason === "deviation" ? "" : reason?.replaceAll("_", " "), market ? "market-wide" : ""];
  return parts.filter(Boolean).join(", ");
}

/** Up, down or none: for the colour, beside the sign. */
export const turnOf = (number) => (number > 0 ? "up" : number < 0 ? "down" : "");

function flash(cell, step) {
  if (!step || STILL.matches) return; // NaN where either was no number, or the row is new
  const colour = getComputedStyle(cell).getPropertyValue(step > 0 ? "--up-soft" : "--down-soft");
  cell.animate([{ backgroundColor: colour }, { backgroundColor: "transparent" }], 900);
}
