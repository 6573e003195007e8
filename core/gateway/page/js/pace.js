/**
 * Draws at most so often, one part a frame: whatever comes meanwhile is one drawing. A hidden page draws nothing, and a
 * slow machine draws less often, so that it always has time left for the person.
 */

const SHARE_OF_TIME = 4;

export class Pace {
  #parts;
  #least;
  #queue = [];
  #isAsked = false;
  #begunAt = -Infinity;
  #cost = 0;

  /** @param {() => (() => void)[]} parts what there is to draw now, a function each @param {number} least milliseconds between two drawings */
  constructor(parts, least = 100) {
    this.#parts = parts;
    this.#least = least;
  }

  ask() {
    if (this.#isAsked) return;
    this.#isAsked = true;
    const rest = this.#begunAt + Math.max(this.#least, this.#cost * SHARE_OF_TIME) - performance.now();
    if (rest > 0) setTimeout(() => requestAnimationFrame(this.#begin), rest);
    else requestAnimationFrame(this.#begin);
  }

  #begin = () => {
    this.#isAsked = false;
    this.#begunAt = performance.now();
    this.#cost = 0;
    const isIdle = !this.#queue.length;
    this.#queue = this.#parts();
    if (isIdle) this.#next();
  };

  #next = () => {
    const begunAt = performance.now();
    const draw = this.#queue.shift();
    // A task of its own comes behind the frame, so that layout and painting are in the cost.
    setTimeout(() => (this.#cost += performance.now() - begunAt));
    // Asked for before it draws: a part that fails must not stop the others.
    if (this.#queue.length) requestAnimationFrame(this.#next);
    draw();
  };
}
