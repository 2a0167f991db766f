/**
 * What a server can do that lies, and what a partner can, each by itself: what
 * comes of it is an error, or nothing at all, and never another message than
 * was sent.
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { PrivateOptions, SocketPeer } from "../../../private.ts";
import { type SimulatedPeerOptions, Simulation } from "../../../testing.ts";
import {
  edit,
  honest,
  MaliciousRelay,
  type Meddle,
  ofPackets,
  ofType,
  type Passing,
} from "../../support/malicious_relay.ts";
import { record, type Recording } from "../../support/recorder.ts";
import vectors from "./cpace_vectors.json" with { type: "json" };

const SECOND = 1000;
/** How many messages each sends to the other. */
const COUNT = 60;
/** The message that is on its way when something happens. */
const AT = 20;

type Options = PrivateOptions & SimulatedPeerOptions;

const ROOM: Options = {
  pairCode: "room",
  secret: "only the two know",
  reconnectDelay: 100,
  resumeTimeout: 60 * SECOND,
  webrtc: false,
};

/** A private peer behind a server that may lie. */
interface Side {
  readonly relay: MaliciousRelay;
  readonly peer: SocketPeer;
  readonly seen: Recording;
}

function side(world: Simulation, options: Options = {}): Side {
  const relay = new MaliciousRelay();
  const peer = world.peer({ ...ROOM, ...options }, relay.PeerClass);
  return { relay, peer, seen: record(peer) };
}

/** Two peers, before any time has passed. */
function pair(options: Options = {}, ofB: Options = options) {
  const world = new Simulation();
  const [a, b] = [side(world, options), side(world, ofB)];
  return { world, a, b };
}

/** Two peers that are connected, and forget how. */
async function joined(options: Options = {}) {
  const scene = pair(options);
  const { world, a, b } = scene;
  await world.clock.pass(SECOND);
  assertEquals([a.peer.connected, b.peer.connected], [true, true]);
  forget(a, b);
  return scene;
}

function forget(...sides: Side[]): void {
  for (const { seen } of sides) {
    for (const list of [seen.events, seen.codes, seen.states]) list.splice(0);
  }
}

const numbered = (name: string) =>
  Array.from({ length: COUNT }, (_, number) => `${name}${number}`);

type Scene = Awaited<ReturnType<typeof joined>>;

/**
 * Sends the messages of both peers, in the midst of which something happens.
 */
async function exchange(
  { world, a, b }: Scene,
  happen: () => void = () => {},
): Promise<void> {
  for (let number = 0; number < COUNT; number++) {
    a.peer.send(`a${number}`);
    b.peer.send(`b${number}`);
    if (number === AT) happen();
    await world.clock.pass(7);
  }
  await world.clock.pass(30 * SECOND);
}

/** All has arrived, once and in order, and both say the same words. */
function assertDelivered({ a, b }: Scene): void {
  assertEquals(b.seen.messages, numbered("a"));
  assertEquals(a.seen.messages, numbered("b"));
  assertEquals([a.peer.bufferedAmount, b.peer.bufferedAmount], [0, 0]);
  assertEquals(a.peer.verification, b.peer.verification);
  assertNotEquals(a.peer.verification, null);
}

/** Changes what comes next, and nothing after it. */
function once(change: (packet: Uint8Array<ArrayBuffer>) => Passing[]): Meddle {
  let done = false;
  return ofPackets((packet) => {
    if (done) return [packet];
    done = true;
    return change(packet);
  });
}

const flipped = (packet: Uint8Array<ArrayBuffer>, at: number) =>
  packet.with(at, packet[at] ^ 1);

const text = (type: string, data?: unknown) => JSON.stringify({ type, data });

