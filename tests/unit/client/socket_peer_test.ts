import {
  assert,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import type { SocketPeer, SocketPeerOptions } from "../../../client.ts";
import { PeerClosedError } from "../../../src/errors.ts";
import type { ConnectionState } from "../../../src/client/connection_state.ts";
import type { PairRequest } from "../../../src/protocol/control.ts";
import { record, type Recording } from "../../support/recorder.ts";
import { Simulation, type SimulationOptions } from "../../../testing.ts";

const SECOND = 1000;
const RELAY = { webrtc: false };

/** Two peers in a world, joined unless time has not passed yet. */
async function joined(
  options: SocketPeerOptions & { webrtc?: boolean } = {},
  worldOptions: SimulationOptions = {},
) {
  const world = new Simulation(worldOptions);
  const a = world.peer(options);
  const b = world.peer(options);
  const [ofA, ofB] = [record(a), record(b)];
  await world.clock.pass(SECOND);
  assertEquals([a.connected, b.connected], [true, true]);
  return { world, a, b, ofA, ofB };
}

/** Forgets what was recorded. */
function forget(...recordings: Recording[]): void {
  for (const { events, messages, codes } of recordings) {
    for (const list of [events, messages, codes]) list.splice(0);
  }
}

Deno.test("SocketPeer connects over the relay, is upgraded, and carries what was sent before", async () => {
  const world = new Simulation();
  const a = world.peer();
  a.send("early");
  const [ofA, b] = [record(a), world.peer()];
  const ofB = record(b);
  assertEquals([a.connected, a.path, a.bufferedAmount > 0], [
    false,
    null,
    true,
  ]);
  await world.clock.pass(SECOND);
  b.send("late");
  await world.clock.pass(SECOND);
  assertEquals(ofA.events, ["connect", "upgrade_attempt", "upgrade"]);
  assertEquals(ofB.events, ["connect", "upgrade_attempt", "upgrade"]);
  assertEquals(ofB.messages, ["early"]);
  assertEquals(ofA.messages, ["late"]);
  assertEquals([a.path, b.path, a.bufferedAmount], ["direct", "direct", 0]);
});

Deno.test("SocketPeer stays on the relay where a peer has no WebRTC", async () => {
  const world = new Simulation();
  const [a, b] = [world.peer(), world.peer(RELAY)];
  const ofA = record(a);
  await world.clock.pass(60 * SECOND);
  assertEquals(ofA.events, ["connect"]);
  assertEquals([a.path, b.path], ["relay", "relay"]);
});

Deno.test("SocketPeer.connect() is called by itself after the code that constructed it", async () => {
  const world = new Simulation();
  const lazy = world.peer({ autoconnect: false });
  const eager = world.peer();
  const [ofLazy, ofEager] = [record(lazy), record(eager)];
  await world.clock.pass(SECOND);
  assertEquals(ofLazy.states, []);
  assertEquals(ofEager.states, ["connecting", "waiting"]);
  lazy.connect();
  await world.clock.pass(SECOND);
  assertEquals(eager.connected, true);
});

Deno.test("SocketPeer reports a timeout once, and stays findable on its socket", async () => {
  const world = new Simulation();
  const a = world.peer();
  const ofA = record(a);
  await world.clock.pass(9 * SECOND);
  assertEquals(ofA.events, []);
  await world.clock.pass(31 * SECOND);
  // To wait is no error.
  assertEquals(ofA.events, ["connect_timeout"]);
  const [socket] = world.sockets;
  world.peer();
  await world.clock.pass(SECOND);
  assert(a.connected);
  assert(world.sockets.has(socket), "on the same socket");
});

Deno.test("SocketPeer gives up at the timeout without reconnect, and keeps what was sent", async () => {
  const world = new Simulation();
  const a = world.peer({ reconnect: false });
  const ofA = record(a);
  a.send("patient");
  await world.clock.pass(60 * SECOND);
  assertEquals(ofA.events, ["connect_timeout", "connect_error", "error"]);
  assertEquals(ofA.states.at(-1), "idle");
  assertEquals([world.sockets.size, world.clock.pending], [0, 0]);
  const ofB = record(world.peer());
  a.connect();
  await world.clock.pass(SECOND);
  assertEquals(ofB.messages, ["patient"]);
});

Deno.test("SocketPeer with timeout 0 waits for ever", async () => {
  const world = new Simulation({ peerTimeout: 0 });
  const ofA = record(world.peer({ timeout: 0 }));
  await world.clock.pass(3600 * SECOND);
  assertEquals(ofA.events, []);
});

Deno.test("SocketPeer abandons an attempt that hangs, and dials again", async () => {
  const world = new Simulation();
  world.dials = "swallow";
  const a = world.peer();
  const ofA = record(a);
  await world.clock.pass(10 * SECOND);
  assertEquals(ofA.events, ["connect_timeout", "connect_error", "error"]);
  world.dials = "accept";
  world.peer();
  await world.clock.pass(5 * SECOND);
  assert(a.connected);
});

Deno.test("SocketPeer reports each attempt that fails, and dials with backoff", async () => {
  const world = new Simulation();
  world.killServer();
  const a = world.peer({ timeout: 0 });
  const ofA = record(a);
  await world.clock.pass(120 * SECOND);
  const attempts = ofA.events.filter((event) => event === "connect_error");
  // Fewer than one in five seconds, and more than one in thirty.
  assert(attempts.length >= 4 && attempts.length <= 24, `${attempts.length}`);
  assertEquals(new Set(ofA.codes), new Set(["SOCKET"]));
  world.startServer();
  world.peer();
  await world.clock.pass(31 * SECOND);
  assert(a.connected);
});

Deno.test("SocketPeer is let go when it waits too long, and comes back", async () => {
  const world = new Simulation({ peerTimeout: 20 * SECOND });
  const a = world.peer({ timeout: 0 });
  const ofA = record(a);
  await world.clock.pass(65 * SECOND);
  assertEquals(ofA.events, []);
  assertEquals(ofA.states, [
    "connecting",
    "waiting",
    ...Array(3).fill(["reconnecting", "waiting"]).flat(),
  ]);
  world.peer();
  await world.clock.pass(2 * SECOND);
  assert(a.connected);
});

Deno.test("SocketPeer is busy while two others hold the code, who notice nothing", async () => {
  const { world, a, b, ofA, ofB } = await joined();
  forget(ofA, ofB);
  const third = world.peer();
  const ofThird = record(third);
  await world.clock.pass(10 * SECOND);
  assertEquals(ofThird.events.slice(0, 3), ["busy", "connect_error", "error"]);
  assertEquals(new Set(ofThird.codes), new Set(["BUSY", "CONNECT_TIMEOUT"]));
  assertEquals([...ofA.events, ...ofB.events], []);
  assertEquals([a.connected, b.connected], [true, true]);
  b.close();
  await world.clock.pass(60 * SECOND);
  assert(third.connected, "the third gets in when there is a place");
});

Deno.test("SocketPeer goes on after the relay broke, and loses nothing", async () => {
  const { world, a, b, ofA, ofB } = await joined(RELAY);
  forget(ofA, ofB);
  a.send("under way");
  world.cutSockets();
  a.send("meanwhile");
  b.send("from the other side");
  await world.clock.pass(5 * SECOND);
  assertEquals(ofB.messages, ["under way", "meanwhile"]);
  assertEquals(ofA.messages, ["from the other side"]);
  assertEquals(ofA.events, ["reconnect"]);
  assertEquals(ofB.events, ["reconnect"]);
});

Deno.test("SocketPeer goes on with another server, which knows nothing of it", async () => {
  const { world, a, b, ofA, ofB } = await joined(RELAY);
  world.killServer();
  a.send("kept");
  await world.clock.pass(30 * SECOND);
  world.startServer();
  // A stranger is first at the new server, and has to go.
  const stranger = record(world.peer({ ...RELAY, reconnect: false }));
  await world.clock.pass(60 * SECOND);
  assertEquals(ofB.messages, ["kept"]);
  assert(ofA.events.includes("reconnect"));
  assertEquals([a.connected, b.connected], [true, true]);
  assert(stranger.events.includes("busy"));
  assert(!stranger.events.includes("connect"));
});

Deno.test("SocketPeer reports attempts to reconnect that fail or hang", async () => {
  const { world, ofA } = await joined(RELAY);
  world.killServer();
  await world.clock.pass(10 * SECOND);
  assert(ofA.events.includes("reconnect_error"));
  forget(ofA);
  world.startServer();
  world.dials = "swallow";
  await world.clock.pass(60 * SECOND);
  const at = ofA.events.indexOf("reconnect_timeout");
  assertEquals(ofA.events.slice(at, at + 3), [
    "reconnect_timeout",
    "reconnect_error",
    "error",
  ]);
  assert(ofA.codes.includes("RECONNECT_TIMEOUT"));
});

Deno.test("SocketPeer takes its place on another socket where the one it has is silent, before that is given up", async () => {
  const { world, a, ofA, ofB } = await joined(RELAY);
  forget(ofA, ofB);
  world.stallSockets(a);
  a.send("into the void");
  await world.clock.pass(3 * SECOND);
  assertEquals(ofB.messages, ["into the void"]);
  assertEquals([ofA.events, ofB.events], [[], []]);
});

Deno.test("SocketPeer that only listens finds a silent socket soon after a heartbeat is missed", async () => {
  const { world, a, ofA, ofB } = await joined(RELAY);
  forget(ofA, ofB);
  world.stallSockets();
  a.send("into the void");
  await world.clock.pass(22 * SECOND);
  assertEquals(ofB.messages, ["into the void"]);
  assertEquals([ofA.events, ofB.events], [[], []]);
});

Deno.test("SocketPeer over a data channel is not interrupted by a broken socket", async () => {
  const { world, a, b, ofA, ofB } = await joined();
  forget(ofA, ofB);
  world.cutSockets();
  a.send("still direct");
  await world.clock.pass(100);
  assertEquals(ofB.messages, ["still direct"]);
  await world.clock.pass(10 * SECOND);
  assertEquals([...ofA.events, ...ofB.events], []);
  assertEquals([a.path, b.path, world.sockets.size], ["direct", "direct", 2]);
});

Deno.test("SocketPeer goes back to the relay when the channel closes, and up again", async () => {
  const { world, a, ofA, ofB } = await joined();
  forget(ofA, ofB);
  a.send("in flight");
  await world.clock.pass(0);
  world.closeChannels();
  a.send("after");
  await world.clock.pass(100);
  assertEquals(ofB.messages, ["in flight", "after"]);
  await world.clock.pass(10 * SECOND);
  assertEquals(ofA.events, ["downgrade", "upgrade_attempt", "upgrade"]);
  assertEquals(ofB.events, ["downgrade", "upgrade_attempt", "upgrade"]);
});

Deno.test("SocketPeer finds a silent channel within a second, and uses it again when it heals", async () => {
  const { world, a, b, ofA, ofB } = await joined();
  forget(ofA, ofB);
  world.stallChannels();
  a.send("detour");
  await world.clock.pass(900);
  assertEquals(ofB.messages, ["detour"]);
  assertEquals(ofA.events, ["downgrade"]);
  // The other peer still trusts the dead channel: its acknowledgement must
  // come back the way the message went.
  assertEquals(a.bufferedAmount, 0);
  b.send("back");
  await world.clock.pass(900);
  assertEquals(ofA.messages, ["back"]);
  world.healChannels();
  await world.clock.pass(2 * SECOND);
  assertEquals(ofA.events, ["downgrade", "upgrade"]);
  assertEquals(ofB.events, ["downgrade", "upgrade"]);
  assertEquals(ofA.messages.length + ofB.messages.length, 2);
});

Deno.test("SocketPeer ends when it is alone too long, tells what was not acknowledged, and looks for another", async () => {
  const { world, a, b, ofA } = await joined({
    ...RELAY,
    resumeTimeout: 30 * SECOND,
  });
  a.send("taken");
  await world.clock.pass(SECOND);
  b.removeAllListeners();
  world.killServer();
  a.send("one");
  a.send("two");
  await world.clock.pass(29 * SECOND);
  assertEquals(ofA.args.close, undefined);
  await world.clock.pass(2 * SECOND);
  assertEquals(ofA.args.close, [[{
    reason: "away",
    unacknowledged: 2,
    clean: false,
  }]]);
  a.send("for the next");
  world.startServer();
  await world.clock.pass(60 * SECOND);
  assertEquals(ofA.events.at(-1), "connect");
});

Deno.test("SocketPeer does not count the time that it slept", async () => {
  const { world, a, ofA } = await joined(RELAY);
  world.cutSockets();
  world.clock.jump(3600 * SECOND);
  await world.clock.pass(5 * SECOND);
  assertEquals(ofA.args.close, undefined);
  assert(a.connected);
});

Deno.test("SocketPeer ends at once without reconnect", async () => {
  const { world, a, ofA } = await joined({ ...RELAY, reconnect: false });
  a.send("lost");
  world.cutSockets();
  await world.clock.pass(SECOND);
  assertEquals(ofA.args.close, [[{
    reason: "lost",
    unacknowledged: 1,
    clean: false,
  }]]);
  assertThrows(() => a.send("x"), PeerClosedError);
  assertEquals([world.sockets.size, world.clock.pending], [0, 0]);
});

Deno.test("SocketPeer.close() first delivers what was sent", async () => {
  const { world, a, b, ofA, ofB } = await joined();
  for (let count = 0; count < 500; count++) a.send("x".repeat(10_000));
  a.close();
  assertEquals(a.connected, false);
  assertThrows(() => a.send("y"), PeerClosedError);
  await world.clock.pass(4 * SECOND);
  assertEquals(ofB.messages.length, 500);
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
  // The one that is left looks for another.
  world.peer();
  await world.clock.pass(2 * SECOND);
  assert(b.connected);
});

Deno.test("SocketPeer.close() gives up after its linger time, and counts", async () => {
  const { world, a, ofA } = await joined(RELAY);
  world.stallSockets();
  a.send("one");
  a.close();
  await world.clock.pass(4 * SECOND);
  assertEquals(ofA.args.close, undefined);
  await world.clock.pass(2 * SECOND);
  assertEquals(ofA.args.close, [[{
    reason: "local",
    unacknowledged: 1,
    clean: false,
  }]]);
});

Deno.test("SocketPeer.close() on both sides at once ends both soon", async () => {
  const { world, a, b, ofA, ofB } = await joined();
  a.close();
  b.close();
  await world.clock.pass(SECOND);
  assertEquals(ofA.args.close, [[{
    reason: "local",
    unacknowledged: 0,
    clean: false,
  }]]);
  assertEquals(ofB.args.close, [[{
    reason: "local",
    unacknowledged: 0,
    clean: false,
  }]]);
  await world.clock.pass(2 * SECOND);
  assertEquals([world.places, world.clock.pending], [0, 0]);
});

Deno.test("SocketPeer.close() before anybody came ends the wait", async () => {
  const world = new Simulation();
  const a = world.peer();
  const ofA = record(a);
  a.send("nobody");
  await world.clock.pass(SECOND);
  a.close();
  a.close();
  assertEquals(ofA.args.close, [[{
    reason: "local",
    unacknowledged: 1,
    clean: false,
  }]]);
  await world.clock.pass(SECOND);
  assertEquals([world.places, world.clock.pending], [0, 0]);
});

Deno.test("SocketPeer.connect() after close() begins a new conversation", async () => {
  const { world, a, b, ofA, ofB } = await joined();
  forget(ofA, ofB);
  a.send("last of the old");
  a.close();
  a.connect();
  a.send("first of the new");
  await world.clock.pass(10 * SECOND);
  assertEquals(ofB.messages, ["last of the old", "first of the new"]);
  assertEquals(ofA.events.filter((event) => event === "close").length, 1);
  assertEquals(ofA.events.filter((event) => event === "connect").length, 1);
  assertEquals([a.path, b.path], ["direct", "direct"]);
});

Deno.test("SocketPeer.destroy() waits for nothing, and the other side is told", async () => {
  const { world, a, ofA, ofB } = await joined(RELAY);
  a.send("x");
  a.destroy();
  assertEquals(ofA.args.close, [[{
    reason: "local",
    unacknowledged: 1,
    clean: false,
  }]]);
  await world.clock.pass(100);
  assertEquals(ofB.args.close.length, 1);
});

Deno.test("SocketPeer whose conversation the server ends does not come back", async () => {
  for (const options of [{}, RELAY]) {
    const { world, a, ofA, ofB } = await joined(options);
    a.send("x");
    assertEquals(await world.leave("code"), true);
    await world.clock.pass(60 * SECOND);
    for (const { args, states } of [ofA, ofB]) {
      assertEquals(args.close.length, 1);
      assertEquals((args.close[0][0] as { reason: string }).reason, "server");
      assertEquals(states.at(-1), "closed");
    }
    assertEquals([world.sockets.size, world.clock.pending], [0, 0]);
    assertEquals(world.openChannels, 0);
  }
});

Deno.test("SocketPeer without socketFallback sends nothing through the server", async () => {
  const world = new Simulation();
  const a = world.peer({ socketFallback: false });
  // One side that asks for it is enough.
  const b = world.peer();
  const [ofA, ofB] = [record(a), record(b)];
  a.send("one");
  await world.clock.pass(SECOND);
  assertEquals(ofA.events, ["upgrade_attempt", "connect", "upgrade"]);
  assertEquals(ofB.messages, ["one"]);
  world.closeChannels();
  a.send("two");
  await world.clock.pass(10 * SECOND);
  assertEquals(ofB.messages, ["one", "two"]);
  assert(ofA.events.includes("reconnect"));
  assertEquals(world.relayed, 0);
});

Deno.test("SocketPeer without socketFallback and WebRTC cannot connect, on either side", async () => {
  const world = new Simulation();
  const ofA = record(world.peer({ socketFallback: false }));
  const ofB = record(world.peer(RELAY));
  await world.clock.pass(60 * SECOND);
  for (const { events, codes, states } of [ofA, ofB]) {
    assertEquals(events, ["connect_error", "error"]);
    assertEquals(codes, ["WEBRTC_MISSING"]);
    assertEquals(states.at(-1), "idle");
  }
});

Deno.test("SocketPeer with a listener that throws loses no message", async () => {
  const { world, a, b } = await joined(RELAY);
  const uncaught: unknown[] = [];
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    uncaught.push(event.error);
  };
  globalThis.addEventListener("error", onError);
  const got: unknown[] = [];
  b.on("data", (message) => {
    got.push(message);
    throw new Error("a listener's own");
  });
  a.send(1);
  a.send(2);
  await world.clock.pass(SECOND);
  globalThis.removeEventListener("error", onError);
  assertEquals(got, [1, 2]);
  assertEquals(uncaught.length, 2);
});

