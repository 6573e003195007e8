// Writes each message of rtp.js as a line of JSON. Arguments: the address, tokens (each connection takes the next one),
// what is wanted, and "held" where it is to wait behind its first event until standard input ends.
import { Client, Refused } from "../rtp_client/js/rtp.js";

const [url, tokens, wanted, held] = [process.argv[2], ...process.argv.slice(3, 5).map(JSON.parse), process.argv[5]];
const write = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);
let isHeld = held === "held";
const client = new Client(url, {
  token: tokens.length ? () => tokens.shift() : undefined,
  onState: (state) => process.stderr.write(`${JSON.stringify(state)}\n`),
});
try {
  for await (const message of client.messages(wanted)) {
    write(message);
    if (!isHeld || message.type !== "event") continue;
    isHeld = false;
    await new Promise((resolve) => process.stdin.on("end", resolve).resume());
  }
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  write({ type: "refused", code: error.code, message: error.message });
}
