// Tells when a price leaves its peg or is back, and goes on where it was when it is started again.
// Node 22 or newer; Node 20 with --experimental-websocket.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { Client } from "../rtp_client/js/rtp.js";

const place = "bot.position";
const resume = existsSync(place) ? readFileSync(place, "utf8") : undefined;
const client = new Client(process.env.RTP_URL, { token: process.env.RTP_TOKEN });

for await (const { event, position } of client.events({ kind: "price", reason: ["depeg", "repeg"], resume })) {
  const { entity, chain, reason, current } = event.data;
  console.log(`${entity} on ${chain}: ${reason} at ${current}`);
  writeFileSync(place, position);
}
