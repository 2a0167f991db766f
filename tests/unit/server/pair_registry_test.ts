import { assert, assertEquals, assertFalse } from "@std/assert";
import type { PairRequest } from "../../../src/protocol/control.ts";
import {
  type Member,
  PairRegistry,
} from "../../../src/server/pair_registry.ts";
import type { Partner } from "../../../src/server/partner.ts";
import { VirtualClock } from "../../../testing.ts";
import { fuzz } from "../../support/fuzz.ts";

const RESUME_TIMEOUT_MS = 30_000;
const PEER_TIMEOUT_MS = 60_000;
const KNOCK_MS = 3000;
const HOURS_MS = 10 * 3_600_000;

/** One socket of a peer, which writes down what the registry tells it. */
class TestMember implements Member {
  readonly request: PairRequest;
  readonly askedAt: number;
  readonly version = 2;
  readonly #registry: PairRegistry;
  #events: string[] = [];
  /** What a test has happen while it is being told something. */
  when: (event: string) => void = () => {};
  /** Whether the member was dismissed, or has left. */
  gone = false;
  /** Whether the member's code was drawn for it. */
  isDrawn = false;
  /** The `id` of the peer that the member was told of last. */
  partner: string | undefined;

  constructor(
    registry: PairRegistry,
    id: string,
    fields: Partial<PairRequest> = {},
    askedAt = 0,
  ) {
    this.#registry = registry;
    this.askedAt = askedAt;
    this.request = {
      code: "code",
      version: 2,
      id,
      key: `key of ${id}`,
      resumeTimeout: RESUME_TIMEOUT_MS,
      hello: { received: 0, webrtc: true, relay: true, maxMessageBytes: 1 },
      ...fields,
    };
  }

  get id() {
    return this.request.id;
  }

  get hello() {
    return this.request.hello;
  }

  join(): this {
    this.#registry.join(this);
    return this;
  }

  signal(): void {}

  packet(): void {}

  refuse(): void {}

  /** Breaks the member's socket. */
  break(): void {
    this.gone = true;
    this.#registry.leave(this, false);
  }

  /** Closes the member's socket with 4000. */
  leave(): void {
    this.gone = true;
    this.#registry.leave(this, true);
  }

  /** What the member was told since the last call. */
  told(): string[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  outrun(): void {
    this.#tell("outrun");
  }

  waiting(): void {
    this.#tell("waiting");
  }

  found(partner: Partner, initiator: boolean): void {
    this.partner = partner.id;
    this.#tell(`found ${this.partner}${initiator ? " to offer" : ""}`);
  }

  lost(): void {
    this.#tell("lost");
  }

  knocked(): void {
    this.#tell("knocked");
  }

  dismiss(code: number, _reason: string): void {
    if (this.gone) return;
    this.gone = true;
    this.#tell(`dismissed ${code}`);
    // A connection that is dismissed reports its end while it is.
    this.#registry.leave(this, false);
  }

  #tell(event: string): void {
    this.#events.push(event);
    this.when(event);
  }
}

interface Pairs {
  readonly clock: VirtualClock;
  readonly registry: PairRegistry;
  /** A new socket of the peer `id`, which has joined. */
  join(id: string, fields?: Partial<PairRequest>): TestMember;
}

function setUp(peerTimeoutMs = PEER_TIMEOUT_MS): Pairs {
  const clock = new VirtualClock();
  const registry = new PairRegistry({ peerTimeoutMs, ...clock });
  const join = (id: string, fields?: Partial<PairRequest>) =>
    new TestMember(registry, id, fields).join();
  return { clock, registry, join };
}

/** Two peers that have found each other, and were told nothing else since. */
function setUpPair(fields?: Partial<PairRequest>) {
  const pairs = setUp();
  const a = pairs.join("a", fields);
  const b = pairs.join("b", fields);
  a.told();
  b.told();
  return { ...pairs, a, b };
}

function assertNothingLeft({ clock, registry }: Pairs): void {
  assertEquals(registry.size, 0, "pair codes in use");
  assertEquals(clock.pending, 0, "timers that wait");
}