Deno.test("SocketPeer that closes in its listener gets nothing more", async () => {
  const { world, a, b } = await joined(RELAY);
  const got: unknown[] = [];
  b.on("data", (message) => {
    got.push(message);
    b.close();
  });
  a.send(1);
  a.send(2);
  await world.clock.pass(SECOND);
  assertEquals(got, [1]);
});

Deno.test("SocketPeer ends a conversation with a peer that breaks the protocol", async () => {
  const { world, a, ofA, ofB } = await joined(RELAY);
  world.inject(a, new ArrayBuffer(3));
  await world.clock.pass(SECOND);
  const broken = ofA.args.close ? ofA : ofB;
  assertEquals(broken.codes, ["PROTOCOL"]);
  assertEquals(
    (broken.args.close[0][0] as { reason: string }).reason,
    "error",
  );
  void a;
});

Deno.test("SocketPeer reports a control message that it cannot read, and goes on", async () => {
  const { world, a, b, ofA, ofB } = await joined(RELAY);
  for (const peer of [a, b]) world.inject(peer, "{");
  a.send("still here");
  await world.clock.pass(SECOND);
  assertEquals([ofA.codes, ofB.codes], [["PROTOCOL"], ["PROTOCOL"]]);
  assertEquals(ofB.messages, ["still here"]);
  assert(b.connected);
});

