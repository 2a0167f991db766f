import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { createHmac } from "node:crypto";
import {
  type IceOptions,
  type IcePlatform,
  IceServers,
} from "../../../src/server/ice_servers.ts";
import type { ServerEvent } from "../../../src/server/server_event.ts";
import { VirtualClock } from "../../../src/testing/virtual_clock.ts";

const STUN = { urls: "stun:stun.example.org" };
const TURN = {
  urls: ["turn:turn.example.org?transport=udp", "turns:turn.example.org:443"],
  secret: "north star",
  ttl: 3600,
};
const NOW_MS = 1_700_000_000_999;
const BYTES = [1, 2, 3, 4, 5, 6, 7, 8, 255];

/** Ice servers at a moment that stands still, with bytes that are known. */
function at(
  options: Partial<IceOptions>,
  platform: Partial<IcePlatform> = {},
): { servers: IceServers; events: ServerEvent[] } {
  const events: ServerEvent[] = [];
  const servers = new IceServers(
    {
      iceServers: [],
      turn: undefined,
      observer: (event) => events.push(event),
      ...options,
    },
    {
      now: () => NOW_MS,
      after: () => () => {},
      randomBytes: () => Uint8Array.from(BYTES),
      ...platform,
    },
  );
  return { servers, events };
}

Deno.test("IceServers.get() gives the servers of a list, and nothing without one", async () => {
  assertEquals(await at({}).servers.get(), []);
  assertEquals(await at({ iceServers: [STUN] }).servers.get(), [STUN]);
});

Deno.test("IceServers.get() calls a function for each pairing", async () => {
  let calls = 0;
  const { servers } = at({
    iceServers: () => [{ urls: `stun:${++calls}.example.org` }],
  });
  assertEquals(await servers.get(), [{ urls: "stun:1.example.org" }]);
  assertEquals(await servers.get(), [{ urls: "stun:2.example.org" }]);
  const later = at({ iceServers: () => Promise.resolve([STUN]) });
  assertEquals(await later.servers.get(), [STUN]);
});

Deno.test("IceServers.get() makes credentials as openssl does", async () => {
  // printf %s 1700003600:0102030405060708ff |
  //   openssl dgst -sha1 -hmac "north star" -binary | base64
  const { servers } = at({ turn: TURN });
  assertEquals(await servers.get(), [{
    urls: TURN.urls,
    username: "1700003600:0102030405060708ff",
    credential: "xJdZnaw7+grUa7RF0/jf2TlGyfQ=",
  }]);
  const umlaut = at({ turn: { ...TURN, secret: "schlüssel" } });
  const [{ credential }] = await umlaut.servers.get();
  assertEquals(credential, "00sXw/Pf2mWwMAfKWqL5h2l9B6g=");
});

Deno.test("IceServers.get() makes credentials as node:crypto does, for secrets of any length", async () => {
  for (const length of [1, 63, 64, 65, 200]) {
    const secret = "é".repeat(length);
    const { servers } = at({ turn: { ...TURN, secret, ttl: 60 } });
    const [{ username, credential }] = await servers.get();
    const expected = createHmac("sha1", secret).update(username!)
      .digest("base64");
    assertEquals(credential, expected);
  }
});

Deno.test("IceServers.get() puts the TURN server after the others", async () => {
  const turn = { ...TURN, urls: "turn:turn.example.org" };
  const { servers } = at({ iceServers: [STUN], turn });
  const [first, second] = await servers.get();
  assertEquals(first, STUN);
  assertEquals(second.urls, ["turn:turn.example.org"]);
});

Deno.test("IceServers.get() draws other credentials for each peer, good until the ttl is over", async () => {
  const servers = new IceServers({
    iceServers: [],
    turn: { ...TURN, ttl: 600 },
    observer() {},
  });
  const before = Math.floor(Date.now() / 1000);
  const [[a], [b]] = [await servers.get(), await servers.get()];
  assertNotEquals(a.username, b.username);
  assertNotEquals(a.credential, b.credential);
  const [, expires] = a.username!.match(/^(\d+):[0-9a-f]{18}$/)!;
  const left = Number(expires) - before;
  assert(left >= 600 && left < 660, `${left} s`);
});

Deno.test("IceServers.get() gives what is left where the function throws, rejects or returns no array", async () => {
  const broken: (() => unknown)[] = [
    () => {
      throw new Error("no such account");
    },
    () => Promise.reject(new Error("no such account")),
    () => undefined,
    () => "stun:stun.example.org",
  ];
  for (const iceServers of broken) {
    const options = { iceServers, turn: TURN } as Partial<IceOptions>;
    const { servers, events } = at(options);
    const [only, ...more] = await servers.get();
    assertEquals([only.urls, more], [TURN.urls, []]);
    assertEquals(events.length, 1);
    const [event] = events;
    assert(event.type === "error" && event.option === "iceServers");
    assert(event.error instanceof Error);
    assertMatch(event.error.message, /no such account|must be an array/);
  }
});

Deno.test("IceServers.get() does not wait for ever for a function that hangs", async () => {
  const clock = new VirtualClock();
  const after = clock.after.bind(clock);
  const hangs = () => new Promise<never>(() => {});
  const { servers, events } = at({ iceServers: hangs }, { after });
  const answer = servers.get();
  await clock.pass(4_999);
  assertEquals(events, []);
  await clock.pass(1);
  assertEquals(await answer, []);
  assertEquals(events.map(({ type }) => type), ["error"]);
});

Deno.test("IceServers.get() survives an observer that throws", async () => {
  const { servers } = at({
    iceServers: () => Promise.reject(new Error("no such account")),
    observer() {
      throw new Error("observer");
    },
  });
  assertEquals(await servers.get(), []);
});

Deno.test("IceServers.renewMs is half the ttl, at most a day, and 0 without TURN", () => {
  const renewMs = (ttl: number) =>
    at({ turn: { ...TURN, ttl } }).servers.renewMs;
  assertEquals(renewMs(60), 30_000);
  assertEquals(renewMs(3600), 1_800_000);
  assertEquals(renewMs(0x7fffffff), 86_400_000);
  assertEquals(at({ iceServers: [STUN] }).servers.renewMs, 0);
  assertEquals(at({ iceServers: () => [STUN] }).servers.renewMs, 0);
});

Deno.test("IceServers.get() leaves no timer behind", async () => {
  let timers = 0;
  const after = () => {
    timers++;
    return () => void timers--;
  };
  for (const iceServers of [() => [STUN], () => Promise.reject(new Error())]) {
    await at({ iceServers }, { after }).servers.get();
    assertEquals(timers, 0);
  }
});
