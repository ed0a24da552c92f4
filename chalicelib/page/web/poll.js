// Asking again and again, politely: one request at a time, none in a hidden tab, ever slower while it fails.

const SLOWEST = 15_000; // milliseconds: so long after the API is back the page knows it at the latest

export class Poll {
  #work;
  #every;
  #timer = 0;
  #busy = false;
  #again = false;
  #failures = 0;

  /** `work` returns a promise; `every` gives the milliseconds from one answer to the next question. */
  constructor(work, every) {
    this.#work = work;
    this.#every = every;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) clearTimeout(this.#timer);
      else this.now();
    });
  }

  /** Ask at once; or as soon as the question under way is answered. */
  async now() {
    clearTimeout(this.#timer);
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    this.#again = false;
    try {
      await this.#work();
      this.#failures = 0;
    } catch {
      this.#failures += 1; // the work has shown what was wrong
    }
    this.#busy = false;
    if (this.#again) this.now();
    else if (!document.hidden) this.#timer = setTimeout(() => this.now(), this.#pause());
  }

  #pause() {
    const slower = Math.min(SLOWEST, this.#every() * 2 ** Math.min(this.#failures, 6));
    return this.#failures ? slower * (0.8 + 0.4 * Math.random()) : slower; // not all tabs at once
  }
}
