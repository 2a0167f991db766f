/**
 * Refusals that are told by a close code, for good or for a while: a browser
 * shows its page neither the status nor a header of a request for a WebSocket
 * that failed.
 *
 * @module
 */

import { closeReason } from "../protocol/close_code.ts";
import type { Dismissal } from "./admission.ts";
import type { ServerSocket, ServerSocketHandlers } from "./server_socket.ts";
import { TokenBucket } from "./token_bucket.ts";

/**
 * Most sockets that are open to be told at one time, and how many are opened:
 * they are over all limits, and cost several times as much as a bare status.
 * Beyond that it has to do.
 */
const MAX_OPEN = 100;
const RATE = { burst: 100, perSecond: 50 };

/** Opens sockets for nothing but to close them with a code, not too many. */
export class ToldRefusals {
  readonly #now: () => number;
  readonly #bucket: TokenBucket;
  #open = 0;

  /** Begins with nobody told. */
  constructor(now: () => number) {
    this.#now = now;
    this.#bucket = new TokenBucket(RATE, now());
  }

  /** Whether one more may be told; if so, it is to be released. */
  take(): boolean {
    if (this.#open >= MAX_OPEN) return false;
    if (!this.#bucket.take(1, RATE, this.#now())) return false;
    this.#open++;
    return true;
  }

  /** A socket that was told is gone. */
  release(): void {
    this.#open--;
  }

  /** Closes the socket of one that was taken. */
  tell(
    socket: ServerSocket,
    { code, reason }: Dismissal,
  ): ServerSocketHandlers {
    let closed = false;
    socket.close(code, closeReason(reason));
    return {
      onText() {},
      onBinary() {},
      onClose: () => {
        // Deno may report it twice.
        if (!closed) this.release();
        closed = true;
      },
    };
  }
}