Deno.test("PairRegistry.join() tells the first peer to wait", () => {
  const pairs = setUp();
  const a = pairs.join("a");
  assertEquals(a.told(), ["waiting"]);
  assertEquals(pairs.registry.size, 1);
  a.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() tells both peers of each other, and the second to offer", () => {
  const pairs = setUp();
  const a = pairs.join("a");
  const b = pairs.join("b");
  assertEquals(a.told(), ["waiting", "found b"]);
  assertEquals(b.told(), ["found a to offer"]);
  assertEquals(pairs.clock.pending, 0);
  b.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() keeps pair codes apart", () => {
  const pairs = setUp();
  const [a, b] = [pairs.join("a"), pairs.join("b", { code: "Code" })];
  assertEquals([a.told(), b.told()], [["waiting"], ["waiting"]]);
  const c = pairs.join("c", { code: "Code" });
  assertEquals([a.told(), b.told()], [[], ["found c"]]);
  assertEquals(pairs.registry.size, 2);
  a.leave();
  c.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() takes pair codes that objects have as names", () => {
  const pairs = setUp();
  for (const code of ["__proto__", "constructor", "toString"]) {
    const a = pairs.join("a", { code });
    const b = pairs.join("b", { code });
    assertEquals(a.told(), ["waiting", "found b"]);
    b.leave();
  }
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() tells the third peer busy and the first two nothing", () => {
  const { join, a, b, ...pairs } = setUpPair();
  assertEquals(join("c").told(), ["dismissed 4005"]);
  assertEquals(join("d", { partner: "x" }).told(), ["dismissed 4005"]);
  // Not even one that claims to resume with one of them.
  assertEquals(join("e", { partner: "a" }).told(), ["dismissed 4005"]);
  assertEquals([a.told(), b.told()], [[], []]);
  a.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() gives a place back to the same id and key", () => {
  const { join, a, b, ...pairs } = setUpPair();
  a.break();
  assertEquals(b.told(), ["lost"]);
  const again = join("a", { partner: "b" });
  assertEquals(again.told(), ["found b"]);
  assertEquals(b.told(), ["found a to offer"]);
  again.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() gives a place back to a peer that does not know its partner yet", () => {
  const { join, a, b, ...pairs } = setUpPair();
  a.break();
  assertEquals(join("a").told(), ["found b"]);
  b.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() closes the old socket of a peer whose new one has its key", () => {
  const { join, a, b, ...pairs } = setUpPair();
  const newB = join("b", { partner: "a" });
  assertEquals(b.told(), ["dismissed 4006"]);
  assertEquals(newB.told(), ["found a to offer"]);
  assertEquals(a.told(), ["found b"]);
  const newA = join("a", { partner: "b" });
  assertEquals(a.told(), ["dismissed 4006"]);
  assertEquals(newA.told(), ["found b"]);
  assertEquals(newB.told(), ["found a to offer"]);
  newA.leave();
  assertEquals(newB.told(), ["dismissed 4007"]);
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() gives a lone peer's place to its newer socket", () => {
  const pairs = setUp();
  const a = pairs.join("a");
  const newA = pairs.join("a");
  assertEquals(a.told(), ["waiting", "dismissed 4006"]);
  assertEquals(newA.told(), ["waiting"]);
  const b = pairs.join("b");
  assertEquals(newA.told(), ["found b"]);
  b.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() tells a stranger with a known id and the wrong key busy", () => {
  const key = "a guess";
  const { join, a, b, ...pairs } = setUpPair();
  // While the owner is here, is away, and while nobody is here.
  assertEquals(join("a", { key }).told(), ["dismissed 4005"]);
  assertEquals([a.told(), b.told()], [[], []]);
  a.break();
  assertEquals(join("a", { key }).told(), ["dismissed 4005"]);
  assertEquals(join("a", { key, partner: "b" }).told(), ["dismissed 4005"]);
  assertEquals(b.told(), ["lost"]);
  b.break();
  assertEquals(join("a", { key, partner: "b" }).told(), ["dismissed 4005"]);
  // The owner still has it.
  assertEquals(join("a", { partner: "b" }).told(), ["waiting"]);
  join("b").leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() does not pair a lone peer with a stranger of its own id", () => {
  const pairs = setUp();
  const a = pairs.join("a");
  assertEquals(
    pairs.join("a", { key: "a guess" }).told(),
    ["dismissed 4005"],
  );
  assertEquals(a.told(), ["waiting"]);
  a.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() keeps a pair's places for as long as one of them is here", () => {
  const { join, a, b, ...pairs } = setUpPair();
  b.break();
  a.told();
  for (let hour = 0; hour < 10; hour++) {
    pairs.clock.advance(HOURS_MS / 10);
    const c = join("c");
    assertEquals([a.told(), c.told()], [["knocked"], []]);
    pairs.clock.advance(KNOCK_MS);
    assertEquals(c.told(), ["dismissed 4005"]);
  }
  assertEquals(a.told(), []);
  assertEquals(join("b", { partner: "a" }).told(), ["found a to offer"]);
  a.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() keeps a pair's places for resumeTimeout after both are gone", () => {
  const { join, a, b, ...pairs } = setUpPair();
  a.break();
  pairs.clock.advance(HOURS_MS);
  b.break();
  assertEquals(a.told(), []);
  assertEquals(b.told(), ["lost"]);
  pairs.clock.advance(RESUME_TIMEOUT_MS - 1);
  assertEquals(join("c").told(), ["dismissed 4005"]);
  pairs.clock.advance(1);
  assertNothingLeft({ join, ...pairs });
  const c = join("c");
  assertEquals(c.told(), ["waiting"]);
  c.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() lets both come back within resumeTimeout", () => {
  const { join, a, b, ...pairs } = setUpPair();
  a.break();
  b.break();
  pairs.clock.advance(RESUME_TIMEOUT_MS - 1);
  const newB = join("b", { partner: "a" });
  assertEquals(newB.told(), ["waiting"]);
  assertEquals(pairs.clock.pending, 0);
  // From now on one of them is here.
  pairs.clock.advance(HOURS_MS);
  const c = join("c");
  assertEquals([newB.told(), c.told()], [["knocked"], []]);
  const newA = join("a", { partner: "b" });
  assertEquals(c.told(), ["dismissed 4005"]);
  // Who arrived first stays so.
  assertEquals(newA.told(), ["found b"]);
  assertEquals(newB.told(), ["found a to offer"]);
  newA.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() counts resumeTimeout anew each time both are gone", () => {
  const { join, a, b, ...pairs } = setUpPair();
  a.break();
  b.break();
  for (let time = 0; time < 5; time++) {
    pairs.clock.advance(RESUME_TIMEOUT_MS - 1);
    const again = join(time % 2 ? "a" : "b");
    assertEquals(again.told(), ["waiting"]);
    again.break();
    assertEquals(pairs.clock.pending, 1);
  }
  pairs.clock.advance(RESUME_TIMEOUT_MS);
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() keeps places for the longer resumeTimeout of the two", () => {
  for (const longer of ["a", "b"]) {
    const pairs = setUp();
    const [a, b] = ["a", "b"].map((id) =>
      pairs.join(id, { resumeTimeout: id === longer ? 5000 : 1000 })
    );
    a.break();
    b.break();
    pairs.clock.advance(4999);
    assertEquals(pairs.join("c").told(), ["dismissed 4005"]);
    pairs.clock.advance(1);
    assertNothingLeft(pairs);
  }
});

