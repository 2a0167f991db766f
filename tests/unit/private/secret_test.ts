import { assert, assertEquals, assertThrows } from "@std/assert";
import { type PrivateOptions, SocketPeer } from "../../../private.ts";
import { readSecret } from "../../../src/private/secret.ts";
import { SocketPeerError } from "../../../src/errors.ts";
import { privateRuntime, systemRuntime } from "../../../src/runtime.ts";

const runtime = systemRuntime();
const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("readSecret() makes a spoken code whose number the server gives", () => {
  const { code, words, bytes, isKey, attempts } = readSecret({}, runtime);
  assertEquals([code, isKey, attempts], ["", false, 3]);
  assert(/^[a-z]{4,6}-[a-z]{4,6}-[a-z]{4,6}$/.test(words), words);
  assertEquals(bytes, encode(words));
  assert(readSecret({}, runtime).words !== words);
});

Deno.test("readSecret() parts a spoken code, however it is written, and lets one attempt fail", () => {
  for (const pairCode of ["7-otter-lunar-basin", " 007 OTT lunar_Basin"]) {
    const secret = readSecret({ pairCode }, runtime);
    assertEquals(secret, {
      code: "7",
      words: "otter-lunar-basin",
      bytes: encode("otter-lunar-basin"),
      isKey: false,
      attempts: 1,
    });
  }
});

Deno.test("readSecret() takes any text beside a pair code, as keyboards compose it differently", () => {
  const composed = readSecret({ pairCode: " room ", secret: "é" }, runtime);
  const apart = readSecret({ pairCode: "room", secret: "e\u0301" }, runtime);
  assertEquals(composed, apart);
  assertEquals(composed.code, "room");
  assertEquals([composed.attempts, composed.isKey], [3, false]);
  // Blanks and capitals are part of it.
  const other = readSecret({ pairCode: "room", secret: "É " }, runtime);
  assertEquals(other.bytes, encode("É "));
});

Deno.test("readSecret() takes 16 bytes or more for a key, which may fail as often as it likes", () => {
  const key = Uint8Array.from({ length: 16 }, (_, at) => at);
  const secret = readSecret({ secret: key }, runtime);
  assertEquals(secret, {
    code: "",
    words: "",
    bytes: key,
    isKey: true,
    attempts: Infinity,
  });
  // A buffer may be used again.
  key.fill(0);
  assertEquals(secret.bytes[1], 1);
  const view = new Uint8Array(new ArrayBuffer(64), 8, 20);
  assertEquals(readSecret({ secret: view }, runtime).bytes.length, 20);
  assertEquals(readSecret({ secret: key, pairCode: "a" }, runtime).code, "a");
});

Deno.test("SocketPeer of the private entry says what is wrong with its secret", () => {
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ secret: "" }, /"secret"/],
    [{ secret: "", pairCode: "room" }, /"secret"/],
    [{ secret: "text" }, /without a "pairCode"/],
    [{ secret: "text", pairCode: "" }, /without a "pairCode"/],
    [{ secret: new Uint8Array(15) }, /16 bytes or more/],
    [{ secret: new Uint8Array() }, /16 bytes or more/],
    [{ secret: new ArrayBuffer(32) }, /a Uint8Array of 16/],
    [{ secret: new Uint16Array(32) }, /a Uint8Array of 16/],
    [{ secret: Array(32).fill(1) }, /a Uint8Array of 16/],
    [{ secret: null }, /"secret"/],
    [{ secret: 1234567, pairCode: "room" }, /"secret"/],
    [{ secret: {}, pairCode: "room" }, /"secret"/],
    [{ secret: true, pairCode: "room" }, /"secret"/],
    [{ secret: Symbol("secret"), pairCode: "room" }, /"secret"/],
    [{ pairCode: "" }, /spoken code/],
    [{ pairCode: "room" }, /spoken code/],
    [{ pairCode: "7" }, /spoken code/],
    [{ pairCode: "7-museum-napkin" }, /spoken code/],
    [{ pairCode: 7 }, /spoken code/],
    [{ pairCode: null }, /spoken code/],
    [{ secret: "text", pairCode: 7 }, /"pairCode"/],
    [{ secret: new Uint8Array(16), pairCode: 7 }, /"pairCode"/],
    [{ secret: "text", pairCode: "x".repeat(1000) }, /"pairCode"/],
  ];
  for (const [options, says] of wrong) {
    const what = Object.values(options).map((value) => String(value)).join();
    const error = assertThrows(
      () =>
        new SocketPeer({ ...options, url: "ws://server" } as PrivateOptions),
      TypeError,
    ) as TypeError;
    assert(says.test(error.message), `${what}: ${error.message}`);
    // The message may end up in a log.
    assert(!/museum|napkin|1234567/.test(error.message), error.message);
  }
});

/** Replaces globals while something runs. */
function withGlobals(
  globals: Record<string, unknown>,
  run: () => void,
): void {
  const before = Object.keys(globals).map((name) =>
    [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const
  );
  try {
    for (const [name, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, name, { value, configurable: true });
    }
    run();
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else Reflect.deleteProperty(globalThis, name);
    }
  }
}

Deno.test("privateRuntime() says why there is no cryptography", () => {
  const { getRandomValues } = crypto;
  const page = { isSecureContext: false, origin: "http://example.org" };
  const cases: [Record<string, unknown>, string, string][] = [
    [
      { ...page, crypto: { getRandomValues } },
      "INSECURE_CONTEXT",
      "http://example.org",
    ],
    [{ crypto: { getRandomValues } }, "CRYPTO_MISSING", "Web Crypto"],
    [{ crypto: undefined }, "CRYPTO_MISSING", "Web Crypto"],
  ];
  for (const [globals, code, says] of cases) {
    withGlobals(globals, () => {
      for (const make of [privateRuntime, () => new SocketPeer()]) {
        const error = assertThrows(make, SocketPeerError) as SocketPeerError;
        assertEquals(error.code, code);
        assert(error.message.includes(says), error.message);
      }
    });
  }
  assertEquals(privateRuntime().subtle, crypto.subtle);
});
