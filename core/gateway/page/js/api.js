/** The gateway's answers to what needs no stream. */

const WAIT_AT_MOST = 15_000;

/** What the gateway says instead of an answer. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Api {
  #base;
  #token;
  #onNoToken;

  /** @param {{base: URL, token: string|null, onNoToken: () => void}} options `onNoToken`: a token is wanted, or another */
  constructor({ base, token, onNoToken }) {
    this.#base = base;
    this.#token = token;
    this.#onNoToken = onNoToken;
  }

  /** @param {...string} parts of the path, as they are named in the data */
  async get(...parts) {
    const path = parts.map(encodeURIComponent).join("/");
    const headers = this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
    const answer = await fetch(new URL(`v1/${path}`, this.#base), { headers, signal: AbortSignal.timeout(WAIT_AT_MOST) });
    if (answer.ok) return answer.json();
    if (answer.status === 401) this.#onNoToken();
    throw new Refusal(answer.status, await messageOf(answer));
  }
}

async function messageOf(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `The gateway answers ${answer.status}`; // a proxy's own page
  }
}
