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

/** What a peer asks of the server. */
export interface PairRequest {
  /** The pair code. */
  readonly code: string;
  /** Always {@linkcode PROTOCOL_VERSION}. */
  readonly version: number;
  /** Names this peer for as long as one conversation lasts. */
  readonly id: string;
  /** Proves that a later socket belongs to the same peer; never passed on. */
  readonly key: string;
  /** The `id` of the peer whose conversation is to be resumed. */
  readonly partner?: string;
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

/**
 * Reads a control message.
 *
 * @throws {ProtocolError} If the text is not one; the message says why.
 */
export function parseControl(text: string): ControlMessage {
  // A UTF-16 unit is at least one byte, so this also bounds the bytes parsed.
  if (text.length > MAX_CONTROL_BYTES) {
    throw malformed(
      `it has ${text.length} characters of at most ${MAX_CONTROL_BYTES}`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed("it is not JSON", { cause });
  }
  const message = record(value, "it");
  const { type } = message;
  switch (type) {
    case "pong":
    case "peer.waiting":
    case "peer.lost":
      return { type };
    case "pair":
      return { type, data: pairRequest(record(message.data, `"data"`)) };
    case "peer.found": {
      const data = record(message.data, `"data"`);
      return {
        type,
        data: {
          initiator: data.initiator === true,
          id: string(data, "id", MAX_ID_LENGTH),
          hello: hello(record(data.hello, `"hello"`)),
        },
      };
    }
    case "ping": {
      const data = record(message.data, `"data"`);
      return { type, data: { interval: count(data, "interval") } };
    }
    case "error": {
      const data = record(message.data, `"data"`);
      return {
        type,
        data: { message: string(data, "message", MAX_CONTROL_BYTES) },
      };
    }
    case "rtc.connect": {
      const data = record(message.data, `"data"`);
      return { type, data: { generation: count(data, "generation") } };
    }
    case "rtc.signal":
      return { type, data: rtcSignal(record(message.data, `"data"`)) };
    default:
      throw malformed(
        typeof type === "string"
          ? `its type "${type.slice(0, 32)}" is unknown`
          : `its "type" is not a string`,
      );
  }
}

function pairRequest(data: Record<string, unknown>): PairRequest {
  if (data.version !== PROTOCOL_VERSION) {
    throw malformed(
      `its version is not ${PROTOCOL_VERSION}, the only one spoken here`,
    );
  }
  return {
    code: string(data, "code", MAX_PAIR_CODE_LENGTH),
    version: PROTOCOL_VERSION,
    id: string(data, "id", MAX_ID_LENGTH),
    key: string(data, "key", MAX_ID_LENGTH),
    partner: data.partner === undefined
      ? undefined
      : string(data, "partner", MAX_ID_LENGTH),
    resumeTimeout: count(data, "resumeTimeout"),
    hello: hello(record(data.hello, `"hello"`)),
  };
}

function hello(data: Record<string, unknown>): Hello {
  return {
    received: count(data, "received"),
    webrtc: data.webrtc === true,
    relay: data.relay !== false,
    maxMessageBytes: count(data, "maxMessageBytes"),
  };
}

function rtcSignal(data: Record<string, unknown>): RtcSignal {
  const generation = count(data, "generation");
  if (data.description !== undefined) {
    const description = record(data.description, `"description"`);
    return {
      generation,
      description: {
        type: string(description, "type", MAX_ID_LENGTH),
        sdp: string(description, "sdp", MAX_CONTROL_BYTES),
      },
    };
  }
  const candidate = data.candidate === null
    ? null
    : record(data.candidate, `"candidate"`);
  return { generation, candidate };
}

function record(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw malformed(`${name} is not an object`);
}

// Values are never quoted in an error: a pair code works like a password.
function string(
  data: Record<string, unknown>,
  name: string,
  maxLength: number,
): string {
  const value = data[name];
  if (typeof value !== "string" || value === "" || value.length > maxLength) {
    throw malformed(
      `"${name}" is not a string of 1 to ${maxLength} characters`,
    );
  }
  return value;
}

function count(data: Record<string, unknown>, name: string): number {
  const value = data[name];
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw malformed(`"${name}" is not a whole number from 0`);
  }
  return value as number;
}

function malformed(why: string, options?: ErrorOptions): ProtocolError {
  return new ProtocolError(
    `Cannot read a control message as ${why}`,
    options,
  );
}
