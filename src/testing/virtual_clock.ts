/**
 * A clock that stands still until it is moved, and the timers on it.
 *
 * @module
 */

import type { Cancel } from "../runtime.ts";

interface Timer {
  readonly due: number;
  /** Breaks ties: what was set first comes first. */
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

/** Chains of promises longer than this go on after the next timer. */
const TURNS = 20;
/** So many timers without any time passing are a loop that never ends. */
const MAX_BUSY = 100_000;

/**
 * A clock that stands still until it is moved.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { VirtualClock } from "@socketpeer/socketpeer/testing";
 *
 * const clock = new VirtualClock();
 * let rung = 0;
 * clock.after(60_000, () => rung = clock.now());
 * await clock.pass(90_000);
 * assert(rung === 60_000 && clock.now() === 90_000);
 * ```
 */
export class VirtualClock {
  #now = 0;
  #orders = 0;
  #pending = 0;
  /** A binary heap: none is due before the one it stands under. */
  readonly #heap: Timer[] = [];

  /** How many timers wait. */
  get pending(): number {
    return this.#pending;
  }

  /** Milliseconds since the clock was made. It is bound. */
  readonly now = (): number => this.#now;

  /** Calls back once, when the clock has moved on by `delay` ms. It is bound. */
  readonly after = (delay: number, callback: () => void): Cancel => {
    const timer: Timer = {
      due: this.#now + Math.max(0, delay),
      order: this.#orders++,
      callback,
      cancelled: false,
    };
    this.#pending++;
    this.#push(timer);
    return () => {
      if (timer.cancelled) return;
      timer.cancelled = true;
      this.#pending--;
    };
  };

  /**
   * Moves on by `ms`, and runs what becomes due on the way, each timer at its
   * own time; those that are set meanwhile too. Promises do not go on.
   */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let timer; (timer = this.#first(end));) this.#run(timer);
    this.#now = Math.max(this.#now, end);
  }

  /**
   * The same, with what waits for promises going on before each timer.
   *
   * @throws {Error} If timers keep each other busy and no time passes.
   */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (let busy = 0;;) {
      for (let turn = 0; turn < TURNS; turn++) await null;
      const timer = this.#first(end);
      if (!timer) break;
      busy = timer.due <= this.#now ? busy + 1 : 0;
      if (busy > MAX_BUSY) {
        throw new Error(
          `Cannot let time pass as timers call each other without end: ` +
            `${timer.callback}`,
        );
      }
      this.#run(timer);
    }
    this.#now = Math.max(this.#now, end);
  }

  /** Jumps ahead, as for a machine that was asleep: timers are late. */
  jump(ms: number): void {
    this.#now += ms;
  }

  #run(timer: Timer): void {
    timer.cancelled = true;
    this.#pending--;
    this.#pop();
    // After a jump it is overdue.
    this.#now = Math.max(this.#now, timer.due);
    timer.callback();
  }

  /** The timer that is due next, by `end`. */
  #first(end: number): Timer | undefined {
    while (this.#heap[0]?.cancelled) this.#pop();
    const first = this.#heap[0];
    return first && first.due <= end ? first : undefined;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(timer, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) {
        child++;
      }
      if (!before(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
  }
}

function before(one: Timer, other: Timer): boolean {
  return one.due < other.due ||
    one.due === other.due && one.order < other.order;
}
