import { assertEquals } from "@std/assert";
import { randomCode } from "../../../src/client/options.ts";
import { canonicalCode } from "../../../src/protocol/pair_code.ts";
import { systemRuntime } from "../../../src/runtime.ts";

Deno.test("canonicalCode() reads a drawn code however it is typed", () => {
  const drawn = "0abc-1def-0ghj-1kmn";
  const typed = [
    drawn,
    drawn.toUpperCase(),
    drawn.replaceAll("-", ""),
    drawn.replaceAll("-", " "),
    ` ${drawn}\n`,
    drawn.replaceAll("-", "\u2013"),
    drawn.replaceAll("0", "O"),
    drawn.replaceAll("0", "o"),
    drawn.replaceAll("1", "I"),
    drawn.replaceAll("1", "l"),
  ];
  for (const code of typed) assertEquals(canonicalCode(code), drawn);
  for (let count = 0; count < 100; count++) {
    const code = randomCode(systemRuntime());
    assertEquals(canonicalCode(code), code);
  }
});

Deno.test("canonicalCode() leaves a code of the user's own, but for how its letters are composed and blanks around it", () => {
  for (const code of ["yolo", "Room 12", "OIl", "a-b-c", "x".repeat(256)]) {
    assertEquals(canonicalCode(code), code);
  }
  assertEquals(canonicalCode("cafe\u0301"), "caf\u00e9");
  assertEquals(canonicalCode("  yolo\n"), "yolo");
});
