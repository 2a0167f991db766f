/**
 * The relay: packets as binary messages of the WebSocket to the server, which
 * hands them to the other peer as they are.
 *
 * @module
 */

import type { WebSocketLike } from "../../runtime.ts";
import type { Transport, TransportHandlers } from "./transport.ts";

/**
 * Packets over an open WebSocket, for as long as the server has both peers
 * joined. The WebSocket itself belongs to the signaling, which closes it.
 */
export class WebSocketRelay implements Transport {
  /** Through the server. */
  readonly kind = "relay";
  /**
   * Never: a WebSocket tells of no drain, and the session's window bounds
   * what it may hold.
   */
  readonly congested = false;

  readonly #socket: WebSocketLike;
  #handlers: TransportHandlers | null = null;

  /** Takes an open socket whose `binaryType` is `"arraybuffer"`. */
  constructor(socket: WebSocketLike) {
    this.#socket = socket;
  }

  /** Starts reporting packets. */
  open(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    this.#socket.addEventListener("message", this.#onMessage);
    this.#socket.addEventListener("close", this.#onClose);
  }

  /** Sends a packet. */
  send(packet: Uint8Array): void {
    if (this.#socket.readyState === 1) this.#socket.send(packet);
  }

  /** Stops carrying packets. */
  close(): void {
    this.#handlers = null;
    this.#socket.removeEventListener("message", this.#onMessage);
    this.#socket.removeEventListener("close", this.#onClose);
  }

  readonly #onMessage = ({ data }: { data: unknown }): void => {
    if (data instanceof ArrayBuffer) {
      this.#handlers?.packet(new Uint8Array(data));
    }
  };

  readonly #onClose = (): void => {
    const handlers = this.#handlers;
    this.close();
    handlers?.close();
  };
}
