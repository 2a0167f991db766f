/**
 * What nodes send each other: many items in one message, behind a head that
 * counts.
 *
 * ```text
 * message = version u8, flags u8, node 11 x u8, generation u32, given up u32,
 *           heard u32, sequence u32, taken u48, item*
 * item    = kind u8, to u32, from u32, length u32, bytes
 * ```
 *
 * All numbers are big-endian. `node` is who sends; `to` and `from` name
 * members, 0 for none. The bytes of a note are JSON, in UTF-8.
 *
 * @module
 */

import type { Hello, Ticket } from "../../protocol/control.ts";
import type { PlaceRequest } from "../pair_registry.ts";
import type { RefusalReason } from "../server_event.ts";

/** Nodes that speak otherwise do not understand each other. */
const VERSION = 1;
const ASKS = 1;

const NODE_LENGTH = 11;
/** Bytes before the items. */
export const HEAD_BYTES = 2 + NODE_LENGTH + 4 * 4 + 6;
/** Bytes of an item beside what is in it. */
export const ITEM_BYTES = 13;

/** What an item is. */
export const NOTE = 0;
/** A packet. */
export const PACKET = 1;
/** A control message of the partner, as it came. */
export const SIGNAL = 2;
/** A message between two of version 1, as it came. */
export const MESSAGE_1 = 3;

/** What stands before the items of a message. */
export interface Head {
  /** The node that sends the message. */
  readonly node: string;
  /** Which of the sender's streams to this node it belongs to. */
  readonly generation: number;
  /** The last of this node's streams that the sender has given up, or 0. */
  readonly givenUp: number;
  /** Which of this node's streams the sender hears, or 0. */
  readonly heard: number;
  /** The message's place in the sender's stream, from 0. */
  readonly sequence: number;
  /** How many bytes of items the sender has taken of the stream it hears. */
  readonly taken: number;
  /** Whether the sender wants to hear something. */
  readonly asks: boolean;
}

