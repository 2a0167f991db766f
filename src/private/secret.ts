/**
 * What a private peer is told: what the server may know, and what it may not.
 *
 * @module
 */

import type { SocketPeerOptions } from "../client/options.ts";
import { canonicalCode } from "../protocol/pair_code.ts";
import type { OwnBytes, Runtime } from "../runtime.ts";
import { concat } from "./cpace.ts";
import { readSpokenCode } from "./spoken_code.ts";
import { makeWords } from "./words.ts";

/** Least bytes of a key: nobody guesses so many. */
const KEY_BYTES = 16;
/** How many may fail before a secret that can be guessed is used up. */
const ATTEMPTS = 3;

/** Options of a private `SocketPeer`. Times are in milliseconds, sizes in bytes. */
export interface PrivateOptions extends Omit<SocketPeerOptions, "pairCode"> {
  /**
   * The code that joins two peers: the two that know the same one are a pair.
   * Without `secret` it is a spoken code, such as `7-otter-lunar-basin`: the
   * number goes to the server, the words never do. With `secret` it is any
   * text, which the server gets to know.
   *
   * @default {a spoken code, whose number the server gives: see `code`}
   */
  pairCode?: string;
  /**
   * What both peers know and nobody else; it never leaves. A text needs a
   * `pairCode`, and is used up after 3 failures, as it may be guessed. Bytes,
   * 16 or more, are taken for a key that nobody guesses: any number may fail,
   * and no `pairCode` is needed.
   *
   * @default {the words of `pairCode`}
   */
  secret?: string | Uint8Array;
}

/** A secret, and what may become of it. */
export interface Secret {
  /** What the server is told; empty: it is to give a number. */
  readonly code: string;
  /** The words of a spoken code, or empty. */
  readonly words: string;
  /** What the keys are agreed on with. */
  readonly bytes: OwnBytes;
  /** Whether nobody can guess it. */
  readonly isKey: boolean;
  /** How many may fail before it is used up. */
  readonly attempts: number;
}

/**
 * Reads the options that say what is secret.
 *
 * @throws {TypeError} If they are not what they must be.
 */
export function readSecret(
  { pairCode, secret }: PrivateOptions,
  runtime: Runtime,
): Secret {
  if (secret === undefined) {
    if (pairCode === undefined) {
      const words = makeWords(runtime.randomBytes(3));
      return spoken("", words, ATTEMPTS);
    }
    // The same words can't become right by being tried again.
    const { number, secret: words } = readSpokenCode(`${pairCode}`);
    return spoken(number, words, 1);
  }
  const isKey = secret instanceof Uint8Array;
  if (
    isKey ? secret.length < KEY_BYTES : !secret || typeof secret !== "string"
  ) {
    throw new TypeError(
      `Cannot use this "secret": it must be a text of one character or more, ` +
        `or a Uint8Array of ${KEY_BYTES} bytes or more`,
    );
  }
  // Of what is no text the client complains.
  const code = typeof pairCode === "string"
    ? canonicalCode(pairCode)
    : pairCode ?? "";
  if (!isKey && !code) {
    throw new TypeError(
      `Cannot use a text as "secret" without a "pairCode", which says who is ` +
        `meant: give both, or a spoken code as "pairCode"`,
    );
  }
  return {
    code,
    words: "",
    bytes: concat(isKey ? secret : secret.normalize()),
    isKey,
    attempts: isKey ? Infinity : ATTEMPTS,
  };
}

function spoken(code: string, words: string, attempts: number): Secret {
  return { code, words, bytes: concat(words), isKey: false, attempts };
}
