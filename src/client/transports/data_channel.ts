/**
 * The direct path: packets as binary messages of an RTCDataChannel.
 *
 * @module
 */

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

/**
 * Packets over a data channel.
 *
 * That the channel is open here does not mean that it is there: what the
 * answering side sends first can be lost without a sign (seen in Chromium
 * 153). So it is ready when something has come from the other end, which
 * therefore listens.
 */
export class DataChannel implements Transport {
  /** Called for each answer to {@linkcode DataChannel.ping}. */
  onpong: (() => void) | null = null;

  readonly #channel: DataChannelLike;
  #ready: (() => void) | null;
  #handlers?: TransportHandlers;

  /** Takes a channel that is open, and calls `ready` once when it is so. */
  constructor(channel: DataChannelLike, ready: () => void) {
    this.#channel = channel;
    this.#ready = ready;
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = LOW_WATER_BYTES;
    channel.onmessage = ({ data }) => this.#onMessage(data);
    channel.onclose = () => this.#onClose();
    // An error is always followed by `close`.
  }

  /** Whether the channel's queue is full. */
  get congested(): boolean {
    return this.#channel.bufferedAmount >= HIGH_WATER_BYTES;
  }

  /** Starts reporting packets. */
  open(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    // npm's wrtc does not report it: an acknowledgement does as well.
    this.#channel.onbufferedamountlow = () => this.#handlers?.drain();
  }

  /** Sends a packet, or text of the transport's own. */
  send(data: Uint8Array | string): void {
    if (this.#channel.readyState !== "open") return;
    try {
      this.#channel.send(data);
    } catch {
      // The one reason left is a queue of 16 MiB, sixteen windows. What
      // was not sent is sent again where the next transport begins.
      this.#onClose();
    }
  }

  /** Asks the other end for a sign of life. */
  ping(): void {
    this.send(PING);
  }

  /** Closes the channel. */
  close(): void {
    this.#detach();
    this.#channel.close();
  }

  #onMessage(data: unknown): void {
    const ready = this.#ready;
    this.#ready = null;
    ready?.();
    if (data === PING) this.send(PONG);
    else if (data === PONG) this.onpong?.();
    else if (data instanceof ArrayBuffer) {
      this.#handlers?.packet(new Uint8Array(data));
    }
  }

  #onClose(): void {
    const handlers = this.#handlers;
    this.#detach();
    this.#channel.close();
    handlers?.close();
  }

  #detach(): void {
    this.#handlers = undefined;
    this.#ready = null;
    this.onpong = null;
  }
}
