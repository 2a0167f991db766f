/**
 * Tells an observer what happens, whatever it makes of it.
 *
 * @module
 */

import type { ServerObserver } from "./server_event.ts";

/** An observer whose failures harm nobody: what it throws is dropped. */
export function harmless(observer: ServerObserver): ServerObserver {
  return (event) => {
    try {
      const result: unknown = observer(event);
      // An async function fits the type too, and must not end the process.
      if (result instanceof Promise) result.catch(() => {});
    } catch {
      // Dropped, as promised.
    }
  };
}