Deno.test("PairRegistry.join() keeps places for 10 minutes at most", () => {
  const { join, a, b, ...pairs } = setUpPair({ resumeTimeout: 2 ** 53 - 1 });
  a.break();
  b.break();
  pairs.clock.advance(599_999);
  assertEquals(join("c").told(), ["dismissed 4005"]);
  pairs.clock.advance(1);
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() keeps no place where both ask for no resumeTimeout", () => {
  const { join, a, b, ...pairs } = setUpPair({ resumeTimeout: 0 });
  a.break();
  b.break();
  pairs.clock.advance(0);
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.leave() tells the other peer, and keeps its place", () => {
  const { join, a, b, ...pairs } = setUpPair();
  b.break();
  assertEquals(a.told(), ["lost"]);
  assertEquals(pairs.registry.size, 1);
  a.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.leave() for good frees both places at once", () => {
  for (const who of ["a", "b"] as const) {
    const { join, a, b, ...pairs } = setUpPair();
    const [leaver, other] = who === "a" ? [a, b] : [b, a];
    leaver.leave();
    assertEquals(leaver.told(), []);
    assertEquals(other.told(), ["dismissed 4007"]);
    assertNothingLeft({ join, ...pairs });
    const c = join("c");
    assertEquals(c.told(), ["waiting"]);
    c.leave();
    assertNothingLeft({ join, ...pairs });
  }
});