/** What is done to a packet on its way to B. */
const ATTACKS: Record<string, (scene: Scene) => Meddle> = {
  "flips a bit": () => once((packet) => [flipped(packet, 0)]),
  "flips a bit of the tag": () =>
    once((packet) => [flipped(packet, packet.length - 1)]),
  "replays a packet": () => once((packet) => [packet, packet]),
  "replays an old packet": ({ b }) => {
    const old = b.relay.received.find((passing) => typeof passing !== "string");
    return once((packet) => [old!, packet]);
  },
  "drops a packet": () => once(() => []),
  "swaps two packets": () => {
    let first: Uint8Array<ArrayBuffer> | undefined;
    let done = false;
    return ofPackets((packet) => {
      if (done) return [packet];
      if (!first) {
        first = packet;
        return [];
      }
      done = true;
      return [packet, first];
    });
  },
  "cuts a packet short": () => once((packet) => [packet.slice(0, -1)]),
  "cuts a packet to less than a tag": () =>
    once((packet) => [packet.slice(0, 15)]),
  "makes a packet longer": () =>
    once((packet) => [Uint8Array.from([...packet, 0])]),
  "joins two packets": () =>
    once((packet) => [Uint8Array.from([...packet, ...packet])]),
  "sends an empty packet": () => once((packet) => [new Uint8Array(), packet]),
  "sends a packet of its own": () =>
    once((packet) => [Uint8Array.from({ length: 40 }, () => 7), packet]),
  "sends a packet back": ({ b }) =>
    once(() => [
      b.relay.sent.findLast((passing) => typeof passing !== "string")!,
    ]),
  "says something of WebRTC": () =>
    once((packet) => [text("rtc.signal", { generation: 1 }), packet]),
  "asks for an offer": () =>
    once((packet) => [text("rtc.connect", { generation: 1 }), packet]),
  "makes up a start record": () =>
    once((packet) => [
      text("private.start", { counter: 1e6, seal: btoa("x".repeat(64)) }),
      packet,
    ]),
  "makes up a start record that is nothing": () =>
    once((packet) => [text("private.start"), packet]),
  "repeats the start record": ({ b }) =>
    once((packet) => [b.relay.last("private.start"), packet]),
  "sends the start record back": ({ b }) =>
    once((packet) => [
      b.relay.last("private.start", b.relay.sent),
      packet,
    ]),
};

for (const [what, attack] of Object.entries(ATTACKS)) {
  Deno.test(`private SocketPeer reconnects, and loses nothing, where the server ${what}`, async () => {
    const scene = await joined();
    const { a, b } = scene;
    await exchange(scene, () => b.relay.down = attack(scene));
    assertDelivered(scene);
    assertEquals(b.seen.codes, ["TAMPERED"]);
    assertEquals(b.seen.events, ["error", "reconnect"]);
    assertEquals(a.seen.events, ["reconnect"]);
    assertEquals(b.relay.sockets.length, 2);
    // That code would have ended the conversation at the server.
    assert(!b.relay.closes.includes(4000));
  });
}

Deno.test("private SocketPeer takes no message of the server's own", async () => {
  const scene = await joined();
  const { a, b } = scene;
  await exchange(scene, () => {
    b.relay.socket.give(text("data", "forged"));
    b.relay.socket.give('{"type":"data","data":"forged","type":"ping"}');
    b.relay.socket.give("forged");
  });
  assertDelivered(scene);
  assertEquals(b.seen.codes, ["PROTOCOL", "PROTOCOL", "PROTOCOL"]);
  assertEquals(a.seen.events, []);
});

Deno.test("private SocketPeer believes nothing in a hello that its partner has not sealed", async () => {
  for (
    const change of [
      { received: 40 },
      { relay: false },
      { webrtc: true },
      { maxMessageBytes: 1 },
      { later: "version" },
    ]
  ) {
    const scene = pair();
    const { world, a, b } = scene;
    const forge = edit("peer.found", ({ hello }) => {
      Object.assign(hello, change);
    });
    a.relay.down = b.relay.down = forge;
    await world.clock.pass(SECOND);
    await exchange(scene, () => world.cutSockets());
    assertDelivered(scene);
    // The sockets were cut.
    const events = ["connect", "reconnect"];
    assertEquals([a.seen.events, b.seen.events], [events, events]);
  }
});

