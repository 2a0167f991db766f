/**
 * What a path knows of one of its transports: how long the way is, how much
 * may be under way on it, and when it last gave a sign of life.
 *
 * @module
 */

import { PACKET_ROOM, WINDOW_BYTES } from "../protocol/limits.ts";
import type { Transport } from "./transports/transport.ts";

/**
 * Nothing is missed sooner than this, in milliseconds, however short the way
 * is: on a healthy data channel under load SCTP's own retransmission is silent
 * for 400 to 500 ms often enough (measured in Chromium 156).
 */
const LEAST_PATIENCE_MS = 800;
/**
 * What may wait in front of a slow line, in milliseconds: what is sent behind
 * it, signals above all, is as late. The line must not run dry for it.
 */
const QUEUE_MS = 1000;
/** In flight at first, as nothing is known of the line. */
const FIRST_WINDOW_BYTES = 65_536;
/** In flight on the slowest line. */
const LEAST_WINDOW_BYTES = 16_384;
/** Longest that one who answers, and takes nothing, is left alone. */
const LONGEST_REST_MS = 5000;
/** A packet is no more than this part of what is in flight, */
const PACKET_SHARE = 1 / 16;
/** but no smaller than this, as all are while nothing is known. */
export const LEAST_PACKET_BYTES = 4096;

/** One transport of a path, and what was learnt of it. */
export class Carrier {
  readonly transport: Transport;
  /** Whether it has shown no sign of life for longer than is normal. */
  silent = false;
  /** Whether the other peer has a probe to answer on it. */
  asked = false;
  #aliveAt: number;
  /** Since when a sign of life is due. */
  #dueAt?: number;
  #smoothedMs?: number;
  #inFlightBytes = 0;
  #windowBytes = FIRST_WINDOW_BYTES;
  /** When the last gap ended. */
  #gapEndedAt = 0;
  /** When the window was made smaller. */
  #reducedAt = 0;
  /** What was sent before took longer than the way does. */
  #heldAt = 0;
  #restMs = 0;
  #deviationMs = 0;
  #leastMs = Infinity;
  /** The number of the last probe, when it was sent, and if it matters still. */
  #probe = -1;
  #askedAt = 0;
  #sentBytes = 0;
  // How much of that the network had taken, and how much that was, at last.
  #takenBytes = 0;
  #lookedBytes = 0;

