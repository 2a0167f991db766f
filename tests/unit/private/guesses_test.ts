/**
 * Guesses at a secret, and how many are possible: each attempt is one guess,
 * each is counted by the peer that knows the secret, and each is seen.
 */

import { assert, assertEquals } from "@std/assert";
import {
  type PrivateOptions,
  SocketPeer,
  WrongPeerError,
} from "../../../private.ts";
import { type SimulatedPeerOptions, Simulation } from "../../../testing.ts";
import { MaliciousRelay, ofType } from "../../support/malicious_relay.ts";
import { record } from "../../support/recorder.ts";

const SECOND = 1000;

type Options = PrivateOptions & SimulatedPeerOptions;

const KEY = Uint8Array.from({ length: 16 }, (_, at) => at);

/** A private peer, whose relay is honest for now. */
function side(world: Simulation, options: Options) {
  const relay = new MaliciousRelay();
  const peer = world.peer(
    { reconnectDelay: 100, webrtc: false, ...options },
    relay.PeerClass,
  );
  return { relay, peer, seen: record(peer) };
}

/** A peer that makes a code, and waits for the other. */
async function maker(options: Options = {}) {
  const world = new Simulation();
  const made = side(world, { pairCode: undefined, ...options });
  const codes: string[] = [];
  made.peer.on("code", (code) => codes.push(code));
  await world.clock.pass(SECOND);
  const [code] = codes;
  assertEquals([codes, made.peer.pairCode], [[code], code]);
  return { world, ...made, code };
}

/** A code with this number, whose words are others. */
function otherWords(code: string): string {
  const [number, word] = code.split("-");
  return `${number}-${word === "zebra" ? "acorn" : "zebra"}-lunar-basin`;
}

/** Somebody who guesses, and what becomes of it. */
async function guess(world: Simulation, pairCode: string, waitMs = 5 * SECOND) {
  const guesser = side(world, { pairCode });
  guesser.peer.send("a guess");
  await world.clock.pass(waitMs);
  return guesser;
}

Deno.test("private SocketPeer that made a code waits for the right one through two wrong ones", async () => {
  const { world, peer, seen, code } = await maker();
  peer.send("for the right one");
  for (let failures = 1; failures <= 2; failures++) {
    const guesser = await guess(world, otherWords(code));
    assertEquals(guesser.seen.codes, ["WRONG_SECRET"]);
    assertEquals(guesser.seen.messages, []);
    assertEquals(seen.codes, Array(failures).fill("WRONG_SECRET"));
  }
  const right = await guess(world, code);
  assertEquals(right.seen.messages, ["for the right one"]);
  assertEquals(seen.messages, ["a guess"]);
  assertEquals(peer.verification, right.peer.verification);
  assertEquals(peer.pairCode, code, "its number is still the same");
});

Deno.test("private SocketPeer that made a code stops at the third wrong one", async () => {
  const { world, peer, seen, code, relay } = await maker();
  peer.send("secret");
  for (let failures = 0; failures < 3; failures++) {
    await guess(world, otherWords(code));
  }
  assertEquals(seen.codes, Array(3).fill("WRONG_SECRET"));
  const errors = seen.args.error.map(([error]) => error as WrongPeerError);
  assertEquals(errors.map(({ attemptsLeft }) => attemptsLeft), [2, 1, 0]);
  const texts = errors.map(({ message }) => message);
  assert(texts[0].includes("after 2 more"), texts[0]);
  assert(texts[1].includes("after 1 more"), texts[1]);
  assert(texts[2].includes("it is used up: make a new code"), texts[2]);
  assertEquals(seen.states.at(-1), "idle");
  // The right one comes too late.
  const { sockets } = relay;
  const dialed = sockets.length;
  const late = await guess(world, code, 60 * SECOND);
  assertEquals([late.peer.connected, late.seen.messages], [false, []]);
  assertEquals(sockets.length, dialed);

  peer.connect();
  await world.clock.pass(SECOND);
  assertEquals(seen.codes.at(-1), "CODE_USED");
  assertEquals(seen.events.slice(-2), ["connect_error", "error"]);
  assertEquals([sockets.length, relay.closes.at(-1)], [dialed, 4000]);
  assert(peer.bufferedAmount > 0, "what was sent is kept");
});