Deno.test("private SocketPeer keeps what the server falsely says has arrived", async () => {
  const scene = await joined();
  const { world, a, b } = scene;
  await exchange(scene, () => {
    // Nothing arrives any more; and then the server says that it has.
    b.relay.down = ofPackets(() => []);
    world.clock.after(100, () => {
      a.relay.down = edit("peer.found", ({ hello }) => hello.received = 1e6);
      b.relay.down = honest;
      world.cutSockets();
    });
  });
  assertDelivered(scene);
});

/** The first peer.found of each is changed. */
type Forgery = (data: {
  id: string;
  hello: { private: { share: string; ad: string } };
}) => void;

/** Somebody else's share: the server's own. */
const foreign = () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, at) => at + 1);
  return btoa(String.fromCharCode(...bytes));
};

function editAd(change: Record<string, unknown>): Forgery {
  return ({ hello }) => {
    const ad = JSON.parse(hello.private.ad);
    hello.private.ad = JSON.stringify({ ...ad, ...change });
  };
}

const FORGERIES: Record<string, Forgery> = {
  "what the partner says of itself": editAd({ webrtc: true }),
  "the size that the partner takes": editAd({ maxMessageBytes: 1 }),
  "what the partner has committed to": editAd({ commit: "x" }),
  "how what the partner says is written": ({ hello }) =>
    hello.private.ad += " ",
  "the share": ({ hello }) => hello.private.share = foreign(),
};

for (const [what, forgery] of Object.entries(FORGERIES)) {
  Deno.test(`private SocketPeer connects with nobody where the server changes ${what}`, async () => {
    for (const both of [true, false]) {
      const { world, a, b } = pair({ reconnect: false });
      if (both) a.relay.down = edit("peer.found", forgery);
      b.relay.down = edit("peer.found", forgery);
      a.peer.send("secret");
      await world.clock.pass(30 * SECOND);
      assertEquals(a.seen.codes, ["WRONG_SECRET"]);
      assertEquals(b.seen.codes, ["WRONG_SECRET"]);
      assertEquals(a.seen.events, ["connect_error", "error"]);
      assertEquals(b.seen.messages, []);
      assertEquals([a.peer.verification, b.peer.verification], [null, null]);
      // Peer a waits for one who knows the secret.
      assert(a.peer.bufferedAmount > 0);
    }
  });
}

/** What is seen to be false before anything depends on the secret. */
const FALSE: Record<string, Forgery> = {
  "a name that is not the partner's": (data) => data.id = "somebody",
  "a name that the partner has not said": editAd({ id: "somebody" }),
  "a share that is no text": ({ hello }) => {
    (hello.private as { share: unknown }).share = 5;
  },
  "a share that is too short": ({ hello }) => hello.private.share = "AAAA",
  "what the partner says as no JSON": ({ hello }) => hello.private.ad = "{",
  "what the partner says as null": ({ hello }) => hello.private.ad = "null",
};
for (const { u, q } of vectors.points) {
  if (!/^0+$/.test(q)) continue;
  FALSE[`the share of low order ${u.slice(0, 8)}…${u.slice(-4)}`] = (
    { hello },
  ) => {
    const bytes = Uint8Array.fromHex(u);
    hello.private.share = btoa(String.fromCharCode(...bytes));
  };
}

for (const [what, forgery] of Object.entries(FALSE)) {
  Deno.test(`private SocketPeer says nothing to a server that gives it ${what}`, async () => {
    const scene = pair();
    const { world, a, b } = scene;
    a.relay.down = b.relay.down = edit("peer.found", forgery);
    await world.clock.pass(5 * SECOND);
    for (const { peer, seen, relay } of [a, b]) {
      assertEquals(new Set(seen.codes), new Set(["TAMPERED"]));
      assertEquals([peer.connected, peer.verification], [false, null]);
      // Nothing that depends on the secret has left, so it is no guess.
      assertEquals(relay.nonces, []);
      assert(relay.sockets.length > 3, "it dials again");
    }
    a.relay.down = b.relay.down = honest;
    await exchange(scene);
    assertDelivered(scene);
  });
}

