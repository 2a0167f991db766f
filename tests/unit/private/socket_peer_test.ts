import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { type PrivateOptions, SocketPeer } from "../../../private.ts";
import type { Runtime, WebSocketLike } from "../../../src/runtime.ts";
import { type SimulatedPeerOptions, Simulation } from "../../../testing.ts";
import { MaliciousRelay, ofType } from "../../support/malicious_relay.ts";
import { record } from "../../support/recorder.ts";

const SECOND = 1000;

type Options = PrivateOptions & SimulatedPeerOptions;

const ROOM: Options = {
  pairCode: "room",
  secret: "only the two know",
  reconnectDelay: 100,
};

const make = (world: Simulation, options: Options = {}) =>
  world.peer({ ...ROOM, ...options }, SocketPeer);

Deno.test("private SocketPeer connects, is upgraded, and carries what was sent before", async () => {
  const world = new Simulation();
  const a = make(world);
  a.send("early");
  const ofA = record(a);
  await world.clock.pass(SECOND);
  const b = make(world);
  const ofB = record(b);
  await world.clock.pass(SECOND);
  b.send(Uint8Array.of(1, 2));
  await world.clock.pass(SECOND);
  const events = ["connect", "upgrade_attempt", "upgrade"];
  assertEquals([ofA.events, ofB.events], [events, events]);
  assertEquals(ofB.messages, ["early"]);
  assertEquals(ofA.messages, [Uint8Array.of(1, 2)]);
});

Deno.test("private SocketPeer carries messages larger than a packet over the relay", async () => {
  const world = new Simulation();
  const [a, b] = [make(world, { webrtc: false }), make(world)];
  const ofB = record(b);
  const large = Uint8Array.from({ length: 3_000_000 }, (_, at) => at * at);
  a.send(large);
  await world.clock.pass(30 * SECOND);
  assertEquals([ofB.messages, ofB.codes], [[large], []]);
});

Deno.test("private SocketPeer without socketFallback connects on the data channel alone", async () => {
  const world = new Simulation();
  const options = { socketFallback: false };
  const [a, b] = [make(world, options), make(world, options)];
  const ofB = record(b);
  a.send("direct");
  await world.clock.pass(3 * SECOND);
  assertEquals([a.path, b.path], ["direct", "direct"]);
  assertEquals([ofB.messages, world.relayed > 0], [["direct"], true]);
});

Deno.test("private SocketPeer has its code when the server has given the number", async () => {
  const world = new Simulation();
  const a = make(world, { pairCode: undefined, secret: undefined });
  const codes: string[] = [];
  a.on("code", (code) => codes.push(code));
  assertEquals(a.pairCode, "");
  await world.clock.pass(SECOND);
  assertEquals(codes, [a.pairCode]);
  assert(/^[1-9](-[a-z]{4,6}){3}$/.test(a.pairCode), a.pairCode);
  const b = make(world, { pairCode: a.pairCode, secret: undefined });
  assertEquals(b.pairCode, a.pairCode);
  await world.clock.pass(SECOND);
  assert(a.connected && b.connected);
  // The number stays, over any number of sockets.
  world.cutSockets();
  world.killServer();
  await world.clock.pass(SECOND);
  world.startServer();
  await world.clock.pass(30 * SECOND);
  assert(a.connected && b.connected);
  assertEquals(codes.length, 1);
});

Deno.test("private SocketPeer goes on where a listener of code throws", async () => {
  const world = new Simulation();
  const a = make(world, { pairCode: undefined, secret: undefined });
  const thrown = new Error("of the listener");
  const caught: unknown[] = [];
  const listen = (event: ErrorEvent) => {
    event.preventDefault();
    caught.push(event.error);
  };
  addEventListener("error", listen);
  a.on("code", () => {
    throw thrown;
  });
  try {
    await world.clock.pass(SECOND);
    const b = make(world, { pairCode: a.pairCode, secret: undefined });
    await world.clock.pass(SECOND);
    assert(a.connected && b.connected);
    assertEquals(caught, [thrown]);
  } finally {
    removeEventListener("error", listen);
  }
});