Deno.test("private SocketPeer that was given a code stops at the first wrong one", async () => {
  const { world, code } = await maker();
  const typist = await guess(world, otherWords(code), 60 * SECOND);
  assertEquals(typist.seen.codes, ["WRONG_SECRET"]);
  assertEquals(typist.seen.events, ["connect_error", "error"]);
  const [[error]] = typist.seen.args.error;
  assert(error instanceof WrongPeerError);
  assert(error.message.endsWith("and make a new peer with it"), error.message);
  assertEquals(typist.relay.sockets.length, 1);
  typist.peer.connect();
  await world.clock.pass(SECOND);
  assertEquals(typist.seen.codes, ["WRONG_SECRET", "CODE_USED"]);
  assertEquals(typist.relay.sockets.length, 1);
});

Deno.test("private SocketPeer without reconnect makes no other attempt by itself", async () => {
  const { world, peer, seen, relay, code } = await maker({ reconnect: false });
  await guess(world, otherWords(code), 60 * SECOND);
  assertEquals([seen.codes, relay.sockets.length], [["WRONG_SECRET"], 1]);
  peer.connect();
  await world.clock.pass(SECOND);
  assertEquals((await guess(world, code)).seen.messages, []);
  assert(peer.connected);
});

Deno.test("private SocketPeer counts who breaks off before saying whether they knew", async () => {
  const { world, peer, seen, code } = await maker();
  for (let failures = 1; failures <= 3; failures++) {
    const guesser = side(world, { pairCode: otherWords(code) });
    // The guesser has the maker's proof then, and tries all words on it.
    guesser.relay.up = ofType("private.start", () => []);
    guesser.relay.down = ofType("private.start", () => {
      world.crash(guesser.peer);
      return [];
    });
    await world.clock.pass(5 * SECOND);
    assertEquals(peer.verification, null);
  }
  // The second and the third guesser took the place of the one before.
  assertEquals(seen.events, ["close", "close"]);
  peer.close();
  peer.connect();
  await world.clock.pass(SECOND);
  assertEquals(seen.codes, ["WRONG_SECRET"]);
  const [[error]] = seen.args.error;
  const { message } = error as Error;
  assert(message.includes("it is used up: make a new code"), message);
  peer.connect();
  await world.clock.pass(SECOND);
  assertEquals(seen.codes.at(-1), "CODE_USED");
});

Deno.test("private SocketPeer makes one guess possible on two sockets", async () => {
  // What two who guess would say, of worlds where they are alone.
  const guesses: unknown[] = [];
  for (const secret of ["one guess", "another guess"]) {
    const world = new Simulation({ seed: 2 + guesses.length });
    const { relay } = side(world, { pairCode: "room", secret });
    await world.clock.pass(SECOND);
    const { id, hello } = JSON.parse(relay.last("pair", relay.sent)).data;
    guesses.push({ id, hello, initiator: true, interval: 30_000 });
  }
  // The guessers come at the same time, or one soon after the other.
  for (let turns = 0; turns < 40; turns++) {
    const world = new Simulation();
    const { relay, peer } = side(world, { pairCode: "room", secret: "right" });
    await world.clock.pass(100);
    // The peer's socket goes silent, so it dials another beside it.
    relay.down = relay.up = () => [];
    world.wake(peer);
    await world.clock.pass(1700);
    assertEquals(relay.sockets.length, 2);
    for (const [index, data] of guesses.entries()) {
      relay.sockets[index].give(JSON.stringify({ type: "peer.found", data }));
      for (let turn = 0; turn < turns; turn++) await null;
    }
    await world.clock.pass(100);
    await world.clock.pass(100);
    const keys = new Set(relay.nonces.map((nonce) => nonce.split(" ")[0]));
    assertEquals(keys.size, 1);
  }
});