Deno.test("SocketPeer.send() returns false and drain follows, once the other peer has it", async () => {
  const { world, a, ofA } = await joined(RELAY);
  forget(ofA);
  assertEquals(a.send(new Uint8Array(5_000_000)), false);
  assertEquals(ofA.events, []);
  await world.clock.pass(SECOND);
  assertEquals(ofA.events, ["drain"]);
});

Deno.test("SocketPeer.off() without a listener removes all of that event", async () => {
  const { world, a, b, ofB } = await joined(RELAY);
  b.off("data");
  a.send(1);
  await world.clock.pass(SECOND);
  assertEquals(ofB.messages, []);
  assertEquals(b.listeners("data").length, 0);
  assertEquals(b.listeners("connect").length, 1);
});

/** What may follow what, as a user sees it. */
const NEXT: Readonly<Record<ConnectionState, readonly ConnectionState[]>> = {
  idle: ["connecting", "closed"],
  connecting: ["waiting", "connected", "reconnecting", "idle", "closed"],
  waiting: ["connecting", "connected", "reconnecting", "idle", "closed"],
  connected: ["waiting", "reconnecting", "closed"],
  reconnecting: ["connecting", "waiting", "connected", "idle", "closed"],
  closed: [],
};

Deno.test("SocketPeer moves between states only as the table allows", async () => {
  const world = new Simulation({ seed: 7 });
  const moves: [ConnectionState, ConnectionState][] = [];
  const watch = (peer: SocketPeer) =>
    peer.on("statechange", (to, from) => moves.push([from, to]));
  const a = watch(world.peer());
  watch(world.peer());
  watch(world.peer());
  watch(world.peer({ pairCode: "alone", reconnect: false }));
  for (const strike of ["cutSockets", "killServer", "startServer"] as const) {
    await world.clock.pass(5 * SECOND);
    world[strike]();
    world.closeChannels();
  }
  await world.clock.pass(60 * SECOND);
  a.close();
  await world.clock.pass(60 * SECOND);
  assert(moves.length > 15, `${moves.length}`);
  assertEquals(moves.filter(([from, to]) => !NEXT[from].includes(to)), []);
});

