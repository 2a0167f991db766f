/**
 * Every close code of the WebSocket, its meaning, and whether to dial again.
 *
 * @module
 */

import type { SocketPeerErrorCode } from "../errors.ts";

/** The peer has ended its conversation; sent by a client alone. */
export const LEAVE = 4000;
/** The client sent what is not socketpeer's protocol and cannot go on. */
export const MALFORMED = 4001;
/** The server does not accept the pair code. */
export const PAIR_CODE_REFUSED = 4002;
/** The client did not send `pair` in time. */
export const PAIR_TIMEOUT = 4003;
/** No other peer came in time. */
export const PEER_TIMEOUT = 4004;
/** Two other peers hold the pair code. */
export const BUSY = 4005;
/** A newer socket of the same peer has taken this one's place. */
export const TAKEN_OVER = 4006;
/** The other peer has ended the conversation. */
export const PEER_LEFT = 4007;
/** The server has ended the conversation. */
export const ENDED_BY_SERVER = 4008;
/** A socket does not read what it is sent, or has gone silent. */
export const UNRESPONSIVE = 4009;
/** Too many control messages, or attempts to pair, in too short a time. */
export const RATE_LIMITED = 4010;
/** The server does not let this client in: `authorize` has refused it. */
export const UNAUTHORIZED = 4011;
/** Another peer has the place of one of the two, which did not come back. */
export const REPLACED = 4012;
/** RFC 6455: the server, or the page, goes away. */
export const GOING_AWAY = 1001;
/** The server restarts (IANA's registry of close codes): dial another. */
export const SERVICE_RESTART = 1012;

/** RFC 6455: a policy of the server, such as its `allowedOrigins`. */
export const POLICY = 1008;
/** IANA's registry: the server is full for now. */
export const TRY_AGAIN_LATER = 1013;

/** What a close code means to a client. */
export interface CloseRule {
  /** The code of the error that the client reports. */
  readonly code: SocketPeerErrorCode;
  /** Whether dialing again may help. */
  readonly retryable: boolean;
}

const RULES: Readonly<Record<number, CloseRule>> = {
  [POLICY]: { code: "SERVER_CLOSED", retryable: false },
  1009: { code: "PROTOCOL", retryable: false },
  [MALFORMED]: { code: "PROTOCOL", retryable: false },
  [PAIR_CODE_REFUSED]: { code: "PAIR_CODE_REFUSED", retryable: false },
  [PAIR_TIMEOUT]: { code: "SERVER_CLOSED", retryable: true },
  [PEER_TIMEOUT]: { code: "PEER_TIMEOUT", retryable: true },
  [BUSY]: { code: "BUSY", retryable: true },
  // The newer socket may be an older one of ours, whose `pair` was late.
  [TAKEN_OVER]: { code: "SERVER_CLOSED", retryable: true },
  [PEER_LEFT]: { code: "SERVER_CLOSED", retryable: false },
  [ENDED_BY_SERVER]: { code: "SERVER_CLOSED", retryable: false },
  [UNRESPONSIVE]: { code: "SERVER_CLOSED", retryable: true },
  [RATE_LIMITED]: { code: "SERVER_CLOSED", retryable: true },
  [UNAUTHORIZED]: { code: "SERVER_CLOSED", retryable: false },
  [REPLACED]: { code: "SERVER_CLOSED", retryable: false },
};

/**
 * What to make of a close code. Codes of no rule, 1001, 1006, 1012 and Deno's
 * 0 among them, are a broken connection: dial again.
 */
export function closeRule(code: number): CloseRule {
  return RULES[code] ?? { code: "SOCKET", retryable: true };
}

/**
 * A close reason cut to the 123 bytes of UTF-8 that a close frame has room
 * for (RFC 6455 section 5.5), without splitting a character.
 */
export function closeReason(text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= 123) return text;
  // Decoding as a stream holds back a character that the cut has split.
  return new TextDecoder().decode(bytes.subarray(0, 123), { stream: true });
}
