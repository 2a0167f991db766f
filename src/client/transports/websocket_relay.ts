/**
 * The relay: packets as binary messages of the WebSocket to the server, which
 * hands them to the other peer as they are.
 *
 * @module
 */

import type { WebSocketLike } from "../../runtime.ts";
import type { Transport, TransportHandlers } from "./transport.ts";

/**
 * Packets over a WebSocket, for as long as the server has both peers joined on
 * it. The WebSocket belongs to the server link, which hands on what comes, and
 * closes this when the server has lost either peer.
 */
export class WebSocketRelay implements Transport {
  readonly kind = "relay";
  readonly roundTripMs: number;

  readonly #socket: WebSocketLike;
  #handlers?: TransportHandlers;
  #ended = false;

  /**
   * Takes a socket on which the server has both peers joined, and how long the
   * server takes to answer: the other peer is taken to be as far from it.
   */
  constructor(socket: WebSocketLike, serverMs: number) {
    this.#socket = socket;
    this.roundTripMs = 2 * serverMs;
  }

  /**
   * Bytes that wait in the socket, if there are any: where there are none, the
   * system may still hold as many as it likes.
   */
  get bufferedAmount(): number | undefined {
    return this.#socket.bufferedAmount || undefined;
  }

  /** Starts reporting packets. */
  open(handlers: TransportHandlers): void {
    this.#handlers = handlers;
  }

  /** Sends a packet, if the socket is open. */
  send(packet: Uint8Array): void {
    if (!this.#ended && this.#socket.readyState === 1) {
      this.#socket.send(packet);
    }
  }

  /** A packet has come on the WebSocket. */
  receive(packet: Uint8Array): void {
    if (!this.#ended) this.#handlers?.onPacket(packet);
  }

  /** Stops carrying packets; the socket stays. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handlers?.onClose();
  }
}