Deno.test("PairRegistry.leave() for good frees the place of a peer that is away, too", () => {
  const { join, a, b, ...pairs } = setUpPair();
  a.break();
  b.leave();
  assertNothingLeft({ join, ...pairs });
  const c = join("c");
  assertEquals(c.told(), ["waiting"]);
  c.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.leave() frees the place of a peer that waits for anyone", () => {
  const pairs = setUp();
  pairs.join("a").break();
  assertNothingLeft(pairs);
  pairs.join("a").leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.leave() passes over a peer that has no place", () => {
  const { join, a, b, ...pairs } = setUpPair();
  const busy = join("c");
  busy.leave();
  const newA = join("a", { partner: "b" });
  a.told();
  // The peer's place is the newer socket's.
  a.leave();
  a.break();
  pairs.registry.leave(new TestMember(pairs.registry, "d"), true);
  b.told();
  newA.told();
  assertEquals([newA.gone, b.gone], [false, false]);
  b.leave();
  b.leave();
  assertEquals(newA.told(), ["dismissed 4007"]);
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry lets a peer go that waits for anyone longer than peerTimeout", () => {
  const pairs = setUp();
  const a = pairs.join("a");
  pairs.clock.advance(PEER_TIMEOUT_MS - 1);
  assertEquals(a.told(), ["waiting"]);
  pairs.clock.advance(1);
  assertEquals(a.told(), ["dismissed 4004"]);
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry lets every peer wait where peerTimeout is 0", () => {
  const pairs = setUp(0);
  const a = pairs.join("a");
  pairs.clock.advance(HOURS_MS);
  assertEquals(a.told(), ["waiting"]);
  pairs.join("b").leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry does not let a peer go that has found the other", () => {
  const pairs = setUp();
  const a = pairs.join("a");
  pairs.clock.advance(PEER_TIMEOUT_MS - 1);
  const b = pairs.join("b");
  a.told();
  b.told();
  pairs.clock.advance(HOURS_MS);
  // Nor is the peer let go while the other one is away.
  b.break();
  pairs.clock.advance(HOURS_MS);
  assertEquals(a.told(), ["lost"]);
  a.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry does not let a peer go that waits for its partner", () => {
  const pairs = setUp();
  const a = pairs.join("a", { partner: "b" });
  pairs.clock.advance(HOURS_MS);
  assertEquals(a.told(), ["waiting"]);
  assertEquals(pairs.clock.pending, 0);
  // Nor is the peer let go after its next socket.
  const newA = pairs.join("a", { partner: "b" });
  pairs.clock.advance(HOURS_MS);
  assertEquals(newA.told(), ["waiting"]);
  newA.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry counts peerTimeout anew for a newer socket", () => {
  const pairs = setUp();
  pairs.join("a");
  pairs.clock.advance(PEER_TIMEOUT_MS - 1);
  const a = pairs.join("a");
  pairs.clock.advance(PEER_TIMEOUT_MS - 1);
  assertEquals(a.told(), ["waiting"]);
  pairs.clock.advance(1);
  assertEquals(a.told(), ["dismissed 4004"]);
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() brings a resumed conversation together after a restart", () => {
  const pairs = setUp();
  const a = pairs.join("a", { partner: "b" });
  const b = pairs.join("b", { partner: "a" });
  assertEquals(a.told(), ["waiting", "found b"]);
  assertEquals(b.told(), ["found a to offer"]);
  b.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() resumes with a partner that was not told of the conversation", () => {
  // The old server found the two, and stopped before it told them both.
  for (const first of ["who knows", "who does not"]) {
    const pairs = setUp();
    const knows = () => pairs.join("a", { partner: "b" });
    const doesNot = () => pairs.join("b");
    const [a, b] = first === "who knows"
      ? [knows(), doesNot()]
      : [doesNot(), knows()].reverse();
    assertEquals([a.partner, b.partner], ["b", "a"]);
    a.leave();
    assertNothingLeft(pairs);
  }
});

