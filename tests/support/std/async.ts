/**
 * What the tests use of `@std/async`, for where JSR cannot be reached.
 *
 * @module
 */

interface AbortOptions {
  signal?: AbortSignal;
}

/** Resolves after some milliseconds, or rejects as soon as `signal` aborts. */
export function delay(ms: number, options: AbortOptions = {}): Promise<void> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Settles as `promise` does, or rejects with a `TimeoutError` when that takes
 * longer than some milliseconds.
 */
export async function deadline<T>(
  promise: Promise<T>,
  ms: number,
  options: AbortOptions = {},
): Promise<T> {
  options.signal?.throwIfAborted();
  const settled = new AbortController();
  const signals = [settled.signal];
  if (options.signal) signals.push(options.signal);
  // No timer runs for longer than a signed 32-bit number of milliseconds.
  const longest = Math.min(ms, 2 ** 31 - 1);
  const timeout = delay(longest, { signal: AbortSignal.any(signals) })
    .then(() => {
      throw new DOMException("Signal timed out.", "TimeoutError");
    });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    settled.abort();
  }
}
