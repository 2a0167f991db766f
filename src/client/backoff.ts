/**
 * How long to wait before trying again.
 *
 * @module
 */

/** Longest wait before any attempt, in milliseconds. */
export const MAX_DELAY_MS = 30_000;

/**
 * The wait before attempt number `attempt`, counted from 0: drawn evenly from
 * zero up to a limit that doubles with each attempt, so that peers cut off
 * together do not return together ("full jitter").
 *
 * @param random A number from 0 up to 1.
 */
export function backoffDelay(
  attempt: number,
  baseMs: number,
  random: number,
  maxMs = MAX_DELAY_MS,
): number {
  return random * Math.min(maxMs, baseMs * 2 ** attempt);
}
