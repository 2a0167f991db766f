/**
 * A peer of version 1 as one of version 2 sees it: with packets.
 *
 * @module
 */

import { SocketPeerError } from "../errors.ts";
import { probeNumber } from "../protocol/frame.ts";
import { MAX_CONTROL_BYTES } from "../protocol/limits.ts";
import { encodeMessage, type Message } from "../protocol/message.ts";
import { Session } from "../protocol/session.ts";

/** What a {@linkcode StandIn} says to either side. */
export interface StandInHandlers {
  /** A packet for the peer of version 2. */
  onPacket(packet: Uint8Array<ArrayBuffer>): void;
  /** A message for the peer of version 1, as the text of a `data`. */
  onMessage(text: string): void;
}

/**
 * Stands in for a peer of version 1 with a session of its own, as that has
 * none. What its partner sends counts as acknowledged when it is here.
 */
export class StandIn {
  readonly #session: Session;
  readonly #handlers: StandInHandlers;

  /** Begins a conversation. */
  constructor(handlers: StandInHandlers) {
    this.#handlers = handlers;
    const onMessage = (data: Message) => {
      // With bytes anywhere in it this is no text.
      const { payload: text } = encodeMessage({ type: "data", data });
      if (typeof text !== "string" || text.length > MAX_CONTROL_BYTES) {
        throw new SocketPeerError(
          "MESSAGE_TOO_LARGE",
          `Cannot send this to a peer of version 1: it takes text and JSON of ` +
            `at most ${MAX_CONTROL_BYTES} characters`,
        );
      }
      handlers.onMessage(text);
    };
    this.#session = new Session({ onMessage, onEnd() {} }, MAX_CONTROL_BYTES);
  }

  /** Bytes that the peer of version 2 has not acknowledged. */
  get bufferedBytes(): number {
    return this.#session.bufferedBytes;
  }

  /**
   * Says in version 1 what is in a packet.
   *
   * @throws {SocketPeerError} If it is malformed, or cannot be said.
   */
  receive(packet: Uint8Array): void {
    this.#session.receive(packet);
    const number = probeNumber(packet);
    // Odd in a probe; an answer's was never asked for.
    if (number) this.#send(this.#session.probePacket(number + 1));
    if (this.#session.owesAck) this.#send(this.#session.ackPacket());
    this.#pump();
  }

  /** Takes a message of the peer of version 1. */
  send(data: unknown): void {
    this.#session.queue(encodeMessage(data));
    this.#pump();
  }

  #pump(): void {
    for (let packet; (packet = this.#session.nextPacket(this, 0));) {
      this.#send(packet);
    }
  }

  #send(packet: Uint8Array): void {
    // Nothing here is in shared memory.
    this.#handlers.onPacket(packet as Uint8Array<ArrayBuffer>);
  }
}
