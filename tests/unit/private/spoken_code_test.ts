import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  completeCode,
  readSpokenCode,
} from "../../../src/private/spoken_code.ts";
import { WORDS } from "../../../src/private/words.ts";

const OTTER = {
  number: "7",
  secret: "otter-lunar-basin",
  code: "7-otter-lunar-basin",
};

function refusal(code: string): string {
  return assertThrows(() => readSpokenCode(code), TypeError).message;
}

/** Text of which each character is one of several ways to write it. */
function writings(
  text: string,
  ways: (character: string) => string[],
): fc.Arbitrary<string> {
  const characters = [...text].map((one) => fc.constantFrom(...ways(one)));
  return fc.tuple(...characters).map((written) => written.join(""));
}

const fullWidth = (character: string) =>
  String.fromCharCode(character.charCodeAt(0) + 0xfee0);
const separators = fc.array(
  fc.constantFrom(..." \t\n\u00a0\u3000-_\u2010\u2011\u2013\u2014\u2212\uff0d"),
  { minLength: 1, maxLength: 4 },
).map((characters) => characters.join(""));
const spaces = fc.array(fc.constantFrom(..." \n\u3000"), { maxLength: 3 })
  .map((characters) => characters.join(""));
const anyWords = fc.array(fc.constantFrom(...WORDS), {
  minLength: 3,
  maxLength: 3,
});
const anyNumber = fc.integer({ min: 1, max: 999_999_999 }).map(String);

/** A number and words, and one of the ways to write them. */
const written = fc.tuple(anyNumber, anyWords).chain(([number, words]) => {
  const parts = [
    fc.nat({ max: 3 }).chain((zeros) =>
      writings("0".repeat(zeros) + number, (one) => [one, fullWidth(one)])
    ),
    ...words.map((word) =>
      fc.integer({ min: 3, max: word.length }).chain((length) =>
        writings(
          word.slice(0, length),
          (one) => [one, one.toUpperCase(), fullWidth(one)],
        )
      )
    ),
  ];
  return fc.record({
    number: fc.constant(number),
    secret: fc.constant(words.join("-")),
    text: fc.tuple(
      spaces,
      ...parts.flatMap((part, at) => at ? [separators, part] : [part]),
      spaces,
    ).map((texts) => texts.join("")),
  });
});

Deno.test("readSpokenCode() reads every writing of a code as the same", () => {
  fc.assert(fc.property(written, ({ number, secret, text }) => {
    const code = `${number}-${secret}`;
    assertEquals(readSpokenCode(text), { number, secret, code });
    assertEquals(readSpokenCode(code), { number, secret, code });
  }));
});

Deno.test("readSpokenCode() reads what people type, say to a phone and paste", () => {
  const codes = [
    "7-otter-lunar-basin",
    " 7 otter lunar basin\n",
    "7_OTTER_LUNAR_BASIN",
    "7 \u2013 Otter \u2014 Lunar \u2011 Basin",
    "007--ott-lun-bas",
    "\uff17\u3000\uff2ftter lunar basin",
    "-7-otter-lunar-basin-",
    "\u200e7-otter-lunar-basin\u200e",
  ];
  for (const code of codes) assertEquals(readSpokenCode(code), OTTER);
});

Deno.test("readSpokenCode() refuses a code that does not begin with its number", () => {
  const codes = [
    "",
    " - ",
    "otter-lunar-basin",
    "seven-otter-lunar-basin",
    "0-otter-lunar-basin",
    "1234567890-otter-lunar-basin",
    "7.5-otter-lunar-basin",
    "7otter-lunar-basin",
    "+7-otter-lunar-basin",
  ];
  for (const code of codes) {
    assertEquals(
      refusal(code),
      "Cannot read this spoken code: it must begin with its number, from 1 " +
        'to 999999999, as in "7-otter-lunar-basin"',
    );
  }
});

