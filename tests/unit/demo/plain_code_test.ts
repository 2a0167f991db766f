import {
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { readSpokenCode } from "../../../src/private/spoken_code.ts";
import { drawPlainCode, readPlainCode } from "../../../src/demo/plain_code.js";

Deno.test("drawPlainCode() draws a code that is no private one, and another each time", () => {
  const code = drawPlainCode();
  assertMatch(code, /^[b-df-hj-np-tv-z]{4}(-[b-df-hj-np-tv-z]{4}){3}$/);
  assertEquals(readPlainCode(code), code);
  assertNotEquals(drawPlainCode(), code);
  assertThrows(() => readSpokenCode(code), TypeError);
});

Deno.test("drawPlainCode() draws each of 20 letters about as often as the others", () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 2000; i++) {
    for (const letter of drawPlainCode().replaceAll("-", "")) {
      counts.set(letter, (counts.get(letter) ?? 0) + 1);
    }
  }
  assertEquals(counts.size, 20);
  // Of 1600 each; nine times what chance makes of it is 350.
  for (const count of counts.values()) {
    assertEquals(Math.abs(count - 1600) < 350, true, `${count}`);
  }
});

Deno.test("readPlainCode() reads what people type and paste", () => {
  const code = "bcdf-ghjk-mnpq-rstv";
  for (
    const text of [
      "BCDFGHJKMNPQRSTV",
      " bcdf ghjk mnpq rstv ",
      "Bcdf–ghjk—mnpq−rstv",
      "\u200ebcdf_ghjk_mnpq_rstv",
    ]
  ) assertEquals(readPlainCode(text), code);
});

Deno.test("readPlainCode() takes nothing else, and no private code", () => {
  for (
    const text of [
      "",
      "yolo",
      "bcdf-ghjk-mnpq-rst",
      "bcdf-ghjk-mnpq-rstvw",
      "bcdf-ghjk-mnpq-rsta",
      "bcdf-ghjk-mnpq-rst7",
      "7-otter-stone-basin",
    ]
  ) assertEquals(readPlainCode(text), undefined);
});