Deno.test("SocketPeer whose conversation ended while the server was out of reach is not busy afterwards", async () => {
  const { world, a, b, ofB } = await joined();
  // Only the data channel is left to say goodbye on, so the server is not told.
  world.dials = "refuse";
  world.cutSockets();
  a.close();
  await world.clock.pass(2 * SECOND);
  assertEquals((ofB.args.close[0][0] as { reason: string }).reason, "remote");
  forget(ofB);
  world.dials = "accept";
  world.peer();
  await world.clock.pass(60 * SECOND);
  assert(b.connected);
});

Deno.test("SocketPeer without socketFallback does not wait for ever for a partner that died early", async () => {
  const world = new Simulation();
  world.directPossible = false;
  const options = { socketFallback: false, resumeTimeout: 20 * SECOND };
  const [a, b] = [world.peer(options), world.peer(options)];
  const ofB = record(b);
  await world.clock.pass(SECOND);
  world.crash(a);
  world.directPossible = true;
  await world.clock.pass(30 * SECOND);
  assertEquals((ofB.args.close[0][0] as { reason: string }).reason, "away");
  world.peer(options);
  await world.clock.pass(60 * SECOND);
  assertEquals(b.path, "direct");
});

Deno.test("SocketPeer is upgraded by whoever the last server says is to offer", async () => {
  const world = new Simulation();
  const [a, b] = [world.peer(), world.peer()];
  // The first is told of the second, and the second not of the first.
  await world.clock.pass(16);
  world.stallSockets(b);
  await world.clock.pass(10);
  assertEquals([a.connected, b.connected], [true, false]);
  world.killServer();
  world.cutSockets(b);
  // The other way round: the second is the first at the new server.
  world.startServer();
  b.connect();
  await world.clock.pass(60 * SECOND);
  assertEquals([a.path, b.path], ["direct", "direct"]);
});

