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

/** What JSON carries as it is, in whichever realm it was made, but numbers. */
const CARRIED = / (Object|Array|String|Boolean|Null)]$/;

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
  return / (Blob|File)]$/.test(tagOf(data));
}

/**
 * Chooses the kind of frame for a value. Bytes are copied only where they are
 * inside of it.
 *
 * @throws {TypeError} If the value is neither text, bytes nor JSON.
 */
export function encodeMessage(data: unknown): EncodedMessage {
  if (typeof data === "string") return { kind: FrameKind.TEXT, payload: data };
  const payload = asBytes(data);
  return payload ? { kind: FrameKind.BYTES, payload } : encodeJson(data);
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
    if (kind === FrameKind.MIXED) return decodeMixed(payload);
    const text = decoder.decode(payload);
    return kind === FrameKind.JSON ? JSON.parse(text) : text;
  } catch (cause) {
    throw new ProtocolError(
      `Cannot read a message of ${payload.length} bytes: it is not ` +
        (kind === FrameKind.TEXT ? "UTF-8" : "JSON"),
      { cause },
    );
  }
}

function encodeJson(data: unknown): EncodedMessage {
  /** Where each object is, as `.key.key`, to name what cannot be sent. */
  const paths = new Map<unknown, string>();
  /** For each `null` in the JSON 0, or one more than the bytes in its place. */
  const sizes: number[] = [];
  const parts: Uint8Array[] = [];
  const json = JSON.stringify(data, function (key: string, value: unknown) {
    // Most values are these: it is 30 % faster so.
    if (typeof value === "string" || Number.isFinite(value)) return value;
    const at = paths.get(this);
    const path = at === undefined ? "" : `${at}.${key}`;
    // Before its `toJSON()`, which a Buffer of Node's has.
    const bytes = asBytes(this[key]);
    if (bytes) {
      parts.push(bytes);
      sizes.push(bytes.length + 1);
      return null;
    }
    const carried = value === undefined
      // An object may leave it out.
      ? path && !Array.isArray(this)
      : CARRIED.test(tagOf(value));
    if (!carried) {
      throw new TypeError(
        `Cannot send ${String(value).slice(0, 99)}` +
          `${path && ` as "${path}"`}: send text, bytes (an ArrayBuffer or a ` +
          `view), a Blob, or JSON with bytes in it`,
      );
    }
    if (value === null) sizes.push(0);
    else if (typeof value === "object") paths.set(value, path);
    return value;
  });
  if (parts.length === 0) return { kind: FrameKind.JSON, payload: json };
  // No JSON text has a zero in it.
  parts.unshift(payloadBytes(`[${JSON.stringify(sizes)},${json}]\0`));
  let length = 0;
  for (const part of parts) length += part.length;
  const payload = new Uint8Array(length);
  for (const part of parts.reverse()) {
    payload.set(part, length -= part.length);
  }
  return { kind: FrameKind.MIXED, payload };
}

function decodeMixed(payload: Uint8Array): Message {
  let offset = payload.indexOf(0);
  const text = decoder.decode(payload.subarray(0, offset++));
  const [sizes] = JSON.parse(text);
  let index = 0;
  const [, value] = JSON.parse(text, (_, value) => {
    const size = value === null && sizes[index++];
    return size > 0 ? payload.slice(offset, offset += size - 1) : value;
  });
  if (offset !== payload.length) throw new RangeError(`${offset} bytes`);
  return value;
}
