/**
 * Control messages: the JSON text messages of the WebSocket, and the one
 * parser of them. Specified in PROTOCOL.md.
 *
 * @module
 */

import { ProtocolError } from "../errors.ts";
import { MAX_CONTROL_BYTES, MAX_ID_LENGTH } from "./limits.ts";

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
  /** This peer talks in private alone, with whoever has the same secret. */
  readonly private?: PrivateHello;
}

/** What a private peer adds to its `hello`: its part of the key agreement. */
export interface PrivateHello {
  /** The sender's share of the key, in base64. */
  readonly share: string;
  /** What it says of itself, as JSON: the key is bound to it, to the byte. */
  readonly ad: string;
}

/** Proves that its sender has the key, and says where it begins to count. */
export interface PrivateStart {
  /** The counter of this record; what follows on the socket counts on. */
  readonly counter: number;
  /** The sealed record, in base64. */
  readonly seal: string;
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
  /** The pair code; empty where the server shall draw a number. */
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

/** A bare pair code of version 1, which is anything that is no object. */
export type LegacyPairCode = string | number | boolean | null;

/** When the server will be heard of again. */
export interface Heartbeat {
  /** The next `ping` comes within so many milliseconds. */
  readonly interval: number;
}

/** One of WebRTC's candidates, as its own `toJSON()` says it; null: no more. */
export type RtcCandidate = Readonly<Record<string, unknown>> | null;

/** One step of WebRTC's negotiation. */
export interface RtcSignal {
  /** Counts the connections of one conversation; an old one's are dropped. */
  readonly generation: number;
  /** An offer or an answer. */
  readonly description?: { readonly type: string; readonly sdp: string };
  /** Candidates in the order in which they were found. */
  readonly candidates?: readonly RtcCandidate[];
}

/** Every control message, by type. */
export type ControlMessage =
  /**
   * Client: I am this peer, and look for the other of this code. Version 1
   * sends the code alone.
   */
  | { readonly type: "pair"; readonly data: PairRequest | LegacyPairCode }
  /** Client or server: I got your `ping`. */
  | { readonly type: "pong" }
  /** Server: accepted; the other peer is not here. */
  | {
    readonly type: "peer.waiting";
    readonly data: Heartbeat & {
      /** The number under which it waits, where it asked for one. */
      readonly code?: string;
    };
  }
  /** Server: the other peer is here, and packets pass from now on. */
  | {
    readonly type: "peer.found";
    readonly data: Heartbeat & {
      readonly initiator: boolean;
      /** Missing where the other peer speaks version 1, which has none. */
      readonly id?: string;
      readonly hello: Hello;
      /** STUN and TURN servers to use from now on, for WebRTC to read. */
      readonly iceServers?: readonly object[];
    };
  }
  /** Server: use these STUN and TURN servers from now on. */
  | {
    readonly type: "ice.servers";
    readonly data: { readonly iceServers: readonly object[] };
  }
  /** Client: my place will be free in a moment. */
  | { readonly type: "leaving" }
  /** Client: my messages leave on the data channel from now on. */
  | { readonly type: "upgrade" }
  /** In version 1, peer to peer: a message. */
  | { readonly type: "data"; readonly data: unknown }
  /** Server: the other peer's socket broke; it may come back. */
  | { readonly type: "peer.lost" }
  /**
   * Server: somebody asks for the place of the other peer, which is away.
   * Client: I do not hear that one either.
   */
  | { readonly type: "peer.knock" }
  /** Are you there? A server says in it when it will ask again. */
  | { readonly type: "ping"; readonly data?: Heartbeat }
  /** Server: a message of yours could not be handled. */
  | { readonly type: "error"; readonly data: { readonly message: string } }
  /** Peer to peer: please offer again; connection `generation` is dead. */
  | {
    readonly type: "rtc.connect";
    readonly data: { readonly generation: number };
  }
  /** Peer to peer: a step of the negotiation. */
  | { readonly type: "rtc.signal"; readonly data: RtcSignal }
  /** Peer to peer: from here on what I send is sealed. */
  | { readonly type: "private.start"; readonly data: PrivateStart };

/** The data of the control messages of a type. */
export type ControlData<Type extends ControlMessage["type"]> =
  (ControlMessage & { readonly type: Type; readonly data: unknown })["data"];

/** The text of a control message. */
export function encodeControl(message: ControlMessage): string {
  return JSON.stringify(message);
}

/** `true` where a value is what it must be, or else that in words. */
export type Check = (value: unknown) => true | string;

/** Anything at all, or nothing. */
export const anything: Check = () => true;

const flag: Check = (value) => typeof value === "boolean" || "true or false";

/** A whole number from 0. */
export const count: Check = (value) =>
  Number.isSafeInteger(value) && value as number >= 0 ||
  "a whole number from 0";

const list: Check = (value) => Array.isArray(value) || "an array";

/** Text of so many characters at most, and one at least. */
export const text = (most: number): Check => (value) =>
  typeof value === "string" && value !== "" && value.length <= most ||
  `a string of 1 to ${most} characters`;

/** A check that `undefined` passes, too. */
export const optional = (check: Check): Check => (value) =>
  value === undefined || check(value);

/** An object with these fields; a later version may say more. */
export const object =
  (fields: Readonly<Record<string, Check>>): Check => (value) => {
    if (typeof value !== "object" || value === null) return "an object";
    for (const name in fields) {
      const wanted = fields[name]((value as Record<string, unknown>)[name]);
      // Values are never quoted: a pair code works like a password.
      if (wanted !== true) return `an object whose "${name}" is ${wanted}`;
    }
    return true;
  };

/** What a {@linkcode Hello} must be. */
export const hello: Check = object({
  received: count,
  webrtc: flag,
  relay: flag,
  maxMessageBytes: count,
});

const heartbeat = { interval: count };

/** What the data of each type must be. */
export type ControlSchemas = Readonly<Record<string, Check>>;

/** The messages that pass from peer to peer as they are. */
export const betweenPeers: ControlSchemas = {
  "rtc.connect": object({ generation: count }),
  "rtc.signal": object({
    generation: count,
    description: optional(
      object({ type: text(MAX_ID_LENGTH), sdp: text(MAX_CONTROL_BYTES) }),
    ),
    // WebRTC reads each, and passes over what it can't.
    candidates: optional(list),
  }),
};

/** The messages that a client gets. */
export const FROM_SERVER: ControlSchemas = {
  ...betweenPeers,
  "peer.waiting": object(heartbeat),
  "peer.found": object({
    ...heartbeat,
    initiator: flag,
    id: optional(text(MAX_ID_LENGTH)),
    hello,
    iceServers: optional(list),
  }),
  "ice.servers": object({ iceServers: list }),
  "peer.lost": anything,
  "peer.knock": anything,
  ping: object(heartbeat),
  pong: anything,
  error: object({ message: text(MAX_CONTROL_BYTES) }),
};

/**
 * Reads a control message of the given types.
 *
 * @throws {ProtocolError} If the text is not one; the message says why.
 */
export function parseControl(
  json: string,
  schemas: ControlSchemas,
): ControlMessage {
  let wanted = "JSON";
  // A UTF-16 unit is at least one byte, so this also bounds what is parsed.
  if (json.length > MAX_CONTROL_BYTES) {
    wanted = `of at most ${MAX_CONTROL_BYTES} characters`;
  } else {
    try {
      const message = JSON.parse(json);
      const type = message?.type;
      const known = typeof type === "string" && Object.hasOwn(schemas, type);
      const right = known
        ? object({ data: schemas[type] })(message)
        : `an object of a known "type"`;
      if (right === true) return message;
      wanted = right;
    } catch {
      // Its error would quote the text, and a pair code in it.
    }
  }
  throw new ProtocolError(
    `Cannot read a control message as it is not ${wanted}`,
  );
}
