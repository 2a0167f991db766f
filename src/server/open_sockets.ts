/**
 * The sockets that are open: each is counted in and out once.
 *
 * @module
 */

import type { Cancel } from "../runtime.ts";
import type { Addresses } from "./addresses.ts";
import type { Connection } from "./connection.ts";
import type { ServerObserver } from "./server_event.ts";
import type { ServerSocket } from "./server_socket.ts";

/** What {@linkcode OpenSockets} needs. */
export interface OpenSocketsOptions {
  /** The addresses at which the sockets were counted in. */
  readonly addresses: Pick<Addresses, "release">;
  /** The observer of each socket that opens and closes. */
  readonly observe: ServerObserver;
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
}

/** What is known of a socket by its connection. */
type Opened = Pick<Connection, "address" | "openedAt" | "visitor">;

/**
 * Holds the sockets that are open, until they are closed indeed. One that is
 * told to close still has its memory and its file descriptor: on Deno nothing
 * frees them while a peer that does not read keeps its end open, so that it
 * goes on counting against the limits.
 */
export class OpenSockets {
  readonly #options: OpenSocketsOptions;
  readonly #open = new Map<Opened, ServerSocket>();
  #emptied: (() => void) | null = null;

  /** Begins without a socket. */
  constructor(options: OpenSocketsOptions) {
    this.#options = options;
  }

  /** A socket is open. */
  opened(connection: Opened, socket: ServerSocket): void {
    this.#open.set(connection, socket);
    const { address, visitor: { auth } } = connection;
    this.#options.observe(
      auth === undefined
        ? { type: "open", address }
        : { type: "open", address, auth },
    );
  }

  /** The platform says that it is closed. */
  closed(connection: Opened, code: number, reason: string): void {
    const { addresses, observe, now } = this.#options;
    const { address, openedAt } = connection;
    this.#open.delete(connection);
    addresses.release(address);
    const openMs = now() - openedAt;
    observe({ type: "close", address, code, reason, openMs });
    if (this.#open.size === 0) this.#emptied?.();
  }

  /** Resolves when none is open, or after so many milliseconds. */
  async emptied(timeoutMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.after(timeoutMs, resolve);
      this.#emptied = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Cuts off all that are open, where the platform can. */
  terminate(): void {
    for (const socket of [...this.#open.values()]) socket.terminate?.();
  }
}
