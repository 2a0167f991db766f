/**
 * Pair codes as people type them.
 *
 * @module
 */

/** Crockford's base 32: no I, L, O or U to mistake, in speech or writing. */
export const CODE_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** A drawn code: 80 bits, without what only makes it easier to read. */
const DRAWN = /^[0-9a-hjkmnp-tv-z]{16}$/;

/** Digits of the longest number that a server gives as a pair code. */
export const MAX_NUMBER_LENGTH = 9;

/** Whether a pair code is such a number. */
export function isNumber(code: string): boolean {
  return /^[1-9]\d*$/.test(code) && code.length <= MAX_NUMBER_LENGTH;
}

/** Puts a hyphen between the groups of four characters of a drawn code. */
export function groupCode(characters: string): string {
  return characters.replace(/.{4}(?=.)/g, "$&-");
}

/**
 * The one way to write a pair code. A drawn code may be typed in upper case,
 * with spaces or any dashes or none, with O for 0 and I or l for 1
 * (https://www.crockford.com/base32.html). Any other code is what its user
 * made it, whatever keyboard composed its letters (Unicode's NFC), without the
 * blanks around it.
 */
export function canonicalCode(code: string): string {
  const drawn = code.toLowerCase()
    .replace(/[\s\p{Pd}]/gu, "")
    .replace(/o/g, "0")
    .replace(/[il]/g, "1");
  return DRAWN.test(drawn) ? groupCode(drawn) : code.normalize().trim();
}
