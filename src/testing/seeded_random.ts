/**
 * Chance that can be repeated.
 *
 * @module
 */

/**
 * Numbers from 0 up to 1, the same for the same seed (the generator
 * mulberry32).
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { seededRandom } from "@socketpeer/socketpeer/testing";
 *
 * assert(seededRandom(7)() === seededRandom(7)());
 * ```
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296;
  };
}
