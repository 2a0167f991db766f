import { assertEquals } from "@std/assert";
import encodeQR from "qr";
import { qrCode } from "../../../src/demo/qr.js";

/** What a library draws, told to make our choices. */
function drawnByLibrary(text: string): boolean[][] {
  const options = { ecc: "low", encoding: "byte", mask: 0, border: 1 } as const;
  return encodeQR(text, "raw", options).slice(1, -1)
    .map((row) => row.slice(1, -1));
}

Deno.test("qrCode() draws texts of every length that it takes as a library does", () => {
  const link = "https://example.org/~åse/#7-otter-lunar-basin/";
  const bytes = new TextEncoder().encode(link.repeat(3));
  for (let length = 1; length <= 106; length++) {
    // What is cut in two becomes a letter of three bytes.
    const text = new TextDecoder().decode(bytes.slice(0, length))
      .replace("\ufffd", "a");
    assertEquals(qrCode(text), drawnByLibrary(text), text);
  }
});

Deno.test("qrCode() draws nothing for a text that is too long", () => {
  assertEquals(qrCode("a".repeat(107)), undefined);
  assertEquals(qrCode("å".repeat(53))?.length, 37);
  assertEquals(qrCode("å".repeat(54)), undefined);
});
