import { assert, assertEquals } from "@std/assert";
import { findWord, makeWords, WORDS } from "../../../src/private/words.ts";

Deno.test("WORDS holds 256 words of 4 to 6 letters, sorted", () => {
  assertEquals(WORDS.length, 256);
  for (const word of WORDS) assert(/^[a-z]{4,6}$/.test(word), word);
  assertEquals(WORDS, [...WORDS].sort());
});

Deno.test("WORDS are told apart by their first three letters", () => {
  const starts = new Set(WORDS.map((word) => word.slice(0, 3)));
  assertEquals(starts.size, 256);
  // Completion relies on this, which follows from that.
  for (const word of WORDS) {
    assertEquals(WORDS.filter((other) => other.startsWith(word)), [word]);
  }
});

Deno.test("WORDS differ by two letters or more", () => {
  for (const [at, word] of WORDS.entries()) {
    for (const other of WORDS.slice(at + 1)) {
      assert(editDistance(word, other) >= 2, `${word} and ${other}`);
    }
  }
});

Deno.test("WORDS has none that is unfit to be said or spelled", () => {
  const unfit = {
    ofTheSpellingAlphabet:
      "alfa alpha bravo charlie delta echo foxtrot golf hotel india juliet " +
      "juliett kilo lima mike november oscar papa quebec romeo sierra tango " +
      "uniform victor whiskey xray yankee zulu",
    numbers: "zero three four five seven eight nine eleven twelve sixty " +
      "first second third double triple dozen digit number",
    homophones: "knight pear flour flower piece peace bread berry carrot " +
      "coral cereal desert fairy ferry horse island jewel lava ladder medal " +
      "metal pause pedal petal price profit right route sauce steel story " +
      "timber tuna waist waiter wave weather whale wood world",
    ofTwoSpellings: "armor center color favor fiber harbor humor jewelry " +
      "lever liter meter metre plow savor theater tire vapor wagon yogurt",
    rude: "beaver booty bottom breast cherry clock cocky duck shirt slope " +
      "strip yellow black white brown monkey donkey",
    frightening: "alarm bomb cannon death demon devil ghost killer pirate " +
      "pistol poison python razor rifle shark spider sword weapon",
    ofFaithOrPolitics: "altar angel bishop church empire heaven leader mayor " +
      "mosque nation party prayer priest prince queen temple union border",
    ofBodiesOrDrugs: "ankle beer belly cancer elbow fever finger heart liver " +
      "lung muscle needle opium organ palm poppy thumb tongue tooth whisky " +
      "wine",
  };
  for (const [why, words] of Object.entries(unfit)) {
    assertEquals(
      words.split(" ").filter((word) => WORDS.includes(word)),
      [],
      why,
    );
  }
});

Deno.test("WORDS keeps the words of the examples", () => {
  for (const word of "otter lunar basin amber kiosk walnut".split(" ")) {
    assert(WORDS.includes(word), word);
  }
});

// Two peers of different releases show each other words of the same list.
Deno.test("WORDS stays as it is", async () => {
  const text = new TextEncoder().encode(WORDS.join(" "));
  const hash = await crypto.subtle.digest("SHA-256", text);
  assertEquals(
    new Uint8Array(hash).toHex(),
    "f94b36cc6c3c666dc8deaeb24035bcacc3a4edc5826e6cdaa3872f6b925232ee",
  );
});

Deno.test("makeWords() writes one word for each byte", () => {
  assertEquals(makeWords(new Uint8Array()), "");
  assertEquals(makeWords(Uint8Array.of(0)), WORDS[0]);
  assertEquals(
    makeWords(Uint8Array.of(255, 0, 255)),
    `${WORDS[255]}-${WORDS[0]}-${WORDS[255]}`,
  );
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  assertEquals(makeWords(all).split("-"), [...WORDS]);
});

Deno.test("findWord() takes a word by its first three letters or more", () => {
  for (const word of WORDS) {
    for (let letters = 0; letters <= word.length; letters++) {
      const found = letters < 3 ? undefined : word;
      assertEquals(findWord(word.slice(0, letters)), found);
    }
    assertEquals(findWord(`${word}s`), undefined);
  }
});

/**
 * How many letters have to be put in, left out or replaced to make one word
 * another (https://en.wikipedia.org/wiki/Levenshtein_distance).
 */
function editDistance(one: string, other: string): number {
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
