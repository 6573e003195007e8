/** The dialog of alerts and looks. */

import { byId, say } from "./dom.js";

/** @param {import("./choices.js").Choices} choices @param {import("./alerts.js").Alerts} alerts */
export function connectSettings(choices, alerts) {
  const dialog = byId("settings");
  const form = dialog.querySelector("form");
  const problem = byId("settings-problem");
  byId("open-settings").addEventListener("click", () => {
    show(form, choices.now);
    say(problem, "");
    dialog.showModal();
  });
  form.addEventListener("change", async ({ target }) => {
    const value = target.type === "checkbox" ? target.checked : target.value;
    if (target.name === "notify" && value) {
      const why = await alerts.allow();
      say(problem, why);
      target.checked = !why;
      choices.set({ notify: !why });
      return;
    }
    if (target.name === "sound" && value) alerts.trySound();
    choices.set({ [target.name]: value });
  });
}

function show(form, choices) {
  for (const [name, value] of Object.entries(choices)) {
    const field = form.elements[name];
    if (field?.type === "checkbox") field.checked = value;
    else if (field) field.value = value;
  }
}
