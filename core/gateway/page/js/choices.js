/** What this browser's person has chosen: kept here, unlike the filters, which live in the address. */

const PLACE = "rtp.choices";
const AT_FIRST = { notify: false, sound: false, severity: "critical", announce: true, theme: "" };

export class Choices {
  now = { ...AT_FIRST, ...stored() };
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
  }

  set(changes) {
    Object.assign(this.now, changes);
    try {
      localStorage.setItem(PLACE, JSON.stringify(this.now));
    } catch {
      // A browser that keeps nothing: the choice holds for this page.
    }
    this.#onChange(this.now);
  }
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(PLACE)) ?? {};
  } catch {
    return {};
  }
}
