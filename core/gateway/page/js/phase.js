/** The state of the connection in a few words. */

import { span } from "./amounts.js";

/** @param {import("./live.js").Live} live */
export function phaseText({ phase, retryAt, message }, now) {
  switch (phase) {
    case "live":
      return "Live";
    case "stale":
      return message || "The gateway has lost rtp";
    case "waiting":
      return retryAt > now ? `Lost, again in ${span(retryAt - now + 999)}` : "Connecting";
    case "refused":
      return message || "Refused";
    default:
      return "Connecting";
  }
}
