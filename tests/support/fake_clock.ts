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

  /**
   * The same, with what waits for promises going on before each timer. A loop
   * that keeps itself busy without letting time pass fails.
   */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (let busy = 0;;) {
      for (let turn = 0; turn < 20; turn++) await null;
      const timer = this.#next();
      if (!timer || timer.due > end) break;
      busy = timer.due === this.#now ? busy + 1 : 0;
      if (busy > 100_000) throw new Error(`Busy: ${timer.callback}`);
      this.#timers.delete(timer);
      // After a jump it is overdue.
      this.#now = Math.max(this.#now, timer.due);
      timer.callback();
    }
    this.#now = end;
  }

  /** Jumps ahead, as it does for a program that was asleep. */
  jump(ms: number): void {
    this.#now += ms;
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (!next || timer.due < next.due) next = timer;
    }
    return next;
  }
}
