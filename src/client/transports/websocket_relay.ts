/**
 * The relay: packets as binary messages of the WebSocket to the server, which
 * hands them to the other peer as they are.
 *
 * @module
 */

import type { Transport, TransportHandlers } from "./transport.ts";

/**
 * Packets over a WebSocket, for as long as the server has both peers joined.
 * The WebSocket belongs to the signaling, which passes packets on and knows
 * when it breaks.
 */
export class WebSocketRelay implements Transport {
  /** Sends a packet, if the socket is open. */
  readonly send: (packet: Uint8Array) => void;

  #handlers?: TransportHandlers;

  /** Takes what sends a packet on the WebSocket, if that is open. */
  constructor(send: (packet: Uint8Array) => void) {
    this.send = send;
  }

  /** Starts reporting packets. */
  open(handlers: TransportHandlers): void {
    this.#handlers = handlers;
  }

  /** A packet has come on the WebSocket. */
  receive(packet: Uint8Array): void {
    this.#handlers?.packet(packet);
  }

  /** Stops carrying packets. */
  close(): void {
    this.#handlers = undefined;
  }
}
