import { assert, assertEquals } from "@std/assert";
import {
  type AdmissionRequest,
  type AdmissionRules,
  admit,
} from "../../../src/server/admission.ts";
import { Addresses } from "../../../src/server/addresses.ts";
import { normalizeAddress } from "../../../src/server/ip_address.ts";
import { resolveServerOptions } from "../../../src/server/options.ts";
import {
  resolveTrustProxy,
  type TrustProxyOptions,
} from "../../../src/server/trusted_proxy.ts";

const HEADERS: Readonly<Record<string, string>> = {
  host: "localhost",
  upgrade: "websocket",
  connection: "keep-alive, Upgrade",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** A request that is in order, but for these. */
function request(
  headers: Record<string, string | undefined> = {},
  fields: Partial<AdmissionRequest> = {},
): AdmissionRequest {
  const all: Record<string, string | undefined> = { ...HEADERS, ...headers };
  return {
    method: "GET",
    path: "/socketpeer/",
    remoteAddress: "192.0.2.1",
    url: "/socketpeer/?v=2",
    headers: () => new Headers(),
    header: (name) => all[name],
    ...fields,
  };
}

/** Rules that let everybody in, but for these; and whom they counted. */
function rules(fields: Partial<AdmissionRules> = {}) {
  const counted: (string | undefined)[] = [];
  return {
    counted,
    path: "/socketpeer/",
    allowedOrigins: undefined,
    trustProxy: undefined,
    closing: false,
    random: () => 0.5,
    addresses: {
      admit(address: string | undefined) {
        counted.push(address);
        return undefined;
      },
    },
    ...fields,
  };
}

/** What is refused, in short; nothing of it may have been counted. */
function refused(request: AdmissionRequest, fields?: Partial<AdmissionRules>) {
  const judged = rules(fields);
  const answer = admit(request, judged);
  assert(!answer.accepted);
  assertEquals(judged.counted, []);
  return answer;
}

/** The address that a request counts for. */
function addressOf(
  request: AdmissionRequest,
  trustProxy?: string | TrustProxyOptions,
) {
  const judged = rules({ trustProxy: resolveTrustProxy(trustProxy) });
  const answer = admit(request, judged);
  assert(answer.accepted);
  assertEquals(judged.counted, [answer.address]);
  return answer.address;
}

Deno.test("admit() lets in and counts a request for a WebSocket on the path", () => {
  const judged = rules();
  assertEquals(admit(request(), judged), {
    accepted: true,
    address: "192.0.2.1",
    origin: undefined,
  });
  assertEquals(judged.counted, ["192.0.2.1"]);
});

Deno.test("admit() takes the words of the handshake in any case", () => {
  for (
    const headers of [
      { upgrade: "WebSocket" },
      { connection: "UPGRADE" },
      { connection: "close ,upgrade" },
    ]
  ) {
    assert(admit(request(headers), rules()).accepted);
  }
});

Deno.test("admit() answers 400 where the address cannot be read", () => {
  assertEquals(refused(request({}, { path: undefined })).status, 400);
});

Deno.test("admit() answers 404 on another path, and says which is right", () => {
  for (const path of ["/", "/socketpeers", "/socketpeer/x", "/x/socketpeer/"]) {
    const { status, message } = refused(request({}, { path }));
    assertEquals(status, 404, path);
    assert(message.includes("/socketpeer/"));
  }
});

Deno.test("admit() answers 426 to what is no request for a WebSocket", () => {
  for (
    const bad of [
      request({ upgrade: undefined }),
      request({ upgrade: "h2c" }),
      request({}, { method: "POST" }),
    ]
  ) {
    const { status, headers } = refused(bad);
    assertEquals(status, 426);
    assertEquals(headers.upgrade, "websocket");
    assertEquals(headers["sec-websocket-version"], undefined);
  }
});

Deno.test("admit() answers 426 to another version, and says which is right", () => {
  for (const version of ["8", "14", "x"]) {
    const bad = request({ "sec-websocket-version": version });
    const { status, headers } = refused(bad);
    assertEquals(status, 426);
    assertEquals(headers["sec-websocket-version"], "13");
  }
});

Deno.test("admit() answers 400 to a handshake that is incomplete", () => {
  for (
    const headers of [
      { connection: undefined },
      { connection: "keep-alive" },
      { connection: "no-upgrade" },
      { "sec-websocket-key": undefined },
      { "sec-websocket-key": "short" },
      { "sec-websocket-version": undefined },
    ]
  ) {
    assertEquals(refused(request(headers)).status, 400);
  }
});

Deno.test("admit() gives no reason for mistakes, which are no limits", () => {
  assertEquals(refused(request({}, { path: "/" })).reason, undefined);
  assertEquals(refused(request({ connection: "" })).reason, undefined);
});

Deno.test("admit() answers 403 to pages of other origins", () => {
  const allowedOrigins = new Set(["https://example.org"]);
  for (const origin of ["https://example.com", "null", ""]) {
    const answer = refused(request({ origin }), { allowedOrigins });
    assertEquals(answer.status, 403);
    assertEquals(answer.reason, "origin");
    assertEquals(answer.address, "192.0.2.1");
  }
});

Deno.test("admit() lets in pages of allowed origins, and what is no page", () => {
  const allowedOrigins = new Set(["https://example.org"]);
  for (const origin of ["https://example.org", undefined]) {
    assert(admit(request({ origin }), rules({ allowedOrigins })).accepted);
  }
  assert(admit(request({ origin: "https://any.example" }), rules()).accepted);
});

Deno.test("admit() lets in what a wildcard stands for, and apps by their scheme", () => {
  const allowedOrigins = new Set([
    "https://*.example.org",
    "https://*.example.net:8443",
    "capacitor://localhost",
    "moz-extension://*",
    "app://.",
    "file://",
  ]);
  for (
    const origin of [
      "https://a.example.org",
      "https://a.b.example.org",
      "https://a.example.net:8443",
      "capacitor://localhost",
      "moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc",
      "app://.",
      "file://",
    ]
  ) {
    const { accepted } = admit(request({ origin }), rules({ allowedOrigins }));
    assert(accepted, origin);
  }
  for (
    const origin of [
      "https://example.org",
      "http://a.example.org",
      "https://a.example.org:8443",
      "https://a.example.net",
      "https://a.example.org.evil.example",
      "https://evilexample.org",
      "https://.example.org.",
      "capacitor://other",
      "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
      "null",
      `https://${"a.".repeat(10_000)}example.org`,
    ]
  ) {
    const { status } = refused(request({ origin }), { allowedOrigins });
    assertEquals(status, 403, origin);
  }
});

Deno.test("admit() answers 503 while the server closes, and when to come again", () => {
  const { status, headers, reason } = refused(request(), { closing: true });
  assertEquals([status, reason], [503, "closing"]);
  assert(Number(headers["retry-after"]) > 0);
});

Deno.test("admit() answers 503 where the server is full, and 429 where the address is", () => {
  for (
    const [limit, expected] of [
      ["connections", 503],
      ["address", 429],
    ] as const
  ) {
    const addresses = { admit: () => limit };
    const { status, headers, reason } = refused(request(), { addresses });
    assertEquals([status, reason], [expected, limit]);
    assert(Number(headers["retry-after"]) > 0);
  }
});

Deno.test("admit() counts a loopback address for nobody", () => {
  for (
    const remoteAddress of ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]
  ) {
    assertEquals(addressOf(request({}, { remoteAddress })), undefined);
  }
  assertEquals(addressOf(request({}, { remoteAddress: undefined })), undefined);
});

