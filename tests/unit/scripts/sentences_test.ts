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
    ["RangeError", '"Bad port"'],
    ["TypeError", "`Port ${port} is bad`"],
    ["SocketPeerError", '"The socket broke"', '"SOCKET", '],
    ["SocketPeerError", '"The socket broke"', "code, "],
    ["DOMException", '"Aborted"', "", ', "AbortError"'],
    ["Error", '"The port" + port'],
    ["Error", 'bad ? "The port is bad" : "Cannot listen as it is taken"'],
    ["Error", '"Cannot"'],
    ["Error", '""'],
  ];
  for (const [name, message, before = "", after = ""] of errors) {
    assertEquals(lint(`throw new ${name}(${before}${message}${after});`), [
      ["sentences/cannot", message],
    ]);
  }
  const own =
    'class OwnError extends Error { constructor() { super("Bad"); } }';
  assertEquals(lint(own), [["sentences/cannot", '"Bad"']]);
});

Deno.test("sentences/cannot reports a sentence that does not say why", () => {
  const messages = [
    '"Cannot listen"',
    '"Cannot listen here: give a port"',
    "`Cannot listen on port ${port}`",
    '`Cannot use ${port} as "port": give another`',
    '`Cannot use ${port} as ` + `"port": give another`',
    '"Cannot listen on " + (secure ? "port 443" : port)',
    '"Cannot listen" + (why ? ` as ${why}` : "")',
    '"Cannot listen on port " + (port - listenersOf(port))',
    '"Cannot listen whereas another does"',
  ];
  for (const message of messages) {
    const wrong: [string, string][] = [["sentences/cannot", message]];
    assertEquals(lint(`throw new Error(${message});`), wrong);
    assertEquals(lint(`throw new Error(${message}, { cause });`), wrong);
    assertEquals(lint(`fail("SOCKET", ${message});`), wrong);
    assertEquals(lint(`const message = ${message};`), wrong);
  }
  const own =
    'class OwnError extends Error { constructor() { super("Cannot go on"); } }';
  assertEquals(lint(own), [["sentences/cannot", '"Cannot go on"']]);
});

Deno.test("sentences/cannot reports a full stop", () => {
  const messages = [
    '"Cannot listen as the port is taken."',
    "`Cannot listen as ${why}: take port ${other}.`",
    '"Cannot listen as " + why + "."',
    '"it does not answer."',
    "`${what} is bad.`",
  ];
  for (const message of messages) {
    assertEquals(lint(`throw new Error(${message});`), [
      ["sentences/cannot", message],
    ]);
  }
});

Deno.test("sentences/cannot leaves alone what says why, or may do so", () => {
  const messages = [
    '"Cannot listen as the port is taken: take another"',
    '"Cannot listen, as the port is taken"',
    "`Cannot listen on ${port} as ${why}: take another`",
    '"Cannot listen as " + (taken ? "it is taken" : "it is none")',
    '"Cannot listen without a port: give one"',
    '"Cannot listen after close()"',
    "`Cannot take ${bytes} bytes of at most ${most}`",
    '`Cannot use ${port} as "port": it must be a whole number`',
    "`Cannot read the file: ${reason}`",
    "`Cannot ask the engine: ${wordsOf(error)}`",
    "`Cannot listen ${whyOf(error)}`",
    '"Cannot listen" + reason()',
  ];
  for (const message of messages) {
    assertEquals(lint(`throw new Error(${message});`), []);
    assertEquals(lint(`fail("SOCKET", ${message});`), []);
  }
});

Deno.test("sentences/cannot leaves alone what is not known, no error, or a script's", () => {
  const texts = [
    'new SocketPeerError("SOCKET", "Cannot dial as " + why)',
    "new Error(message)",
    "new Error(wordsOf(reason), { cause })",
    "new Error(`${what} is bad`)",
    "new PeerClosedError()",
    "new SendQueueFullError(bytes, 3, most)",
    'new Error("it does not answer")',
    'new Map("no error")',
    '"It cannot listen."',
  ];
  for (const text of texts) assertEquals(lint(`throw ${text};`), []);
  const other = 'class Relay extends Link { constructor() { super("Bad"); } }';
  assertEquals(lint(other), []);
  for (const file of ["scripts/test.ts", "src/demo/demo.js"]) {
    for (const message of ["Bad port", "Cannot listen."]) {
      assertEquals(lint(`throw new Error("${message}");`, file), []);
    }
  }
});
