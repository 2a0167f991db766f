/**
 * Private names for the bundle, chosen for what gzip makes of them.
 *
 * @module
 */

/**
 * Swaps the names of two private members of a class wherever that makes the
 * code smaller, until no two are left of which that is true.
 *
 * A name stands for nothing outside its class, so any of them will do; but
 * gzip packs best what looks alike, and a minifier names each class by itself.
 * Classes must not be nested. A name that goes astray for any other reason is
 * a syntax error.
 */
export function packPrivateNames(
  code: string,
  sizeOf: (code: string) => number,
): string {
  const pieces = cut(code);
  const classes = placesByClass(pieces);
  let least = sizeOf(code);
  for (let before = Infinity; least < before;) {
    before = least;
    for (const members of classes) {
      for (const [index, one] of members.entries()) {
        for (const other of members.slice(index + 1)) {
          swap(pieces, one, other);
          const size = sizeOf(pieces.join(""));
          if (size < least) least = size;
          else swap(pieces, one, other);
        }
      }
    }
  }
  return pieces.join("");
}

/**
 * The code with the private members of each class numbered in the order in
 * which they appear: two that differ in such names alone become one.
 */
export function numberPrivateNames(code: string): string {
  const pieces = cut(code);
  for (const members of placesByClass(pieces)) {
    for (const [number, places] of members.entries()) {
      for (const place of places) pieces[place] = `#${number}`;
    }
  }
  return pieces.join("");
}

/**
 * What stands for a name until its short form is put in: a character of
 * Chinese, as there is none in the code.
 */
export const PLACEHOLDER = /[\u4e00-\u9fff]/;

/** Where a code is cut; what matches is a piece, too. */
const CUTS = new RegExp(`(\\bclass\\b|#[\\w$]+|${PLACEHOLDER.source})`);

/**
 * Private names, the word that begins a class, placeholders and what is between
 * them.
 */
export function cut(code: string): string[] {
  return code.split(CUTS);
}

/** Where each private name of a class stands, for each class. */
export function placesByClass(pieces: readonly string[]): number[][][] {
  const classes: Map<string, number[]>[] = [];
  for (const [place, piece] of pieces.entries()) {
    if (piece === "class") classes.push(new Map());
    else if (/^#[\w$]+$/.test(piece)) {
      const names = classes[classes.length - 1];
      names.set(piece, [...names.get(piece) ?? [], place]);
    }
  }
  return classes.map((names) => [...names.values()]);
}

/** Gives each of two names the places of the other. */
export function swap(pieces: string[], one: number[], other: number[]): void {
  const [name, otherName] = [pieces[one[0]], pieces[other[0]]];
  for (const place of one) pieces[place] = otherName;
  for (const place of other) pieces[place] = name;
}
