/**
 * The words that stand for bytes where people say them: in spoken codes and in
 * verification words.
 *
 * What a word must be follows from how it travels, over a phone and through a
 * stranger's keyboard: plain to say and spelled in one way on both sides of
 * the Atlantic, no homophone, no letter of the spelling alphabet (which has
 * "delta" and "hotel"), no number, and nothing that somebody would not like to
 * say aloud. The tests prove what can be proved: 256 words of 4 to 6 letters,
 * sorted, of which the first three letters tell which it is, and any two of
 * which differ by two letters or more, so no single slip makes one another.
 *
 * @module
 */

/** How many letters tell every word of the list from the others. */
export const MIN_LETTERS = 3;
/** A typo is no further than that from the word that was meant. */
const MAX_TYPO = 2;
const MAX_WORD_LETTERS = 6;

/**
 * Of each initial the words, the initial itself only before the first: that
 * spares an eighth of what the list weighs in a page.
 */
const LIST =
  "acorn lbum mber nimal pple pron rena rrow rtist tlas ttic,bagel aker " +
  "amboo anjo arrel asin eacon onus ottle reeze ridge ronze ubble ucket " +
  "undle utton,cabin actus amera andle arpet heese inema ircle lever loud " +
  "offee omet ookie opper otton redit ube,daisy ance egree enim esk isco " +
  "omino ragon ream rift,eagle nergy ngine njoy xpert xtra,fabric alcon " +
  "amily armer ence ield ilm lute older orest ossil rame riend ruit " +
  "uture,gadget alaxy arden entle iant lobe olden oose uitar,hammer appy " +
  "edge ockey oney ouse,idea gloo mage ndex nvent,jacket azz elly igsaw " +
  "oker ungle,karate ayak ettle eypad iosk itten iwi oala,lagoon ake amp " +
  "aptop aser egend emon etter iquid izard ocker ogic ucky unar,magnet ango " +
  "arket eadow elody emory etro ilk int irror oment oon osaic otor ovie " +
  "useum,napkin ature ectar imble oodle orth otice ovel ylon,oasis bject " +
  "cean ffice live nion pera range rbit rigin tter utfit,paper arrot asta " +
  "atio ebble encil hoto iano illow ixel izza lanet ond otato rint uppet " +
  "urple uzzle,quest uick,rabbit adio andom emote escue ibbon iddle iver " +
  "obot ound unway ustic,saddle afari alad chool creen eason ignal ilver " +
  "imple ketch mile nack ofa olar oup pace ponge pring quare tamp tone " +
  "treet tudio ubway ugar ummer unset wan ystem,table alent axi eapot ennis " +
  "icket iger oast opic owel ravel rophy ulip unnel urtle uxedo,unlock " +
  "pdate seful,valley elvet ideo iolin isit oice olume oyage,walnut ater " +
  "idget indow isdom ombat,zebra igzag";

/**
 * The 256 words, one for each byte. A place in the list is part of the
 * protocol: two peers whose lists differ show different verification words.
 */
export const WORDS: readonly string[] = LIST.split(",").flatMap((words) =>
  words.slice(1).split(" ").map((rest) => words[0] + rest)
);

/**
 * The words that stand for bytes, as they are written: one for each byte,
 * joined with hyphens.
 *
 * @example Three random words
 * ```ts
 * makeWords(crypto.getRandomValues(new Uint8Array(3))); // "otter-lunar-basin"
 * ```
 */
export function makeWords(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => WORDS[byte]).join("-");
}

/** The word that begins with these letters, if they are enough to tell. */
export function findWord(start: string): string | undefined {
  if (start.length < MIN_LETTERS) return undefined;
  return WORDS.find((word) => word.startsWith(start));
}

/**
 * How many letters have to be put in, left out or replaced to make one word
 * another (https://en.wikipedia.org/wiki/Levenshtein_distance).
 */
export function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...one].entries()) {
    const next = [index + 1];
    for (let at = 0; at < other.length; at++) {
      const replaced = row[at] + (letter === other[at] ? 0 : 1);
      next.push(Math.min(replaced, row[at + 1] + 1, next[at] + 1));
    }
    row = next;
  }
  return row[other.length];
}

/** The word that somebody meant who typed this, if any is like it. */
export function findMeantWord(typed: string): string | undefined {
  const { length } = typed;
  // Too few letters are a slip of every word; too many, which may be a whole
  // page that was pasted, are like none and take long to compare.
  if (length < MIN_LETTERS || length > MAX_WORD_LETTERS + MAX_TYPO) {
    return undefined;
  }
  const distances = WORDS.map((word) => editDistance(typed, word));
  const least = Math.min(...distances);
  return least > MAX_TYPO ? undefined : WORDS[distances.indexOf(least)];
}
