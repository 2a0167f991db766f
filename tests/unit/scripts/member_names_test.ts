import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  findWrongNames,
  giveShortNames,
  shareOut,
} from "../../../scripts/build.ts";
import { findMemberNames } from "../../../scripts/member_names.ts";

/** A small client in which every name says who knows it. */
const SOURCES = {
  "client.ts": `
export { Peer } from "./src/peer.ts";
export type { Runtime } from "./src/runtime.ts";
`,
  "src/runtime.ts": `
export interface Runtime { given(): number }
export interface SocketLike { platformOnly: number }
`,
  "src/peer.ts": `
import type { Runtime, SocketLike } from "./runtime.ts";

type Path = "direct" | "relay";
const RANKS: Record<Path, number> = { direct: 0, relay: 1 };
const FIELDS: Record<string, number> = { checked: 1 };

interface Wire { wireField: { nested: number } }
interface Parsed { parsedField: number }
interface Given { cast: number }
interface Inner { innerOnly: number; signal?: Path }
interface Looked { lookedUp: number }

class Part {
  partOnly = 0;
  send(): void {}
  forEach(): void {}
}

class PartError extends Error {
  override message = "";
  detailOnly = 1;
}

export class Peer {
  #part = new Part();
  constructor(runtime: Runtime, options: { option?: number }) {
    this.hidden(runtime.given() + (options.option ?? 0));
  }
  flush(): void { this.#part.send(); }
  protected hidden(partOnly: number): void { this.#part.partOnly = partOnly; }
  encode(socket: SocketLike, wire: Wire, looked: Looked, key: keyof Looked) {
    const parsed: Parsed = JSON.parse("{}");
    const given = JSON.parse("{}") as Given;
    const inner: Inner = { innerOnly: given.cast, signal: "direct" };
    const loose = { loose: inner.innerOnly };
    [1].forEach(() => {});
    new AbortController().signal.throwIfAborted();
    if (new PartError().detailOnly) return RANKS[inner.signal!];
    for (const name in FIELDS) return FIELDS[name];
    socket.platformOnly = looked[key] + parsed.parsedField + loose.loose;
    return JSON.stringify(wire);
  }
}
`,
};

Deno.test("findMemberNames() takes as own what nobody else can know", () => {
  const { own, taken } = findMemberNames({
    entries: ["client.ts"],
    platform: "src/runtime.ts",
    internal: ["Runtime"],
    sources: SOURCES,
  });
  assertEquals([...own], [
    "detailOnly",
    "given",
    "hidden",
    "innerOnly",
    "partOnly",
    "send",
  ]);

  const whys: [why: RegExp, ...names: string[]][] = [
    [/^part of the API/, "flush", "option", "encode"],
    [/^on the wire/, "wireField", "nested"],
    [/^from elsewhere/, "parsedField", "cast"],
    [/^of the platform/, "platformOnly", "forEach", "signal", "message"],
    [/^a key of a record/, "direct", "relay", "checked"],
    [/^looked up by its name/, "lookedUp"],
    [/^of no known type/, "loose"],
  ];
  for (const [why, ...names] of whys) {
    for (const name of names) {
      assertMatch(taken.get(name) ?? `${name} is not taken`, why);
    }
  }
  assertEquals(
    taken.get("checked"),
    "a key of a record (src/peer.ts:6)",
  );
});

Deno.test("findMemberNames() leaves the API, the wire and keys of the client as they are", () => {
  const { own, taken } = findMemberNames();
  // Each of the first two broke the bundle once.
  for (
    const name of [
      ...["flush", "messageBytes", "met", "joined", "resume", "lastWords"],
      ...["maxMessageBytes", "iceServers", "generation", "seal", "commit"],
      ...["onbufferedamountlow", "createOffer", "generateKey", "completeCode"],
    ]
  ) {
    assert(!own.has(name), `${name} is shortened`);
  }
  assertMatch(taken.get("met")!, /^a key of a record/);
  for (const name of ["acknowledgeNow", "owesAck", "onWake"]) {
    assert(own.has(name), `${name} is ${taken.get(name)}`);
  }
});

Deno.test("giveShortNames() keeps forms that nothing else is called by", () => {
  const last = { ask: "k", gone: "g", probe: "id", say: "p" };
  const taken = new Map([["id", "of the platform"], ["aa", "on the wire"]]);
  const names = ["say", "p", "probe", "ask", "fresh"];
  assertEquals(giveShortNames(names, last, taken), {
    ask: "k",
    fresh: "ae",
    p: "ac",
    probe: "ad",
    say: "ab",
  });
});

Deno.test("findWrongNames() names what may not be shortened, and why", () => {
  const taken = new Map([
    ["flush", "part of the API (src/client/socket_peer.ts:1)"],
    ["met", "a key of a record (src/client/connection_state.ts:1)"],
    ["id", "on the wire (src/protocol/control.ts:1)"],
  ]);
  const last = { met: "a", ask: "b", flush: "c", gone: "d", say: "id" };
  const right = { ask: "b", probe: "aa", say: "ab" };
  assertEquals(findWrongNames(last, right, taken), [
    'Cannot shorten "met" as it is a key of a record (src/client/connection_state.ts:1)',
    'Cannot shorten "flush" as it is part of the API (src/client/socket_peer.ts:1)',
    `Cannot shorten "gone" as it is no member of the client's own any more`,
    'Cannot shorten "say" to "id" as that is on the wire (src/protocol/control.ts:1)',
    'Cannot find a short form of "probe"',
  ]);
});

Deno.test("shareOut() gives folders and modules their part of what a bundle weighs", () => {
  const parts = new Map([
    ["<stdin>", 0],
    ["src/errors.ts", 100],
    ["src/client/path.ts", 200],
    ["src/client/transports/relay.ts", 300],
    ["src/client/types.ts", 0],
  ]);
  assertEquals(shareOut(60, parts), [
    ["src/client/", 50],
    ["  src/client/transports/relay.ts", 30],
    ["  src/client/path.ts", 20],
    ["src/", 10],
    ["  src/errors.ts", 10],
  ]);
});