Deno.test("private SocketPeer takes no partner that is itself", async () => {
  const { world, a } = pair();
  a.relay.down = edit("peer.found", (data) => {
    const { id, hello } = JSON.parse(a.relay.last("pair", a.relay.sent)).data;
    Object.assign(data, { id, hello });
  });
  await world.clock.pass(5 * SECOND);
  assertEquals(new Set(a.seen.codes), new Set(["TAMPERED"]));
  assertEquals(a.relay.nonces, []);
  // The peer's own share under another name is a guess as good as any.
  a.relay.down = edit("peer.found", (data) => {
    const { hello } = JSON.parse(a.relay.last("pair", a.relay.sent)).data;
    const ad = JSON.parse(hello.private.ad);
    hello.private.ad = JSON.stringify({ ...ad, id: "mirror" });
    Object.assign(data, { id: "mirror", hello });
  });
  await world.clock.pass(30 * SECOND);
  const own = a.relay.last("private.start", a.relay.sent);
  a.relay.socket.give(own);
  await world.clock.pass(SECOND);
  assertEquals(a.seen.codes.at(-1), "WRONG_SECRET");
  assertEquals(a.seen.events.includes("connect"), false);
});

Deno.test("private SocketPeer does not know a partner of an earlier run", async () => {
  const { world, a, b } = pair();
  await world.clock.pass(SECOND);
  assert(a.peer.connected);
  const found = a.relay.last("peer.found");
  const start = a.relay.last("private.start");
  // Both begin anew, and the server plays what B said before.
  b.peer.close();
  await world.clock.pass(SECOND);
  forget(a);
  b.peer.destroy();
  a.relay.socket.give(found);
  await world.clock.pass(100);
  a.relay.socket.give(start);
  await world.clock.pass(100);
  assertEquals(a.seen.codes, ["WRONG_SECRET"]);
  assertEquals(a.peer.connected, false);
});

Deno.test("private SocketPeer refuses a partner of whom the server hides that it is private", async () => {
  for (
    const hide of [
      edit("peer.found", ({ hello }) => delete hello.private),
      edit("peer.found", ({ hello }) => hello.private = {}),
      edit("peer.found", ({ hello }) => hello.private = null),
      edit("peer.found", ({ hello }) => hello.private = "yes"),
      // A later version.
      edit("peer.found", editAd({ v: 2 })),
    ]
  ) {
    const { world, a, b } = pair({ reconnect: false });
    a.relay.down = b.relay.down = hide;
    a.peer.send("secret");
    await world.clock.pass(20 * SECOND);
    assertEquals([a.seen.codes, b.seen.codes], [
      ["NOT_PRIVATE"],
      ["NOT_PRIVATE"],
    ]);
    assertEquals(a.relay.nonces, []);
    assertEquals(b.seen.messages, []);
    assertEquals([a.relay.closes, b.relay.closes], [[4000], [4000]]);
  }
});

Deno.test("private SocketPeer goes on with its partner where the server hides later that it is private", async () => {
  const scene = await joined();
  const { world, a, b } = scene;
  await exchange(scene, () => {
    a.relay.down = edit("peer.found", ({ hello }) => delete hello.private);
    world.cutSockets();
    world.clock.after(5 * SECOND, () => a.relay.down = honest);
  });
  assertDelivered(scene);
  assertEquals(new Set(a.seen.codes), new Set(["TAMPERED"]));
  assertEquals([a.seen.events, b.seen.events].flat().includes("close"), false);
});

Deno.test("private SocketPeer goes on with its partner where the server changes its share later", async () => {
  for (const forgery of Object.values(FORGERIES)) {
    const scene = await joined();
    const { world, a } = scene;
    await exchange(scene, () => {
      a.relay.down = edit("peer.found", forgery);
      world.cutSockets();
      world.clock.after(5 * SECOND, () => a.relay.down = honest);
    });
    assertDelivered(scene);
    assertEquals(new Set(a.seen.codes), new Set(["TAMPERED"]));
  }
});