  /**
   * Takes a transport that was opened now.
   *
   * @param other One beside it, which may share the same slow line.
   */
  constructor(transport: Transport, now: number, other?: Carrier) {
    this.transport = transport;
    this.#aliveAt = now;
    if (transport.roundTripMs !== undefined) {
      this.#sample(transport.roundTripMs);
    }
    if (!other || other.#smoothedMs === undefined) return;
    this.#smoothedMs = Math.max(this.#smoothedMs ?? 0, other.#smoothedMs);
    this.#deviationMs = Math.max(this.#deviationMs, other.#deviationMs);
    this.#windowBytes = Math.min(this.#windowBytes, other.#windowBytes);
  }

  /** Whether another packet may be sent. */
  get hasRoom(): boolean {
    return this.#inFlightBytes < this.#windowBytes &&
      !this.transport.congested;
  }

  /**
   * How large packets are to be: on a slow line a large one takes seconds, in
   * which nothing else moves and nothing shows that it does.
   */
  get packetBytes(): number {
    const share = this.#windowBytes * PACKET_SHARE;
    return Math.floor(
      Math.min(PACKET_ROOM, Math.max(LEAST_PACKET_BYTES, share)),
    );
  }

  /**
   * How long it may show no sign of life: a retransmission timer's time
   * (RFC 6298), which grows with the round trips and how much they vary.
   */
  get patienceMs(): number {
    return Math.max(
      LEAST_PATIENCE_MS,
      (this.#smoothedMs ?? 0) + 4 * this.#deviationMs,
    );
  }

  /** Sends a packet, of which so many bytes will be acknowledged. */
  send(packet: Uint8Array, inFlightBytes = 0): void {
    this.#inFlightBytes += inFlightBytes;
    this.#sentBytes += packet.length;
    this.transport.send(packet);
  }

  /** What is in flight counts no more. */
  forget(): void {
    this.#inFlightBytes = 0;
  }

  /** A packet that was sent on it at `sentAt` was acknowledged. */
  acknowledged(bytes: number, sentAt: number, now: number): void {
    // Only where so much was wanted, it shows what the line can carry.
    const full = this.#inFlightBytes >= this.#windowBytes / 2;
    this.arrived(bytes);
    this.#restMs = 0;
    const held = sentAt < this.#heldAt;
    if (!held) this.#measure(sentAt, now);
    this.#alive(now);
    if (held) return;
    const tookMs = now - sentAt;
    const queueMs = Math.max(QUEUE_MS, 2 * this.#leastMs);
    const most = this.#leastMs + queueMs;
    if (tookMs <= most) {
      // Twice as much each round trip at first, and less the nearer it comes.
      if (full) {
        this.#windowBytes = Math.min(
          WINDOW_BYTES,
          this.#windowBytes + bytes * (most - tookMs) / queueMs,
        );
      }
    } else if (
      sentAt >= this.#reducedAt && this.transport.bufferedAmount !== 0
    ) {
      // A channel whose queue is empty is held up by its own slow start.
      this.#reducedAt = now;
      this.#windowBytes *= most / tookMs;
      if (this.#windowBytes < LEAST_WINDOW_BYTES) {
        this.#windowBytes = LEAST_WINDOW_BYTES;
        // It is not for what is queued that it takes so long.
        this.#leastMs = tookMs;
      }
    }
  }

  /** So many bytes that were sent on it are acknowledged, by another way. */
  arrived(bytes: number): void {
    this.#inFlightBytes = Math.max(0, this.#inFlightBytes - bytes);
  }

  /**
   * The number of the probe to send, if none is on its way.
   *
   * @param since A sign of life after this is as good as an answer.
   */
  ask(now: number, since = now): number | undefined {
    if (this.asked || this.#aliveAt > since) return undefined;
    this.asked = true;
    this.#askedAt = now;
    return this.#probe += 2;
  }

  /** The other peer has answered a probe on it. */
  answered(number: number, now: number): void {
    if (number === this.#probe + 1) {
      this.#measure(this.#askedAt, now);
      // What was sent before has arrived: that it is not acknowledged is due
      // to the other peer, or to what comes before it another way.
      this.#heldAt = this.#askedAt;
      // A reader may pause for hours: it is asked less and less often.
      if (this.#inFlightBytes > 0) {
        this.#restMs = Math.min(2 * this.#restMs + 500, LONGEST_REST_MS);
      }
    }
    this.#alive(now);
  }

  /**
   * How long it has shown no sign of life while one was due; undefined where
   * none is due.
   *
   * @param sentAt When the oldest was sent that is not acknowledged.
   */
  quietMs(sentAt: number | undefined, now: number): number | undefined {
    // Of what waited when one last looked a part was taken since, and a part
    // was not: the line moves. What is taken all at once shows nothing, as it
    // may be no farther than in a buffer of the system.
    const waiting = this.transport.bufferedAmount ?? 0;
    const taken = this.#sentBytes - waiting;
    if (taken > this.#takenBytes && taken < this.#lookedBytes) this.#alive(now);
    this.#takenBytes = taken;
    this.#lookedBytes = this.#sentBytes;
    // An acknowledgement that came another way does not end the wait.
    if (sentAt !== undefined) {
      this.#dueAt ??= Math.max(sentAt, this.#aliveAt + this.#restMs);
    } else if (this.asked) this.#dueAt ??= this.#askedAt;
    else if (waiting > 0) this.#dueAt ??= now;
    return this.#dueAt === undefined ? undefined : now - this.#dueAt;
  }

  #alive(now: number): void {
    this.#aliveAt = now;
    this.#dueAt = undefined;
    this.asked = false;
    this.silent = false;
  }

  /** Takes a round trip; of those that a gap has made longer, only one. */
  #measure(sentAt: number, now: number): void {
    if (sentAt < this.#gapEndedAt) return;
    if (this.asked) this.#gapEndedAt = now;
    // One must not wait as long for the next gap.
    this.#sample(Math.min(now - sentAt, this.patienceMs));
  }

  /** RFC 6298, section 2. */
  #sample(ms: number): void {
    this.#leastMs = Math.min(this.#leastMs, ms);
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = ms;
      this.#deviationMs = ms / 2;
      return;
    }
    const errorMs = ms - this.#smoothedMs;
    this.#deviationMs += (Math.abs(errorMs) - this.#deviationMs) / 4;
    this.#smoothedMs += errorMs / 8;
  }
}
