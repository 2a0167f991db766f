/**
 * A simulated RTCDataChannel.
 *
 * @module
 */

import type { DataChannelLike } from "../runtime.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";
import { Wire } from "./wire.ts";

/** One end of a data channel. */
export class SimulatedChannel implements DataChannelLike {
  readyState: "connecting" | "open" | "closed" = "connecting";
  bufferedAmountLowThreshold = 0;
  binaryType = "arraybuffer";
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onbufferedamountlow: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly host: Host;
  /** The wire to the other end. */
  readonly wire: Wire;
  /** The other end, once it is joined with one. */
  other: SimulatedChannel | null = null;
  readonly #network: Network;
  #bufferedAmount = 0;

  /** Begins as an end that is joined with no other. */
  constructor(network: Network, host: Host) {
    this.#network = network;
    this.host = host;
    this.wire = new Wire(network, () => {
      const { other } = this;
      return other ? [host.up, other.host.down] : [host.up];
    });
    this.wire.onprogress = () => this.#drained();
  }

  get bufferedAmount(): number {
    if (this.#unconfirmed) return this.#bufferedAmount;
    const { linked, waitingBytes, bytes } = this.wire;
    return linked ? waitingBytes : bytes;
  }

  /** SCTP sends little more while nothing comes that confirms what arrives. */
  get #unconfirmed(): boolean {
    const back = this.other?.wire;
    return !!back && (back.stalled || back.cut);
  }

  send(data: string | Uint8Array): void {
    const isText = typeof data === "string";
    const copy = isText ? data : data.slice().buffer;
    const bytes = isText ? data.length : data.byteLength;
    this.#watch("out", copy);
    const arrive = () => this.other?.host.run(() => this.other?.receive(copy));
    this.wire.carry(arrive, bytes, !isText);
    if (this.#unconfirmed) this.#bufferedAmount += bytes;
    else this.#bufferedAmount = this.bufferedAmount;
  }

  close(): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    this.wire.carry(() => this.other?.ended());
  }

  /** The channel is open at this end from now on. */
  opened(): void {
    this.host.run(() => {
      if (this.readyState !== "connecting") return;
      this.readyState = "open";
      this.onopen?.();
    });
  }

  /** The other end has closed it, or its path is gone. */
  ended(): void {
    this.host.run(() => {
      if (this.readyState === "closed") return;
      this.readyState = "closed";
      this.onclose?.();
    });
  }

  /** Before this end is open, what comes is lost: Chromium 153 does so. */
  receive(data: string | ArrayBuffer): void {
    if (this.readyState !== "open") return;
    this.#watch("in", data);
    this.onmessage?.({ data });
  }

  #watch(direction: "out" | "in", data: string | ArrayBuffer): void {
    const { peer } = this.host;
    if (peer) this.#network.watch({ peer, direction, via: "direct", data });
  }

  #drained(): void {
    const before = this.#bufferedAmount;
    this.#bufferedAmount = this.bufferedAmount;
    const threshold = this.bufferedAmountLowThreshold;
    if (before > threshold && this.bufferedAmount <= threshold) {
      this.host.run(() => this.onbufferedamountlow?.());
    }
  }
}
