/**
 * Codes that people say to each other, such as "7-otter-lunar-basin": a public
 * number, by which the server brings two peers together, and three words, which
 * are the secret of the two and never leave them.
 *
 * @module
 */

import { findWord, MIN_LETTERS, WORDS } from "./words.ts";

/** 24 bits, as each word is one of 256. */
const WORD_COUNT = 3;
/** How many completions an input field can show at once. */
const MAX_COMPLETIONS = 8;
const NUMBER = /^0*([1-9]\d{0,8})$/;
/** The minus sign is no dash to Unicode, but to keyboards. */
const SEPARATORS = /[\s\p{Pd}\u2212_]+/u;

/** The parts of a spoken code, each in the one way to write it. */
export interface SpokenCode {
  /** The pair code, for the server: `"7"`. */
  readonly number: string;
  /** The words, which only the two peers may know: `"otter-lunar-basin"`. */
  readonly secret: string;
  /** The whole, to show and to say: `"7-otter-lunar-basin"`. */
  readonly code: string;
}

/** The last part is empty if a separator ends the text. */
function split(text: string): string[] {
  const parts = text.normalize("NFKC")
    // Chats put marks of direction around what is copied from them: a typo that
    // nobody could see.
    .replace(/\p{Cf}/gu, "")
    .toLowerCase()
    .split(SEPARATORS);
  return parts[0] ? parts : parts.slice(1);
}

function findNumber(part: string | undefined): string | undefined {
  return part?.match(NUMBER)?.[1];
}

/**
 * Reads a spoken code as people write it.
 *
 * Capitals do not matter, nor does what stands between the parts: spaces,
 * underscores and any dashes, one or more. A word may be cut short to its first
 * three letters. However a code is written, what is returned is the same.
 *
 * The messages of its errors may end up in a log, so they hold nothing of the
 * code.
 *
 * @example
 * ```ts
 * const { number, secret, code } = readSpokenCode(" 7 Otter LUNAR_bas");
 * // number is "7", secret "otter-lunar-basin", code "7-otter-lunar-basin"
 * ```
 *
 * @throws {TypeError} If it does not begin with a number from 1 to 999999999,
 * has a word that is not in the list, or has more or fewer words than three.
 */
export function readSpokenCode(code: string): SpokenCode {
  const [first, ...parts] = split(code).filter(Boolean);
  const number = findNumber(first);
  if (!number) {
    throw new TypeError(
      "Cannot read this spoken code: it must begin with its number, from 1 " +
        'to 999999999, as in "7-otter-lunar-basin"',
    );
  }
  const words = parts.map((part, index) => {
    const word = findWord(part);
    if (word) return word;
    // It is not repeated: it may be all of them, with something between them
    // that separates nothing.
    throw new TypeError(
      `Cannot read word ${index + 1} of this spoken code as it is not in the ` +
        `list: give at least the first ${MIN_LETTERS} letters of each word, ` +
        `and a hyphen between the words`,
    );
  });
  const missing = WORD_COUNT - words.length;
  if (missing) {
    throw new TypeError(
      `Cannot read this spoken code as it must have ${WORD_COUNT} words after ` +
        `its number, not ${words.length}: ` +
        (missing > 0 ? `add ${missing}` : `leave out ${-missing}`),
    );
  }
  const secret = words.join("-");
  return { number, secret, code: `${number}-${secret}` };
}

/**
 * What the spoken code may become that somebody has begun to type, for the
 * suggestions of an input field: the text with its last word completed, in the
 * alphabetical order of the words, and the rest of it as
 * {@linkcode readSpokenCode} would write it.
 *
 * There are none while the last word has no letter yet, once it is whole, and
 * if something before it is wrong. At most eight are returned.
 *
 * @example
 * ```ts
 * completeCode("7-ot"); // ["7-otter"]
 * completeCode("7 OTT st"); // ["7-otter-stamp", "7-otter-stone", …]
 * completeCode("7-otter"); // [], as the word is whole
 * ```
 */
export function completeCode(start: string): string[] {
  const [first, ...parts] = split(start);
  const last = parts.pop();
  const before = [findNumber(first), ...parts.map(findWord)];
  if (!last || before.length > WORD_COUNT || before.includes(undefined)) {
    return [];
  }
  return WORDS
    .filter((word) => word.startsWith(last) && word !== last)
    .slice(0, MAX_COMPLETIONS)
    .map((word) => [...before, word].join("-"));
}