Deno.test("private SocketPeer is not mixed with those of another conversation", async () => {
  const pairCode = "other room";
  for (const secret of [ROOM.secret, "another secret"]) {
    const { world, a, b } = pair();
    const [c, d] = [
      side(world, { pairCode, secret }),
      side(world, { pairCode, secret }),
    ];
    // A is told of D, and D of A, and what they say then is passed on.
    const crossed: [Side, Side][] = [[a, c], [b, d]];
    for (const [one, other] of crossed) {
      const swap = (to: Side): Meddle => (passing) => {
        if (typeof passing === "string") {
          const { type } = JSON.parse(passing);
          if (!/^(peer.found|private)/.test(type)) return [passing];
        }
        to.relay.socket.give(passing);
        return [];
      };
      one.relay.down = swap(other);
      other.relay.down = swap(one);
    }
    a.peer.send("secret");
    await world.clock.pass(2 * SECOND);
    for (const { peer, seen } of [a, b, c, d]) {
      assertEquals(seen.codes[0], "WRONG_SECRET");
      assertEquals([seen.events.includes("connect"), peer.connected], [
        false,
        false,
      ]);
      assertEquals(seen.messages, []);
    }
  }
});

Deno.test("private SocketPeer opens nothing of another conversation with the same secret", async () => {
  const scene = await joined();
  const other = await joined({ pairCode: "other room" });
  await exchange(scene, () => {
    const foreign = other.b.relay.received
      .findLast((passing) => typeof passing !== "string");
    other.a.peer.send("foreign");
    scene.b.relay.down = once((packet) => [foreign ?? packet, packet]);
  });
  assertDelivered(scene);
});

Deno.test("private SocketPeer takes no start record of before it reconnected", async () => {
  const scene = await joined();
  const { world, b } = scene;
  const old = b.relay.last("private.start");
  await exchange(scene, () => {
    let replayed = false;
    b.relay.down = ofType("private.start", (start) => {
      if (replayed) return [start];
      replayed = true;
      return [old];
    });
    world.cutSockets();
  });
  assertDelivered(scene);
  assertEquals(b.seen.codes.filter((code) => code !== "SOCKET"), ["TAMPERED"]);
  assertEquals(b.seen.events.includes("close"), false);
});

Deno.test("private SocketPeer complains of an old start record before anything follows it", async () => {
  const { world, b } = await joined();
  const old = b.relay.last("private.start");
  b.relay.down = ofType("private.start", () => [old]);
  world.cutSockets();
  // Nothing else is sent by then.
  while (b.seen.codes.length === 0) await world.clock.pass(10);
  assertEquals(b.seen.codes, ["TAMPERED"]);
});

Deno.test("private SocketPeer keeps the number that the server has given first", async () => {
  const world = new Simulation();
  const { relay, peer } = side(world, {
    pairCode: undefined,
    secret: undefined,
  });
  const codes: string[] = [];
  peer.on("code", (code) => codes.push(code));
  await world.clock.pass(SECOND);
  const { pairCode } = peer;
  for (const code of ["8", "no number", ""]) {
    relay.socket.give(text("peer.waiting", { interval: 15_000, code }));
  }
  await world.clock.pass(SECOND);
  assertEquals([codes, peer.pairCode], [[pairCode], pairCode]);
});

Deno.test("private SocketPeer takes nothing for a number that is none", async () => {
  const world = new Simulation();
  const { relay, peer } = side(world, {
    pairCode: undefined,
    secret: undefined,
  });
  const codes: string[] = [];
  peer.on("code", (code) => codes.push(code));
  const given = ["7-otter", "<b>", "", "1234567890", null, { a: 1 }, "５"];
  relay.down = edit("peer.waiting", (data) => data.code = given.shift());
  const count = given.length;
  for (let times = 0; times < count; times++) {
    await world.clock.pass(SECOND);
    world.cutSockets();
  }
  assertEquals([codes, peer.pairCode], [[], ""]);
});