Deno.test("PairRegistry.join() gives the place of a stranger to one that resumes", () => {
  const pairs = setUp();
  const stranger = pairs.join("s");
  const a = pairs.join("a", { partner: "b" });
  assertEquals(stranger.told(), ["waiting", "dismissed 4005"]);
  assertEquals(a.told(), ["waiting"]);
  assertEquals(pairs.clock.pending, 0);
  assertEquals(pairs.join("s").told(), ["dismissed 4005"]);
  const b = pairs.join("b", { partner: "a" });
  assertEquals(a.told(), ["found b"]);
  assertEquals(b.told(), ["found a to offer"]);
  b.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() keeps one that resumes for its partner alone", () => {
  const pairs = setUp();
  const a = pairs.join("a", { partner: "b" });
  assertEquals(pairs.join("c").told(), ["dismissed 4005"]);
  assertEquals(pairs.join("c", { partner: "a" }).told(), ["dismissed 4005"]);
  assertEquals(pairs.join("c", { partner: "d" }).told(), ["dismissed 4005"]);
  assertEquals(a.told(), ["waiting"]);
  a.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() does not pair one that resumes with another than it asked for", () => {
  // An id has one partner at most; here somebody pretends.
  const pairs = setUp();
  const a = pairs.join("a", { partner: "b" });
  const b = pairs.join("b", { partner: "c" });
  assertEquals(b.told(), ["dismissed 4005"]);
  assertEquals(a.told(), ["waiting"]);
  a.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() does not pair a stranger with one that asks for a partner by now", () => {
  const pairs = setUp();
  pairs.join("a");
  const a = pairs.join("a", { partner: "b" });
  assertEquals(pairs.join("c").told(), ["dismissed 4005"]);
  assertEquals(a.told(), ["waiting"]);
  a.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() keeps the place of one that resumes alone for resumeTimeout", () => {
  const pairs = setUp();
  pairs.join("a", { partner: "b" }).break();
  pairs.clock.advance(RESUME_TIMEOUT_MS - 1);
  assertEquals(pairs.join("c").told(), ["dismissed 4005"]);
  const b = pairs.join("b", { partner: "a" });
  assertEquals(b.told(), ["waiting"]);
  const a = pairs.join("a", { partner: "b" });
  assertEquals([a.partner, b.partner], ["b", "a"]);
  a.break();
  b.break();
  pairs.clock.advance(RESUME_TIMEOUT_MS);
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() gives up the place of one that resumes and leaves", () => {
  const pairs = setUp();
  pairs.join("a", { partner: "b" }).leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.end() dismisses both peers and frees their places", () => {
  const { join, a, b, ...pairs } = setUpPair();
  assert(pairs.registry.end("code"));
  assertEquals([a.told(), b.told()], [["dismissed 4008"], ["dismissed 4008"]]);
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.end() dismisses who is here, and frees the place of who is not", () => {
  const { join, a, b, ...pairs } = setUpPair();
  a.break();
  b.told();
  assert(pairs.registry.end("code"));
  assertEquals([a.told(), b.told()], [[], ["dismissed 4008"]]);
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.end() ends a conversation whose peers are both away", () => {
  const { join, a, b, ...pairs } = setUpPair();
  a.break();
  b.break();
  assert(pairs.registry.end("code"));
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.end() dismisses a peer that waits", () => {
  const pairs = setUp();
  const a = pairs.join("a");
  assert(pairs.registry.end("code"));
  assertEquals(a.told(), ["waiting", "dismissed 4008"]);
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.end() says that there was nothing to end", () => {
  const { join, a, b, ...pairs } = setUpPair();
  assertFalse(pairs.registry.end("another"));
  a.leave();
  b.told();
  assertFalse(pairs.registry.end("code"));
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() tells one that comes back that the other has left meanwhile", () => {
  const pairs = setUpPair();
  const { a, b, clock, join, registry } = pairs;
  b.break();
  a.leave();
  assertNothingLeft(pairs);
  clock.advance(119_999);
  assertEquals(join("b", { partner: "a" }).told(), ["dismissed 4007"]);
  // The peer's next conversation is another.
  assertEquals(join("c").told(), ["waiting"]);
  // Nor is a peer of the same name that has another code.
  assertEquals(join("b", { code: "another" }).told(), ["waiting"]);
  clock.advance(1);
  registry.end("code");
  clock.advance(120_000);
  // By now the peer has given up, or has forgotten that it was told.
  assertEquals(join("b").told(), ["waiting"]);
});

Deno.test("PairRegistry.join() tells one that comes back what its close frame may have failed to", () => {
  const { registry, join } = setUpPair();
  registry.end("code");
  for (const id of ["a", "b"]) {
    const partner = id === "a" ? "b" : "a";
    assertEquals(join(id, { partner }).told(), ["dismissed 4008"]);
  }
  assertEquals(registry.size, 0);
});

Deno.test("PairRegistry.join() does not tell one that names no partner that the other has left", () => {
  const { a, b, join } = setUpPair();
  b.break();
  a.leave();
  // Peer b may never have heard of the other, and what it has sent must wait.
  assertEquals(join("b").told(), ["waiting"]);
  join("c");
  assertEquals(join("b", { partner: "c" }).told(), ["found c"]);
});

Deno.test("PairRegistry.join() remembers nothing for one that has given up its own place", () => {
  const { join } = setUp();
  const a = join("a");
  const again = join("a", { leaves: { id: "a", key: "key of a" } });
  assertEquals(a.told(), ["waiting", "dismissed 4007"]);
  assertEquals(again.told(), ["waiting"]);
});

Deno.test("PairRegistry.join() remembers nothing of one that asked for no place meanwhile", () => {
  const { registry, join } = setUpPair({ resumeTimeout: 0 });
  registry.end("code");
  assertEquals(join("a").told(), ["waiting"]);
});

