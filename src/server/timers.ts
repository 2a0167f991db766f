/**
 * Many timers on few of the platform's: of those that wait equally long, the
 * one that was set first is due first, so one of the platform's is enough for
 * them all.
 *
 * @module
 */

import type { Cancel, Runtime } from "../runtime.ts";

/** What is used of the platform. */
type Platform = Pick<Runtime, "after" | "now">;

/** A timer, or the head of the ring that those of a queue make. */
interface Entry {
  next: Entry;
  previous: Entry;
}

interface Timer extends Entry {
  readonly due: number;
  readonly callback: () => void;
}

/**
 * The timers of a server, in place of the platform's `after()`: it has a few
 * for each connection, nearly all of a handful of lengths, and one of Deno's
 * own takes about a kilobyte and several microseconds.
 */
export class Timers {
  readonly #platform: Platform;
  /** Timers in order, by how long they wait. */
  readonly #queues = new Map<number, Queue>();

  /** Begins with no timer set. */
  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Calls back once after `delayMs` milliseconds. It is bound. */
  readonly after = (delayMs: number, callback: () => void): Cancel => {
    let queue = this.#queues.get(delayMs);
    if (!queue) {
      queue = new Queue(
        this.#platform,
        delayMs,
        () => this.#queues.delete(delayMs),
      );
      this.#queues.set(delayMs, queue);
    }
    return queue.add(callback);
  };
}

/** Timers that wait equally long, in the order in which they are due. */
class Queue {
  readonly #platform: Platform;
  readonly #delayMs: number;
  readonly #emptied: () => void;
  readonly #head: Entry;
  #ringing = false;
  #cancel: Cancel | null = null;

  constructor(platform: Platform, delayMs: number, emptied: () => void) {
    this.#platform = platform;
    this.#delayMs = delayMs;
    this.#emptied = emptied;
    this.#head = {} as Entry;
    this.#head.next = this.#head.previous = this.#head;
  }

  add(callback: () => void): Cancel {
    const head = this.#head;
    const { previous } = head;
    const due = this.#platform.now() + this.#delayMs;
    const timer: Timer = { next: head, previous, due, callback };
    previous.next = head.previous = timer;
    this.#settle();
    return () => {
      if (timer.next === timer) return;
      remove(timer);
      this.#settle();
    };
  }

  /** Sets the platform's timer if there is none, or lets it go with the last. */
  #settle(): void {
    // Afterwards is soon enough.
    if (this.#ringing) return;
    const first = this.#head.next;
    if (first === this.#head) {
      this.#cancel?.();
      this.#cancel = null;
      this.#emptied();
    } else {
      // One that was set for a timer that is cancelled rings for nothing.
      this.#cancel ??= this.#platform.after(
        Math.max(0, (first as Timer).due - this.#platform.now()),
        () => this.#ring(),
      );
    }
  }

  #ring(): void {
    this.#cancel = null;
    this.#ringing = true;
    const now = this.#platform.now();
    // One that is set meanwhile has its turn the next time.
    const last = this.#head.previous;
    try {
      for (let done = last === this.#head; !done;) {
        const timer = this.#head.next as Timer;
        // The platform's may be early by the fraction of a millisecond; and
        // those that are due within it need no timer of their own.
        if (timer === this.#head as Entry || timer.due - now >= 1) break;
        done = timer === last;
        remove(timer);
        timer.callback();
      }
    } finally {
      this.#ringing = false;
      this.#settle();
    }
  }
}

function remove(timer: Entry): void {
  timer.previous.next = timer.next;
  timer.next.previous = timer.previous;
  // So that it is known to be gone.
  timer.next = timer.previous = timer;
}