Deno.test("SocketPeer ends a conversation as replaced where the server names another partner", async () => {
  const { world, a, ofA } = await joined(RELAY);
  const hello = { received: 0, webrtc: false, relay: true, maxMessageBytes: 9 };
  const data = { interval: 1000, initiator: true, id: "another", hello };
  world.inject(a, JSON.stringify({ type: "peer.found", data }));
  await world.clock.pass(100);
  assertEquals(ofA.args.close, [[{
    reason: "replaced",
    unacknowledged: 0,
    clean: false,
  }]]);
});

Deno.test("SocketPeer looks for anybody when the socket to a partner without a name breaks", async () => {
  const { world, a, ofA, b } = await joined(RELAY);
  b.destroy();
  await world.clock.pass(100);
  forget(ofA);
  ofA.args.close = [];
  const hello = { received: 0, webrtc: false, relay: true, maxMessageBytes: 9 };
  const data = { interval: 15_000, initiator: false, hello };
  const found = JSON.stringify({ type: "peer.found", data });
  world.inject(a, found);
  await world.clock.pass(100);
  assertEquals([a.connected, a.path], [true, "relay"]);
  // A peer without an id may be another each time.
  world.inject(a, found);
  await world.clock.pass(100);
  assertEquals(ofA.args.close, [[{
    reason: "replaced",
    unacknowledged: 0,
    clean: false,
  }]]);
  world.inject(a, found);
  await world.clock.pass(100);
  world.cutSockets();
  await world.clock.pass(100);
  assertEquals(ofA.args.close.slice(1), [
    [{ reason: "away", unacknowledged: 0, clean: false }],
  ]);
  const next = world.peer(RELAY);
  await world.clock.pass(5 * SECOND);
  assertEquals([a.connected, next.connected], [true, true]);
});

Deno.test("SocketPeer is not busy where another of the program lingers, which loses nothing", async () => {
  for (const webrtc of [true, false]) {
    const { world, a, b, ofB } = await joined({ webrtc });
    await world.clock.pass(5 * SECOND);
    // Three seconds' worth.
    world.link(a, { rate: 100_000 });
    const sent = Array.from({ length: 30 }, (_, n) => `${n}${"x".repeat(1e4)}`);
    for (const message of sent) a.send(message);
    a.close();
    const next = world.peer({ webrtc });
    const ofNext = record(next);
    await world.clock.pass(SECOND);
    assertEquals(ofNext.states, ["connecting"]);
    await world.clock.pass(9 * SECOND);
    assertEquals(ofB.messages, sent);
    assertEquals(ofB.args.close, [[{
      reason: "remote",
      unacknowledged: 0,
      clean: true,
    }]]);
    assertEquals([next.connected, b.connected], [true, true]);
    assertEquals([ofNext.codes, ofNext.args.busy], [[], undefined]);
  }
});

Deno.test("SocketPeer watches a new channel as it watched the one before", async () => {
  const { world, a, ofB } = await joined();
  world.stallChannels();
  a.send("detour");
  await world.clock.pass(900);
  assertEquals(a.path, "relay");
  // The other side opens a new one, while the old one is still being pinged.
  a.once("upgrade", () => {
    world.stallChannels();
    a.send("detour again");
  });
  world.closeChannels();
  while (a.path === "relay") await world.clock.pass(1);
  await world.clock.pass(900);
  assertEquals(ofB.messages, ["detour", "detour again"]);
});

Deno.test("SocketPeer sends again what a silent channel had, when the relay went away and came back", async () => {
  const { world, a, ofB } = await joined();
  world.stallChannels();
  a.send("detour");
  await world.clock.pass(900);
  assertEquals(a.path, "relay");
  world.dials = "refuse";
  world.cutSockets();
  // The silent channel is all that is left, so this goes into it.
  a.send("into the void");
  await world.clock.pass(100);
  world.dials = "accept";
  await world.clock.pass(20 * SECOND);
  assertEquals(ofB.messages, ["detour", "into the void"]);
  assertEquals(a.bufferedAmount, 0);
});

Deno.test("SocketPeer.close() waits for a Blob that is still being read", async () => {
  const { world, a, ofA, ofB } = await joined(RELAY);
  const blob = new Blob(["two"]);
  const read = Promise.withResolvers<ArrayBuffer>();
  blob.arrayBuffer = () => read.promise;
  a.send("one");
  a.send(blob);
  a.send("three");
  a.close();
  await world.clock.pass(SECOND);
  assertEquals(ofA.args.close, undefined);
  read.resolve(new Uint8Array([2]).buffer);
  await world.clock.pass(SECOND);
  assertEquals(ofB.messages, ["one", new Uint8Array([2]), "three"]);
  assertEquals(ofA.args.close, [[{
    reason: "local",
    unacknowledged: 0,
    clean: false,
  }]]);
});

