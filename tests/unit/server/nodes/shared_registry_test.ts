import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type MemoryBroker,
  MemoryEngine,
} from "../../../../src/server/brokers/memory.ts";
import { hmacSha256 } from "../../../../src/server/adapters/node.ts";
import { decodeMessage } from "../../../../src/server/nodes/message.ts";
import { secretNames } from "../../../../src/server/nodes/names.ts";
import { SharedRegistry } from "../../../../src/server/nodes/shared_registry.ts";
import {
  type Member,
  PairRegistry,
  type PlaceRequest,
} from "../../../../src/server/pair_registry.ts";
import type { Partner } from "../../../../src/server/partner.ts";
import type { ServerEvent } from "../../../../src/server/server_event.ts";
import type { Bytes } from "../../../../src/server/server_socket.ts";
import { seededRandom, VirtualClock } from "../../../../testing.ts";

const HELLO = { received: 0, webrtc: true, relay: true, maxMessageBytes: 1 };
const RESUME_TIMEOUT_MS = 30_000;
const MAX_BUFFERED_BYTES = 1_000_000;
const SECRET = "0123456789abcdef0123456789abcdef";
/** The longest wait of a peer that has lost an owner before it asks again. */
const AGAIN_MS = 250;

/** A peer's socket at a node, which writes down what it is told. */
class TestMember implements Member {
  readonly request: PlaceRequest;
  readonly askedAt: number;
  readonly version: 1 | 2;
  readonly hello = HELLO;
  isDrawn: boolean;
  partner: Partner | null = null;
  readonly #node: TestNode;
  #events: string[] = [];

  constructor(node: TestNode, request: PlaceRequest, isDrawn = false) {
    this.#node = node;
    this.isDrawn = isDrawn;
    this.request = request;
    this.version = request.id === undefined ? 1 : 2;
    this.askedAt = node.clock.now();
  }

  get id() {
    return this.request.id;
  }

  /** What the peer was told since the last call. */
  told(): string[] {
    return this.#events.splice(0);
  }

  leave(forGood = true): void {
    this.#node.registry.leave(this, forGood);
  }

  outrun(): void {
    this.#events.push("outrun");
  }

  waiting(): void {
    this.isDrawn = false;
    this.#events.push("waiting");
  }

  found(partner: Partner, initiator: boolean): void {
    this.partner = partner;
    this.#events.push(`found ${partner.id}${initiator ? " to offer" : ""}`);
  }

  lost(): void {
    this.partner = null;
    this.#events.push("lost");
  }

  knocked(): void {
    this.#events.push("knocked");
  }

  dismiss(code: number): void {
    this.partner = null;
    this.#events.push(`dismissed ${code}`);
    // A connection leaves when it is dismissed.
    this.leave(false);
  }

  signal(text: string): void {
    this.#events.push(`signal ${text}`);
  }

  packet(data: string | Bytes): void {
    const text = typeof data === "string"
      ? data
      : new TextDecoder().decode(data);
    this.#events.push(`packet ${text}`);
  }

  refuse(_reason: string, code: number): void {
    this.#events.push(`refused ${code}`);
    this.dismiss(code);
  }
}

class TestNode {
  readonly clock: VirtualClock;
  readonly broker: MemoryBroker;
  readonly registry: SharedRegistry;
  readonly events: ServerEvent[] = [];
  #dead = false;
  /** What has become due while it stands still. */
  #due: (() => void)[] | null = null;

