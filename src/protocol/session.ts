/**
 * One conversation's messages, whatever carries them: sequence numbers,
 * acknowledgements, replay, duplicates, reassembly. Pure: no sockets, no
 * timers, no globals.
 *
 * Messages are written into packets when they are queued, and a packet is
 * kept until the other peer has acknowledged all of it. Sending it again is
 * sending the same bytes with a newer acknowledgement in front.
 *
 * @module
 */

import { MessageTooLargeError, ProtocolError } from "../errors.ts";
import {
  ABORT,
  ACK_PACKET_BYTES,
  checkPacketSize,
  FRAME_HEADER_BYTES,
  FrameKind,
  MESSAGE_LENGTH_BYTES,
  PACKET_HEADER_BYTES,
  readFrame,
  readUint48,
  writeFrameHeader,
  writeUint48,
} from "./frame.ts";
import type { Frame } from "./frame.ts";
import {
  ACK_BYTES,
  FIRST_ACK_BYTES,
  MAX_PACKET_BYTES,
  PACKET_ROOM,
  WINDOW_BYTES,
} from "./limits.ts";
import {
  decodeMessage,
  type EncodedMessage,
  type Message,
  payloadBytes,
  writeText,
} from "./message.ts";

/** A packet that the other peer has not acknowledged. */
interface Segment {
  readonly packet: Uint8Array;
  /** Sequence number of its last frame. */
  readonly last: number;
  /** How many messages end in it. */
  readonly messages: number;
  /** What it was sent on; `null` when that broke, or before it is sent. */
  carrier: unknown;
  sentAt: number;
}

/** A packet that waits, from one of its frames on. */
interface Held {
  readonly packet: Uint8Array;
  readonly offset: number;
}

/** The parts of a message whose last frame has not come yet. */
interface Assembly {
  readonly kind: FrameKind;
  /** Room for all bytes that the message will have. */
  readonly bytes: Uint8Array;
  /** How many of them are here. */
  length: number;
}

/** What a session reports, during {@linkcode Session.receive}. */
export interface SessionHandlers {
  /**
   * The other peer has acknowledged a packet of so many bytes that `carrier`
   * had since `sentAt`.
   */
  onAcknowledged?(carrier: unknown, bytes: number, sentAt: number): void;
  /** The next message of the other peer, which has so many bytes. */
  onMessage(message: Message, bytes: number): void;
  /**
   * The other peer has ended the conversation; nothing follows. `clean` is true
   * where it has sent all that it accepted, which has come.
   */
  onEnd(clean: boolean): void;
}

/** One conversation's messages, in both directions. */
export class Session {
  /**
   * Bytes that a packet is filled up to from now on. On a slow line one of
   * 64 KiB takes seconds, in which nothing else moves.
   */
  packetBytes = PACKET_ROOM;

  readonly #handlers: SessionHandlers;
  readonly #maxMessageBytes: number;

  // Sending. A packet moves from #open to #queued to #inFlight, and is counted
  // in #queuedBytes until it is acknowledged.
  #open?: Uint8Array;
  #openBytes = PACKET_HEADER_BYTES;
  #openMessages = 0;
  #openFirst = 1;
  #nextSequence = 1;
  #queued: Segment[] = [];
  #inFlight: Segment[] = [];
  #resend: Segment[] = [];
  #inFlightBytes = 0;
  #queuedBytes = 0;
  #unacknowledged = 0;
  #lastSent = 0;
  /** Whether the end has been sent ahead of its turn. */
  #ending = false;
  #acknowledged = 0;

  // Receiving.
  #received = 0;
  /** Packets before their turn, by the number of the frame that they wait for. */
  readonly #held = new Map<number, Held>();
  #heldBytes = 0;
  #paused = false;
  #delivering = false;
  #assembly?: Assembly;
  #bytesToAck = 0;
  #ackBytes = FIRST_ACK_BYTES;
  #remoteEnded = false;
  #deaf = false;
  #closed = false;

