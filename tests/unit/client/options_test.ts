import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  randomCode,
  resolveOptions,
  socketUrl,
} from "../../../src/client/options.ts";
import type { SocketPeerOptions } from "../../../src/client/options.ts";
import { systemRuntime } from "../../../src/runtime.ts";

const resolve = (options: SocketPeerOptions) =>
  resolveOptions(options, systemRuntime());

/** The default of each option, as docs/client.md lists them. */
async function listedDefaults(): Promise<Record<string, string>> {
  const url = new URL("../../../docs/client.md", import.meta.url);
  const [, after] = (await Deno.readTextFile(url)).split(/^\| option +\|/m);
  const rows = after.split("\n\n")[0].matchAll(/^\| `(\w+)` +\| (.*?) +\| /gm);
  return Object.fromEntries(
    [...rows].map(([, name, text]) => [name, text.replaceAll("`", "").trim()]),
  );
}

Deno.test("resolveOptions() has the defaults that docs/client.md names", async () => {
  const { pairCode, openSocket, webrtc, ...rest } = resolve({
    url: "http://localhost",
  });
  assertMatch(pairCode, /^[0-9a-z]{4}(-[0-9a-z]{4}){3}$/);
  assertEquals(typeof openSocket, "function");
  assertEquals(webrtc, undefined);
  const { rtcConfig, ...values } = rest;
  const listed: Record<keyof Required<SocketPeerOptions>, unknown> = {
    pairCode: "random, 80 bits",
    url: "the page's origin, in its workers and frames too; else " +
      "http://localhost",
    socket: "",
    rtcConfig: rtcConfig ?? "",
    wrtc: "the platform's",
    ...values,
  };
  const { secret: _ofThePrivateClient, ...defaults } = await listedDefaults();
  assertEquals(
    defaults,
    Object.fromEntries(
      Object.entries(listed).map(([name, value]) => [name, `${value}`]),
    ),
  );
});

Deno.test("resolveOptions() says what to do where there is no WebSocket", () => {
  const { openWebSocket: _, ...runtime } = systemRuntime();
  assertThrows(
    () => resolveOptions({ url: "http://localhost" }, runtime),
    TypeError,
    'give one as "socket"',
  );
  const socket = () => new WebSocket("ws://localhost");
  assertEquals(resolveOptions({ socket }, runtime).openSocket, socket);
  // A page that is rendered on a server, where nothing is dialed.
  assertEquals(resolveOptions({}, runtime).autoconnect, false);
});

Deno.test("resolveOptions() takes undefined for the default", () => {
  assertEquals(resolve({ timeout: undefined }).timeout, 10_000);
  assertEquals(resolve({ timeout: 0 }).timeout, 0);
});

Deno.test("resolveOptions() turns reconnect off where a socket is used up", () => {
  const socket = new EventTarget() as never;
  assertEquals(resolve({ socket }).reconnect, false);
  assertEquals(resolve({ socket: () => socket }).reconnect, true);
});

const BAD: SocketPeerOptions[] = [
  { pairCode: "" },
  { pairCode: "x".repeat(257) },
  { pairCode: 7 as never },
  { timeout: -1 },
  { timeout: NaN },
  { timeout: "10" as never },
  { reconnectDelay: Infinity },
  { highWaterMark: 1.5 },
  { resumeTimeout: 2 ** 31 },
  { url: "ftp://example.org" },
  { url: "not an address" },
  { wrtc: {} as never },
];

for (const options of BAD) {
  const name = Object.keys(options)[0];
  Deno.test(`resolveOptions() refuses ${Deno.inspect(options).slice(0, 60)}`, () => {
    const error = assertThrows(() => resolve(options)) as Error;
    assert(error instanceof TypeError || error instanceof RangeError);
    assertMatch(error.message, new RegExp(`^Cannot use .*"${name}"`));
  });
}

Deno.test("resolveOptions() keeps the pair code out of its error", () => {
  const pairCode = `secret${"x".repeat(300)}`;
  const error = assertThrows(() => resolve({ pairCode })) as Error;
  assert(!error.message.includes("secret"));
});

const URLS: [
  url: string | undefined,
  page: string | undefined,
  socket: string,
][] = [
  [undefined, undefined, "ws://localhost/socketpeer/?v=2"],
  [
    undefined,
    "https://example.org/chat?x#y",
    "wss://example.org/socketpeer/?v=2",
  ],
  [undefined, "file:///tmp/page.html", "ws://localhost/socketpeer/?v=2"],
  ["http://localhost:3000", undefined, "ws://localhost:3000/socketpeer/?v=2"],
  ["http://localhost:3000/", undefined, "ws://localhost:3000/socketpeer/?v=2"],
  ["https://example.org/pairs", undefined, "wss://example.org/pairs?v=2"],
  [
    "wss://example.org/p?x=1%20+#h",
    undefined,
    "wss://example.org/p?x=1%20+&v=2",
  ],
  ["/pairs/", "https://example.org/a/b", "wss://example.org/pairs/?v=2"],
];

for (const [url, page, socket] of URLS) {
  Deno.test(`socketUrl() makes ${socket} of ${url} on ${page}`, () => {
    assertEquals(socketUrl(url, page), socket);
  });
}

Deno.test("randomCode() has 80 bits without letters that are mistaken", () => {
  const runtime = systemRuntime();
  const seen = new Set<string>();
  for (let count = 0; count < 1000; count++) {
    const code = randomCode(runtime);
    // 16 characters of 32: 16 × 5 bits.
    assertMatch(code, /^([0-9a-hjkmnp-tv-z]{4}-){3}[0-9a-hjkmnp-tv-z]{4}$/);
    seen.add(code);
  }
  assertEquals(seen.size, 1000);
});
