/** The token that some servers want: kept for this tab only, and never in the address. */

import { byId, say } from "./dom.js";

const PLACE = "rtp.token";

export const token = () => sessionStorage.getItem(PLACE);

/** Asks the person for a token, and begins anew with it. @param {string} [why] */
export function askForToken(why = "") {
  const dialog = byId("token");
  if (dialog.open) return;
  if (why) say(byId("token-why"), why);
  else if (token()) say(byId("token-why"), "The server does not take this token, or no longer. Another one stays in this tab and ends with it.");
  dialog.querySelector("form").addEventListener("submit", (submitted) => {
    sessionStorage.setItem(PLACE, submitted.target.elements.token.value.trim());
    location.reload();
  });
  dialog.showModal();
}
