import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  isRate,
  MAX_WHOLE,
  OPTION_ROWS,
  type OptionRow,
} from "../../../src/server/option_table.ts";
import { resolveServerOptions } from "../../../src/server/options.ts";

/** What the doc comment of each option says after `@default`, by its name. */
async function documentedDefaults(): Promise<Record<string, string>> {
  const source = await Deno.readTextFile(
    new URL("../../../src/server/options.ts", import.meta.url),
  );
  const [, body] = source.split("export interface SocketPeerServerOptions {\n");
  const members = body.split("\n}\n")[0]
    .matchAll(/^ {2}\/\*\*((?:(?!\*\/)[^])*)\*\/\n {2}(\w+)\?:/gm);
  return Object.fromEntries(
    [...members].map(([, comment, name]) => [
      name,
      comment.match(/@default \{(.*)\}\s*$/)?.[1] ?? "",
    ]),
  );
}

/** A default as a doc comment writes it, without the underscores of numbers. */
function inCode({ unset, default: value }: OptionRow): string {
  if (unset !== undefined) return unset;
  return isRate(value)
    ? `{ burst: ${value.burst}, perSecond: ${value.perSecond} }`
    : JSON.stringify(value);
}

Deno.test("OPTIONS has the defaults that the doc comments name", async () => {
  const documented = Object.entries(await documentedDefaults()).map((
    [name, text],
  ) => [name, text.replace(/(?<=\d)_(?=\d)/g, "")]);
  assertEquals(
    Object.fromEntries(documented),
    Object.fromEntries(OPTION_ROWS.map(([name, row]) => [name, inCode(row)])),
  );
});

Deno.test("OPTIONS has a default, or words for what holds without one", () => {
  for (const [name, { default: value, unset }] of OPTION_ROWS) {
    assert(value !== undefined || unset !== undefined, name);
  }
});

Deno.test("OPTIONS bounds whole numbers as each row says", () => {
  for (const [name, { kind, least = 0, most = MAX_WHOLE }] of OPTION_ROWS) {
    if (kind !== "whole") continue;
    for (const value of [least, most]) {
      assertEquals(resolveServerOptions({ [name]: value })[name], value);
    }
    for (const value of [least - 1, most + 1, 1.5, NaN, Infinity, "1", null]) {
      assertThrows(
        () => resolveServerOptions({ [name]: value }),
        RangeError,
        `as "${name}": it must be a whole number from ${least} to ${most}`,
      );
    }
  }
});

Deno.test("OPTIONS refuses a value of another kind in words that name the option", () => {
  const wrong: readonly [name: string, value: unknown, words: string][] = [
    ["listen", 1, 'Cannot use 1 as "listen": it must be true or false'],
    ["host", null, 'Cannot use null as "host": it must be text'],
  ];
  for (const [name, value, words] of wrong) {
    assertThrows(
      () => resolveServerOptions({ [name]: value }),
      TypeError,
      words,
    );
  }
});

Deno.test("OPTIONS says of each option what it is, in a phrase that fits into a table", () => {
  for (const [name, { says, more = "" }] of OPTION_ROWS) {
    for (const words of [says, more]) {
      assert(!/[|\n]|\.$/.test(words), `${name}: ${words}`);
    }
    assert(says !== "", name);
  }
});
