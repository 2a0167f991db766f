import { assert, assertEquals } from "@std/assert";
import * as closeCodes from "../../../src/protocol/close_code.ts";
import { closeReason, closeRule } from "../../../src/protocol/close_code.ts";
import { fuzz } from "../../support/fuzz.ts";

/** A row of the table of PROTOCOL.md. */
interface Row {
  readonly code: number;
  readonly name: string;
  readonly sentBy: string;
  readonly again: string;
}

/** All close codes that PROTOCOL.md lists. */
async function listed(): Promise<Row[]> {
  const url = new URL("../../../src/protocol/PROTOCOL.md", import.meta.url);
  const [, section] = (await Deno.readTextFile(url)).split("## 4. Close codes");
  const rows = section.split("\n## ")[0].matchAll(
    /^\| (\d{4}) \| ([a-z ]+?) +\| (\w+) +\| .*? \| ([^|]*?) *\|$/gm,
  );
  return [...rows].map(([, code, name, sentBy, again]) => ({
    code: Number(code),
    name,
    sentBy,
    again,
  }));
}

/** What the platform sends by itself, so that nobody here has a name for it. */
const OF_THE_PLATFORM = ["too big", "unexpected"];

Deno.test("close codes have the numbers of PROTOCOL.md", async () => {
  const { closeReason: _reason, closeRule: _rule, ...codes } = closeCodes;
  const rows = (await listed())
    .filter(({ name }) => !OF_THE_PLATFORM.includes(name))
    .map(({ code, name }) => [name.toUpperCase().replaceAll(" ", "_"), code]);
  assertEquals(codes, Object.fromEntries(rows));
});

Deno.test("closeRule() dials again where PROTOCOL.md says so", async () => {
  const rows = await listed();
  assertEquals(rows.length, 19);
  for (const { code, name, sentBy, again } of rows) {
    // What a client alone sends it is never told.
    if (sentBy === "client") continue;
    const retryable = /^(?:yes|after N ms)$/.test(again);
    assert(retryable || /^(?:no|as a new peer)$/.test(again), again);
    assertEquals(closeRule(code).retryable, retryable, `${code} ${name}`);
  }
});

Deno.test("closeRule() says for each code what went wrong and whether to dial again", () => {
  const rules: [number, string, boolean][] = [
    [1001, "SOCKET", true],
    [1008, "SERVER_CLOSED", false],
    [1009, "PROTOCOL", false],
    [4001, "PROTOCOL", false],
    [4002, "PAIR_CODE_REFUSED", false],
    [4003, "SERVER_CLOSED", true],
    [4004, "PEER_TIMEOUT", true],
    [4005, "BUSY", true],
    [4006, "SERVER_CLOSED", true],
    [4008, "SERVER_CLOSED", false],
    [4009, "SERVER_CLOSED", true],
    [4010, "SERVER_CLOSED", true],
    [4011, "SERVER_CLOSED", false],
    [4012, "SERVER_CLOSED", false],
  ];
  for (const [closeCode, code, retryable] of rules) {
    assertEquals(closeRule(closeCode), { code, retryable }, `${closeCode}`);
  }
});

Deno.test("closeRule() takes every other code for a broken connection", () => {
  for (
    const code of [0, 1000, 1005, 1006, 1011, 1012, 1013, 3000, 4013, 4999]
  ) {
    assertEquals(closeRule(code), { code: "SOCKET", retryable: true });
  }
});

Deno.test("closeReason() leaves what fits into 123 bytes as it is", () => {
  for (const text of ["", "The other peer has left", "x".repeat(123)]) {
    assertEquals(closeReason(text), text);
  }
  assertEquals(closeReason("€".repeat(41)), "€".repeat(41));
});

Deno.test("closeReason() cuts at 123 bytes and splits no character", () => {
  assertEquals(closeReason("x".repeat(124)), "x".repeat(123));
  // These characters have two, three and four bytes each.
  assertEquals(closeReason("é".repeat(100)), "é".repeat(61));
  assertEquals(closeReason("€".repeat(100)), "€".repeat(41));
  assertEquals(closeReason("𝄞".repeat(100)), "𝄞".repeat(30));
  assertEquals(closeReason("xx" + "€".repeat(100)), "xx" + "€".repeat(40));
});

Deno.test("closeReason() keeps as much of any text as fits", async () => {
  const encoder = new TextEncoder();
  await fuzz(2000, (chance) => {
    const text = `x${chance.text(chance.below(200))}`.toWellFormed();
    const reason = closeReason(text);
    const { length } = encoder.encode(reason);
    assert(text.startsWith(reason));
    assert(length <= 123, `${length} bytes`);
    assert(reason === text || length >= 120, `only ${length} bytes`);
  });
});
