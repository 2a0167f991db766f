/**
 * The relay to a peer that speaks version 1: messages as `data` on the
 * WebSocket, with no numbers and no acknowledgements.
 *
 * @module
 */

import { SocketPeerError } from "../errors.ts";
import {
  type ControlMessage,
  encodeControl,
  type Hello,
} from "../protocol/control.ts";
import { probeNumber } from "../protocol/frame.ts";
import { MAX_CONTROL_BYTES } from "../protocol/limits.ts";
import { encodeMessage, type Message } from "../protocol/message.ts";
import { Session } from "./session.ts";
import type { Transport, TransportHandlers } from "./transports/transport.ts";

/** What such a peer would say of itself. */
export const LEGACY_HELLO: Hello = {
  received: 0,
  webrtc: false,
  relay: true,
  maxMessageBytes: MAX_CONTROL_BYTES,
};

/** What a {@linkcode LegacyRelay} needs and reports. */
export interface LegacyRelayOptions {
  /** Takes a message to the other peer. */
  send(message: ControlMessage): void;
  /** A message cannot be said in version 1. */
  failed(error: SocketPeerError): void;
}

/**
 * Stands in for the other peer with a session of its own, so that all else
 * works as with any other: what is sent counts as acknowledged when it is
 * with the server.
 */
export class LegacyRelay implements Transport {
  readonly kind = "relay";

  readonly #standIn: Session;
  #handlers?: TransportHandlers;

  /** Takes what a server has paired with a peer of version 1. */
  constructor(options: LegacyRelayOptions) {
    const message = (data: Message) => {
      const control: ControlMessage = { type: "data", data };
      if (
        data instanceof Uint8Array ||
        encodeControl(control).length > MAX_CONTROL_BYTES
      ) {
        options.failed(
          new SocketPeerError(
            "MESSAGE_TOO_LARGE",
            `Cannot send this to a peer of version 1: it takes text and JSON ` +
              `of at most ${MAX_CONTROL_BYTES} characters`,
          ),
        );
      } else options.send(control);
    };
    // What is too large, `message` says: it may have been queued before.
    this.#standIn = new Session({ message, ended() {} }, Infinity);
  }

  /** Starts reporting packets. */
  open(handlers: TransportHandlers): void {
    this.#handlers = handlers;
  }

  /** Sends what is in a packet. */
  send(packet: Uint8Array): void {
    this.#standIn.receive(packet);
    const number = probeNumber(packet);
    if (number) this.#handlers?.packet(this.#standIn.probePacket(number + 1));
    if (this.#standIn.owesAck) {
      this.#handlers?.packet(this.#standIn.ackPacket());
    }
    this.#pump();
  }

  /** Takes a message of the other peer. */
  receive(data: unknown): void {
    this.#standIn.queue(encodeMessage(data));
    this.#pump();
  }

  /** Stops carrying packets. */
  close(): void {
    const handlers = this.#handlers;
    this.#handlers = undefined;
    handlers?.close();
  }

  #pump(): void {
    for (let packet; (packet = this.#standIn.nextPacket(this, 0));) {
      this.#handlers?.packet(packet);
    }
  }
}