Deno.test("admit() believes no header unless one is named", () => {
  const forged = request({ "x-forwarded-for": "203.0.113.9" });
  assertEquals(addressOf(forged), "192.0.2.1");
  assertEquals(addressOf(forged, "x-real-ip"), "192.0.2.1");
});

Deno.test("admit() believes the last entry of the header of a trusted proxy", () => {
  for (
    const [value, address] of [
      ["203.0.113.9", "203.0.113.9"],
      ["198.51.100.1, 203.0.113.9", "203.0.113.9"],
      ["198.51.100.1,[2001:DB8:0::9]:443", "2001:db8::/64"],
      // Nothing that can be believed: the proxy itself.
      ["203.0.113.9, unknown", "192.0.2.1"],
      ["", "192.0.2.1"],
    ]
  ) {
    const proxied = request({ "x-forwarded-for": value });
    assertEquals(addressOf(proxied, "x-forwarded-for"), address, value);
  }
});

/** What a header is taken for; the connection comes from 192.0.2.1. */
function named(
  value: string,
  trustProxy: Omit<TrustProxyOptions, "header">,
  remoteAddress = "192.0.2.1",
): string | undefined {
  const proxied = request({ "x-forwarded-for": value }, { remoteAddress });
  return addressOf(proxied, { header: "X-Forwarded-For", ...trustProxy });
}