Deno.test("PairRegistry remembers the last 10,000 endings at most", () => {
  const { registry, join } = setUp();
  for (let index = 0; index < 5001; index++) {
    join(`a ${index}`, { code: `code ${index}` });
    join(`b ${index}`, { code: `code ${index}` });
    registry.end(`code ${index}`);
  }
  assertEquals(join("a 0", { code: "code 0" }).told(), ["waiting"]);
  const last = join("b 5000", { code: "code 5000" });
  assertEquals(last.told(), ["dismissed 4008"]);
});

Deno.test("PairRegistry.clear() forgets all pairs and stops all timers", () => {
  const { join, a, b, ...pairs } = setUpPair();
  join("waits", { code: "2" });
  join("resumes", { code: "3", partner: "x" });
  const [c, d] = [join("c", { code: "4" }), join("d", { code: "4" })];
  c.break();
  d.break();
  assertEquals(pairs.clock.pending, 2);
  pairs.registry.clear();
  assertNothingLeft({ join, ...pairs });
  assertEquals([a.told(), b.told()], [[], []]);
  a.break();
  b.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() stands a peer that breaks while it is told of the other", () => {
  // A socket that does not read is given up at the message that is too much.
  const pairs = setUp();
  const a = pairs.join("a");
  a.when = (event) => {
    if (event === "found b") a.break();
  };
  const b = pairs.join("b");
  // Peer b is told that it has its place, and then that it is alone.
  const told = b.told();
  assert(told.some((event) => event !== "lost"), `${told}`);
  assert(["waiting", "lost"].includes(told.at(-1)!), `${told}`);
  b.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() stands a second peer that breaks while it is told of the first", () => {
  const pairs = setUp();
  const a = pairs.join("a");
  const b = new TestMember(pairs.registry, "b");
  b.when = () => b.break();
  b.join();
  assertEquals(a.told(), ["waiting", "found b", "lost"]);
  a.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.join() sets no timer for a peer that breaks while it is told to wait", () => {
  const pairs = setUp();
  const a = new TestMember(pairs.registry, "a");
  a.when = () => a.break();
  a.join();
  assertNothingLeft(pairs);
  // Such a timer took the place of whoever came later.
  const b = pairs.join("b");
  const c = pairs.join("c");
  pairs.clock.advance(PEER_TIMEOUT_MS);
  assertEquals(pairs.registry.size, 1);
  assertEquals([b.gone, c.gone], [false, false]);
  c.leave();
  assertNothingLeft(pairs);
});

Deno.test("PairRegistry.leave() stands a peer that breaks while it is told of the loss", () => {
  const { join, a, b, ...pairs } = setUpPair();
  a.when = () => a.break();
  b.break();
  assertEquals(a.told(), ["lost"]);
  pairs.clock.advance(RESUME_TIMEOUT_MS);
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry gives an id one partner at most, whatever happens", async () => {
  interface Peer {
    readonly id: string;
    partner?: string;
    member?: TestMember;
  }
  await fuzz(500, (chance) => {
    const { join, ...pairs } = setUp();
    const peers: Peer[] = [];
    let ids = 0;
    const here = () => peers.filter(({ member }) => member?.gone === false);

    const dial = (peer: Peer) => {
      const { id, partner } = peer;
      const member = new TestMember(pairs.registry, id, { partner });
      peer.member = member;
      member.when = (event) => {
        if (!event.startsWith("found")) return;
        peer.partner ??= member.partner;
        assertEquals(member.partner, peer.partner, `partner of ${id}`);
      };
      member.join();
    };

    for (let step = 0; step < 60; step++) {
      const peer = peers.length > 0 ? chance.pick(peers) : undefined;
      switch (chance.below(8)) {
        case 0:
          peers.push({ id: `${++ids}` });
          dial(peers.at(-1)!);
          break;
        case 1:
        case 2:
        case 3:
          if (peer) dial(peer);
          break;
        case 4:
          if (peer?.member?.gone === false) peer.member.break();
          break;
        case 5:
          if (chance.below(4) === 0 && peer?.member?.gone === false) {
            peer.member.leave();
            peers.splice(peers.indexOf(peer), 1);
          }
          break;
        case 6:
          pairs.clock.advance(chance.pick([1, 29_999, 60_000]));
          break;
        case 7:
          // The server is restarted.
          if (chance.below(8) > 0) break;
          pairs.registry.clear();
          for (const { member } of here()) member!.break();
      }
      assert(here().length <= 2, "more than two are here");
      assert(pairs.registry.size <= 1, "more than one place for one code");
      assert(pairs.clock.pending <= 1, "more than one timer for one code");
    }
    for (const { member } of here()) member!.break();
    pairs.clock.advance(RESUME_TIMEOUT_MS);
    assertNothingLeft({ join, ...pairs });
  });
});

