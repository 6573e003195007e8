/** Elements without a framework. */

/**
 * @param {string} tag
 * @param {Object<string, any>} [attributes] `on…` are listeners; null and false leave an attribute out
 * @param {...(Node|string|null)} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** An element of SVG. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Writes a text only where it differs: a write costs layout, a comparison nothing. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);
