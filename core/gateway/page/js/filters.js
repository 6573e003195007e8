/** The form of filters: it writes the address, and shows what the address says. */

import { listed } from "./address.js";
import { byId, h, say } from "./dom.js";

const REASONS = ["deviation", "depeg", "escalated", "repeg", "moved", "market_moved", "from_zero", "to_zero",
  "from_null", "to_null", "not_finite", "finite_again", "disagreed", "agreed", "heartbeat", "first_seen", "renamed",
  "deleted", "added", "changed", "removed"];
const LISTS = ["kind", "chain", "entity", "reason"];
const NAMES = [...LISTS, "min_pct", "severity", "market", "q", "within"];
const NONE = Object.fromEntries(NAMES.map((name) => [name, LISTS.includes(name) ? [] : ""]));

export class Filters {
  #form = byId("filters");
  #more = byId("more-filters");
  #onChange;
  #kinds = 0;
  #chains = 0;

  /** @param {(changes: Object) => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#form.elements.reason.append(...REASONS.map((reason) => h("option", { value: reason }, reason.replaceAll("_", " "))));
    this.#form.addEventListener("input", () => this.#read());
    this.#form.addEventListener("submit", (submitted) => submitted.preventDefault());
    this.#form.addEventListener("reset", (reset) => {
      reset.preventDefault();
      this.#onChange(NONE);
      this.show(NONE);
    });
    this.#more.addEventListener("click", () => this.#unfold());
    document.addEventListener("keydown", (press) => this.#shortcut(press));
  }

  /** @param {Object} filter as the address has it; a field that is being typed into is left alone */
  show(filter) {
    for (const name of NAMES) {
      const field = this.#form.elements[name];
      const text = LISTS.includes(name) ? filter[name].join(", ") : filter[name];
      if (field === document.activeElement && field.tagName === "INPUT" && text) continue;
      if (field.tagName === "SELECT" && ![...field.options].some(({ value }) => value === text)) field.append(h("option", { value: text }, text));
      field.value = text;
    }
    const number = NAMES.filter((name) => name !== "q" && filter[name].length).length;
    say(this.#more, number ? `Filters (${number})` : "Filters");
    byId("clear-filters").disabled = !NAMES.some((name) => filter[name].length);
  }

  /** What there is to choose from. */
  offer({ kinds, chains }) {
    if (kinds.size !== this.#kinds) {
      this.#kinds = kinds.size;
      const { kind } = this.#form.elements;
      const offered = new Set([...kind.options].map(({ value }) => value));
      kind.append(...[...kinds].filter((name) => !offered.has(name)).sort().map((name) => h("option", { value: name }, name)));
    }
    if (chains.size !== this.#chains) {
      this.#chains = chains.size;
      byId("chains").replaceChildren(...[...chains].sort().slice(0, 200).map((name) => h("option", { value: name })));
    }
  }

  #read() {
    const changes = {};
    for (const name of NAMES) {
      const text = this.#form.elements[name].value.trim();
      changes[name] = LISTS.includes(name) ? listed(text) : text;
    }
    const isNumber = changes.min_pct === "" || Number(changes.min_pct) >= 0;
    this.#form.elements.min_pct.setAttribute("aria-invalid", String(!isNumber));
    this.#onChange({ ...changes, min_pct: isNumber ? changes.min_pct : "" });
  }

  #unfold() {
    const isOpen = this.#form.toggleAttribute("data-open");
    this.#more.setAttribute("aria-expanded", String(isOpen));
  }

  /** `/` searches, Escape leaves; neither where somebody types. */
  #shortcut(press) {
    const isTyping = press.target.matches("input, select, textarea");
    if (press.key === "/" && !isTyping && !press.ctrlKey && !press.metaKey && !press.altKey) {
      press.preventDefault();
      this.#form.elements.q.focus();
    }
    if (press.key === "Escape" && press.target === this.#form.elements.q) press.target.blur();
  }
}