Deno.test("readSpokenCode() says which word is wrong, and does not repeat it", () => {
  const message = (word: number) =>
    `Cannot read word ${word} of this spoken code as it is not in the list: ` +
    "give at least the first 3 letters of each word, and a hyphen between " +
    "the words";
  assertEquals(refusal("7-otetr-lunar-basin"), message(1));
  assertEquals(refusal("7-xylophone-lunar-basin"), message(1));
  assertEquals(refusal("7-otter-lu-basin"), message(2));
  assertEquals(refusal("7-otter-lunar-7"), message(3));
  // What nobody thought of between the words makes one word of all of them.
  assertEquals(refusal("7-otter.lunar.basin"), message(1));
  assertEquals(refusal("7-otterlunarbasin"), message(1));
  assertEquals(refusal("7-ottlun"), message(1));
});

Deno.test("readSpokenCode() says how many words are missing or too many", () => {
  const message = (rest: string) =>
    `Cannot read this spoken code as it must have 3 words after its number, ${rest}`;
  assertEquals(refusal("7"), message("not 0: add 3"));
  assertEquals(refusal("7-otter-lunar"), message("not 2: add 1"));
  assertEquals(
    refusal("7-otter-lunar-basin-amber-kiosk"),
    message("not 5: leave out 2"),
  );
});

Deno.test("readSpokenCode() tells no word of a code", () => {
  const slips = fc.tuple(
    anyNumber,
    // No word of the example in a message.
    fc.uniqueArray(
      fc.constantFrom(...WORDS.filter((word) => !OTTER.code.includes(word))),
      { minLength: 3, maxLength: 3 },
    ),
    fc.nat({ max: 2 }),
    fc.nat({ max: 5 }),
    fc.constantFrom("", "q", "-", ".", " "),
  );
  fc.assert(fc.property(slips, ([number, words, wrong, at, typo]) => {
    const word = words[wrong];
    const slip = word.slice(0, at) + typo + word.slice(at + 1);
    const code = [number, ...words.with(wrong, slip)].join("-");
    try {
      readSpokenCode(code);
    } catch (error) {
      assert(error instanceof TypeError);
      const told = error.message.split(/\W/);
      for (const one of words) assert(!told.includes(one), error.message);
    }
  }));
});

Deno.test("readSpokenCode() throws nothing but a TypeError", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    assertThrows(() => readSpokenCode(text), TypeError);
    assertThrows(() => readSpokenCode(`7-${text}`), TypeError);
  }));
  assertThrows(() => readSpokenCode(`7-${"o".repeat(1e6)}`), TypeError);
});

Deno.test("completeCode() completes the last word", () => {
  assertEquals(completeCode("7-ot"), ["7-otter"]);
  assertEquals(completeCode("7-o"), [
    "7-oasis",
    "7-object",
    "7-ocean",
    "7-office",
    "7-olive",
    "7-onion",
    "7-opera",
    "7-orange",
  ]);
  assertEquals(completeCode(" 007 OTT_lun \u2013 BAS"), [
    "7-otter-lunar-basin",
  ]);
});

Deno.test("completeCode() has nothing to add to a word not begun, or whole", () => {
  const whole = ["7-otter", "7-otter-lunar", "7-otter-lunar-basin"];
  for (const text of ["", " ", "7", "7-", "7-ot ", "7-otter-", ...whole]) {
    assertEquals(completeCode(text), []);
  }
});

Deno.test("completeCode() has nothing to add to what is wrong", () => {
  const wrong = [
    "ot",
    "0-ot",
    "seven-ot",
    "7-otx",
    "7-otetr-lu",
    "7-ot-lu",
    "7-otter-lunar-basin-am",
  ];
  for (const text of wrong) assertEquals(completeCode(text), []);
});

Deno.test("completeCode() leads to any code, and never throws", () => {
  fc.assert(fc.property(anyNumber, anyWords, (number, words) => {
    let code = number;
    for (const word of words) {
      const completed = completeCode(`${code} ${word.slice(0, 3)}`);
      assertEquals(completed, [`${code}-${word}`]);
      [code] = completed;
    }
    assertEquals(readSpokenCode(code).code, code);
  }));
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    for (const start of [text, `7-${text}`, `7-otter-${text}`]) {
      assert(completeCode(start).length <= 8);
    }
  }));
});
