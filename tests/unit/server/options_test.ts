import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  resolveServerOptions,
  type SocketPeerServerOptions,
} from "../../../src/server/options.ts";

function assertRefused(
  options: { [name in keyof SocketPeerServerOptions]: unknown },
  errorClass: typeof TypeError | typeof RangeError,
): void {
  const [name] = Object.keys(options);
  assertThrows(
    () => resolveServerOptions(options as SocketPeerServerOptions),
    errorClass,
    `"${name}"`,
  );
}

const originsOf = (...allowedOrigins: string[]) => [
  ...resolveServerOptions({ allowedOrigins }).allowedOrigins!,
];

Deno.test("resolveServerOptions() has a default for each option", () => {
  const { pairCodeValidator, ...rest } = resolveServerOptions({});
  assertEquals(rest, {
    listen: true,
    host: "0.0.0.0",
    port: 3000,
    path: "/socketpeer/",
    allowedOrigins: undefined,
    peerTimeout: 60_000,
  });
  assertEquals(pairCodeValidator("any code"), true);
});

Deno.test("resolveServerOptions() gives undefined the default too", () => {
  const { pairCodeValidator: _, ...defaults } = resolveServerOptions({});
  const { pairCodeValidator, ...rest } = resolveServerOptions({
    listen: undefined,
    host: undefined,
    port: undefined,
    path: undefined,
    allowedOrigins: undefined,
    peerTimeout: undefined,
    pairCodeValidator: undefined,
  });
  assertEquals(rest, defaults);
  assertEquals(pairCodeValidator("any code"), true);
});

Deno.test("resolveServerOptions() takes what it is given", () => {
  const pairCodeValidator = () => false;
  const resolved = resolveServerOptions({
    listen: false,
    host: "127.0.0.1",
    port: 8080,
    path: "/",
    allowedOrigins: ["https://example.org"],
    peerTimeout: 1,
    pairCodeValidator,
  });
  assertEquals(resolved, {
    listen: false,
    host: "127.0.0.1",
    port: 8080,
    path: "/",
    allowedOrigins: new Set(["https://example.org"]),
    peerTimeout: 1,
    pairCodeValidator,
  });
  assertStrictEquals(resolved.pairCodeValidator, pairCodeValidator);
});

Deno.test("resolveServerOptions() leaves the caller's options as they are", () => {
  const options = Object.freeze({
    allowedOrigins: Object.freeze(["HTTPS://Example.org:443/"]),
  });
  resolveServerOptions(options);
  assertEquals(options.allowedOrigins, ["HTTPS://Example.org:443/"]);
});

Deno.test("resolveServerOptions() takes ports from 0 to 65535", () => {
  assertEquals(resolveServerOptions({ port: 0 }).port, 0);
  assertEquals(resolveServerOptions({ port: 65_535 }).port, 65_535);
  for (const port of [-1, 65_536, 1.5, NaN, Infinity, "3000", null]) {
    assertRefused({ port }, RangeError);
  }
});

Deno.test("resolveServerOptions() takes a peerTimeout that a timer can wait", () => {
  // One more and setTimeout() calls back at once.
  for (const peerTimeout of [0, 2_147_483_647]) {
    const resolved = resolveServerOptions({ peerTimeout });
    assertEquals(resolved.peerTimeout, peerTimeout);
  }
  for (const peerTimeout of [-1, 2_147_483_648, 0.5, NaN, Infinity, "1"]) {
    assertRefused({ peerTimeout }, RangeError);
  }
});

Deno.test("resolveServerOptions() rejects a path without a slash in front", () => {
  for (const path of ["", "socketpeer/", "https://example.org/"]) {
    assertRefused({ path }, TypeError);
  }
});

Deno.test("resolveServerOptions() rejects a pairCodeValidator that is no function", () => {
  for (const pairCodeValidator of [null, true, "code", /code/]) {
    assertRefused({ pairCodeValidator }, TypeError);
  }
});

Deno.test("resolveServerOptions() writes origins as browsers do", () => {
  assertEquals(
    originsOf(
      "https://example.org",
      "https://Example.COM/",
      "HTTPS://example.net:443",
      "http://localhost:3000",
      "https://bücher.example",
      "http://[::1]:80",
    ),
    [
      "https://example.org",
      "https://example.com",
      "https://example.net",
      "http://localhost:3000",
      "https://xn--bcher-kva.example",
      "http://[::1]",
    ],
  );
});

Deno.test("resolveServerOptions() tells no origins from all origins", () => {
  assertEquals(originsOf(), []);
});

Deno.test("resolveServerOptions() rejects what is no origin of a page", () => {
  for (
    const origin of [
      "",
      "*",
      "null",
      "example.org",
      "example.org:443",
      "localhost:3000",
      "//example.org",
      "https://example.org/app",
      "wss://example.org",
      "file:///page.html",
      "https://",
    ]
  ) {
    assertRefused({ allowedOrigins: ["https://a.example", origin] }, TypeError);
  }
});