Deno.test("SocketPeer.verification and exportKey() are there from connect on, and are the same on both sides", async () => {
  const world = new Simulation();
  const [a, b] = [make(world), make(world)];
  const words: unknown[] = [];
  for (const peer of [a, b]) {
    assertEquals(peer.verification, null);
    await assertRejects(() => peer.exportKey("label"), TypeError, "connect");
    peer.on("connect", () => words.push(peer.verification));
  }
  await world.clock.pass(SECOND);
  assertEquals(words, [a.verification, a.verification]);
  assert(/^[a-z]+-[a-z]+-[a-z]+$/.test(`${a.verification}`));
  const [key, ofB, other] = await Promise.all([
    a.exportKey("label"),
    b.exportKey("label"),
    a.exportKey("other label"),
  ]);
  assertEquals([key, key.length], [ofB, 32]);
  assertNotEquals(key, other);

  // The two meet again with that key.
  a.destroy();
  b.destroy();
  const meet = { pairCode: undefined, secret: key };
  const again = [make(world, meet), make(world, meet)];
  await world.clock.pass(SECOND);
  assert(again.every(({ connected }) => connected));
  assertNotEquals(again[0].verification, a.verification);
});

Deno.test("SocketPeer.verification is null while the partner has not proven itself", async () => {
  const world = new Simulation();
  const relay = new MaliciousRelay();
  relay.down = ofType("private.start", () => []);
  const a = world.peer(ROOM, relay.PeerClass);
  make(world);
  await world.clock.pass(5 * SECOND);
  assertEquals([a.verification, a.connected], [null, false]);
  await assertRejects(() => a.exportKey("label"), TypeError);
});

Deno.test("private SocketPeer whose page is left tells the server at once", async () => {
  for (const webrtc of [false, true]) {
    const world = new Simulation({ latency: 20 });
    const relay = new MaliciousRelay();
    const a = world.peer({ ...ROOM, webrtc }, relay.PeerClass);
    const b = make(world, { webrtc });
    const ofB = record(b);
    await world.clock.pass(2 * SECOND);
    a.send("on its way");
    await world.clock.pass(1);
    // What is sealed takes a while, and such a page has none.
    world.hidePage(a);
    assertEquals(relay.closes, [4000]);
    await world.clock.pass(SECOND);
    assertEquals(ofB.args.close, [[{
      reason: "remote",
      unacknowledged: 0,
      clean: false,
    }]]);
    assertEquals(ofB.messages, ["on its way"]);
    // A text is good for other conversations, too.
    world.showPage(a);
    await world.clock.pass(5 * SECOND);
    assert(a.connected && b.connected);
  }
});

Deno.test("private SocketPeer whose page comes back says that its spoken code is used", async () => {
  const world = new Simulation();
  const spoken = { pairCode: "7-otter-lunar-basin", secret: undefined };
  const [a, b] = [make(world, spoken), make(world, spoken)];
  await world.clock.pass(SECOND);
  const [ofA, ofB] = [record(a), record(b)];
  world.hidePage(a);
  await world.clock.pass(SECOND);
  world.showPage(a);
  await world.clock.pass(SECOND);
  assertEquals(ofA.codes, ["CODE_USED"]);
  assertEquals(ofB.args.close, [[{
    reason: "remote",
    unacknowledged: 0,
    clean: false,
  }]]);
  assertEquals(world.sockets.size, 0);
});

Deno.test("private SocketPeer that closes delivers what it has sent, and what comes last", async () => {
  for (const webrtc of [false, true]) {
    const world = new Simulation({ latency: 30 });
    const [a, b] = [make(world, { webrtc }), make(world, { webrtc })];
    const [ofA, ofB] = [record(a), record(b)];
    await world.clock.pass(2 * SECOND);
    for (let count = 0; count < 20; count++) a.send(`${count}`);
    a.close();
    await world.clock.pass(2 * SECOND);
    assertEquals(ofB.messages.length, 20);
    assertEquals(ofA.args.close, [[{
      reason: "local",
      unacknowledged: 0,
      clean: false,
    }]]);
    assertEquals(ofB.args.close, [[{
      reason: "remote",
      unacknowledged: 0,
      clean: true,
    }]]);
  }
});

