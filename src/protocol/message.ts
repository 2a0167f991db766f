/**
 * Messages as bytes: which kind of frame a value travels in, and back.
 *
 * @module
 */

import { ProtocolError } from "../errors.ts";
import { FrameKind } from "./frame.ts";

/** A value that JSON can carry. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/**
 * What `data` delivers: text, bytes, or any other JSON value, which may hold
 * bytes too.
 */
export type Message =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | readonly Message[]
  // No type is known of what another program sends; `any` lets a listener say
  // which interface it expects.
  // deno-lint-ignore no-explicit-any
  | { readonly [key: string]: any };

/** A message ready to travel: its kind, and its payload as text or bytes. */
export interface EncodedMessage {
  /** The kind of frame. */
  readonly kind: FrameKind;
  /** Text is turned into UTF-8 where it is written into a packet. */
  readonly payload: string | Uint8Array;
}

const encoder = new TextEncoder();
// A byte order mark is the sender's text too, and must arrive.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const tagOf = (value: unknown): string => ({}).toString.call(value);

/**
 * Bytes as a Uint8Array that shares their memory; undefined for what are none.
 * A buffer may be shared, or come from another realm: a frame's, jsdom's.
 */
export function asBytes(data: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  return /ArrayBuffer]$/.test(tagOf(data))
    ? new Uint8Array(data as ArrayBuffer)
    : undefined;
}

/** Whether a value is a Blob, or a File, in whichever realm it was made. */
export function isBlob(data: unknown): data is Blob {
  return /^\[object (Blob|File)]$/.test(tagOf(data));
}

/**
 * Chooses the kind of frame for a value. Bytes are not copied.
 *
 * @throws {TypeError} If the value is neither text, bytes nor JSON.
 */
export function encodeMessage(data: unknown): EncodedMessage {
  if (typeof data === "string") return { kind: FrameKind.TEXT, payload: data };
  const payload = asBytes(data);
  return payload
    ? { kind: FrameKind.BYTES, payload }
    : { kind: FrameKind.JSON, payload: toJson(data) };
}

/** UTF-8 of a payload. */
export function payloadBytes(payload: string | Uint8Array): Uint8Array {
  return typeof payload === "string" ? encoder.encode(payload) : payload;
}

/**
 * Writes UTF-8 of `text` at `offset`, where `into` has room for three bytes
 * per UTF-16 unit, the most that UTF-8 takes.
 *
 * @returns How many bytes were written.
 */
export function writeText(
  text: string,
  into: Uint8Array,
  offset: number,
): number {
  return encoder.encodeInto(text, into.subarray(offset)).written;
}

/**
 * The value that a kind of frame carries. Bytes are copied, so that what the
 * receiver is given shares no memory with a packet.
 *
 * @throws {ProtocolError} If the payload is not of its kind.
 */
export function decodeMessage(kind: FrameKind, payload: Uint8Array): Message {
  if (kind === FrameKind.BYTES) return payload.slice();
  try {
    const text = decoder.decode(payload);
    return kind === FrameKind.JSON ? JSON.parse(text) : text;
  } catch (cause) {
    throw new ProtocolError(
      `Cannot read a message of ${payload.length} bytes: it is not ` +
        (kind === FrameKind.JSON ? "JSON" : "UTF-8"),
      { cause },
    );
  }
}

function toJson(data: unknown): string {
  // JSON would turn these into null, which is not what was sent.
  if (typeof data === "number" && !Number.isFinite(data)) {
    throw notSendable(String(data));
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(data);
  } catch (cause) {
    throw notSendable("what JSON cannot carry", { cause });
  }
  if (text === undefined) throw notSendable(`a value of type ${typeof data}`);
  return text;
}

function notSendable(what: string, options?: ErrorOptions): TypeError {
  return new TypeError(
    `Cannot send ${what}: send text, bytes (an ArrayBuffer, a view or a ` +
      `Blob) or JSON`,
    options,
  );
}
