/** A frame with a heading, a count, tools, and a place that scrolls. */

import { h, say } from "../dom.js";

let number = 0;

/** @param {string} title @param {...Node} content */
export function panel(title, ...content) {
  const id = `panel-${(number += 1)}`;
  const count = h("span", { class: "count" });
  const tools = h("div", { class: "tools" });
  const empty = h("p", { class: "empty", hidden: true });
  const scroller = h("div", { class: "scroller" }, ...content, empty);
  return {
    element: h("section", { class: "panel", "aria-labelledby": id, "data-panel": title.toLowerCase() },
      h("header", {}, h("h2", { id }, title), count, tools), scroller),
    tools,
    scroller,
    count: (text) => say(count, text),
    none: (why) => {
      empty.hidden = !why;
      say(empty, why);
    },
  };
}
