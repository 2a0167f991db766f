/**
 * Control messages: the JSON text messages of the WebSocket, and the one
 * parser of them. Specified in PROTOCOL.md.
 *
 * @module
 */

import { ProtocolError } from "../errors.ts";
import {
  MAX_CONTROL_BYTES,
  MAX_ID_LENGTH,
  MAX_PAIR_CODE_LENGTH,
  PROTOCOL_VERSION,
} from "./limits.ts";

/** What each peer tells the other when they are paired; the server passes it. */
export interface Hello {
  /** The last frame of the other peer that has arrived, 0 for none. */
  readonly received: number;
  /** Whether this peer can open a data channel. */
  readonly webrtc: boolean;
  /** Whether this peer takes messages over the relay. */
  readonly relay: boolean;
  /** Bytes of the largest message that this peer takes. */
  readonly maxMessageBytes: number;
}

/** What a place is taken by, and given up. */
export interface Ticket {
  /** Names a peer for as long as one conversation lasts. */
  readonly id: string;
  /** Proves that a later socket belongs to the same peer; never passed on. */
  readonly key: string;
}

/** What a peer asks of the server. */
export interface PairRequest extends Ticket {
  /** The pair code. */
  readonly code: string;
  /** Always {@linkcode PROTOCOL_VERSION}. */
  readonly version: number;
  /** The `id` of the peer whose conversation is to be resumed. */
  readonly partner?: string;
  /** The place of this peer's conversation before, which it gives up. */
  readonly leaves?: Ticket;
  /** How long the place is kept while both peers are away, in milliseconds. */
  readonly resumeTimeout: number;
  /** Passed to the other peer. */
  readonly hello: Hello;
}

/** One step of WebRTC's negotiation. */
export interface RtcSignal {
  /** Counts the connections of one conversation; an old one's are dropped. */
  readonly generation: number;
  /** An offer or an answer. */
  readonly description?: { readonly type: string; readonly sdp: string };
  /** A candidate; `null` after the last. */
  readonly candidate?: Readonly<Record<string, unknown>> | null;
}

/** Every control message, by type. */
export type ControlMessage =
  /** Client: I am this peer, and look for the other of this code. */
  | { readonly type: "pair"; readonly data: PairRequest }
  /** Client: I got your `ping`. */
  | { readonly type: "pong" }
  /** Server: accepted; the other peer is not here. */
  | { readonly type: "peer.waiting" }
  /** Server: the other peer is here, and packets pass from now on. */
  | {
    readonly type: "peer.found";
    readonly data: {
      readonly initiator: boolean;
      readonly id: string;
      readonly hello: Hello;
    };
  }
  /** Server: the other peer's socket broke; it may come back. */
  | { readonly type: "peer.lost" }
  /** Server: are you there? The next one comes within `interval` ms. */
  | { readonly type: "ping"; readonly data: { readonly interval: number } }
  /** Server: a message of yours could not be handled. */
  | { readonly type: "error"; readonly data: { readonly message: string } }
  /** Peer to peer: please offer again; connection `generation` is dead. */
  | {
    readonly type: "rtc.connect";
    readonly data: { readonly generation: number };
  }
  /** Peer to peer: a step of the negotiation. */
  | { readonly type: "rtc.signal"; readonly data: RtcSignal };

/** The text of a control message. */
export function encodeControl(message: ControlMessage): string {
  return JSON.stringify(message);
}

/** Says what a value is not, or nothing where it is. */
export type Check = (value: unknown) => string | undefined;

const flag: Check = (value) =>
  typeof value === "boolean" ? undefined : "true or false";

const count: Check = (value) =>
  Number.isSafeInteger(value) && value as number >= 0
    ? undefined
    : "a whole number from 0";

const text = (maxLength: number): Check => (value) =>
  typeof value === "string" && value !== "" && value.length <= maxLength
    ? undefined
    : `a string of 1 to ${maxLength} characters`;

/** An object with these fields, and any others: a later version may say more. */
const object = (fields: Readonly<Record<string, Check>>): Check => (value) => {
  if (typeof value !== "object" || value === null) return "an object";
  for (const [name, check] of Object.entries(fields)) {
    // Values are never quoted: a pair code works like a password.
    const wanted = check((value as Record<string, unknown>)[name]);
    if (wanted) return `an object whose "${name}" is ${wanted}`;
  }
};

const optional = (check: Check): Check => (value) =>
  value === undefined ? undefined : check(value);

const name = text(MAX_ID_LENGTH);
const nothing: Check = () => undefined;

const hello = object({
  received: count,
  webrtc: flag,
  relay: flag,
  maxMessageBytes: count,
});

const rtcSignal: Check = (value) => {
  const { description, candidate } = (value ?? {}) as Partial<RtcSignal>;
  const fields: Record<string, Check> = { generation: count };
  if (description !== undefined) {
    fields.description = object({ type: name, sdp: text(MAX_CONTROL_BYTES) });
  } else if (candidate !== null) fields.candidate = object({});
  return object(fields)(value);
};

/** What the data of each type must be. */
export type ControlChecks = Readonly<Record<string, Check>>;

const betweenPeers: ControlChecks = {
  "rtc.connect": object({ generation: count }),
  "rtc.signal": rtcSignal,
};

/** The messages that a client gets. */
export const FROM_SERVER: ControlChecks = {
  ...betweenPeers,
  "peer.waiting": nothing,
  "peer.found": object({ initiator: flag, id: name, hello }),
  "peer.lost": nothing,
  ping: object({ interval: count }),
  error: object({ message: text(MAX_CONTROL_BYTES) }),
};

/** The messages that a server gets; a function, as clients have no use for it. */
export const fromClient = (): ControlChecks => ({
  ...betweenPeers,
  pong: nothing,
  pair: object({
    code: text(MAX_PAIR_CODE_LENGTH),
    version: (value) =>
      value === PROTOCOL_VERSION
        ? undefined
        : `${PROTOCOL_VERSION}, the only version spoken here`,
    id: name,
    key: name,
    partner: optional(name),
    leaves: optional(object({ id: name, key: name })),
    resumeTimeout: count,
    hello,
  }),
});

/**
 * Reads a control message of the given types.
 *
 * @throws {ProtocolError} If the text is not one; the message says why.
 */
export function parseControl(
  json: string,
  checks: ControlChecks,
): ControlMessage {
  let wanted = "JSON";
  // A UTF-16 unit is at least one byte, so this also bounds what is parsed.
  if (json.length > MAX_CONTROL_BYTES) {
    wanted = `of at most ${MAX_CONTROL_BYTES} characters`;
  } else {
    try {
      const message = JSON.parse(json);
      const type = message?.type;
      const known = typeof type === "string" && Object.hasOwn(checks, type);
      const wrong = known
        ? object({ data: checks[type] })(message)
        : `an object of a known "type"`;
      if (!wrong) return message;
      wanted = wrong;
    } catch {
      // Its error would quote the text, and a pair code in it.
    }
  }
  throw new ProtocolError(
    `Cannot read a control message as it is not ${wanted}`,
  );
}
