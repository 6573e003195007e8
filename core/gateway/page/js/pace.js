/** Draws at most so often, and only in a frame: whatever comes meanwhile is one drawing. A hidden page draws nothing. */

export class Pace {
  #draw;
  #least;
  #asked = false;
  #drawnAt = -Infinity;

  /** @param {() => void} draw @param {number} least milliseconds between two drawings */
  constructor(draw, least = 100) {
    this.#draw = draw;
    this.#least = least;
  }

  ask() {
    if (this.#asked) return;
    this.#asked = true;
    const rest = this.#drawnAt + this.#least - performance.now();
    if (rest > 0) setTimeout(() => this.#inFrame(), rest);
    else this.#inFrame();
  }

  #inFrame() {
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#drawnAt = performance.now();
      this.#draw();
    });
  }
}