  constructor(clock: VirtualClock, engine: MemoryEngine, seed: number) {
    this.clock = clock;
    this.broker = engine.broker();
    const after: VirtualClock["after"] = (delayMs, callback) =>
      clock.after(delayMs, () => {
        if (this.#dead) return;
        if (this.#due) this.#due.push(callback);
        else callback();
      });
    this.registry = new SharedRegistry({
      broker: this.broker,
      names: secretNames(hmacSha256(SECRET)),
      maxBufferedBytes: MAX_BUFFERED_BYTES,
      local: (freed) =>
        new PairRegistry({ peerTimeoutMs: 0, now: clock.now, after, freed }),
      now: clock.now,
      after,
      soon: (callback) => after(0, callback),
      random: seededRandom(seed),
      observer: (event) => this.events.push(event),
      counted: () => {},
    });
    this.registry.open();
  }

  join(
    id?: string,
    fields: Partial<PlaceRequest> = {},
    isDrawn?: boolean,
  ): TestMember {
    const member = new TestMember(this, {
      code: "code",
      ...id === undefined ? {} : {
        id,
        key: `key of ${id}`,
        resumeTimeout: RESUME_TIMEOUT_MS,
        hello: HELLO,
      },
      ...fields,
    }, isDrawn);
    this.registry.join(member);
    return member;
  }

  /**
   * Its timers stand still, as do those behind what the engine brings; call the
   * result to have it go on.
   */
  standStill(): () => void {
    const due: (() => void)[] = this.#due = [];
    return () => {
      this.#due = null;
      for (const callback of due) callback();
    };
  }

  /** The process dies, and the system closes its connection. */
  kill(): void {
    this.#dead = true;
    this.broker.disconnect();
  }

  async close(): Promise<void> {
    this.registry.drain();
    await this.registry.close();
  }
}

interface Cluster {
  readonly clock: VirtualClock;
  readonly engine: MemoryEngine;
  readonly nodes: TestNode[];
  pass(ms?: number): Promise<void>;
}

async function setUp(count = 2): Promise<Cluster> {
  const clock = new VirtualClock();
  const engine = new MemoryEngine(clock);
  engine.latencyMs = 1;
  const nodes = Array.from(
    { length: count },
    (_, index) => new TestNode(clock, engine, index + 1),
  );
  const pass = (ms = 20) => clock.pass(ms);
  await pass();
  return { clock, engine, nodes, pass };
}

/**
 * Two peers that have found each other at nodes, and were told nothing since.
 */
async function pairUp(cluster: Cluster, first = 0, second = 1) {
  const { nodes, pass } = cluster;
  const a = nodes[first].join("a");
  await pass();
  const b = nodes[second].join("b");
  await pass();
  assertEquals(a.told(), ["waiting", "found b"]);
  assertEquals(b.told(), ["found a to offer"]);
  return { a, b };
}

/** Closes all nodes, and looks for what is left. */
async function assertNothingLeft(
  { nodes, engine, clock, pass }: Cluster,
): Promise<void> {
  // Endings are remembered.
  await pass(200_000);
  for (const { registry } of nodes) {
    assertEquals(registry.size, 0, "peers");
    assertEquals(registry.local.size, 0, "pair codes");
  }
  const owners = [...engine.claims.values()]
    .filter(({ node }) => engine.leases.has(node));
  assertEquals(owners, [], "claims");
  for (const node of nodes) node.close();
  await pass(5000);
  assertEquals(clock.pending, 0, "timers");
}

const say = (member: TestMember, text: string) =>
  member.partner!.packet(new TextEncoder().encode(text));

Deno.test("SharedRegistry pairs peers of two nodes, and brings what they say", async () => {
  const cluster = await setUp();
  const { a, b } = await pairUp(cluster);
  say(a, "1");
  say(a, "2");
  a.partner!.signal("offer");
  say(b, "one");
  await cluster.pass();
  assertEquals(b.told(), ["packet 1", "packet 2", "signal offer"]);
  assertEquals(a.told(), ["packet one"]);
  a.leave();
  await cluster.pass();
  assertEquals(b.told(), ["dismissed 4007"]);
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry pairs two whose code a third node owns, at two nodes or at one", async () => {
  for (const second of [2, 1]) {
    const cluster = await setUp(3);
    const { nodes, pass } = cluster;
    const owner = nodes[0].join("owner");
    await pass();
    const a = nodes[1].join("a");
    await pass();
    // The owner's place stays, and with it the claim.
    owner.leave(false);
    await pass();
    a.leave();
    await pass();
    a.told();
    const b = nodes[1].join("b");
    await pass();
    const c = nodes[second].join("c");
    await pass();
    assertEquals(nodes[0].registry.stats.remotePeers, 2);
    assertEquals(b.told(), ["waiting", "found c"]);
    assertEquals(c.told(), ["found b to offer"]);
    say(b, "from b");
    say(c, "from c");
    await pass();
    assertEquals(b.told(), ["packet from c"]);
    assertEquals(c.told(), ["packet from b"]);
    // What does not concern both sides is not passed on.
    const toC = b.partner!;
    c.leave(false);
    toC.packet(new TextEncoder().encode("too late"));
    await pass();
    assertEquals([b.told(), c.told()], [["lost"], []]);
    const again = nodes[second].join("c", { partner: "b" });
    await pass();
    assertEquals(b.told(), ["found c"]);
    assertEquals(again.told(), ["found b to offer"]);
    b.leave();
    await pass();
    assertEquals(again.told(), ["dismissed 4007"]);
    await assertNothingLeft(cluster);
  }
});

Deno.test("SharedRegistry makes a third peer busy, and gives a place to whoever has its key, at any node", async () => {
  const cluster = await setUp(3);
  const { nodes, pass } = cluster;
  const { a, b } = await pairUp(cluster);
  const stranger = nodes[2].join("c");
  const thief = nodes[2].join("b", { key: "another" });
  await pass();
  assertEquals([stranger.told(), thief.told()], [
    ["dismissed 4005"],
    ["dismissed 4005"],
  ]);
  const newer = nodes[2].join("b", { partner: "a" });
  await pass();
  assertEquals(b.told(), ["dismissed 4006"]);
  assertEquals(newer.told(), ["found a to offer"]);
  assertEquals(a.told(), ["found b"]);
  a.leave();
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry passes knocks, and what peers say of each other, between nodes", async () => {
  const cluster = await setUp(3);
  const { nodes, pass } = cluster;
  const { a, b } = await pairUp(cluster, 1, 0);
  b.leave(false);
  await pass();
  const c = nodes[2].join("c");
  await pass();
  assertEquals(a.told(), ["lost", "knocked"]);
  nodes[1].registry.letIn(a);
  await pass(4000);
  assertEquals(a.told(), ["dismissed 4012"]);
  assertEquals(c.told(), ["waiting"]);
  const d = nodes[1].join("d");
  await pass();
  assertEquals([c.told(), d.told()], [["found d"], ["found c to offer"]]);
  nodes[2].registry.leaveSoon(c);
  await pass();
  const e = nodes[0].join("e");
  await pass(1000);
  assertEquals(e.told(), []);
  c.leave();
  await pass();
  assertEquals([d.told(), e.told()], [["dismissed 4007"], ["waiting"]]);
  e.leave();
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry frees the place of one that waits alone at a node that dies", async () => {
  const cluster = await setUp();
  const { nodes, pass } = cluster;
  nodes[0].join("a");
  await pass();
  nodes[0].kill();
  await pass();
  const b = nodes[1].join("b");
  await pass(1000 + 2 * AGAIN_MS);
  assertEquals(b.told(), ["waiting"]);
  b.leave();
  nodes.shift();
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry pairs the two of a pair anew when the node that owns its code dies", async () => {
  const cluster = await setUp(3);
  const { nodes, pass } = cluster;
  const { b } = await pairUp(cluster);
  nodes[0].kill();
  say(b, "into the void");
  const again = nodes[2].join("a", { partner: "b" });
  await pass(1000 + 2 * AGAIN_MS);
  assertEquals(b.told()[0], "lost");
  assertEquals([b.partner?.id, again.partner?.id], ["a", "b"]);
  again.told();
  say(b, "here");
  await pass();
  assertEquals(again.told(), ["packet here"]);
  b.leave();
  nodes.shift();
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry notices a node that dies without a word, and waits for no more than its lease", async () => {
  const cluster = await setUp(3);
  const { nodes, pass, engine } = cluster;
  const { b } = await pairUp(cluster);
  // The node's machine is gone: what is sent there goes nowhere.
  const listener = engine.inboxes.get(nodes[0].registry.node!)!;
  nodes[0].kill();
  engine.inboxes.set(nodes[0].registry.node!, listener);
  await pass(4000);
  const again = nodes[2].join("a", { partner: "b" });
  await pass(3500);
  assertEquals(b.told().slice(-1), ["found a"]);
  assertEquals(again.told().at(-1), "found b to offer");
  b.leave();
  nodes.shift();
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry keeps local pairs together while the engine is away, and has the others find each other again", async () => {
  const cluster = await setUp();
  const { nodes, pass, engine } = cluster;
  const { a, b } = await pairUp(cluster);
  const [c, d] = [nodes[1].join("c", { code: "two" })]
    .flatMap((c) => [c, nodes[1].join("d", { code: "two" })]);
  await pass();
  c.told();
  d.told();
  for (const { broker } of nodes) broker.disconnect();
  assertEquals([a.told(), b.told()], [["lost"], ["lost"]]);
  const late = nodes[0].join("e", { code: "three" });
  say(c, "still here");
  await pass(10_000);
  assertEquals(d.told(), ["packet still here"]);
  assertEquals([c.told(), late.told()], [[], []]);
  assertEquals(nodes[0].registry.stats.up, false);
  assert(nodes[0].registry.stats.downMs >= 10_000);
  engine.forget();
  for (const { broker } of nodes) broker.connect();
  await pass(1000 + 2 * AGAIN_MS);
  assertEquals([a.told(), b.told()], [["found b"], ["found a to offer"]]);
  assertEquals([c.told(), d.told(), late.told()], [[], [], ["waiting"]]);
  assertEquals(nodes[1].registry.stats.births, 2);
  for (const each of [a, c, late]) each.leave();
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry moves peers to the node that has won their code meanwhile", async () => {
  const cluster = await setUp(3);
  const { nodes, pass } = cluster;
  const { a, b } = await pairUp(cluster, 0, 0);
  const slot = [...cluster.engine.claims.keys()][0];
  nodes[0].broker.disconnect();
  // The lease has run out by then: whoever asks finds the node dead.
  await pass(6000);
  const b2 = nodes[1].join("b", { partner: "a" });
  await pass(6000);
  assertEquals(b2.told(), ["waiting"]);
  nodes[0].broker.connect();
  await pass(1000 + 4 * AGAIN_MS);
  assertEquals(cluster.engine.ownerOf(slot), nodes[1].registry.node);
  assertEquals([a.told()[0], a.partner?.id], ["lost", "b"]);
  // Of the two sockets of b one has its place.
  const dismissed = [b, b2].filter((each) =>
    each.told().includes("dismissed 4006")
  );
  assertEquals(dismissed.length, 1);
  a.leave();
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry has others take over at once from a node that closes", async () => {
  const cluster = await setUp(3);
  const { nodes, pass } = cluster;
  const { a, b } = await pairUp(cluster);
  nodes[0].registry.drain();
  a.leave(false);
  nodes[0].registry.close();
  await pass(AGAIN_MS);
  assertEquals(b.told(), ["lost", "waiting"]);
  const again = nodes[2].join("a", { partner: "b" });
  await pass();
  assertEquals([b.told(), again.told()], [["found a"], ["found b to offer"]]);
  assertEquals(
    nodes[1].events.filter(({ type }) => type === "link"),
    [{ type: "link", reason: "bye" }],
  );
  b.leave();
  nodes.shift();
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry sends peers elsewhere when the engine is away for long", async () => {
  const cluster = await setUp();
  const { nodes, pass } = cluster;
  const { a, b } = await pairUp(cluster);
  nodes[1].broker.disconnect();
  await pass(29_000);
  assertEquals(b.told(), ["lost"]);
  await pass(2000);
  assertEquals(b.told(), ["dismissed 1012"]);
  assertEquals(a.told(), ["lost"]);
  a.leave();
  nodes[1].broker.connect();
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry ends a conversation from any node", async () => {
  const cluster = await setUp(3);
  const { nodes, pass, engine } = cluster;
  const { a, b } = await pairUp(cluster);
  assertEquals(await ended(2, "another"), false);
  assertEquals(await ended(2), true);
  await pass();
  assertEquals([a.told(), b.told()], [["dismissed 4008"], ["dismissed 4008"]]);
  assertEquals(await ended(1), false);

  async function ended(index: number, code = "code") {
    const result = nodes[index].registry.end(code);
    await pass(200);
    return await result;
  }
  // A conversation whose owner has died had nobody left in it.
  nodes[0].join("a", { code: "other" });
  await pass();
  nodes[0].kill();
  const unknown = nodes[2].registry.end("other");
  await pass(5000);
  assertEquals(await unknown, false);
  nodes[2].broker.disconnect();
  const failed = assertRejects(
    () => nodes[2].registry.end("code"),
    Error,
    "Cannot end the conversation",
  );
  await pass(11_000);
  await failed;
  nodes[2].broker.connect();
  nodes.shift();
  engine.forget();
  await assertNothingLeft(cluster);
});

// An answer that took more than a second was dropped, and the owner asked again,
// which by then had nothing left to end.
Deno.test("SharedRegistry.end() says that there was a conversation where the owner is slow to answer", async () => {
  const cluster = await setUp();
  const { nodes, pass, clock } = cluster;
  const { a, b } = await pairUp(cluster, 0, 0);
  const { broker } = nodes[0];
  const send = broker.send.bind(broker);
  // The answer takes longer than it is waited for.
  broker.send = (...message) => clock.after(1100, () => send(...message));
  const was = nodes[1].registry.end("code");
  await pass(5000);
  assertEquals(await was, true);
  assertEquals([a.told(), b.told()], [["dismissed 4008"], ["dismissed 4008"]]);
  broker.send = send;
  await assertNothingLeft(cluster);
});

// The registry took an engine that knew nothing for one that knew of nobody,
// while two went on talking at the node that was about to claim their code
// again.
Deno.test("SharedRegistry.end() finds a conversation whose node has not told an empty engine of it yet", async () => {
  const cluster = await setUp();
  const { nodes, pass, engine } = cluster;
  const { a, b } = await pairUp(cluster, 1, 1);
  for (const { broker } of nodes) broker.disconnect();
  await pass(1000);
  engine.forget();
  nodes[0].broker.connect();
  await pass();
  const was = nodes[0].registry.end("code");
  await pass(500);
  nodes[1].broker.connect();
  await pass(1000);
  assertEquals(await was, true);
  assertEquals([a.told(), b.told()], [["dismissed 4008"], ["dismissed 4008"]]);
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry pairs peers of version 1 across nodes, and closes them where something may be lost", async () => {
  const cluster = await setUp(3);
  const { nodes, pass } = cluster;
  const a = nodes[0].join();
  await pass();
  const b = nodes[1].join();
  await pass();
  assertEquals(a.told(), ["waiting", "found undefined"]);
  assertEquals(b.told(), ["found undefined to offer"]);
  a.partner!.packet("message");
  await pass();
  assertEquals(b.told(), ["packet message"]);
  nodes[0].kill();
  say(b, "into the void");
  await pass();
  assertEquals(b.told(), ["dismissed 1012"]);
  // A peer that waits alone has lost nothing.
  const c = nodes[1].join();
  await pass(2000);
  nodes[1].broker.disconnect();
  nodes[1].broker.connect();
  await pass(2000);
  const d = nodes[2].join("d");
  await pass();
  assertEquals(c.told(), ["waiting", "found d"]);
  assertEquals(d.told(), ["found undefined to offer"]);
  c.leave();
  d.leave();
  nodes.shift();
  await assertNothingLeft(cluster);
});

// A peer that had left asked for a place once more, only to leave it: so
// whoever waited there was told of a partner, and of its end. That may have
// been the next conversation of the same peer, which got to hear what its own
// last one had received.
Deno.test("SharedRegistry asks for no place for one that has left, and that nobody waits for", async () => {
  const cluster = await setUp();
  const { nodes, pass } = cluster;
  const owner = nodes[0].join();
  await pass();
  const b = nodes[1].join("b");
  await pass();
  assertEquals(b.told(), ["found undefined to offer"]);
  nodes[1].broker.disconnect();
  b.leave();
  await pass(8000);
  owner.leave();
  const c = nodes[0].join("c", { leaves: { id: "b", key: "key of b" } });
  nodes[1].broker.connect();
  await pass(2000);
  assertEquals(c.told(), ["waiting"]);
  c.leave();
  await assertNothingLeft(cluster);
});

// Such a peer asked another node for the partner that it had last, as one of
// version 2 does that resumes a conversation: so all others were busy.
Deno.test("SharedRegistry has a peer of version 1 that has lost an owner wait for anybody", async () => {
  const cluster = await setUp();
  const { nodes, pass } = cluster;
  const b = nodes[0].join("b");
  await pass();
  const old = nodes[1].join();
  await pass();
  b.leave(false);
  await pass();
  assertEquals(old.told(), ["found b to offer", "lost"]);
  nodes[0].kill();
  await pass(8000);
  const c = nodes[1].join("c");
  await pass();
  assertEquals(old.told(), ["waiting", "found c"]);
  assertEquals(c.told(), ["found undefined to offer"]);
  for (const each of [old, c]) each.leave();
  nodes.shift();
  await assertNothingLeft(cluster);
});

// A third node had their code, and was never told of the one that was closed:
// it kept its place for as long as the two nodes lived.
Deno.test("SharedRegistry frees the place of one of version 1 that it closes as its partner's node was lost", async () => {
  const cluster = await setUp(3);
  const { nodes, pass } = cluster;
  const owner = nodes[0].join("owner");
  await pass();
  nodes[0].join("other");
  await pass();
  // The conversation's ending is remembered, and with it the claim is kept.
  owner.leave();
  await pass();
  const old = nodes[1].join();
  await pass();
  const b = nodes[2].join("b");
  await pass();
  assertEquals(old.told(), ["waiting", "found b"]);
  assertEquals(b.told(), ["found undefined to offer"]);
  const { broker } = nodes[1];
  const { send } = broker;
  broker.send = () => {};
  say(old, "is lost");
  await pass();
  broker.send = send;
  say(old, "comes where that is due");
  await pass(1000);
  assertEquals(old.told(), ["dismissed 1012"]);
  assertEquals(b.told(), ["dismissed 4007"]);
  const c = nodes[1].join();
  await pass();
  const d = nodes[2].join("d");
  await pass();
  assertEquals(c.told(), ["waiting", "found d"]);
  assertEquals(d.told(), ["found undefined to offer"]);
  for (const each of [c, d]) each.leave();
  await assertNothingLeft(cluster);
});

// It asked for a place by the same socket: what it had sent to the one of
// version 1, and was still on its way, reached whom it found next.
Deno.test("SharedRegistry closes one whose partner of version 1 is lost with the owner", async () => {
  for (const drains of [true, false]) {
    const cluster = await setUp();
    const { nodes, pass } = cluster;
    nodes[0].join();
    await pass();
    const b = nodes[1].join("b");
    await pass();
    assertEquals(b.told(), ["found undefined to offer"]);
    if (drains) nodes[0].close();
    else nodes[0].kill();
    await pass(8000);
    assertEquals(b.told(), ["dismissed 4007"]);
    const c = nodes[1].join("c");
    await pass();
    assertEquals(c.told(), ["waiting"]);
    c.leave();
    nodes.shift();
    await assertNothingLeft(cluster);
  }
});

// Who owned the code counted on the old socket to give its place back, which it
// does not where it is known by proxy: so both came back, and were busy for as
// long as the one of version 1 was there.
Deno.test("SharedRegistry pairs a peer of version 1 anew when its partner comes back by another socket", async () => {
  for (const [at, next] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
    const cluster = await setUp();
    const { nodes, pass } = cluster;
    const old = nodes[0].join();
    await pass();
    const b = nodes[at].join("b");
    await pass();
    assertEquals(old.told(), ["waiting", "found b"]);
    assertEquals(b.told(), ["found undefined to offer"]);
    const c = nodes[next].join("c", { leaves: { id: "b", key: "key of b" } });
    await pass();
    assertEquals(b.told(), ["dismissed 4007"]);
    assertEquals(old.told(), ["lost", "found c"]);
    assertEquals(c.told(), ["found undefined to offer"]);
    for (const each of [old, c]) each.leave();
    await assertNothingLeft(cluster);
  }
});

Deno.test("SharedRegistry refuses a peer whose node does not take what it is sent", async () => {
  const cluster = await setUp();
  const { nodes, pass, engine } = cluster;
  const { a, b } = await pairUp(cluster);
  // Nothing gets through from now on.
  engine.latencyMs = 800;
  const packet = new Uint8Array(60_000);
  for (let count = 0; count < 50 && a.partner; count++) {
    a.partner.packet(packet);
    await pass(0);
  }
  assertEquals(nodes[0].registry.stats.waitingBytes < 3_100_000, true);
  engine.latencyMs = 1;
  await pass(5000);
  const told = b.told();
  assertEquals(told.slice(-2), ["refused 4009", "dismissed 4009"]);
  assertEquals(told.length - 2 < 40, true);
  a.leave();
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry sends nothing for pairs that say nothing, but a sign of life of each node", async () => {
  const { nodes, pass } = await setUp();
  for (let count = 0; count < 100; count++) {
    const code = `code ${count}`;
    nodes[0].join("a", { code });
    nodes[1].join("b", { code });
  }
  await pass(1000);
  assertEquals(nodes[0].registry.stats.links, 1);
  const before = nodes[0].registry.stats.forwardedMessages;
  let messages = 0;
  const { send } = nodes[0].broker;
  nodes[0].broker.send = function (node, message) {
    if (node !== nodes[0].registry.node) messages++;
    assertEquals(decodeMessage(message)!.items, []);
    send.call(this, node, message);
  };
  await pass(10_000);
  assertEquals(nodes[0].registry.stats.forwardedMessages, before);
  assert(messages >= 10 && messages <= 22, `${messages}`);
});

Deno.test("SharedRegistry tells an owner of one that leaves for good, however often the owner changes", async () => {
  const cluster = await setUp(3);
  const { nodes, pass } = cluster;
  const { b } = await pairUp(cluster);
  b.leave();
  // The node is told at the same moment as it dies.
  nodes[0].kill();
  const again = nodes[2].join("a", { partner: "b" });
  await pass(4000);
  assertEquals(again.told().at(-1), "dismissed 4007");
  nodes.shift();
  await assertNothingLeft(cluster);
});

// The node decided so about a code that had become another's meanwhile. The
// partner there waited for the whole resume timeout, and others were busy.
Deno.test("SharedRegistry tells the new owner of one that has left at a node that did not own its code any more", async () => {
  const cluster = await setUp();
  const { nodes, pass } = cluster;
  const { a, b } = await pairUp(cluster);
  const [slot] = cluster.engine.claims.keys();
  nodes[0].broker.disconnect();
  await pass(10_000);
  assertEquals(cluster.engine.ownerOf(slot), nodes[1].registry.node);
  assertEquals(b.told(), ["lost", "waiting"]);
  a.leave();
  nodes[0].broker.connect();
  await pass(1000 + 4 * AGAIN_MS);
  assertEquals(b.told().at(-1), "dismissed 4007");
  const c = nodes[1].join("c");
  await pass();
  assertEquals(c.told(), ["waiting"]);
  c.leave();
  await assertNothingLeft(cluster);
});

// It took the place of whoever was there, as one that resumes does, and left it.
Deno.test("SharedRegistry takes no place from a stranger for one that has left", async () => {
  const cluster = await setUp();
  const { nodes, pass } = cluster;
  const { a, b } = await pairUp(cluster, 0, 0);
  nodes[0].broker.disconnect();
  b.leave(false);
  a.leave();
  await pass(6000);
  const c = nodes[1].join("c");
  await pass(4000);
  assertEquals(c.told(), ["waiting"]);
  nodes[0].broker.connect();
  await pass(1000 + 4 * AGAIN_MS);
  assertEquals(c.told(), []);
  const back = nodes[1].join("b", { partner: "a" });
  await pass();
  assertEquals([back.told(), c.told()], [["dismissed 4007"], []]);
  c.leave();
  await assertNothingLeft(cluster);
});

// A node that stood still took it for its own until its next beat.
Deno.test("SharedRegistry finds out that it stood still before it has a peer leave", async () => {
  const cluster = await setUp();
  const { clock, nodes, pass } = cluster;
  const { a, b } = await pairUp(cluster);
  const [slot] = cluster.engine.claims.keys();
  const goOn = nodes[0].standStill();
  await pass(10_000);
  assertEquals(cluster.engine.ownerOf(slot), nodes[1].registry.node);
  b.told();
  a.leave();
  goOn();
  await pass(1000 + 4 * AGAIN_MS);
  assertEquals(b.told().at(-1), "dismissed 4007");
  assert(clock.now() < RESUME_TIMEOUT_MS);
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry.has() knows of what other nodes have", async () => {
  const cluster = await setUp(3);
  const { nodes, pass } = cluster;
  const has = async (node: TestNode) => {
    const answer = node.registry.has("code");
    await pass();
    return await answer;
  };
  assertEquals(await has(nodes[0]), false);
  const a = nodes[0].join("a");
  const b = nodes[1].join("b");
  await pass();
  for (const node of nodes) assertEquals(await has(node), true);
  a.leave();
  b.leave();
  await pass();
  // The conversation's ending is remembered.
  for (const node of nodes) assertEquals(await has(node), true);
  await pass(200_000);
  for (const node of nodes) assertEquals(await has(node), false);
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry.has() knows of nothing where the engine is away", async () => {
  const cluster = await setUp();
  const { nodes: [node], pass } = cluster;
  node.broker.disconnect();
  await pass(10_000);
  const answer = node.registry.has("code");
  await pass();
  assertEquals(await answer, false);
  node.broker.connect();
  await pass(10_000);
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry gives one number to one of two peers that were drawn it at two nodes", async () => {
  const cluster = await setUp();
  const { nodes, pass } = cluster;
  const drawers = nodes.map((node, index) => node.join(`${index}`, {}, true));
  await pass();
  const told = drawers.map((drawer) => drawer.told());
  assertEquals(told.map(String).sort(), ["outrun", "waiting"]);
  const index = told.findIndex(([event]) => event === "waiting");
  // Who types it meets the one that was told it.
  const typist = nodes[1 - index].join("typist");
  await pass();
  assertEquals(drawers[index].told(), ["found typist"]);
  assertEquals(typist.told(), [`found ${index} to offer`]);
  typist.leave();
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry leads no peer to a stranger at another node whose number was drawn for it", async () => {
  const cluster = await setUp();
  const { nodes, pass } = cluster;
  const stranger = nodes[0].join("stranger");
  await pass();
  const drawer = nodes[1].join("drawer", {}, true);
  await pass();
  assertEquals([stranger.told(), drawer.told()], [["waiting"], ["outrun"]]);
  const neighbour = nodes[0].join("neighbour", {}, true);
  await pass();
  assertEquals([stranger.told(), neighbour.told()], [[], ["outrun"]]);
  stranger.leave();
  await assertNothingLeft(cluster);
});

Deno.test("SharedRegistry lets a peer that was told its number meet who came to it while its node was cut off", async () => {
  const cluster = await setUp();
  const { nodes, pass } = cluster;
  const drawer = nodes[0].join("drawer", {}, true);
  await pass();
  assertEquals(drawer.told(), ["waiting"]);
  // The drawer's node loses its name, and with it the code to another.
  nodes[0].broker.disconnect();
  await pass(10_000);
  const typist = nodes[1].join("typist");
  await pass(10_000);
  assertEquals(typist.told(), ["waiting"]);
  nodes[0].broker.connect();
  await pass(10_000);
  assertEquals(drawer.told(), ["found typist to offer"]);
  assertEquals(typist.told(), ["found drawer"]);
  typist.leave();
  await assertNothingLeft(cluster);
});