Deno.test("private SocketPeer with a key lets any number fail", async () => {
  const world = new Simulation();
  const { peer, seen } = side(world, { pairCode: "room", secret: KEY });
  peer.send("secret");
  for (let failures = 0; failures < 10; failures++) {
    const other = side(world, {
      pairCode: "room",
      secret: KEY.with(15, 100 + failures),
      reconnect: false,
    });
    await world.clock.pass(60 * SECOND);
    assertEquals(other.seen.codes[0], "WRONG_SECRET");
    assertEquals(other.seen.messages, []);
    other.peer.destroy();
  }
  assert(seen.codes.filter((code) => code === "WRONG_SECRET").length >= 10);
  const right = side(world, { pairCode: "room", secret: KEY });
  await world.clock.pass(60 * SECOND);
  assertEquals(right.seen.messages, ["secret"]);
});

Deno.test("private SocketPeer with a text for a secret is used up by three failures, over all its conversations", async () => {
  const world = new Simulation();
  const room: Options = { pairCode: "room" };
  const { peer, seen } = side(world, { ...room, secret: "right" });
  for (let round = 1; round <= 3; round++) {
    const right = side(world, { ...room, secret: "right" });
    await world.clock.pass(5 * SECOND);
    assert(peer.connected, "it connects again and again with the right one");
    right.peer.destroy();
    await world.clock.pass(SECOND);
    const wrong = side(world, {
      ...room,
      secret: "wrong",
      reconnect: false,
    });
    await world.clock.pass(5 * SECOND);
    assertEquals(seen.codes, Array(round).fill("WRONG_SECRET"));
    wrong.peer.destroy();
  }
  const [error] = seen.args.error.at(-1)!;
  const { message } = error as Error;
  assert(message.includes("it is used up: make a new secret"), message);
  peer.connect();
  await world.clock.pass(SECOND);
  assertEquals(seen.codes.at(-1), "CODE_USED");
});

Deno.test("private SocketPeer finds its partner where a stranger has taken the number once", async () => {
  const { world, peer, seen, code } = await maker();
  const stranger = side(world, { pairCode: otherWords(code) });
  // The stranger says nothing, and its network is gone.
  stranger.relay.up = ofType("private.start", () => []);
  stranger.relay.down = ofType("private.start", () => {
    world.crash(stranger.peer);
    return [];
  });
  await world.clock.pass(5 * SECOND);
  const right = await guess(world, code);
  assert(peer.connected && right.peer.connected);
  assertEquals([seen.codes, right.seen.codes], [[], []]);
});

Deno.test("private SocketPeer whose listener connects again and again tells it each time that the code is used", async () => {
  const { world, code } = await maker();
  const { peer, seen } = side(world, { pairCode: otherWords(code) });
  // The peer once called itself until the stack was full, and told of the wrong
  // secret again and again.
  let calls = 0;
  peer.on("connect_error", () => {
    if (calls++ < 5000) peer.connect();
  });
  await world.clock.pass(60 * SECOND);
  assertEquals(seen.codes, ["WRONG_SECRET", ...Array(5000).fill("CODE_USED")]);
});

Deno.test("private SocketPeer is told of a wrong secret by a partner that leaves, too", async () => {
  const { world, peer, seen, code, relay } = await maker({ reconnect: false });
  relay.down = ofType("private.start", () => []);
  const guesser = await guess(world, otherWords(code), SECOND);
  assertEquals([guesser.seen.codes, seen.codes], [
    ["WRONG_SECRET"],
    ["WRONG_SECRET"],
  ]);
  assertEquals(seen.events, ["connect_error", "error"]);
  assertEquals(peer.verification, null);
});

