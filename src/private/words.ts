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
