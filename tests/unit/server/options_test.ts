import {
  assert,
  assertEquals,
  assertFalse,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { OPTION_ROWS, OPTIONS } from "../../../src/server/option_table.ts";
import {
  resolveServerOptions,
  type SocketPeerServerOptions,
} from "../../../src/server/options.ts";
import {
  type Broker,
  ENVELOPE_BYTES,
} from "../../../src/server/brokers/broker.ts";
import { MemoryEngine } from "../../../src/server/brokers/memory.ts";
import { HEAD_BYTES, ITEM_BYTES } from "../../../src/server/nodes/message.ts";

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

/** Resolved options without the functions, of which each is another. */
function dataOf(options: SocketPeerServerOptions) {
  const { pairCodeValidator, observer, ...data } = resolveServerOptions(
    options,
  );
  return { data, pairCodeValidator, observer };
}

const broker = new MemoryEngine({ now: () => 0, after: () => () => {} })
  .broker();
const brokerSecret = "0123456789abcdef0123456789abcdef";

Deno.test("resolveServerOptions() gives undefined the default too", () => {
  const { data, pairCodeValidator, observer } = dataOf(
    Object.fromEntries(OPTION_ROWS.map(([name]) => [name, undefined])),
  );
  assertEquals(data, dataOf({}).data);
  assertEquals(Object.keys(resolveServerOptions({})), Object.keys(OPTIONS));
  assertEquals(pairCodeValidator("any code", {}), true);
  assertEquals(observer({ type: "wait" }), undefined);
});

Deno.test("resolveServerOptions() takes no broker without a secret that is long enough", () => {
  for (const brokerSecret of [undefined, "", "a".repeat(31), 12 as never]) {
    assertRefused({ brokerSecret, broker }, TypeError);
  }
  assertRefused({ broker: {}, brokerSecret }, TypeError);
});

Deno.test("resolveServerOptions() takes no packets that the broker cannot carry", () => {
  const small: Broker = Object.create(broker, {
    maxMessageBytes: { value: 1000 },
  });
  const options = { broker: small, brokerSecret };
  const most = 1000 - ENVELOPE_BYTES;
  resolveServerOptions({ ...options, maxPacketBytes: most });
  assertRefused({ maxPacketBytes: most + 1, ...options }, RangeError);
  assert(HEAD_BYTES + ITEM_BYTES <= ENVELOPE_BYTES);
});

Deno.test("resolveServerOptions() takes what it is given", () => {
  const pairCodeValidator = () => false;
  const iceServers = () => [];
  const events: unknown[] = [];
  const rate = { burst: 1, perSecond: 0.5 };
  const given = {
    listen: false,
    host: "127.0.0.1",
    port: 8080,
    path: "/",
    peerTimeout: 1,
    authorize: () => true,
    refuseBeforeUpgrade: true,
    pairTimeout: 1,
    heartbeatInterval: 1,
    maxConnections: 0,
    maxConnectionsPerAddress: 0,
    maxControlLength: 1,
    maxPairCodeLength: 1,
    maxPacketBytes: 1,
    maxBufferedBytes: 1,
    controlRate: rate,
    addressControlRate: rate,
    pairRate: rate,
    iceServers,
    broker,
    brokerSecret,
  };
  const resolved = dataOf({
    ...given,
    allowedOrigins: ["https://example.org"],
    protocols: ["chat.v1"],
    trustProxy: "X-Forwarded-For",
    turn: { urls: "turn:turn.example.org", secret: "s3cret" },
    pairCodeValidator,
    observer: (event) => events.push(event),
  });
  assertEquals(resolved.data, {
    ...dataOf({}).data,
    ...given,
    allowedOrigins: new Set(["https://example.org"]),
    trustProxy: { header: "x-forwarded-for" },
    protocols: ["chat.v1"],
    turn: { urls: "turn:turn.example.org", secret: "s3cret", ttl: 3600 },
  });
  assertStrictEquals(resolved.pairCodeValidator, pairCodeValidator);
  resolved.observer({ type: "wait" });
  assertEquals(events, [{ type: "wait" }]);
});

Deno.test("resolveServerOptions() drops what an observer throws, now or later", async () => {
  const failures: unknown[] = [];
  const fail = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    failures.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", fail);
  try {
    const broken = [
      () => {
        throw new Error("The disk is full");
      },
      () => Promise.reject(new Error("The disk is full")),
    ];
    for (const observer of broken) {
      dataOf({ observer }).observer({ type: "wait" });
    }
    // A rejection is reported when all promises have had their turn.
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals(failures, []);
  } finally {
    globalThis.removeEventListener("unhandledrejection", fail);
  }
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
  // With one more millisecond setTimeout() calls back at once.
  for (const peerTimeout of [0, 2_147_483_647]) {
    const resolved = resolveServerOptions({ peerTimeout });
    assertEquals(resolved.peerTimeout, peerTimeout);
  }
  for (const peerTimeout of [-1, 2_147_483_648, 0.5, NaN, Infinity, "1"]) {
    assertRefused({ peerTimeout }, RangeError);
  }
});

Deno.test("resolveServerOptions() rejects a path that no request can have", () => {
  for (
    const path of ["", "socketpeer/", "https://example.org/", "/a?b", "/a#b"]
  ) {
    assertRefused({ path }, TypeError);
  }
});

Deno.test("resolveServerOptions() rejects protocols that no client can offer", () => {
  for (
    const protocols of ["chat", [""], ["a b"], ["a,b"], ["чат"], [1], null]
  ) {
    assertRefused({ protocols }, TypeError);
  }
});

Deno.test("resolveServerOptions() rejects a pairCodeValidator that is no function", () => {
  for (const pairCodeValidator of [null, true, "code", /code/]) {
    assertRefused({ pairCodeValidator }, TypeError);
  }
});

Deno.test("resolveServerOptions() rejects authorize and refuseBeforeUpgrade of another kind", () => {
  for (const authorize of [null, true, "token"]) {
    assertRefused({ authorize }, TypeError);
  }
  for (const refuseBeforeUpgrade of [null, 0, "true"]) {
    assertRefused({ refuseBeforeUpgrade }, TypeError);
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

Deno.test("resolveServerOptions() takes origins of apps and extensions, and wildcards", () => {
  const origins = [
    "capacitor://localhost",
    "ionic://localhost",
    "tauri://localhost",
    "app://.",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "moz-extension://*",
    "vscode-webview://*",
    "file://",
    "null",
    "https://*.example.org",
    "http://*.localhost:3000",
  ];
  assertEquals(originsOf(...origins), origins);
  assertEquals(
    originsOf(
      "HTTPS://*.Example.COM:443/",
      "https://*.bücher.example",
      "Tauri://localhost/",
      "file:///",
    ),
    [
      "https://*.example.com",
      "https://*.xn--bcher-kva.example",
      "tauri://localhost",
      "file://",
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
      "null ",
      "NULL",
      "example.org",
      "*.example.org",
      "https://*",
      "https://*.org",
      "https://*.0.0.1",
      "https://*example.org",
      "https://a.*.example.org",
      "https://*.*.example.org",
      "https://*.example.org/app",
      "app://a, app://b",
      "chrome-extension://*.id",
      "mailto:someone",
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

Deno.test("resolveServerOptions() takes rates that let something through", () => {
  for (const name of ["controlRate", "addressControlRate", "pairRate"]) {
    const good = { burst: 1, perSecond: 0.001 };
    const resolved = resolveServerOptions({ [name]: good });
    assertEquals(resolved[name as "pairRate"], good);
    const parts = {
      burst: [undefined, 0, -1, 0.5, NaN, Infinity, "1"],
      perSecond: [undefined, 0, -1, NaN, Infinity, "1"],
    };
    for (const [part, values] of Object.entries(parts)) {
      for (const value of values) {
        assertThrows(
          () => resolveServerOptions({ [name]: { ...good, [part]: value } }),
          RangeError,
          `"${name}.${part}"`,
        );
      }
    }
    for (const rate of [null, 5, "5"]) {
      assertRefused({ [name]: rate }, TypeError);
    }
  }
});

Deno.test("resolveServerOptions() rejects a trustProxy that is no header's name", () => {
  for (const trustProxy of ["", "x forwarded for", "x:", true, 5, null]) {
    assertRefused({ trustProxy }, TypeError);
  }
});

Deno.test("resolveServerOptions() rejects proxies that are none", () => {
  const header = "x-forwarded-for";
  for (const hops of [0, -1, 33, 1.5, "2", NaN, null]) {
    assertRefused({ trustProxy: { header, hops } }, RangeError);
  }
  for (
    const networks of [
      "10.0.0.0/8",
      null,
      [""],
      ["10.0.0.0/33"],
      ["10.0.0.0/"],
      ["10.0.0/8"],
      ["2001:db8::/129"],
      ["10.0.0.1:80"],
      ["example.org"],
      ["for=10.0.0.1"],
      [10],
    ]
  ) assertRefused({ trustProxy: { header, networks } }, TypeError);
  for (const trustProxy of [{}, [], { header: "" }, { hops: 2 }]) {
    assertRefused({ trustProxy }, TypeError);
  }
  const both = { header, hops: 1, networks: ["10.0.0.0/8"] };
  assertRefused({ trustProxy: both }, TypeError);
  for (const hops of [1, 32]) {
    const { trustProxy } = resolveServerOptions({
      trustProxy: { header, hops },
    });
    assertEquals(trustProxy, { header, hops });
  }
});

Deno.test("resolveServerOptions() rejects iceServers, turn and observer of another kind", () => {
  for (const iceServers of [null, "stun:stun.example.org", { urls: "x" }]) {
    assertRefused({ iceServers }, TypeError);
  }
  const secret = "s3cret";
  const urls = "turn:turn.example.org";
  for (const turn of [true, {}, { urls }, { secret }, { urls: [], secret }]) {
    assertRefused({ turn }, TypeError);
  }
  for (const ttl of [0, 59, 60.5, "60"]) {
    assertThrows(
      () =>
        resolveServerOptions({ turn: { urls, secret, ttl: ttl as number } }),
      RangeError,
      '"turn.ttl"',
    );
  }
  for (const observer of [null, "log", {}]) {
    assertRefused({ observer }, TypeError);
  }
});

Deno.test("resolveServerOptions() quotes no secret", () => {
  const options = { turn: { urls: [], secret: "s3cret" } };
  const error = assertThrows(() => resolveServerOptions(options));
  assertFalse(String(error).includes("s3cret"));
});
