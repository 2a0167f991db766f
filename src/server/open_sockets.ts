/**
 * The sockets that are open: each is counted in and out once.
 *
 * @module
 */

import type { Cancel } from "../runtime.ts";
import type { Addresses } from "./addresses.ts";
import type { ServerObserver } from "./server_event.ts";
import type { ServerSocket, ServerSocketHandlers } from "./server_socket.ts";

/** RFC 6455: a message is larger than it may be. */
const MESSAGE_TOO_BIG = 1009;

/** What {@linkcode OpenSockets} needs. */
export interface OpenSocketsOptions {
  /** Where they were counted in. */
  readonly addresses: Pick<Addresses, "release">;
  /** Is told of each that opens and closes. */
  readonly observe: ServerObserver;
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
}

/**
 * Holds the sockets that are open, until they are closed indeed. One that is
 * told to close still has its memory and its file descriptor: on Deno nothing
 * frees them while a peer that does not read keeps its end open, so that it
 * goes on counting against the limits.
 */
export class OpenSockets {
  readonly #options: OpenSocketsOptions;
  readonly #open = new Set<ServerSocket>();
  #emptied: (() => void) | null = null;

  /** Holds none yet. */
  constructor(options: OpenSocketsOptions) {
    this.#options = options;
  }

  /** Takes an open socket, whose handlers it returns. */
  open(
    socket: ServerSocket,
    address: string | undefined,
    connect: (socket: ServerSocket) => ServerSocketHandlers,
  ): ServerSocketHandlers {
    const { addresses, observe, now } = this.#options;
    const openedAt = now();
    /** How it was told to close, which the platform may not know later. */
    let told: { code: number; reason: string } | undefined;
    this.#open.add(socket);
    observe({ type: "open", address });
    const handlers = connect({
      get bufferedAmount() {
        return socket.bufferedAmount;
      },
      send: (data) => socket.send(data),
      close(code, reason) {
        told ??= { code, reason };
        socket.close(code, reason);
      },
    });
    return {
      text: (text) => handlers.text(text),
      binary: (bytes) => handlers.binary(bytes),
      close: (code, reason) => {
        // Deno reports it twice where a socket did not answer.
        if (!this.#open.delete(socket)) return;
        // A limit of what is beneath: the message never got as far as here.
        if (code === MESSAGE_TOO_BIG && !told) {
          observe({ type: "refuse", address, reason: "size" });
        }
        handlers.close(code, reason);
        addresses.release(address);
        const openMs = now() - openedAt;
        observe({
          type: "close",
          address,
          openMs,
          ...told ?? { code, reason },
        });
        if (this.#open.size === 0) this.#emptied?.();
      },
    };
  }

  /** Resolves when none is open, or after so many milliseconds. */
  async closed(timeoutMs: number): Promise<void> {
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
    for (const socket of [...this.#open]) socket.terminate?.();
  }
}
