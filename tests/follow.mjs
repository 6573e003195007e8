// Writes each message of rtp.js as a line of JSON. Arguments: the address, tokens (each connection takes the next one),
// and what is wanted.
import { Client, Refused } from "../rtp_client/js/rtp.js";

const [url, tokens, wanted] = [process.argv[2], JSON.parse(process.argv[3]), JSON.parse(process.argv[4])];
const write = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);
const client = new Client(url, {
  token: tokens.length ? () => tokens.shift() : undefined,
  onState: (state) => process.stderr.write(`${JSON.stringify(state)}\n`),
});
try {
  for await (const message of client.messages(wanted)) write(message);
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  write({ type: "refused", code: error.code, message: error.message });
}
