/**
 * A token bucket: bursts up to its size, and a steady rate after.
 *
 * @module
 */

import type { Rate } from "./options.ts";

/** Tokens of one sender. Times are in milliseconds. */
export class TokenBucket {
  #tokens: number;
  #at: number;

  /** Creates a full bucket. */
  constructor(rate: Rate, now: number) {
    this.#tokens = rate.burst;
    this.#at = now;
  }

  /** Takes tokens; where there are too few, takes none and returns false. */
  take(count: number, rate: Rate, now: number): boolean {
    this.#fill(rate, now);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /**
   * Takes tokens that may not be there: the debt has to be waited out. A
   * negative count gives some back.
   */
  charge(count: number, rate: Rate, now: number): void {
    this.#fill(rate, now);
    // Bounded, so that no address is shut out for longer than two bursts take.
    const tokens = Math.max(-rate.burst, this.#tokens - count);
    this.#tokens = Math.min(rate.burst, tokens);
  }

  /** Whether nothing would change if it were made anew. */
  isFull(rate: Rate, now: number): boolean {
    this.#fill(rate, now);
    return this.#tokens >= rate.burst;
  }

  #fill({ burst, perSecond }: Rate, now: number): void {
    const earned = (now - this.#at) / 1000 * perSecond;
    this.#tokens = Math.min(burst, this.#tokens + earned);
    this.#at = now;
  }
}