/** A class whose sockets are given to it as the option `socket`. */
function givenSockets(
  give: (dial: () => WebSocketLike) => PrivateOptions["socket"],
) {
  return class extends SocketPeer {
    constructor(options: PrivateOptions, runtime: Runtime) {
      const dial = () => runtime.openWebSocket!("ws://server");
      super({ ...options, url: undefined, socket: give(dial) }, {
        ...runtime,
        openWebSocket: undefined,
      });
    }
  };
}

Deno.test("private SocketPeer seals on a socket that it was given", async () => {
  const given: Record<string, Parameters<typeof givenSockets>[0]> = {
    "a socket": (dial) => dial(),
    "a function": (dial) => dial,
    "a function of a promise": (dial) => () => Promise.resolve(dial()),
  };
  for (const [what, give] of Object.entries(given)) {
    const world = new Simulation();
    const seen: unknown[] = [];
    world.ontraffic = ({ via, data }) => {
      if (via === "relay") seen.push(data);
    };
    const options = { ...ROOM, webrtc: false };
    const a = world.peer(options, givenSockets(give));
    const b = make(world, { webrtc: false });
    const [ofA, ofB] = [record(a), record(b)];
    a.send("given");
    await world.clock.pass(2 * SECOND);
    assertEquals(ofB.messages, ["given"], what);
    const all = seen.map((data) =>
      typeof data === "string"
        ? data
        : new TextDecoder("latin1").decode(data as ArrayBuffer)
    ).join("\n");
    assert(all.includes("private.start") && !all.includes("given"), what);

    world.cutSockets(a);
    await world.clock.pass(10 * SECOND);
    // A socket that is given can't be dialed again.
    const again = what !== "a socket";
    assertEquals([a.connected, b.connected], [again, again], what);
    const [event] = again ? ["reconnect"] : ["close"];
    assert(ofA.events.includes(event), `${what}: ${ofA.events}`);
  }
});

Deno.test("private SocketPeer reports that a socket could not be given", async () => {
  const world = new Simulation();
  const a = world.peer(
    { ...ROOM, reconnect: false },
    givenSockets(() => () => Promise.reject(new Error("no socket"))),
  );
  const ofA = record(a);
  await world.clock.pass(SECOND);
  assertEquals(ofA.codes, ["SOCKET"]);
});

/** A class whose platform lacks some of the cryptography. */
function lacking(name: "generateKey" | "importKey" | "deriveBits") {
  return class extends SocketPeer {
    constructor(options: PrivateOptions, runtime: Runtime) {
      const reject = () => Promise.reject(new Error("no such algorithm"));
      const subtle = { ...runtime.subtle!, [name]: reject };
      super(options, { ...runtime, subtle });
    }
  };
}

Deno.test("private SocketPeer says what it takes where there is no X25519", async () => {
  for (const name of ["generateKey", "importKey", "deriveBits"] as const) {
    const world = new Simulation();
    const a = world.peer(ROOM, lacking(name));
    const ofA = record(a);
    a.send("kept");
    await world.clock.pass(60 * SECOND);
    assertEquals(ofA.codes, ["CRYPTO_MISSING"]);
    assertEquals(ofA.events, ["connect_error", "error"]);
    const [error] = ofA.args.error[0];
    assert((error as Error).message.includes("Chrome 133"));
    assertEquals(
      ((error as Error).cause as Error).message,
      "no such algorithm",
    );
    assertEquals(ofA.states.at(-1), "idle");
    a.connect();
    await world.clock.pass(SECOND);
    assertEquals(ofA.codes, ["CRYPTO_MISSING", "CRYPTO_MISSING"]);
    assertEquals(world.sockets.size, 0);
  }
});

Deno.test("private SocketPeer lets go of everything", async () => {
  const world = new Simulation();
  const [a, b] = [make(world), make(world)];
  await world.clock.pass(2 * SECOND);
  a.close();
  b.close();
  await world.clock.pass(60 * SECOND);
  const { places, sockets, openChannels, clock } = world;
  assertEquals([places, sockets.size, openChannels, clock.pending], [
    0,
    0,
    0,
    0,
  ]);
});
