/**
 * Waiting for others without counting the time that one slept oneself.
 *
 * @module
 */

import type { Cancel, Runtime } from "../runtime.ts";

/**
 * A timer that is later than this, in milliseconds, has slept with its page or
 * its machine. Timers of a hidden page are up to a second late.
 */
const SLEPT_MS = 2000;

/** Nor are those of a page that was hidden for long later than a minute. */
const THROTTLED_MS = 61_000;

/**
 * Calls back after `delayMs` in which this program was awake at the end: what
 * others sent while it slept has to be read first. After a sleep it waits
 * anew, and says so.
 */
export function afterAwake(
  runtime: Runtime,
  delayMs: number,
  callback: () => void,
  slept?: () => void,
  again = false,
): Cancel {
  const due = runtime.now() + delayMs;
  let cancel = runtime.after(delayMs, () => {
    const lateMs = runtime.now() - due;
    // One that is late each time is held back, and does not sleep.
    if (lateMs < (again ? THROTTLED_MS : SLEPT_MS)) callback();
    else {
      cancel = afterAwake(runtime, delayMs, callback, slept, true);
      slept?.();
    }
  });
  return () => cancel();
}
