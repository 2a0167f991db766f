/**
 * Codes of the page where it is not private, such as "bcdf-ghjk-mnpq-rstv". All
 * of it goes to the server, so nobody may guess it: 16 letters are 69 bits.
 *
 * They are consonants alone: a phone's keyboard need not be switched, no word
 * comes of them, and no private code looks like one, as that begins with a
 * number.
 */

/** 20 of them, as an "l" may be read as a 1. */
const LETTERS = "bcdfghjkmnpqrstvwxyz";
const CODE = new RegExp(`^[${LETTERS}]{16}$`);

/** Draws a code. */
export function drawPlainCode() {
  const numbers = crypto.getRandomValues(new Uint32Array(16));
  return group(
    Array.from(numbers, (number) => LETTERS[number % LETTERS.length]).join(""),
  );
}

/**
 * Reads a code as people write it: in capitals, with spaces, any dashes or
 * nothing between its letters.
 *
 * @param {string} text
 * @returns {string | undefined} The one way to write it, if it is one.
 */
export function readPlainCode(text) {
  const letters = text.normalize("NFKC").toLowerCase()
    .replace(/[\s\p{Pd}\p{Cf}\u2212_]/gu, "");
  return CODE.test(letters) ? group(letters) : undefined;
}

function group(letters) {
  return letters.replace(/.{4}(?=.)/g, "$&-");
}