Deno.test("private SocketPeer may be connected, closed or destroyed by who hears of a wrong secret", async () => {
  for (const act of ["connect", "close", "destroy"] as const) {
    for (const event of ["connect_error", "error"] as const) {
      const { world, peer, seen, code, relay } = await maker();
      peer.once(event, () => peer[act]());
      await guess(world, otherWords(code), 60 * SECOND);
      assertEquals(seen.codes.filter((each) => each !== "CONNECT_TIMEOUT"), [
        "WRONG_SECRET",
      ]);
      const goesOn = act === "connect";
      assertEquals(relay.sockets.length, goesOn ? 2 : 1, act);
      const right = await guess(world, code);
      assertEquals(right.peer.connected, goesOn, act);
    }
  }
});

Deno.test("private SocketPeer makes no attempt after close() and destroy(), also while it waits for the next", async () => {
  for (const act of ["close", "destroy"] as const) {
    const { world, peer, seen, code, relay } = await maker({
      reconnectDelay: 20 * SECOND,
    });
    await guess(world, otherWords(code), 50);
    assertEquals(seen.codes, ["WRONG_SECRET"]);
    peer[act]();
    await world.clock.pass(60 * SECOND);
    assertEquals(relay.sockets.length, 1);
    assertEquals(seen.args.close, [[{
      reason: "local",
      unacknowledged: 0,
      clean: false,
    }]]);
    // The two failures that are left are left.
    peer.connect();
    await world.clock.pass(SECOND);
    const right = await guess(world, code);
    assert(right.peer.connected);
  }
});

Deno.test("private SocketPeer waits longer from failure to failure", async () => {
  const world = new Simulation();
  const { relay, seen } = side(world, {
    pairCode: "room",
    secret: KEY,
    reconnectDelay: SECOND,
  });
  side(world, { pairCode: "room", secret: KEY.with(0, 9), reconnectDelay: 0 });
  await world.clock.pass(300 * SECOND);
  const failures = seen.codes.filter((code) => code === "WRONG_SECRET").length;
  assert(failures > 8 && failures < 60, `${failures}`);
  assert(relay.sockets.length <= failures + 2);
});

Deno.test("private SocketPeer takes a spoken code for one conversation", async () => {
  for (const reason of ["local", "remote"]) {
    const { world, peer, seen, code, relay } = await maker();
    const { peer: other } = await guess(world, code);
    assert(peer.connected);
    if (reason === "local") peer.close();
    else other.close();
    await world.clock.pass(60 * SECOND);
    assertEquals(seen.args.close, [[{
      reason,
      unacknowledged: 0,
      clean: reason === "remote",
    }]]);
    assertEquals(relay.sockets.length, 1, "no other conversation follows");
    peer.connect();
    await world.clock.pass(SECOND);
    assertEquals(seen.codes, ["CODE_USED"]);
    assertEquals([relay.sockets.length, world.sockets.size], [1, 0]);
  }
});

Deno.test("private SocketPeer that waited in vain keeps its code", async () => {
  const { world, peer, seen, code } = await maker();
  peer.close();
  await world.clock.pass(SECOND);
  peer.connect();
  await world.clock.pass(SECOND);
  assertEquals(peer.pairCode, code);
  const other = await guess(world, code);
  assert(other.peer.connected && peer.connected);
  assertEquals(seen.codes, []);
});

Deno.test("private SocketPeer with the same key finds its partner without a code", async () => {
  const world = new Simulation();
  // These peers are the simulation's own, which gives all the same code.
  const options: Options = { pairCode: undefined, secret: KEY };
  const a = world.peer(options, SocketPeer);
  const b = world.peer(options, SocketPeer);
  const c = world.peer({ ...options, secret: KEY.with(0, 99) }, SocketPeer);
  await world.clock.pass(2 * SECOND);
  assertEquals([a.connected, b.connected, c.connected], [true, true, false]);
  assertEquals(a.pairCode, b.pairCode);
  assert(a.pairCode !== c.pairCode);
});
