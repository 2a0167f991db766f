import { assert, assertEquals, assertFalse, assertMatch } from "@std/assert";
import { logEvents, type LogOptions } from "../../../server.ts";
import { LOG_LEVELS } from "../../../src/server/logs.ts";
import type { ServerEvent } from "../../../src/server/server_event.ts";

const NOON = Date.UTC(2030, 0, 31, 12);
const ADDRESS = "2001:db8::1";

/** One event of each kind. */
const EVENTS: readonly ServerEvent[] = [
  { type: "open", address: ADDRESS },
  { type: "close", address: ADDRESS, code: 4005, reason: "busy", openMs: 12 },
  { type: "refuse", address: ADDRESS, reason: "pair_rate" },
  { type: "wait" },
  { type: "pair", waitedMs: 1500, pairingMs: 3 },
  { type: "upgrade" },
  { type: "error", option: "iceServers", error: new Error("no account") },
  { type: "drain", connections: 7 },
  { type: "crowd", address: ADDRESS, connections: 95, total: 100 },
  { type: "broker", up: true },
  { type: "broker", up: false, reason: "it is away" },
  { type: "link", reason: "gap" },
  { type: "link", reason: "bye" },
  { type: "claim", ms: 2 },
];

/** What is written of these events. */
function linesOf(
  events: readonly ServerEvent[],
  options: Partial<LogOptions> = {},
): string[] {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  const observe = logEvents({ write, now: () => NOON, ...options });
  for (const event of events) observe(event);
  return lines;
}

/** The same in one string, for whoever looks for something in it. */
function everythingOf(events: readonly ServerEvent[]): string {
  return (["text", "json"] as const)
    .flatMap((format) => linesOf(events, { format, level: "debug" }))
    .join("\n");
}

Deno.test("logEvents() writes a line of text for each event", () => {
  assertEquals(linesOf(EVENTS, { level: "debug" }), [
    "2030-01-31T12:00:00.000Z debug open address=2001:db8::1",
    "2030-01-31T12:00:00.000Z debug close address=2001:db8::1 code=4005 " +
    "reason=busy openMs=12",
    "2030-01-31T12:00:00.000Z warn refuse reason=pair_rate address=2001:db8::1",
    "2030-01-31T12:00:00.000Z debug wait",
    "2030-01-31T12:00:00.000Z info pair waitedMs=1500 pairingMs=3",
    "2030-01-31T12:00:00.000Z debug upgrade",
    "2030-01-31T12:00:00.000Z error error option=iceServers error=Error " +
    'message="no account"',
    "2030-01-31T12:00:00.000Z info drain connections=7",
    "2030-01-31T12:00:00.000Z warn crowd address=2001:db8::1 connections=95 " +
    'total=100 hint="behind a reverse proxy, set trustProxy (--trust-proxy), ' +
    'or correct it"',
    "2030-01-31T12:00:00.000Z info broker state=joined",
    '2030-01-31T12:00:00.000Z error broker state="cut off" ' +
    'reason="it is away"',
    "2030-01-31T12:00:00.000Z warn link reason=gap",
    "2030-01-31T12:00:00.000Z info link reason=bye",
    "2030-01-31T12:00:00.000Z debug claim ms=2",
  ]);
});

Deno.test("logEvents() writes the same as JSON", () => {
  const [line] = linesOf([EVENTS[1]], { format: "json", level: "debug" });
  assertEquals(JSON.parse(line), {
    time: "2030-01-31T12:00:00.000Z",
    level: "debug",
    event: "close",
    address: ADDRESS,
    code: 4005,
    reason: "busy",
    openMs: 12,
  });
});

Deno.test("logEvents() writes nothing below its level, which is info", () => {
  const counts = LOG_LEVELS.map((level) => linesOf(EVENTS, { level }).length);
  assertEquals(counts, [14, 9, 5, 2]);
  assertEquals(linesOf(EVENTS), linesOf(EVENTS, { level: "info" }));
});

Deno.test("logEvents() takes a busy code and a server that closes for everyday events", () => {
  const events: ServerEvent[] = [
    { type: "refuse", reason: "busy" },
    { type: "refuse", reason: "closing" },
  ];
  assertEquals(linesOf(events), []);
  assertEquals(linesOf(events, { level: "debug" }).length, 2);
});

Deno.test("logEvents() does not let refusals fill the disk, and says how many it left out", () => {
  const lines: string[] = [];
  let now = NOON;
  const observe = logEvents({
    write: (line) => lines.push(line),
    now: () => now,
  });
  const flood = () => {
    for (let i = 0; i < 1000; i++) observe({ type: "refuse", reason: "size" });
  };
  flood();
  assertEquals(lines.length, 20);
  // Another reason is not drowned by it.
  observe({ type: "refuse", reason: "origin" });
  assertMatch(lines.pop()!, /reason=origin$/);
  now += 1000;
  flood();
  assertEquals(lines.length, 21);
  assertMatch(lines.pop()!, /reason=size count=981$/);
});

Deno.test("logEvents() keeps each event to one line, whatever others have put into it", () => {
  const evil = '1.2.3.4\n2030-01-31 error\u2028x="y" \x1b[2J\x9b31m' +
    "é".repeat(5000);
  const events: ServerEvent[] = [
    { type: "open", address: evil },
    { type: "close", address: evil, code: 1000, reason: evil, openMs: 0 },
    { type: "error", option: "iceServers", error: new Error(evil) },
  ];
  for (const format of ["text", "json"] as const) {
    const lines = linesOf(events, { format, level: "debug" });
    assertEquals(lines.length, events.length);
    for (const line of lines) {
      assertFalse(/[\p{Cc}\p{Zl}\p{Zp}]/u.test(line), line);
      assert(line.length < 700, `${line.length}`);
    }
  }
});

Deno.test("logEvents() tells where a validator failed, and not what it was asked", () => {
  const code = "blue-sky";
  const thrown: unknown[] = [
    new Error(`No such room: ${code}`),
    new TypeError(`${code}\n    at ${code} (${code}.ts:1:1)`),
    Object.assign(new Error(code), { stack: undefined }),
    code,
    { code },
  ];
  for (const error of thrown) {
    const text = everythingOf([
      { type: "error", option: "pairCodeValidator", error },
    ]);
    assertFalse(text.includes(code), text);
    assertMatch(text, /pairCodeValidator/);
  }
  const [line] = linesOf([
    { type: "error", option: "pairCodeValidator", error: thrown[0] },
  ]);
  assertMatch(line, /error=Error at=logs_test\.ts:\d+:\d+$/);
});