Deno.test("PairRegistry.join() gives up the places of a conversation that its peer says is over", () => {
  // Both had no socket when it ended, so neither could say so at the time.
  const { a, b, join, ...pairs } = setUpPair();
  a.break();
  b.break();
  const leaves = { id: "b", key: "key of b" };
  const next = join("b2", { leaves });
  assertEquals(next.told(), ["waiting"]);
  const other = join("a2", { leaves: { id: "a", key: "key of a" } });
  assertEquals(other.told(), ["found b2 to offer"]);
  other.leave();
  assertNothingLeft({ ...pairs, join });
});

Deno.test("PairRegistry.join() tells the other peer of a conversation that is over so", () => {
  const { a, b, join } = setUpPair();
  b.break();
  a.told();
  join("b2", { leaves: { id: "b", key: "key of b" } });
  assertEquals(a.told(), ["dismissed 4007"]);
});

Deno.test("PairRegistry.join() lets only the holder of the key give up a place", () => {
  const { a, b, join } = setUpPair();
  b.break();
  const stranger = join("c", { leaves: { id: "b", key: "another" } });
  assertEquals(stranger.told(), []);
  assertEquals(a.told(), ["lost", "knocked"]);
});

Deno.test("PairRegistry.join() gives up the place of one that has not come back to a server that has forgotten it", () => {
  const { join, ...pairs } = setUp();
  const a = join("a", { partner: "b" });
  a.break();
  const stranger = join("c", { leaves: { id: "d", key: "key of d" } });
  assertEquals(stranger.told(), ["dismissed 4005"]);
  const next = join("b2", { leaves: { id: "b", key: "key of b" } });
  assertEquals(next.told(), ["waiting"]);
  assertEquals(join("a", { partner: "b" }).told(), ["dismissed 4007"]);
  next.leave();
  assertNothingLeft({ ...pairs, join });
});

Deno.test("PairRegistry.leave() is told to one that comes back later to a server that has forgotten it", () => {
  const { join, ...pairs } = setUp();
  join("a", { partner: "b" }).leave();
  assertEquals(join("b", { partner: "a" }).told(), ["dismissed 4007"]);
  assertNothingLeft({ ...pairs, join });
});

Deno.test("PairRegistry.evict() forgets a code, and says who was there", () => {
  const { a, b, join, registry, ...rest } = setUpPair();
  assertEquals(registry.evict("code"), [a, b]);
  assertEquals([registry.has("code"), registry.evict("code")], [false, []]);
  assertEquals([a.told(), b.told()], [[], []]);
  assertNothingLeft({ ...rest, registry, join });
});

Deno.test("PairRegistry.join() gives a newcomer the place of one that its partner does not hear either", () => {
  const { a, b, join, ...pairs } = setUpPair();
  b.break();
  const c = join("c");
  assertEquals(a.told(), ["lost", "knocked"]);
  pairs.registry.letIn(a);
  pairs.clock.advance(KNOCK_MS - 1);
  assertEquals([a.told(), c.told()], [[], []]);
  pairs.clock.advance(1);
  assertEquals(a.told(), ["dismissed 4012"]);
  assertEquals(c.told(), ["waiting"]);
  // A peer that comes back late is told so too, and so is one that comes back
  // to it.
  const late = [join("b", { partner: "a" }), join("a", { partner: "b" })];
  for (const peer of late) assertEquals(peer.told(), ["dismissed 4012"]);
  const next = join("d");
  assertEquals(next.told(), ["found c to offer"]);
  next.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() keeps the place of one that is back before its partner has given it up", () => {
  const { a, b, join, ...pairs } = setUpPair();
  b.break();
  const c = join("c");
  pairs.registry.letIn(a);
  pairs.clock.advance(KNOCK_MS - 1);
  const back = join("b", { partner: "a" });
  assertEquals(c.told(), ["dismissed 4005"]);
  assertEquals(back.told(), ["found a to offer"]);
  back.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() lets one newcomer at a time knock", () => {
  const { b, join } = setUpPair();
  b.break();
  const first = join("c");
  assertEquals(join("d").told(), ["dismissed 4005"]);
  first.leave();
  assertEquals(join("e").told(), []);
});