Deno.test("admit() passes over private addresses at the end, which proxies of one network have", () => {
  for (
    const [value, address] of [
      ["203.0.113.5, 10.0.0.2", "203.0.113.5"],
      ["198.51.100.1, 203.0.113.5, 172.16.0.1, 192.168.1.1", "203.0.113.5"],
      ["203.0.113.5, 100.64.0.9, 127.0.0.1", "203.0.113.5"],
      ["2001:db8::9, fd00::1, ::1", "2001:db8::/64"],
      ["203.0.113.5, ::ffff:10.0.0.2", "203.0.113.5"],
      // Public ones beside those.
      ["203.0.113.5, 172.32.0.1", "172.32.0.1"],
      ["203.0.113.5, 11.0.0.1", "11.0.0.1"],
      ["203.0.113.5, 100.128.0.1", "100.128.0.1"],
      // A client in the network: nothing before it is to be believed.
      ["10.0.0.9", "10.0.0.9"],
      ["10.0.0.7, 10.0.0.9", "10.0.0.9"],
      ["unknown, 10.0.0.9", "10.0.0.9"],
      ["10.0.0.9, unknown", "192.0.2.1"],
    ]
  ) assertEquals(named(value, {}), address, value);
});

Deno.test("admit() believes the entry that so many proxies in a row have made", () => {
  const forged = "203.0.113.66, 203.0.113.77";
  for (
    const [hops, value, address] of [
      [1, `${forged}, 10.0.0.9`, "10.0.0.9"],
      [2, `${forged}, 203.0.113.5, 198.51.100.1`, "203.0.113.5"],
      [3, `${forged}, 203.0.113.5, 10.0.0.1, 198.51.100.1`, "203.0.113.5"],
      [2, `${forged}, unknown, 198.51.100.1`, "192.0.2.1"],
      // The request came past the first proxy.
      [3, "203.0.113.5", "203.0.113.5"],
      [3, "203.0.113.5, 198.51.100.1", "203.0.113.5"],
    ] as const
  ) assertEquals(named(value, { hops }), address, value);
});

Deno.test("admit() passes over the entries of the networks of proxies, and believes nobody else", () => {
  const networks = ["198.51.100.0/24", "2001:db8:ffff::/48", "192.0.2.1"];
  for (
    const [value, remoteAddress, address] of [
      ["203.0.113.66, 203.0.113.5, 198.51.100.7", "192.0.2.1", "203.0.113.5"],
      ["203.0.113.5, 2001:db8:ffff::7", "192.0.2.1", "203.0.113.5"],
      ["203.0.113.5, 198.51.101.7", "192.0.2.1", "198.51.101.7"],
      ["203.0.113.5", "127.0.0.1", "203.0.113.5"],
      ["203.0.113.66, 10.0.0.9", "192.0.2.1", "10.0.0.9"],
      // There are none but proxies: the first of them is who asks.
      ["198.51.100.8, 198.51.100.7", "192.0.2.1", "198.51.100.8"],
      // Straight from a client, who can send any header.
      ["203.0.113.5", "203.0.113.66", "203.0.113.66"],
      ["203.0.113.5", "192.0.2.2", "192.0.2.2"],
    ]
  ) assertEquals(named(value, { networks }, remoteAddress), address, value);
});