/** One thing that a node sends another. */
export interface Item {
  readonly kind: number;
  readonly to: number;
  readonly from: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What one node sends another at once. */
export interface Message {
  readonly head: Head;
  readonly items: readonly Item[];
}

/** The peer that another is introduced to. */
export interface Acquaintance {
  readonly node: string;
  readonly member: number;
  readonly version: 1 | 2;
  readonly id?: string;
  readonly hello: Hello;
}

/** An introduction of one peer to another. */
export interface Introduction {
  readonly member: number;
  readonly turn: number;
  readonly initiator: boolean;
  readonly partner: Acquaintance;
}

/**
 * What nodes tell each other. `member` is a number that the node has given
 * whose peer it is, to each of its attempts to join.
 */
export type Note =
  /** To the owner of a slot: a peer of mine asks for a place. */
  | {
    readonly type: "join";
    readonly member: number;
    readonly slot: string;
    readonly request: Omit<PlaceRequest, "code" | "key" | "leaves"> & {
      readonly key?: string;
      readonly leaves?: Ticket;
    };
    readonly version: 1 | 2;
    readonly hello: Hello;
    /** For how long it has looked for a partner, in milliseconds. */
    readonly aloneMs: number;
    /** Whether it has left since, which follows. */
    readonly leaving?: boolean;
  }
  /** To the owner: it is gone. */
  | {
    readonly type: "leave";
    readonly member: number;
    readonly forGood: boolean;
  }
  /** From the owner: it is known to be gone for good. */
  | { readonly type: "left"; readonly member: number }
  /** To the owner: it does not hear the one that is away either. */
  | { readonly type: "letIn"; readonly member: number }
  /** To the owner: it will leave for good. */
  | { readonly type: "leaveSoon"; readonly member: number }
  /** From the owner: the slot is not mine, ask again whose it is. */
  | { readonly type: "astray"; readonly member: number }
  /** From the owner: it has its place, alone. */
  | { readonly type: "waiting"; readonly member: number; readonly turn: number }
  /**
   * From the owner: the other peer is here. Where that one is at a third node,
   * its own introduction comes along, and is passed on: in front of the packets
   * to come.
   */
  | Introduction & {
    readonly type: "found";
    readonly pass?: Introduction & { readonly node: string };
  }
  /** From the owner: the other peer's socket broke. */
  | { readonly type: "lost"; readonly member: number; readonly turn: number }
  /** From the owner: somebody asks for the place of the one that is away. */
  | { readonly type: "knocked"; readonly member: number }
  /** From the owner: it has no place, or none any more. */
  | {
    readonly type: "dismiss";
    readonly member: number;
    readonly code: number;
    readonly reason: string;
  }
  /** To the partner's node: end its connection for what it has done. */
  | {
    readonly type: "refuse";
    readonly member: number;
    readonly from: number;
    readonly reason: RefusalReason;
    readonly code: number;
    readonly text: string;
  }
  /** To the owner: end the conversation behind a slot. */
  | { readonly type: "end"; readonly call: number; readonly slot: string }
  /** From the owner: whether there was one; without `was`, it is not mine. */
  | { readonly type: "ended"; readonly call: number; readonly was?: boolean }
  /** I stop. */
  | { readonly type: "bye" };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An item that says something. */
export function noteItem(note: Note): Item {
  const bytes = encoder.encode(JSON.stringify(note));
  return { kind: NOTE, to: 0, from: 0, bytes };
}

type Fields = Readonly<Record<string, "number" | "string" | "boolean">>;

const MEMBER: Fields = { member: "number" };
const TURN: Fields = { ...MEMBER, turn: "number" };
const FIELDS: Readonly<Record<Note["type"], Fields>> = {
  join: { ...MEMBER, slot: "string", version: "number", aloneMs: "number" },
  leave: { ...MEMBER, forGood: "boolean" },
  left: MEMBER,
  letIn: MEMBER,
  leaveSoon: MEMBER,
  astray: MEMBER,
  waiting: TURN,
  found: { ...TURN, initiator: "boolean" },
  lost: TURN,
  knocked: MEMBER,
  dismiss: { ...MEMBER, code: "number", reason: "string" },
  refuse: {
    ...MEMBER,
    from: "number",
    reason: "string",
    code: "number",
    text: "string",
  },
  end: { call: "number", slot: "string" },
  ended: { call: "number" },
  bye: {},
};

/** What a note says; undefined where it is none that is known here. */
export function readNote({ bytes }: Item): Note | undefined {
  try {
    const note = JSON.parse(decoder.decode(bytes));
    return isNote(note) ? note : undefined;
  } catch {
    return undefined;
  }
}

// deno-lint-ignore no-explicit-any -- it is what JSON.parse() gives
function isNote(note: any): note is Note {
  if (!Object.hasOwn(FIELDS, note?.type)) return false;
  if (!hasFields(note, FIELDS[note.type as Note["type"]])) return false;
  if (note.type === "join") {
    return typeof note.request === "object" && note.request !== null &&
      typeof note.hello === "object" && note.hello !== null;
  }
  if (note.type !== "found") return true;
  return isIntroduction(note) &&
    (note.pass === undefined ||
      typeof note.pass?.node === "string" && isIntroduction(note.pass));
}

// deno-lint-ignore no-explicit-any -- the same
function isIntroduction(value: any): boolean {
  const partner: Fields = { ...MEMBER, node: "string", version: "number" };
  return hasFields(value, FIELDS.found) && hasFields(value.partner, partner) &&
    typeof value.partner.hello === "object" && value.partner.hello !== null;
}

// deno-lint-ignore no-explicit-any -- the same
function hasFields(value: any, fields: Fields): boolean {
  return typeof value === "object" && value !== null &&
    Object.entries(fields).every(([name, type]) => typeof value[name] === type);
}

/** A text as the bytes of an item. */
export function textBytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** The text of an item. */
export function itemText({ bytes }: Item): string {
  return decoder.decode(bytes);
}

/** Bytes that an item takes in a message. */
export function sizeOf({ bytes }: Item): number {
  return ITEM_BYTES + bytes.byteLength;
}

/** The bytes of a message. */
export function encodeMessage(
  head: Head,
  items: readonly Item[],
): Uint8Array<ArrayBuffer> {
  let size = HEAD_BYTES;
  for (const item of items) size += sizeOf(item);
  const message = new Uint8Array(size);
  const view = new DataView(message.buffer);
  message[0] = VERSION;
  message[1] = head.asks ? ASKS : 0;
  for (let at = 0; at < NODE_LENGTH; at++) {
    message[2 + at] = head.node.charCodeAt(at);
  }
  const at = 2 + NODE_LENGTH;
  view.setUint32(at, head.generation);
  view.setUint32(at + 4, head.givenUp);
  view.setUint32(at + 8, head.heard);
  view.setUint32(at + 12, head.sequence);
  view.setUint16(at + 16, head.taken / 2 ** 32);
  view.setUint32(at + 18, head.taken % 2 ** 32);
  let end = HEAD_BYTES;
  for (const { kind, to, from, bytes } of items) {
    message[end] = kind;
    view.setUint32(end + 1, to);
    view.setUint32(end + 5, from);
    view.setUint32(end + 9, bytes.byteLength);
    message.set(bytes, end + ITEM_BYTES);
    end += ITEM_BYTES + bytes.byteLength;
  }
  return message;
}

/**
 * Reads a message. Its items lie in the same memory.
 *
 * @returns Undefined where it is none, or one of another version.
 */
export function decodeMessage(
  message: Uint8Array<ArrayBuffer>,
): Message | undefined {
  const { byteLength, byteOffset } = message;
  if (byteLength < HEAD_BYTES || message[0] !== VERSION) return undefined;
  const view = new DataView(message.buffer, byteOffset, byteLength);
  const at = 2 + NODE_LENGTH;
  const head: Head = {
    node: String.fromCharCode(...message.subarray(2, at)),
    generation: view.getUint32(at),
    givenUp: view.getUint32(at + 4),
    heard: view.getUint32(at + 8),
    sequence: view.getUint32(at + 12),
    taken: view.getUint16(at + 16) * 2 ** 32 + view.getUint32(at + 18),
    asks: message[1] === ASKS,
  };
  const items: Item[] = [];
  for (let start = HEAD_BYTES; start < byteLength;) {
    if (start + ITEM_BYTES > byteLength) return undefined;
    const end = start + ITEM_BYTES + view.getUint32(start + 9);
    if (end > byteLength) return undefined;
    items.push({
      kind: message[start],
      to: view.getUint32(start + 1),
      from: view.getUint32(start + 5),
      bytes: message.subarray(start + ITEM_BYTES, end),
    });
    start = end;
  }
  return { head, items };
}