Deno.test("private SocketPeer counts on from a number, however the server writes it", async () => {
  const scene = await joined();
  const { world, b } = scene;
  // Text was once joined with the next number, and no record after it opened.
  await exchange(scene, () => {
    b.relay.down = edit("private.start", (data) => data.counter += "");
    world.cutSockets();
    world.clock.after(100, () => {
      b.relay.down = honest;
      world.cutSockets();
    });
  });
  assertDelivered(scene);
  assertEquals(b.seen.codes.includes("TAMPERED"), false);
});

Deno.test("private SocketPeer with a data channel believes no end that only the server speaks of", async () => {
  for (const code of [4007, 4008, 4012]) {
    const scene = await joined({ webrtc: true });
    const { world, a, b } = scene;
    assertEquals([a.peer.path, b.peer.path], ["direct", "direct"]);
    await exchange(scene, () => {
      for (const { relay } of [a, b]) {
        // Each would say if it did not hear the other.
        relay.socket.give(text("peer.knock"));
        world.clock.after(200, () => relay.socket.forgeClose(code));
      }
    });
    assertDelivered(scene);
    assertEquals([a.seen.events, b.seen.events], [[], []]);
    assertEquals([a.peer.path, b.peer.path], ["direct", "direct"]);
    assertEquals(a.relay.sockets.length, 2, "it dials again");
  }
});

Deno.test("private SocketPeer lets a partner go that crashed, and takes the one who comes for it", async () => {
  const { world, a, b } = await joined({ webrtc: true });
  world.crash(b.peer);
  await world.clock.pass(500);
  const back = side(world, { webrtc: true });
  // The data channel is not known to be dead for half a minute, but a has told
  // the server that it hears nobody: then the server is believed.
  await world.clock.pass(5 * SECOND);
  assertEquals(a.seen.args.close, [[{
    reason: "replaced",
    unacknowledged: 0,
    clean: false,
  }]]);
  assertEquals([a.peer.connected, back.peer.connected], [true, true]);
  assertEquals(a.seen.codes, []);
});

Deno.test("private SocketPeer says how many were not delivered where the server ends a relayed conversation", async () => {
  const reasons = { 4007: "remote", 4008: "server", 4012: "replaced" };
  for (const [code, reason] of Object.entries(reasons)) {
    const scene = await joined({ reconnect: false });
    const { world, a, b } = scene;
    b.relay.down = ofPackets(() => []);
    a.peer.send("lost");
    await world.clock.pass(100);
    a.relay.socket.forgeClose(Number(code));
    await world.clock.pass(100);
    assertEquals(a.seen.args.close, [[{
      reason,
      unacknowledged: 1,
      clean: false,
    }]]);
    assertEquals(b.seen.messages, []);
  }
});

Deno.test("private SocketPeer with a data channel stays with its partner where the server names another", async () => {
  const scene = await joined({ webrtc: true });
  const { a } = scene;
  const found = JSON.parse(a.relay.last("peer.found"));
  found.data.id = "somebody";
  await exchange(scene, () => a.relay.socket.give(JSON.stringify(found)));
  assertDelivered(scene);
  assertEquals(a.seen.codes, ["TAMPERED"]);
  assertEquals(a.seen.events, ["error"]);
});

Deno.test("private SocketPeer on the relay ends where the server names another, and believes none of it", async () => {
  const { world, a, b } = pair();
  // The partner proves itself while the server says that it is away. A client
  // that had no partner yet once took the next one that the server named.
  const starts: Passing[] = [];
  b.relay.up = ofType("private.start", (start) => {
    starts.push(start);
    return [];
  });
  await world.clock.pass(100);
  a.relay.socket.give(text("peer.lost"));
  a.relay.socket.give(starts[0]);
  await world.clock.pass(10);
  assertNotEquals(a.peer.verification, null);
  a.peer.send("kept");
  const found = JSON.parse(a.relay.last("peer.found"));
  found.data.id = "somebody";
  found.data.hello.received = 1;
  for (let times = 0; times < 2; times++) {
    a.relay.socket.give(JSON.stringify(found));
    await world.clock.pass(10);
  }
  assertEquals(a.seen.events.includes("connect"), false);
  assertEquals(a.seen.args.close, [[{
    reason: "replaced",
    unacknowledged: 1,
    clean: false,
  }]]);
});