Deno.test("admit() reads no more of a header than proxies can have written", () => {
  const entries = Array(10_000).fill("10.0.0.2").join(",");
  assertEquals(named(`203.0.113.5,${entries}`, {}), "10.0.0.2");
});

Deno.test("admit() counts an address of IPv6 by its /64, which its owner has all of", () => {
  for (
    const [remoteAddress, address] of [
      ["2001:db8:0:1::1", "2001:db8:0:1::/64"],
      ["2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"],
      ["2001:DB8:0000:0001:0:0:0:9", "2001:db8:0:1::/64"],
      ["2001:db8:0:2::1", "2001:db8:0:2::/64"],
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
      ["2001:db8::1:2:3:4", "2001:db8::/64"],
      ["2001:db8::2:3:4:5:6", "2001:db8:0:2::/64"],
      ["2001::1:2:3:4:5", "2001:0:0:1::/64"],
      ["2001:db8::", "2001:db8::/64"],
      ["2001:0:0:1::", "2001:0:0:1::/64"],
      ["::2:3:4:5:6", "0:0:0:2::/64"],
      ["::2", "::/64"],
      ["fe80::1%eth0", "fe80::/64"],
      // Those of one address of IPv4 each.
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
      ["64:ff9b::0.0.2.1", "64:ff9b::201"],
      // The same prefix says so only at its full length.
      ["64:ff9b::1:192.0.2.1", "64:ff9b::/64"],
      ["64:ff9b:0:1::c000:201", "64:ff9b:0:1::/64"],
    ]
  ) {
    const direct = addressOf(request({}, { remoteAddress }));
    assertEquals(direct, address, remoteAddress);
    const proxied = request({ "x-forwarded-for": `unknown, ${remoteAddress}` });
    assertEquals(addressOf(proxied, "x-forwarded-for"), address, remoteAddress);
  }
});

Deno.test("admit() lets nobody go round a limit within a /64", () => {
  const limits = resolveServerOptions({ maxConnectionsPerAddress: 2 });
  const addresses = new Addresses(limits, () => 0);
  const come = (remoteAddress: string) =>
    admit(request({}, { remoteAddress }), rules({ addresses }));
  assert(come("2001:db8::1").accepted);
  assert(come("2001:db8::2").accepted);
  const refused = come("2001:db8::a:b:c:d");
  assert(!refused.accepted);
  assertEquals([refused.reason, refused.address], ["address", "2001:db8::/64"]);
  assert(come("2001:db8:0:1::1").accepted);
});

Deno.test("normalizeAddress() writes each address in one way", () => {
  for (
    const [text, address] of [
      ["192.0.2.1", "192.0.2.1"],
      [" 192.0.2.1:8080 ", "192.0.2.1"],
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["[::ffff:c000:201]:8080", "192.0.2.1"],
      ["2001:db8::1", "2001:db8::1"],
      ["2001:0DB8:0:0:0:0:0:1", "2001:db8::1"],
      ["[2001:db8::1]", "2001:db8::1"],
      ["[2001:db8::1]:443", "2001:db8::1"],
      ["fe80::1%eth0", "fe80::1"],
      ["255.249.199.0", "255.249.199.0"],
      ["\t9.10.99.100 ", "9.10.99.100"],
      // As URLs have it, a zero in front makes it octal.
      ["010.0.0.1", "8.0.0.1"],
      ["1.2.3.008", undefined],
      ["256.0.2.1", undefined],
      ["192.0.2.260", undefined],
      ["192.0.2.1.5", undefined],
      ["192.0.2.1\n192.0.2.2", undefined],
      ['for="[2001:db8::1]:4711";proto=https', "2001:db8::1"],
      ["proto=http;For=192.0.2.1;by=203.0.113.4", "192.0.2.1"],
      ["", undefined],
      ["unknown", undefined],
      ["_hidden", undefined],
      ["example.org", undefined],
      ["1.2.3", undefined],
      ["999.0.2.1", undefined],
      ["2001:db8::1::2", undefined],
      ["[2001:db8::1", undefined],
      ["192.0.2.1/", undefined],
    ]
  ) {
    assertEquals(normalizeAddress(text!), address, text);
  }
});