  /** Starts a conversation whose first frames are numbered 1. */
  constructor(handlers: SessionHandlers, maxMessageBytes: number) {
    this.#handlers = handlers;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Bytes that the other peer has not acknowledged, sent or not. */
  get bufferedBytes(): number {
    return this.#queuedBytes + this.#openBytes - PACKET_HEADER_BYTES;
  }

  /** Messages that the other peer has not acknowledged. */
  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  /** The last frame of the other peer that has arrived; 0 for none. */
  get received(): number {
    return this.#received;
  }

  /** Whether the other peer has sent anything that was not acknowledged. */
  get owesAck(): boolean {
    return this.#bytesToAck > 0;
  }

  /** Whether so much came that it must be acknowledged without waiting. */
  get owesAckNow(): boolean {
    return this.#bytesToAck >= this.#ackBytes;
  }

  /** Queues a message. Its bytes are copied. */
  queue({ kind, payload }: EncodedMessage): void {
    this.#unacknowledged++;
    if (typeof payload === "string") {
      // Three bytes per UTF-16 unit are the most that UTF-8 takes.
      const most = payload.length * 3;
      if (most <= this.#frameBytes) {
        const packet = this.#openWithRoomFor(most);
        const start = this.#openBytes + FRAME_HEADER_BYTES;
        const length = writeText(payload, packet, start);
        this.#closeFrame(packet, kind, false, length);
        return;
      }
    }
    const bytes = payloadBytes(payload);
    const frameBytes = this.#frameBytes;
    const split = bytes.length > frameBytes;
    // The receiver has room for all of it from the start.
    let headBytes = split ? MESSAGE_LENGTH_BYTES : 0;
    let offset = 0;
    do {
      // It begins in what is left of the open packet, so that packets are
      // full: each costs about the same, whatever its size.
      const room = this.#roomBytes;
      const length = Math.min(
        headBytes + bytes.length - offset,
        split && room > headBytes ? room : frameBytes,
      );
      const packet = this.#openWithRoomFor(length);
      const start = this.#openBytes + FRAME_HEADER_BYTES;
      if (headBytes) writeUint48(packet, start, bytes.length);
      const part = bytes.subarray(offset, offset += length - headBytes);
      packet.set(part, start + headBytes);
      headBytes = 0;
      this.#closeFrame(packet, kind, offset < bytes.length, length);
    } while (offset < bytes.length);
  }

  /**
   * From now on, what the other peer sends is neither reported nor
   * acknowledged, except that it has ended the conversation too.
   */
  stopReceiving(): void {
    this.#deaf = true;
  }

  /** Queues the end of the conversation, after everything queued before. */
  end(): void {
    const packet = this.#openWithRoomFor(0);
    this.#closeFrame(packet, FrameKind.END, false, 0);
    this.#openMessages--;
  }

  /**
   * A packet that ends the conversation after everything queued: who takes no
   * more messages need not wait for those, and others hold it until its turn.
   */
  endPacket(): Uint8Array {
    this.#ending = true;
    const packet = this.#acknowledging(
      new Uint8Array(PACKET_HEADER_BYTES + FRAME_HEADER_BYTES),
    );
    writeUint48(packet, ACK_PACKET_BYTES, this.#nextSequence - 1);
    packet[PACKET_HEADER_BYTES] = FrameKind.END;
    return packet;
  }

  /**
   * The next packet to send on `carrier`, if the window has room for one.
   * What a broken carrier had is first, and in its old order.
   *
   * The packet is written again when it is sent again: a transport copies it.
   */
  nextPacket(carrier: unknown, now: number): Uint8Array | null {
    for (let lost; (lost = this.#resend.shift());) {
      if (lost.last <= this.#acknowledged) continue;
      return this.#departing(lost, carrier, now);
    }
    if (this.#queued.length === 0) {
      if (this.#openBytes === PACKET_HEADER_BYTES) return null;
      // While the window is full the open packet goes on filling.
      if (!this.#windowTakes(this.#openBytes)) return null;
      this.#sealOpen();
    }
    const segment = this.#queued[0];
    if (!this.#windowTakes(segment.packet.length)) return null;
    this.#queued.shift();
    this.#inFlight.push(segment);
    this.#inFlightBytes += segment.packet.length;
    this.#lastSent = segment.last;
    return this.#departing(segment, carrier, now);
  }

  /** A packet that acknowledges everything received so far. */
  ackPacket(): Uint8Array {
    return this.#acknowledging(new Uint8Array(ACK_PACKET_BYTES));
  }

  /** A packet without frames: a probe where the number is odd, or an answer. */
  probePacket(number: number): Uint8Array {
    const packet = this.abortPacket();
    writeUint48(packet, ACK_PACKET_BYTES, number);
    return packet;
  }

  /** A packet that ends the conversation without waiting for anything. */
  abortPacket(): Uint8Array {
    // Its `first` stays ABORT, which is 0.
    return this.#acknowledging(new Uint8Array(PACKET_HEADER_BYTES));
  }

  /** A carrier broke: what it had and was not acknowledged is sent again. */
  carrierLost(carrier: unknown): void {
    for (const segment of this.#inFlight) {
      if (segment.carrier === carrier) segment.carrier = null;
    }
    this.#resend = this.#inFlight.filter((segment) => segment.carrier === null);
  }

  /**
   * Since when the oldest packet that `carrier` has been given waits for its
   * acknowledgement; undefined if none waits.
   */
  waitingSince(carrier: unknown): number | undefined {
    return this.#inFlight.find((segment) => segment.carrier === carrier)
      ?.sentAt;
  }

  /**
   * Takes an acknowledgement, of a packet or outside one when resuming.
   *
   * @throws {ProtocolError} If it is for frames that were never sent.
   */
  acknowledge(sequence: number): void {
    if (this.#ending && sequence === this.#nextSequence - 1) this.#sendAll();
    if (sequence > this.#lastSent) {
      throw new ProtocolError(
        `Cannot read a packet as it acks frame ${sequence} of ${this.#lastSent}`,
      );
    }
    if (sequence <= this.#acknowledged) return;
    this.#acknowledged = sequence;
    let count = 0;
    for (const { last, carrier, packet, sentAt, messages } of this.#inFlight) {
      if (last > sequence) break;
      count++;
      this.#inFlightBytes -= packet.length;
      this.#queuedBytes -= packet.length;
      this.#unacknowledged -= messages;
      this.#handlers.onAcknowledged?.(carrier, packet.length, sentAt);
    }
    this.#inFlight.splice(0, count);
  }

  /**
   * Takes a packet of the other peer, and reports the messages that it
   * completes before it returns.
   *
   * @throws {SocketPeerError} If the other peer breaks the protocol or a
   * limit: the conversation cannot go on.
   */
  receive(packet: Uint8Array): void {
    if (this.#closed) return;
    checkPacketSize(packet);
    this.acknowledge(readUint48(packet, 0));
    if (packet.length === ACK_PACKET_BYTES) return;
    const first = readUint48(packet, ACK_PACKET_BYTES);
    if (first === ABORT) {
      this.#remoteEnded = true;
      this.#handlers.onEnd(false);
      return;
    }
    // A probe, or an answer: whoever called this looks after it.
    if (packet.length === PACKET_HEADER_BYTES) return;
    if (first > this.#received + 1 && !this.#deaf) {
      this.#hold(first, packet, PACKET_HEADER_BYTES);
    } else if (this.#deliver(first, packet, PACKET_HEADER_BYTES)) {
      this.#deliverHeld();
    }
    // A duplicate counts too: its sender has missed the acknowledgement. Not
    // before it was delivered, as a listener's doing may acknowledge half.
    this.#bytesToAck += packet.length;
  }

  /**
   * Reports no more messages for now: what comes is held unacknowledged, so
   * that the other peer stops at the end of its window. Or reports them again,
   * those that were held first.
   *
   * @throws {SocketPeerError} As {@linkcode Session.receive}.
   */
  pause(paused: boolean): void {
    this.#paused = paused;
    // A listener that ends the pause must not be given the next message before
    // the others have this one.
    if (!paused && !this.#delivering) this.#deliverHeld();
  }

  /** Reports nothing more, even in the middle of a packet. */
  close(): void {
    this.#closed = true;
    this.#held.clear();
    this.#assembly = undefined;
  }

  #windowTakes(bytes: number): boolean {
    return this.#inFlightBytes + bytes <= WINDOW_BYTES;
  }

  /** Most bytes of payload that one frame carries now. */
  get #frameBytes(): number {
    return this.packetBytes - PACKET_HEADER_BYTES - FRAME_HEADER_BYTES;
  }

  /** What fits into the open packet as one more frame. */
  get #roomBytes(): number {
    return this.packetBytes - this.#openBytes - FRAME_HEADER_BYTES;
  }

  #openWithRoomFor(payloadBytes: number): Uint8Array {
    if (payloadBytes > this.#roomBytes) this.#sealOpen();
    return this.#open ??= new Uint8Array(MAX_PACKET_BYTES);
  }

  #closeFrame(
    packet: Uint8Array,
    kind: FrameKind,
    more: boolean,
    length: number,
  ): void {
    writeFrameHeader(packet, this.#openBytes, kind, more, length);
    this.#openBytes += FRAME_HEADER_BYTES + length;
    this.#nextSequence++;
    if (!more) this.#openMessages++;
  }

  #sealOpen(): void {
    let packet = this.#open!.subarray(0, this.#openBytes);
    // A full one is not worth copying, and no other is worth all its room.
    if (packet.length < MAX_PACKET_BYTES * 7 / 8) packet = packet.slice();
    else this.#open = undefined;
    writeUint48(packet, ACK_PACKET_BYTES, this.#openFirst);
    this.#queued.push({
      packet,
      last: this.#nextSequence - 1,
      messages: this.#openMessages,
      carrier: null,
      sentAt: 0,
    });
    this.#queuedBytes += packet.length;
    this.#openBytes = PACKET_HEADER_BYTES;
    this.#openMessages = 0;
    this.#openFirst = this.#nextSequence;
  }

  /** All is under way, as the end is acknowledged that went ahead of it. */
  #sendAll(): void {
    if (this.#openBytes > PACKET_HEADER_BYTES) this.#sealOpen();
    for (const segment of this.#queued.splice(0)) {
      this.#inFlight.push(segment);
      this.#inFlightBytes += segment.packet.length;
    }
    this.#lastSent = this.#nextSequence - 1;
  }

  #departing(segment: Segment, carrier: unknown, now: number): Uint8Array {
    segment.carrier = carrier;
    segment.sentAt = now;
    return this.#acknowledging(segment.packet);
  }

  #acknowledging(packet: Uint8Array): Uint8Array {
    writeUint48(packet, 0, this.#received);
    // Few bytes at first, as a sender that begins has few in flight and waits
    // for each acknowledgement; more while they come faster than time runs out.
    this.#ackBytes = this.owesAckNow
      ? Math.min(2 * this.#ackBytes, ACK_BYTES)
      : FIRST_ACK_BYTES;
    this.#bytesToAck = 0;
    return packet;
  }

  /** Keeps a packet whose frame `next`, at `offset`, cannot be delivered yet. */
  #hold(next: number, packet: Uint8Array, offset: number): void {
    if (this.#held.has(next)) return;
    // An honest sender has no more than its window in flight, and a frame
    // takes three bytes at least.
    this.#heldBytes += packet.length;
    if (
      this.#heldBytes > WINDOW_BYTES || next - this.#received > WINDOW_BYTES
    ) {
      throw new ProtocolError(
        `Cannot read a packet of frame ${next} after frame ${this.#received}`,
      );
    }
    this.#held.set(next, { packet, offset });
  }

  #deliverHeld(): void {
    for (let next; (next = this.#held.get(this.#received + 1));) {
      const { packet, offset } = next;
      const first = this.#received + 1;
      this.#held.delete(first);
      this.#heldBytes -= packet.length;
      const whole = this.#deliver(first, packet, offset);
      // What was delivered of it, so that each pause does not acknowledge all.
      this.#bytesToAck += whole ? packet.length - offset : 1;
      if (!whole) break;
    }
  }

  /** Reports what a packet adds from `offset` on, and whether to go on. */
  #deliver(sequence: number, packet: Uint8Array, offset: number): boolean {
    this.#delivering = true;
    while (offset < packet.length) {
      const frame = readFrame(packet, offset);
      const isEnd = frame.kind === FrameKind.END;
      const duplicate = sequence <= this.#received;
      if (!duplicate && !this.#remoteEnded && !this.#closed) {
        if (this.#deaf) {
          if (isEnd) this.#accept(frame);
        } else if (this.#paused && !isEnd) {
          this.#hold(sequence, packet, offset);
          break;
        } else {
          this.#received++;
          this.#accept(frame);
        }
      }
      sequence++;
      offset = frame.end;
    }
    this.#delivering = false;
    return !this.#paused;
  }

  #accept({ kind, more, payload }: Frame): void {
    if (kind === FrameKind.END) {
      this.#remoteEnded = true;
      this.#handlers.onEnd(true);
      return;
    }
    let assembly = this.#assembly;
    if (!assembly) {
      const length = more ? readUint48(payload, 0) : payload.length;
      if (length > this.#maxMessageBytes) {
        throw new MessageTooLargeError(length, this.#maxMessageBytes);
      }
      if (!more) {
        this.#handlers.onMessage(decodeMessage(kind, payload), length);
        return;
      }
      assembly = this.#assembly = {
        kind,
        bytes: new Uint8Array(length),
        length: 0,
      };
      payload = payload.subarray(MESSAGE_LENGTH_BYTES);
    }
    const { bytes } = assembly;
    const length = assembly.length + payload.length;
    if (
      assembly.kind !== kind || length > bytes.length ||
      more === (length === bytes.length)
    ) {
      throw new ProtocolError(
        `Cannot read a packet of kind ${kind} after ${assembly.kind}, at ` +
          `${length} of ${bytes.length} bytes`,
      );
    }
    bytes.set(payload, assembly.length);
    assembly.length = length;
    if (more) return;
    this.#assembly = undefined;
    this.#handlers.onMessage(
      kind === FrameKind.BYTES ? bytes : decodeMessage(kind, bytes),
      length,
    );
  }
}
