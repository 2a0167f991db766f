import type { Cancel } from "../../src/runtime.ts";

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. */
export class FakeClock {
  #now = 0;
  /** In the order in which they were set, which breaks ties. */
  readonly #timers = new Set<Timer>();

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Milliseconds since the clock was made. */
  readonly now = (): number => this.#now;

  /** Calls back once, when the clock has moved on by `delayMs`. */
  readonly after = (delayMs: number, callback: () => void): Cancel => {
    const timer = { due: this.#now + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  /**
   * Moves on by `ms`, and runs what becomes due on the way, each timer at its
   * own time; those that are set meanwhile too.
   */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let timer; (timer = this.#next()) && timer.due <= end;) {
      this.#timers.delete(timer);
      this.#now = timer.due;
      timer.callback();
    }
    this.#now = end;
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (!next || timer.due < next.due) next = timer;
    }
    return next;
  }
}