Deno.test("private SocketPeer waits while the server holds a start record back", async () => {
  for (const heldMs of [500, 50 * SECOND]) {
    const scene = pair();
    const { world, a, b } = scene;
    const held: Passing[] = [];
    b.relay.down = ofType("private.start", (start) => {
      held.push(start);
      return [];
    });
    b.peer.send("b0");
    await world.clock.pass(heldMs);
    assertEquals([b.peer.connected, b.peer.verification], [false, null]);
    assertEquals(b.seen.codes, []);
    assertEquals(
      b.seen.events,
      heldMs > 10 * SECOND ? ["connect_timeout"] : [],
    );
    assert(b.peer.bufferedAmount > 0);
    b.relay.down = honest;
    for (const start of held) b.relay.socket.give(start);
    await world.clock.pass(SECOND);
    assertEquals([a.peer.connected, b.peer.connected], [true, true]);
    assertEquals(a.seen.messages, ["b0"]);
  }
});

Deno.test("private SocketPeer gives up a partner that never proves itself", async () => {
  for (const lost of [false, true]) {
    const scene = pair();
    const { world, a, b } = scene;
    b.relay.down = ofType("private.start", () => []);
    b.peer.send("b0");
    await world.clock.pass(50 * SECOND);
    // The place of a at the server is kept for as long as b waits for it.
    if (lost) world.crash(a.peer);
    await world.clock.pass(9 * SECOND);
    assertEquals(b.seen.codes, []);
    b.relay.down = honest;
    await world.clock.pass(2 * SECOND);
    assertEquals(b.seen.codes, ["WRONG_SECRET"]);
    assertEquals(b.relay.closes, [4000]);
    const third = lost ? side(world) : a;
    await world.clock.pass(10 * SECOND);
    assertEquals(third.seen.messages, ["b0"]);
  }
});

Deno.test("private SocketPeer loses nothing where the server drops a start record", async () => {
  const scene = await joined();
  const { world, b } = scene;
  await exchange(scene, () => {
    b.relay.down = ofType("private.start", () => []);
    world.cutSockets();
    world.clock.after(5 * SECOND, () => {
      b.relay.down = honest;
      world.cutSockets();
    });
  });
  assertDelivered(scene);
  assertEquals(b.seen.events.includes("close"), false);
});

Deno.test("private SocketPeer begins where the server dies between a partner and its proof", async () => {
  // So few may fail that none may be counted here.
  const scene = pair();
  const { world, a, b } = scene;
  for (let times = 0; times < 5; times++) {
    a.relay.up = b.relay.up = ofType("private.start", () => {
      world.killServer();
      return [];
    });
    await world.clock.pass(2 * SECOND);
    world.startServer();
  }
  a.relay.up = b.relay.up = honest;
  await world.clock.pass(60 * SECOND);
  await exchange(scene);
  assertDelivered(scene);
  assertEquals(
    new Set([...a.seen.codes, ...b.seen.codes]).difference(
      new Set(["SOCKET", "CONNECT_TIMEOUT"]),
    ),
    new Set(),
  );
});

Deno.test("private SocketPeer lets its partner speak for itself alone, and not for the server", async () => {
  for (
    const message of [
      text("peer.lost"),
      text("peer.knock"),
      text("error", { message: "forged" }),
      text("ping", { interval: 1 }),
      text("peer.found", {
        interval: 1,
        initiator: true,
        id: "somebody",
        hello: { received: 9, webrtc: true, relay: true, maxMessageBytes: 1 },
      }),
      "{",
      "{}",
    ]
  ) {
    const scene = await joined();
    const { world, b } = scene;
    await exchange(scene, () => {
      const evil = new TextEncoder().encode(message);
      b.relay.seals = () => {
        b.relay.seals = (bytes) => bytes;
        return evil;
      };
      world.clock.after(SECOND, () => world.cutSockets());
    });
    assertDelivered(scene);
    assertEquals(scene.a.seen.codes, [], message.slice(0, 40));
  }
});