Deno.test("SocketPeer emits drain where the acknowledgement comes with the next pairing", async () => {
  const { world, a, b, ofA } = await joined({
    ...RELAY,
    highWaterMark: 1_048_576,
  });
  forget(ofA);
  assertEquals(a.send(new Uint8Array(1_000_000)), true);
  assertEquals(a.send(new Uint8Array(100_000)), false);
  // The message arrives, and what says so is lost.
  b.once("data", () => world.cutSockets());
  await world.clock.pass(20 * SECOND);
  assert(ofA.events.includes("drain"));
});

Deno.test("SocketPeer that is destroyed in a listener of its state leaves nothing behind", async () => {
  for (const state of ["connecting", "reconnecting", "waiting", "closed"]) {
    const { world, a, ofA } = await joined(RELAY);
    const other = world.peer({ ...RELAY, pairCode: "other" });
    for (const peer of [a, other]) {
      peer.on("statechange", (to) => to === state && peer.destroy());
    }
    world.cutSockets();
    await world.clock.pass(60 * SECOND);
    a.close();
    await world.clock.pass(60 * SECOND);
    assertEquals(ofA.states.at(-1), "closed");
    assertEquals(ofA.args.close.length, 1, state);
  }
});

Deno.test("SocketPeer.connect() leaves an attempt that is under way alone", async () => {
  const { world, a } = await joined(RELAY, { latency: 150 });
  world.cutSockets();
  for (let count = 0; count < 20; count++) {
    await world.clock.pass(200);
    a.connect();
  }
  assert(a.connected);
});

Deno.test("SocketPeer looks for anyone again after WebRTC was missing", async () => {
  const world = new Simulation();
  const a = world.peer({ socketFallback: false });
  const ofA = record(a);
  const without = world.peer(RELAY);
  await world.clock.pass(SECOND);
  assertEquals(ofA.codes, ["WEBRTC_MISSING"]);
  without.close();
  a.connect();
  world.peer();
  await world.clock.pass(5 * SECOND);
  assertEquals(a.path, "direct");
});

Deno.test("SocketPeer that has given up comes back as another, and leaves the place that it had", async () => {
  const world = new Simulation();
  const peer = world.peer({ socketFallback: false });
  world.peer(RELAY);
  const pairs: PairRequest[] = [];
  world.ontraffic = ({ peer: of, direction, data }) => {
    if (of !== peer || direction !== "out" || typeof data !== "string") return;
    const message = JSON.parse(data);
    if (message.type === "pair") pairs.push(message.data);
  };
  await world.clock.pass(SECOND);
  peer.connect();
  await world.clock.pass(SECOND);
  const [first, second] = pairs;
  assertEquals(pairs.length, 2);
  assertEquals(second.leaves, { id: first.id, key: first.key });
  assertNotEquals(second.id, first.id);
});

Deno.test("SocketPeer.close() on both sides ends soon with much under way", async () => {
  const { world, a, b, ofA, ofB } = await joined(RELAY);
  for (const peer of [a, b]) {
    peer.send(new Uint8Array(300_000));
    peer.close();
  }
  await world.clock.pass(SECOND);
  assertEquals([ofA.args.close?.length, ofB.args.close?.length], [1, 1]);
});

Deno.test("SocketPeer whose place a late socket of its own has taken gets it back", async () => {
  const { world, a, ofA } = await joined(RELAY);
  const [socket] = world.sockets;
  // The server would say so when an older socket's "pair" came late.
  (socket as unknown as { closed(code: number, reason: string): void })
    .closed(4006, "a newer socket of this peer has its place");
  await world.clock.pass(5 * SECOND);
  assertEquals(ofA.args.close, undefined);
  assert(a.connected);
});

Deno.test("SocketPeer gives WebRTC the servers that the server names, at first and renewed, unless it has its own", async () => {
  const configs: { iceServers?: unknown }[] = [];
  const wrtc = {
    RTCPeerConnection: class {
      constructor(config: { iceServers?: unknown }) {
        this.setConfiguration(config);
      }
      setConfiguration(config: { iceServers?: unknown }) {
        configs.push(config);
      }
      createDataChannel() {
        throw new Error("none here");
      }
      close() {}
    },
  };
  const own = [{ urls: "stun:own" }];
  for (const rtcConfig of [undefined, { iceServers: own }]) {
    const world = new Simulation();
    const peer = world.peer({ wrtc, rtcConfig });
    await world.clock.pass(SECOND);
    const hello = {
      received: 0,
      webrtc: true,
      relay: true,
      maxMessageBytes: 9,
    };
    const inject = (type: string, data: unknown) =>
      world.inject(peer, JSON.stringify({ type, data }));
    const found = { interval: 60_000, initiator: true, id: "b", hello };
    inject("peer.found", { ...found, iceServers: [{ urls: "turn:one" }] });
    await world.clock.pass(10);
    inject("ice.servers", { iceServers: [{ urls: "turn:two" }] });
    await world.clock.pass(SECOND);
    const seen = configs.splice(0).map(({ iceServers }) => iceServers);
    // One connection is made before there is a server, and told its word when
    // it is used.
    assert(seen.length >= 3);
    const [early, first, last] = [seen[0], seen[1], seen.at(-1)];
    assertEquals(early, rtcConfig && own);
    assertEquals(first, rtcConfig ? own : [{ urls: "turn:one" }]);
    assertEquals(last, rtcConfig ? own : [{ urls: "turn:two" }]);
    peer.destroy();
  }
});

