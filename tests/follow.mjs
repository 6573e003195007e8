// Writes each message of rtp.js as a line of JSON. Arguments: the address, what is wanted, and "held" where it is to wait
// behind its first event until standard input ends, or "token" where each connection is to ask for one: a line of input.
import { createInterface } from "node:readline";
import { Client, Refused } from "../rtp_client/js/rtp.js";

const [url, wanted, way] = [process.argv[2], JSON.parse(process.argv[3]), process.argv[4]];
const write = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);
let isHeld = way === "held";
const lines = way === "token" ? createInterface(process.stdin)[Symbol.asyncIterator]() : undefined;
const nextToken = async () => {
  write({ type: "token" });
  return (await lines.next()).value;
};
const client = new Client(url, {
  token: lines && nextToken,
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
