/**
 * The control messages that a server gets: a module of its own, as the client,
 * which must be small, has no use for it. Of privacy only this knows: a client
 * without it is sent none of it, and one with it reads it itself.
 *
 * @module
 */

import {
  anything,
  betweenPeers,
  type ControlSchemas,
  count,
  hello,
  object,
  optional,
  text,
} from "./control.ts";
import {
  MAX_ID_LENGTH,
  MAX_PAIR_CODE_LENGTH,
  PROTOCOL_VERSION,
} from "./limits.ts";

/**
 * Longest share of a key in a `hello`, in UTF-16 code units: 32 bytes of an
 * elliptic curve are 43 of base64url, or 64 of hexadecimal.
 */
export const MAX_SHARE_LENGTH = 64;

/**
 * Longest text in a `hello` that a key depends on, in UTF-16 code units: half of
 * the `hello`, as it is written as JSON within JSON.
 */
export const MAX_PRIVATE_AD_LENGTH = 2048;

/** Longest `seal` of a `private.start`, in UTF-16 code units. */
export const MAX_SEAL_LENGTH = 1024;

const name = text(MAX_ID_LENGTH);

const pairCode = text(MAX_PAIR_CODE_LENGTH);

const privacy = object({
  private: optional(object({
    share: text(MAX_SHARE_LENGTH),
    ad: text(MAX_PRIVATE_AD_LENGTH),
  })),
});

const pair = object({
  // None asks for a number.
  code: (value) => value === "" || pairCode(value),
  version: (value) =>
    value === PROTOCOL_VERSION ||
    `${PROTOCOL_VERSION}, the only version spoken here`,
  id: name,
  key: name,
  partner: optional(name),
  leaves: optional(object({ id: name, key: name })),
  resumeTimeout: count,
  hello: (value) => {
    const wanted = hello(value);
    return wanted === true ? privacy(value) : wanted;
  },
});

/**
 * The messages that a server gets. A pair that is no object is a bare pair code,
 * of version 1: whether it will do is for the server to say, as a client of
 * version 1 stands no `error`.
 */
export const FROM_CLIENT: ControlSchemas = {
  ...betweenPeers,
  "private.start": object({ counter: count, seal: text(MAX_SEAL_LENGTH) }),
  ping: anything,
  pong: anything,
  leaving: anything,
  upgrade: anything,
  "peer.knock": anything,
  pair: (value) =>
    value !== undefined && !(value instanceof Object) || pair(value),
};
