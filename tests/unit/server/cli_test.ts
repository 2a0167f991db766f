import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";
import { type Command, parseCommand } from "../../../src/server/cli.ts";

/** Reads a command line, in an environment of these variables. */
function parse(
  args: string[],
  variables: Record<string, string> = {},
): Command {
  return parseCommand(args, (name) => variables[name]);
}

Deno.test("parseCommand() leaves every option to its default", () => {
  const { help, options } = parse([]);
  assertFalse(help);
  for (const [name, value] of Object.entries(options)) {
    assertEquals(value, undefined, name);
  }
});

Deno.test("parseCommand() turns flags into options", () => {
  const flags = "--port 0 --host ::1 --peer-timeout=250 " +
    "--allowed-origin https://a.example --allowed-origin=https://b.example";
  const { help, options } = parse(flags.split(" "));
  assertFalse(help);
  assertEquals(options, {
    port: 0,
    host: "::1",
    peerTimeout: 250,
    allowedOrigins: ["https://a.example", "https://b.example"],
  });
});

Deno.test("parseCommand() reads the variables PORT and HOST", () => {
  const { options } = parse([], { PORT: "8080", HOST: "127.0.0.1" });
  assertEquals([options.port, options.host], [8080, "127.0.0.1"]);
});

Deno.test("parseCommand() reads no variable where there is a flag", () => {
  const { options } = parse(["--port", "1", "--host", "localhost"], {
    PORT: "not a port",
    HOST: "127.0.0.1",
  });
  assertEquals([options.port, options.host], [1, "localhost"]);
});

Deno.test("parseCommand() takes an empty variable for none", () => {
  const { options } = parse([], { PORT: "", HOST: "" });
  assertEquals([options.port, options.host], [undefined, undefined]);
});

Deno.test("parseCommand() finds --help beside other flags", () => {
  assert(parse(["--help"]).help);
  assert(parse(["--port", "0", "--help"]).help);
});

Deno.test("parseCommand() rejects numbers that are none", () => {
  for (
    const text of ["x", "-1", "1.5", "1e3", "0x10", " 1", "1 ", "٣", "NaN"]
  ) {
    for (const flag of ["--port", "--peer-timeout"]) {
      assertThrows(() => parse([`${flag}=${text}`]), TypeError, flag);
    }
    assertThrows(() => parse([], { PORT: text }), TypeError);
  }
});

Deno.test("parseCommand() rejects a flag whose value is empty", () => {
  // Somebody wrote --port=$PORT, and the variable is missing.
  assertThrows(() => parse(["--port="]), TypeError, "port");
  assertThrows(() => parse(["--peer-timeout="]), TypeError, "peer-timeout");
});

Deno.test("parseCommand() says in one line what is wrong", () => {
  for (
    const args of [
      ["--colour"],
      ["--colour", "red"],
      ["-p", "3000"],
      ["3000"],
      ["--port"],
      ["--port", "-1"],
      ["--port", "--host"],
      ["--host"],
      ["--peer-timeout", "-5"],
      ["--allowed-origin"],
      ["--help=yes"],
      ["--port", "x\ny"],
    ]
  ) {
    const error = assertThrows(() => parse(args));
    assert(
      error instanceof TypeError || error instanceof RangeError,
      `${args}: ${error}`,
    );
    assertInstanceOf(error, Error);
    assertEquals(error.message.split("\n").length, 1, error.message);
  }
});