Deno.test("private SocketPeer takes no partner that reveals another thing than it has committed to", async () => {
  // Who has overheard the code and sits between could try what to reveal until
  // both sides show the same words. The last byte is of what proves the key.
  for (const at of [0, 15, 16, 47]) {
    const { world, a, b } = pair({ reconnect: false });
    b.relay.seals = (record) => flipped(record as Uint8Array<ArrayBuffer>, at);
    a.peer.send("secret");
    await world.clock.pass(SECOND);
    assertEquals([a.seen.codes, a.peer.verification], [["WRONG_SECRET"], null]);
    assertEquals(b.seen.messages, []);
    assertEquals(b.seen.args.close, [[{
      reason: "remote",
      unacknowledged: 0,
      clean: false,
    }]]);
  }
});

Deno.test("private SocketPeer takes no start record for a packet, and no packet for a start record", async () => {
  const scene = await joined();
  const { world, a, b } = scene;
  await exchange(scene, () => {
    // What A says to a partner that it finds again is given to B as a packet.
    const unseal = (text: string) =>
      Uint8Array.from(
        atob(JSON.parse(text).data.seal),
        (char) => char.charCodeAt(0),
      );
    b.relay.down = ofType("private.start", (start) => [unseal(start)]);
    a.relay.socket.give(a.relay.last("peer.found"));
    world.clock.after(100, () => {
      // A packet is given to B as a start record.
      const counter = a.relay.nonces.length;
      b.relay.down = once((packet) => {
        const seal = btoa(String.fromCharCode(...packet));
        return [text("private.start", { counter, seal })];
      });
    });
    world.clock.after(5 * SECOND, () => world.cutSockets());
  });
  assertDelivered(scene);
  assertEquals(new Set(b.seen.codes), new Set(["TAMPERED"]));
  assertEquals(b.seen.events.includes("close"), false);
});

Deno.test("private SocketPeer ends a conversation whose partner breaks the protocol", async () => {
  for (const garbage of [[], [1, 2, 3], Array(40).fill(255)]) {
    const { world, a, b } = await joined({ reconnect: false });
    b.relay.seals = () => Uint8Array.from(garbage);
    b.peer.send("never comes");
    await world.clock.pass(SECOND);
    assertEquals(a.seen.codes, ["PROTOCOL"]);
    assertEquals(a.seen.args.close, [[{
      reason: "error",
      unacknowledged: 0,
      clean: false,
    }]]);
    assertEquals(a.seen.messages, []);
  }
});

Deno.test("private SocketPeer that refuses leaves at once, and its plain partner is told", async () => {
  const world = new Simulation();
  const a = side(world);
  const plain = world.peer({ pairCode: "room", webrtc: false });
  const seen = record(plain);
  plain.send("from a plain peer");
  a.peer.send("secret");
  await world.clock.pass(60 * SECOND);
  assertEquals(a.seen.codes, Array(3).fill("NOT_PRIVATE"));
  assertEquals(a.relay.closes, [4000, 4000, 4000]);
  assertEquals([a.seen.messages, seen.messages], [[], []]);
  assertEquals(a.relay.nonces, []);
  assert(
    a.relay.sent.every((passing) =>
      /^\{"type":"(pair|pong)"/.test(String(passing))
    ),
  );
  // Not "lost": its place would be kept for whoever does not come back.
  assertEquals(
    seen.args.close.map(([info]) => (info as { reason: string }).reason),
    ["remote", "remote", "remote"],
  );
});

Deno.test("private SocketPeer tells an old plain peer nothing", async () => {
  const world = new Simulation();
  const a = side(world);
  a.relay.down = edit("peer.found", (data) => {
    delete data.id;
    delete data.hello.private;
  });
  world.peer({ pairCode: "room", webrtc: false });
  a.peer.send("secret");
  await world.clock.pass(20 * SECOND);
  assertEquals(new Set(a.seen.codes), new Set(["NOT_PRIVATE"]));
  assertEquals(a.relay.nonces, []);
});
