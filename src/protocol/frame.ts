/**
 * Packets of frames: how messages travel between the two peers, the same over
 * every transport. Specified in PROTOCOL.md.
 *
 * @module
 */

import { ProtocolError } from "../errors.ts";
import { MAX_PACKET_BYTES } from "./limits.ts";

/** What a frame carries; its numbers are the wire's. */
export const FrameKind = {
  /** UTF-8 text. */
  TEXT: 0,
  /** Bytes. */
  BYTES: 1,
  /** JSON, as UTF-8 text. */
  JSON: 2,
  /** The sender has ended the conversation; nothing follows. */
  END: 3,
  /** JSON, and the bytes that stand in it. */
  MIXED: 4,
} as const;

/** One of the kinds of {@linkcode FrameKind}. */
export type FrameKind = typeof FrameKind[keyof typeof FrameKind];

/** Bytes of a packet before its frames: `ack` and `first`, 48 bits each. */
export const PACKET_HEADER_BYTES = 12;
/** Bytes of a packet that only acknowledges: `ack` alone. */
export const ACK_PACKET_BYTES = 6;
/** Bytes of a frame before its payload: type and 16-bit length. */
export const FRAME_HEADER_BYTES = 3;
/** Bytes of the length that a message of several frames begins with. */
export const MESSAGE_LENGTH_BYTES = 6;
/** In the type of a frame: the next frame continues the same message. */
export const MORE = 0x80;
/** The `first` of a packet whose sender has left without waiting. */
export const ABORT = 0;

/** One frame of a packet. */
export interface Frame {
  readonly kind: FrameKind;
  /** Whether the next frame continues the same message. */
  readonly more: boolean;
  /** A view of the packet's own bytes. */
  readonly payload: Uint8Array;
  /** Where the next one begins, or the packet ends. */
  readonly end: number;
}

/** Reads the unsigned big-endian number in the six bytes at `offset`. */
export function readUint48(bytes: Uint8Array, offset: number): number {
  let value = 0;
  for (let index = 0; index < 6; index++) {
    value = value * 0x100 + bytes[offset + index];
  }
  return value;
}

/** Writes `value` as an unsigned big-endian number of six bytes. */
export function writeUint48(
  bytes: Uint8Array,
  offset: number,
  value: number,
): void {
  for (let index = 5; index >= 0; index--) {
    // The array takes the lowest eight bits.
    bytes[offset + index] = value;
    value = Math.floor(value / 0x100);
  }
}

/** Writes the header of a frame whose payload stands after it. */
export function writeFrameHeader(
  bytes: Uint8Array,
  offset: number,
  kind: FrameKind,
  more: boolean,
  length: number,
): void {
  bytes[offset] = more ? kind | MORE : kind;
  bytes[offset + 1] = length >>> 8;
  bytes[offset + 2] = length;
}

/**
 * Checks the size of a packet, the one thing about it that is the same for
 * every kind of packet.
 *
 * @throws {ProtocolError} If no packet can have this size.
 */
export function checkPacketSize(packet: Uint8Array): void {
  const { length } = packet;
  const plausible = length === ACK_PACKET_BYTES ||
    length >= PACKET_HEADER_BYTES && length <= MAX_PACKET_BYTES;
  if (!plausible) {
    throw new ProtocolError(`Cannot read ${length} bytes as a packet`);
  }
}

/**
 * The number of a packet without frames: of a probe where it is odd, and one
 * more in its answer; 0 for an abort, undefined for any other packet.
 */
export function probeNumber(packet: Uint8Array): number | undefined {
  return packet.length === PACKET_HEADER_BYTES
    ? readUint48(packet, ACK_PACKET_BYTES)
    : undefined;
}

/**
 * The frame that begins at `offset`, with a view of the packet's bytes.
 *
 * @throws {ProtocolError} If there is none.
 */
export function readFrame(packet: Uint8Array, offset: number): Frame {
  const type = packet[offset];
  const kind = type & ~MORE;
  const start = offset + FRAME_HEADER_BYTES;
  const end = start + (packet[offset + 1] << 8) + packet[offset + 2];
  // Out of range reads are undefined and make `end` NaN: not `<=`.
  if (!(end <= packet.length) || kind > FrameKind.MIXED) {
    throw new ProtocolError(
      `Cannot read a packet: it is cut short at ${offset} of ` +
        `${packet.length}, or of kind ${kind}`,
    );
  }
  return {
    kind: kind as FrameKind,
    more: type !== kind,
    payload: packet.subarray(start, end),
    end,
  };
}