Deno.test("SocketPeer closes the connection that it has made early, where it is not needed", async () => {
  const open = new Set<object>();
  const wrtc = {
    RTCPeerConnection: class {
      constructor() {
        open.add(this);
      }
      close() {
        open.delete(this);
      }
    },
  };
  const world = new Simulation();
  world.peer(RELAY);
  await world.clock.pass(SECOND);
  const peer = world.peer({ wrtc });
  await world.clock.pass(0);
  assertEquals(open.size, 1);
  await world.clock.pass(SECOND);
  assertEquals([peer.path, open.size], ["relay", 0]);
  const other = world.peer({ wrtc, pairCode: "another" });
  await world.clock.pass(0);
  assertEquals(open.size, 1);
  other.destroy();
  assertEquals(open.size, 0);
  // Nor where dialing was the end at once, or a listener ended it.
  const socket = () => {
    throw new Error("No socket today");
  };
  const undialed = world.peer({ wrtc, socket, reconnect: false });
  const destroyed = world.peer({ wrtc, socket });
  destroyed.on("connect_error", () => destroyed.destroy());
  const errors = record(undialed);
  await world.clock.pass(SECOND);
  assertEquals(errors.args.connect_error?.length, 1);
  assertEquals(open.size, 0);
});

Deno.test("SocketPeer has no connection while it waits alone, and makes one when it is found", async () => {
  let [made, open] = [0, 0];
  const wrtc = {
    RTCPeerConnection: class {
      constructor() {
        made++;
        open++;
      }
      createDataChannel() {
        throw new Error("none here");
      }
      close() {
        open--;
      }
    },
  };
  const world = new Simulation();
  const waiting = Array.from(
    { length: 600 },
    (_, index) => world.peer({ wrtc, pairCode: `code ${index}` }),
  );
  await world.clock.pass(SECOND);
  assertEquals([made, open], [600, 0]);
  world.peer({ pairCode: "code 7" });
  await world.clock.pass(100);
  assert(waiting[7].connected);
  assertEquals(made, 601);
});

Deno.test("SocketPeer restarts ICE with new ICE servers, and keeps its connection", async () => {
  const { world, a, b, ofA, ofB } = await joined();
  await world.clock.pass(5 * SECOND);
  assertEquals([a.path, b.path], ["direct", "direct"]);
  forget(ofA, ofB);
  const offers: unknown[] = [];
  world.ontraffic = ({ peer, direction, data }) => {
    if (direction === "out" && String(data).includes(`"offer"`)) {
      offers.push(peer);
    }
  };
  const data = { iceServers: [{ urls: "turn:renewed" }] };
  world.inject(a, JSON.stringify({ type: "ice.servers", data }));
  a.send("during");
  await world.clock.pass(5 * SECOND);
  assertEquals(offers, [a]);
  assertEquals([ofA.events, ofB.events, ofB.messages], [[], [], ["during"]]);
});

Deno.test("SocketPeer closes a connection that refuses the server's STUN and TURN servers", async () => {
  const made: { closed: boolean }[] = [];
  const wrtc = {
    RTCPeerConnection: class {
      closed = false;
      constructor() {
        made.push(this);
      }
      setConfiguration() {
        throw new Error("no credential");
      }
      close() {
        this.closed = true;
      }
    },
  };
  const world = new Simulation();
  const peers = [world.peer({ wrtc }), world.peer({ wrtc })];
  await world.clock.pass(10 * SECOND);
  for (const peer of peers) peer.destroy();
  assert(made.length >= 3, `${made.length}`);
  assertEquals(made.filter(({ closed }) => !closed), []);
});

Deno.test("SocketPeer that is connected again while it connects makes one connection", async () => {
  let open = 0;
  const wrtc = {
    RTCPeerConnection: class {
      constructor() {
        open++;
      }
      close() {
        open--;
      }
    },
  };
  let dials = 0;
  const world = new Simulation();
  const peer = world.peer({
    wrtc,
    reconnect: false,
    autoconnect: false,
    socket: () => {
      if (dials++ === 0) throw new Error("not yet");
      return new Promise(() => {});
    },
  });
  peer.on("statechange", (to) => {
    if (to === "idle") peer.connect();
  });
  peer.connect();
  await world.clock.pass(SECOND);
  assertEquals([dials, open], [2, 1]);
  peer.destroy();
  assertEquals(open, 0);
});

// What a server remembers of conversations that are over must not end one
// that has not begun.
Deno.test("SocketPeer keeps its queue for the next connect() where the other leaves before there was a path", async () => {
  const world = new Simulation();
  world.peer({ webrtc: false, socketFallback: false });
  const peer = world.peer({ socketFallback: false });
  peer.send("patient");
  await world.clock.pass(SECOND);
  const next = record(world.peer({ socketFallback: false }));
  peer.connect();
  await world.clock.pass(10 * SECOND);
  assertEquals(next.messages, ["patient"]);
});

Deno.test("SocketPeer keeps its queue where it never heard of the other that came and left", async () => {
  const world = new Simulation();
  const peer = world.peer(RELAY);
  peer.send("patient");
  await world.clock.pass(SECOND);
  world.stallSockets(peer);
  const other = world.peer(RELAY);
  await world.clock.pass(SECOND);
  other.destroy();
  await world.clock.pass(SECOND);
  world.cutSockets(peer);
  await world.clock.pass(5 * SECOND);
  const next = record(world.peer(RELAY));
  await world.clock.pass(5 * SECOND);
  assertEquals(next.messages, ["patient"]);
});

Deno.test("SocketPeer tells the server that it is upgraded", async () => {
  const world = new Simulation();
  const reports: unknown[] = [];
  world.ontraffic = ({ peer, direction, data }) => {
    if (direction === "out" && data === `{"type":"upgrade"}`) {
      reports.push(peer);
    }
  };
  const [a, b] = [world.peer(), world.peer()];
  await world.clock.pass(SECOND);
  assert(reports.includes(a) && reports.includes(b));
  assertEquals(reports.length, 2);
});

