/**
 * The direct path: packets as binary messages of an RTCDataChannel.
 *
 * @module
 */

import { asBytes } from "../../protocol/message.ts";
import type { DataChannelLike } from "../../runtime.ts";
import type { Transport, TransportHandlers } from "./transport.ts";

/**
 * Bytes to keep in the channel's own queue. Chromium carries bulk data about
 * twice as fast with 64 to 256 KiB queued as with megabytes.
 */
const HIGH_WATER_BYTES = 262_144;
const LOW_WATER_BYTES = 65_536;

// Text messages of the channel are the transport's own: packets are binary.
const PING = "ping";
const PONG = "pong";

/** What a {@linkcode DataChannel} tells the link that opened it. */
export interface DataChannelOptions {
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Both ends are known to listen; called once. */
  ready(): void;
  /** The channel has ended, whoever ended it; called once. */
  ended(): void;
}

/**
 * Packets over a data channel.
 *
 * "open" at this end does not prove that the other end has opened: what the
 * answering side sends first can be lost without a sign (seen in Chromium
 * 153). The channel is ready when the other end has answered a greeting, which
 * also tells how long a round trip takes.
 */
export class DataChannel implements Transport {
  readonly kind = "direct";
  roundTripMs?: number;

  readonly #channel: DataChannelLike;
  readonly #options: DataChannelOptions;
  #greetedAt?: number;
  #handlers?: TransportHandlers;
  #ended = false;

  /** Takes a channel that is open. */
  constructor(channel: DataChannelLike, options: DataChannelOptions) {
    this.#channel = channel;
    this.#options = options;
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = LOW_WATER_BYTES;
    channel.onmessage = ({ data }) => this.#onMessage(data);
    channel.onclose = () => this.close();
    // An error is always followed by `close`.
  }

  /** Bytes that wait in the channel. */
  get bufferedAmount(): number {
    return this.#channel.bufferedAmount;
  }

  /** Whether the channel's queue is full. */
  get congested(): boolean {
    return this.bufferedAmount >= HIGH_WATER_BYTES;
  }

  /** Starts reporting packets. */
  open(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    // npm's wrtc does not report it: an acknowledgement does as well.
    this.#channel.onbufferedamountlow = () => this.#handlers?.onDrain();
  }

  /** Sends a packet, or text of the transport's own. */
  send(data: Uint8Array | string): void {
    if (this.#channel.readyState !== "open") return;
    try {
      this.#channel.send(data);
    } catch {
      // The one reason left is a queue of 16 MiB, sixteen windows. What
      // was not sent is sent again where the next transport begins.
      this.close();
    }
  }

  /** Asks the other end for an answer, as it may not have listened before. */
  greet(): void {
    if (this.roundTripMs !== undefined) return;
    this.#greetedAt ??= this.#options.now();
    this.send(PING);
  }

  /** Closes the channel. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#channel.close();
    this.#options.ended();
    this.#handlers?.onClose();
  }

  #onMessage(data: unknown): void {
    if (this.#ended) return;
    if (data === PING) {
      this.send(PONG);
      // The other end listens now: a greeting before may have been lost. If so
      // the round trip seems longer than it is, which does no harm.
      this.greet();
      return;
    }
    // An answer, or what the other end sends since it has had its own.
    if (this.roundTripMs === undefined) {
      const now = this.#options.now();
      this.roundTripMs = now - (this.#greetedAt ?? now);
      this.#options.ready();
    }
    // An ArrayBuffer, or what npm's werift makes of one: a Buffer of Node's.
    const packet = asBytes(data);
    if (packet) this.#handlers?.onPacket(packet);
  }
}
