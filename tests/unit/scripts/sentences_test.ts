/// <reference lib="deno.unstable" />

import { assertEquals } from "@std/assert";
import plugin from "../../../scripts/lint/sentences.ts";

/** What the plugin says about the text of a module, by the text it is about. */
function lint(text: string, file = "src/client/path.ts"): [string, string][] {
  return Deno.lint.runPlugin(plugin, file, text)
    .map(({ id, range: [start, end] }) => [id, text.slice(start, end)]);
}

Deno.test("sentences/subject reports a doc comment without a subject", () => {
  for (const word of ["It", "Is", "Has", "Who", "Those", "As"]) {
    const comment = `/** ${word} added to. */`;
    assertEquals(lint(`${comment}\nexport const one = 1;`), [
      ["sentences/subject", comment],
    ]);
  }
  const long = "/**\n   * Is added to.\n   *\n   * @default {1}\n   */";
  assertEquals(lint(`class Part {\n  ${long}\n  one = 1;\n}`), [
    ["sentences/subject", long],
  ]);
});

Deno.test("sentences/subject leaves all other comments alone", () => {
  assertEquals(
    lint(`
/** Its bytes. */
export const one = 1;
/** Asks; is asked. It may be. */
export const two = 2;
/* It is no doc comment. */
// Is none either.
/** */
export const three = "/** Is text. */";
`),
    [],
  );
});

Deno.test("sentences/cannot reports the message of an error that does not start so", () => {
  const errors = [
    'new RangeError("Bad port")',
    "new TypeError(`Port ${port} is bad`)",
    'new SocketPeerError("SOCKET", "The socket broke")',
    'new Error("The port" + port)',
  ];
  for (const error of errors) {
    assertEquals(lint(`throw ${error};`), [["sentences/cannot", error]]);
  }
});

Deno.test("sentences/cannot leaves alone what starts so, is not known, or is a script's", () => {
  const errors = [
    'new RangeError("Cannot listen on port 0")',
    "new TypeError(`Cannot listen on ${port}`)",
    'new SocketPeerError("SOCKET", "Cannot dial as " + why)',
    "new Error(message)",
    "new Error(`${what} is bad`)",
    "new PeerClosedError()",
    'new Error("it does not answer")',
    'new Map("no error")',
  ];
  for (const error of errors) assertEquals(lint(`throw ${error};`), []);
  for (const file of ["scripts/test.ts", "src/demo/demo.js"]) {
    assertEquals(lint('throw new Error("Bad port");', file), []);
  }
});
