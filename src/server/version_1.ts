/**
 * Version 1, that of the first socketpeer: all that a server does for it.
 * Specified in PROTOCOL.md, section 7.
 *
 * @module
 */

import type { SocketPeerError } from "../errors.ts";
import { MALFORMED, UNRESPONSIVE } from "../protocol/close_code.ts";
import {
  anything,
  type ControlSchemas,
  type Hello,
} from "../protocol/control.ts";
import { MAX_CONTROL_BYTES } from "../protocol/limits.ts";
import { asBytes } from "../protocol/message.ts";
import type { Dialect, Introduction } from "./dialect.ts";
import type { Partner } from "./partner.ts";
import type { Bytes } from "./server_socket.ts";
import { StandIn } from "./stand_in.ts";

/** What a partner of version 2 is told of one of version 1. */
export const HELLO_1: Hello = {
  received: 0,
  webrtc: false,
  relay: true,
  maxMessageBytes: MAX_CONTROL_BYTES,
};

const SCHEMAS: ControlSchemas = {
  pair: anything,
  data: anything,
  "rtc.connect": anything,
  "rtc.signal": anything,
};

/** What one of version 1 needs of its connection. */
export interface Version1Options {
  /** How much may wait for its partner, in bytes. */
  readonly maxBufferedBytes: number;
  /** Sends it what its partner says. */
  relay(data: string | Bytes): void;
}

/** How to speak with one client of version 1, for as long as it is here. */
export class Version1 implements Dialect {
  readonly version = 1;
  readonly schemas = SCHEMAS;
  // It is sent no ping: only those of WebSocket itself find out that it is dead.
  readonly heartbeats = false;
  readonly busy = '{"type":"busy"}';

  readonly #options: Version1Options;
  #partner: Partner | null = null;
  /** What has packets in its place, beside a partner of version 2. */
  #standIn: StandIn | null = null;

  /** Begins without a partner. */
  constructor(options: Version1Options) {
    this.#options = options;
  }

  /** Says nothing, as version 1 has no words for it. */
  waiting(): undefined {}

  /** Whoever is to make the offer begins at once. */
  found(partner: Partner, { initiator }: Introduction): string {
    const alike = partner.version === 1;
    this.#partner = partner;
    this.#standIn = alike ? null : new StandIn({
      onPacket: (packet) => partner.packet(packet),
      onMessage: (text) => this.#options.relay(text),
    });
    const data = { initiator: initiator && alike };
    return JSON.stringify({ type: "peer.found", data });
  }

  /** Says nothing: its client waits for the next. */
  part(): void {
    this.#partner = this.#standIn = null;
  }

  /**
   * A message could not be handled. It is no `error`, which a client of version
   * 1 throws where its page does not listen for errors.
   */
  complaint(message: string): string {
    return JSON.stringify({ type: "warning", data: { message } });
  }

  /** Says it to the partner: letter for letter, or in packets. */
  data(text: string, data: unknown): void {
    const { maxBufferedBytes } = this.#options;
    const partner = this.#partner;
    if (!this.#standIn) {
      partner?.packet(text);
      return;
    }
    this.#standIn.send(data ?? null);
    if (this.#standIn && this.#standIn.bufferedBytes > maxBufferedBytes) {
      partner!.refuse("unread", UNRESPONSIVE, "it does not acknowledge");
    }
  }

  /** Says what is in a packet. */
  packet(data: string | Bytes): void {
    if (typeof data === "string") this.#options.relay(data);
    else {
      const partner = this.#partner;
      try {
        this.#standIn?.receive(asBytes(data)!);
      } catch (error) {
        const { message } = error as SocketPeerError;
        partner?.refuse("malformed", MALFORMED, message);
      }
    }
  }
}