Deno.test("PairRegistry.join() lets in who knocks at one that leaves", () => {
  const { a, b, join, ...pairs } = setUpPair();
  b.break();
  const c = join("c");
  a.leave();
  assertEquals(c.told(), ["waiting"]);
  c.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() has a newcomer wait for the place of one that leaves soon", () => {
  const { a, b, join, ...pairs } = setUpPair();
  pairs.registry.leaveSoon(a);
  const c = join("c");
  assertEquals(join("d").told(), ["dismissed 4005"]);
  pairs.clock.advance(5000);
  assertEquals([a.told(), b.told(), c.told()], [[], [], []]);
  a.leave();
  assertEquals([b.told(), c.told()], [["dismissed 4007"], ["waiting"]]);
  const next = join("b2", { leaves: { id: "b", key: "key of b" } });
  assertEquals(next.told(), ["found c to offer"]);
  next.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry.join() has no newcomer wait for one that says it leaves, and stays", () => {
  const { a, join, ...pairs } = setUpPair();
  pairs.registry.leaveSoon(a);
  // Nor does it matter that a peer says so that has no place here.
  pairs.registry.leaveSoon(join("d"));
  pairs.clock.advance(6000);
  const c = join("c");
  pairs.clock.advance(5999);
  assertEquals(c.told(), []);
  pairs.clock.advance(1);
  assertEquals(c.told(), ["dismissed 4005"]);
  a.leave();
  assertNothingLeft({ join, ...pairs });
});

Deno.test("PairRegistry reports how long each of two has looked for the other", () => {
  const clock = new VirtualClock();
  const reports: number[][] = [];
  const registry = new PairRegistry({
    peerTimeoutMs: PEER_TIMEOUT_MS,
    ...clock,
    paired: (...waits) => reports.push(waits),
  });
  const join = (id: string, fields?: Partial<PairRequest>) =>
    new TestMember(registry, id, fields, clock.now()).join();
  const a = join("a");
  clock.advance(1000);
  // Peer b asked a while ago, and had to be looked at first.
  const b = new TestMember(registry, "b", {}, clock.now() - 5).join();
  clock.advance(1000);
  b.break();
  clock.advance(300);
  join("b", { partner: "a" });
  // A newer socket took over before the old one broke: nobody was alone.
  clock.advance(1000);
  join("a", { partner: "b" });
  assertEquals(reports, [[1000, 5], [300, 0], [0, 0]]);
  assert(a.gone);
});

Deno.test("PairRegistry.join() keeps no place for ever for a partner that its peer never heard of", () => {
  // The first one's socket broke before it was told of the second.
  const { a, b, join, clock, registry } = setUpPair();
  a.break();
  b.break();
  const back = join("a");
  assertEquals(back.told(), ["waiting"]);
  const early = join("c");
  clock.advance(RESUME_TIMEOUT_MS);
  assertEquals(early.told(), ["dismissed 4005"]);
  assertEquals(back.told(), ["knocked"]);
  const next = join("c");
  assertEquals(next.told(), ["found a to offer"]);
  assertEquals(back.told(), ["found c"]);
  back.leave();
  assertNothingLeft({ clock, registry, join });
});

Deno.test("PairRegistry.join() lets such a peer go when nobody comes", () => {
  const { a, b, join, clock, registry } = setUpPair();
  a.break();
  b.break();
  const back = join("a");
  clock.advance(RESUME_TIMEOUT_MS + PEER_TIMEOUT_MS);
  assertEquals(back.told(), ["waiting", "dismissed 4004"]);
  assertNothingLeft({ clock, registry, join });
});

Deno.test("PairRegistry gives a peer whose code was drawn nobody's second place", () => {
  const { registry, join } = setUp();
  const draw = (id: string, fields?: Partial<PairRequest>) => {
    const member = new TestMember(registry, id, fields);
    member.isDrawn = true;
    return member.join();
  };
  const a = draw("a");
  assertEquals(a.told(), ["waiting"]);
  assertEquals(draw("b").told(), ["outrun"]);
  const c = join("c");
  assertEquals([a.told(), c.told()], [["found c"], ["found a to offer"]]);
  // Nor a place that may become free, nor one that it says is its own.
  c.break();
  a.told();
  assertEquals(draw("d").told(), ["outrun"]);
  assertEquals(draw("c", { partner: "a" }).told(), ["outrun"]);
  const leaves = { id: "a", key: "key of a" };
  assertEquals(draw("e", { leaves }).told(), ["outrun"]);
  assertEquals(a.told(), []);
  assertEquals(registry.size, 1);
});