Deno.test("SocketPeer waits as long as the server asks before it dials again", async () => {
  const world = new Simulation();
  const peer = world.peer({ reconnectDelay: 0 });
  await world.clock.pass(SECOND);
  const dials: number[] = [];
  world.ontraffic = ({ direction, data }) => {
    if (direction === "out" && String(data).includes(`"pair"`)) {
      dials.push(world.clock.now());
    }
  };
  const close = (reason: string) => {
    dials.splice(0);
    for (const socket of world.sockets) {
      (socket as unknown as { closed(code: number, reason: string): void })
        .closed(1012, reason);
    }
    return world.clock.now();
  };
  const at = close("the server restarts: retry in 3000 ms");
  await world.clock.pass(4 * SECOND);
  assertEquals(dials.map((time) => Math.round((time - at) / 100)), [30]);
  // The server's word holds only once, and not for days.
  const later = close("the server restarts: retry in 99999999999 ms");
  await world.clock.pass(4 * SECOND);
  assertEquals(dials.map((time) => Math.round((time - later) / 100)), [0]);
  assertEquals(peer.connected, false);
});

// Programs that come back without a word.

for (const webrtc of [false, true]) {
  Deno.test(`SocketPeer that starts again after a crash has its partner within 5 s (${webrtc ? "with" : "without"} WebRTC)`, async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { world, a, ofB } = await joined({ webrtc }, { seed });
      forget(ofB);
      world.crash(a);
      const again = world.peer({ webrtc });
      const ofAgain = record(again);
      await world.clock.pass(5 * SECOND);
      assertEquals(ofAgain.events[0], "connect");
      assertEquals(ofB.args.close[0], [
        { reason: "replaced", unacknowledged: 0, clean: false },
      ]);
      assert(again.connected, `seed ${seed}`);
    }
  });
}

Deno.test("SocketPeer keeps its place while its partner hears it on the data channel, whoever knocks", async () => {
  const world = new Simulation();
  // Peer a does not come back to the server.
  const a = world.peer({ reconnect: false });
  const b = world.peer();
  const [ofA, ofB] = [record(a), record(b)];
  await world.clock.pass(SECOND);
  forget(ofA, ofB);
  world.cutSockets(a);
  const stranger = record(world.peer());
  for (let second = 0; second < 30; second++) {
    a.send(second);
    await world.clock.pass(SECOND);
  }
  assertEquals(stranger.events[0], "busy");
  assertEquals(stranger.events.includes("connect"), false);
  assertEquals([a.path, b.path, ofA.events, ofB.events], [
    "direct",
    "direct",
    [],
    [],
  ]);
  assertEquals(ofB.messages.length, 30);
});

// Messages that nobody waits for yet.

Deno.test("SocketPeer holds messages until somebody listens, and once() in a loop misses none", async () => {
  const world = new Simulation();
  const [a, b] = [world.peer(RELAY), world.peer(RELAY)];
  await world.clock.pass(SECOND);
  for (let number = 0; number < 5; number++) a.send(number);
  let flushed = false;
  a.flush().then(() => flushed = true);
  await world.clock.pass(5 * SECOND);
  assertEquals([flushed, a.bufferedAmount > 0], [false, true]);
  const got: unknown[] = [];
  for (let number = 0; number < 5; number++) {
    b.once("data", (message) => got.push(message));
    await world.clock.pass(100);
    assertEquals(got.length, number + 1);
  }
  assertEquals([got, flushed], [[0, 1, 2, 3, 4], true]);
});

Deno.test("SocketPeer calls no listener before it was added", async () => {
  const world = new Simulation();
  const [a, b] = [world.peer(RELAY), world.peer(RELAY)];
  a.send("early");
  await world.clock.pass(SECOND);
  let added = false;
  b.on("data", () => assert(added));
  added = true;
  await world.clock.pass(SECOND);
  assertEquals(a.bufferedAmount, 0);
});

Deno.test("SocketPeer that nobody listens to learns of the end at once", async () => {
  const world = new Simulation();
  const [a, b] = [world.peer(RELAY), world.peer(RELAY)];
  await world.clock.pass(SECOND);
  const reasons: string[] = [];
  for (const peer of [a, b]) {
    peer.on("close", ({ reason }) => reasons.push(reason));
  }
  a.close();
  await world.clock.pass(100);
  assertEquals(reasons.sort(), ["local", "remote"]);
});

// Pages and platforms.

Deno.test("SocketPeer whose close listener connects again has one listener for its page, however often that is left", async () => {
  const world = new Simulation();
  const peer = world.peer();
  let closes = 0;
  peer.on("close", () => {
    closes++;
    peer.connect();
  });
  let pairs = 0;
  world.ontraffic = ({ data }) => {
    if (`${data}`.includes('"type":"pair"')) pairs++;
  };
  for (let round = 1; round <= 14; round++) {
    await world.clock.pass(SECOND);
    world.hidePage(peer);
    await world.clock.pass(SECOND);
    assertEquals([closes, pairs], [round, round]);
    world.showPage(peer);
  }
  await world.clock.pass(SECOND);
  assertEquals(world.sockets.size, 1);
});

Deno.test("SocketPeer takes an error of a socket that never opened for its end", async () => {
  const world = new Simulation();
  let dials = 0;
  /**
   * A socket as on Node 20 and 22: no `close` follows, and it stays
   * "connecting".
   */
  const socket = () => {
    dials++;
    const failing = {
      readyState: 0,
      binaryType: "",
      onerror: null as ((event: never) => void) | null,
      onopen: null,
      onmessage: null,
      onclose: null,
      send() {},
      close() {},
    };
    world.clock.after(10, () => failing.onerror?.({} as never));
    return failing;
  };
  const peer = world.peer({ socket, timeout: 0, reconnectDelay: 100 });
  const errors = record(peer);
  await world.clock.pass(SECOND);
  assert(dials > 2, `${dials}`);
  assertEquals(errors.codes[0], "SOCKET");
});

Deno.test("SocketPeer that is not told where to connect does nothing without a page until connect()", async () => {
  const world = new Simulation();
  const peer = world.peer({ url: undefined });
  await world.clock.pass(SECOND);
  assertEquals(world.sockets.size, 0);
  peer.connect();
  await world.clock.pass(SECOND);
  assertEquals(world.sockets.size, 1);
});
