/** A table whose rows are kept: a drawing writes only the cells that differ, and moves only rows that have moved. */

import { h } from "./dom.js";

/** A finger does not hover: browsers take the row that it last touched for one that it still points at. */
const POINTS = matchMedia("(hover: hover)");

/**
 * @typedef {Object} Column
 * @property {string} id
 * @property {string} label
 * @property {(row: Object, now: number) => string} text what the cell shows, or what its picture depends on
 * @property {(cell: HTMLElement, row: Object, text: string, before?: string) => void} [paint] for cells that are more than
 *   a text; `before` is the text that this row had
 * @property {(row: Object) => number|string|null} [order] makes the column sortable
 * @property {boolean} [isAscending] the order at the first press
 */

export class Table {
  #columns;
  #rows = new Map();
  #spare = [];
  #onSort;
  #heads = new Map();

  /** @param {{caption: string, columns: Column[], className?: string, onSort?: (sort: string) => void}} options */
  constructor({ caption, columns, className = "", onSort }) {
    this.#columns = columns;
    this.#onSort = onSort;
    this.body = h("tbody");
    this.element = h("table", { class: className },
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, ...columns.map((column) => this.#head(column)))),
      this.body);
    this.body.addEventListener("keydown", stepThroughRows);
  }

  /** Whether somebody is at the rows, so that they should stay where they are. */
  get isHeld() {
    return (POINTS.matches && this.body.matches(":hover")) || this.body.contains(document.activeElement);
  }

  /** The columns' own order of these rows; `-` before a column's name turns it round. Nothing known goes last. */
  sorted(rows, sort) {
    const column = this.#columns.find(({ id }) => id === sort.replace("-", ""));
    if (!column?.order) return rows;
    const turn = sort.startsWith("-") ? -1 : 1;
    const keyed = rows.map((row) => [column.order(row), row]);
    keyed.sort(([one], [other]) => {
      if (one === other) return 0;
      if (one === null) return 1;
      if (other === null) return -1;
      return one < other ? -turn : turn;
    });
    return keyed.map(([, row]) => row);
  }

  /** @param {Object[]} rows each with its `key` or `id` */
  draw(rows, { sort = "", now = Date.now() } = {}) {
    this.#showSort(sort);
    const before = this.#rows;
    this.#rows = new Map();
    for (const row of rows) {
      const name = row.id ?? row.key;
      const kept = before.get(name);
      if (kept) before.delete(name);
      this.#rows.set(name, kept ?? null);
    }
    for (const gone of before.values()) {
      gone.line.remove();
      gone.texts.length = 0;
      this.#spare.push(gone);
    }
    let next = this.body.firstChild;
    for (const row of rows) {
      const name = row.id ?? row.key;
      const shown = this.#rows.get(name) ?? this.#spare.pop() ?? this.#line();
      this.#rows.set(name, shown);
      this.#write(shown, row, now);
      if (shown.line === next) next = next.nextSibling;
      else this.body.insertBefore(shown.line, next);
    }
    this.#spare.length = Math.min(this.#spare.length, 50);
  }

  #head(column) {
    const head = h("th", { scope: "col", class: column.id });
    if (!column.order || !this.#onSort) {
      head.append(column.label);
      return head;
    }
    const press = () => {
      const isDown = head.getAttribute("aria-sort") === "descending";
      const isUp = head.getAttribute("aria-sort") === "ascending";
      this.#onSort(`${isUp || (!isDown && !column.isAscending) ? "-" : ""}${column.id}`);
    };
    head.append(h("button", { type: "button", onclick: press }, column.label));
    this.#heads.set(column.id, head);
    return head;
  }

  #showSort(sort) {
    for (const [id, head] of this.#heads) {
      if (id === sort.replace("-", "")) head.setAttribute("aria-sort", sort.startsWith("-") ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  #line() {
    const cells = this.#columns.map((column) => h(column.id === "name" ? "th" : "td", { class: column.id, scope: column.id === "name" && "row" }));
    return { line: h("tr", {}, ...cells), cells, texts: [] };
  }

  #write({ line, cells, texts }, row, now) {
    this.#columns.forEach((column, place) => {
      const text = column.text(row, now);
      const before = texts[place];
      if (before === text) return;
      texts[place] = text;
      if (column.paint) column.paint(cells[place], row, text, before);
      else cells[place].textContent = text;
    });
    if (line.dataset.severity !== row.severity) line.dataset.severity = row.severity ?? "";
  }
}

/** Up and down go from row to row, as Tab would take every link between. */
function stepThroughRows(press) {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[press.key];
  const link = step && press.target.closest("tr")?.[step]?.querySelector("a");
  if (!link) return;
  press.preventDefault();
  link.focus();
}
