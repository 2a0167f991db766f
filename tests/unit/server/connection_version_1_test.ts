import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  type FakePeer,
  FakeServer,
  pairText,
  turn,
} from "../../support/fake_server.ts";
import { encodeMessage } from "../../../src/protocol/message.ts";
import { Session } from "../../../src/protocol/session.ts";
import { HELLO_1 } from "../../../src/server/version_1.ts";
import { fuzz } from "../../support/fuzz.ts";

const found = (initiator: boolean) => ({
  type: "peer.found",
  data: { initiator },
});

/** What a client of version 2 is told of a partner of version 1. */
const FOUND_LEGACY = {
  type: "peer.found",
  data: { interval: 15_000, initiator: false, hello: HELLO_1 },
};

/**
 * What a client is sent, and how it is closed; nothing, where it is left alone.
 */
function assertUntouched(...peers: FakePeer[]): void {
  for (const { socket } of peers) {
    assertEquals([socket.sent, socket.closes], [[], []]);
  }
}

/** Two clients of version 1 that have found each other. */
async function joinLegacyPair(server: FakeServer) {
  const a = await server.joinLegacy();
  const b = await server.joinLegacy();
  a.socket.taken();
  b.socket.taken();
  return { a, b };
}

/** A client of version 1, which came first, and one of version 2. */
async function joinMixedPair(server: FakeServer) {
  const old = await server.joinLegacy();
  const young = await server.join("young");
  old.socket.taken();
  young.socket.taken();
  return { old, young };
}

Deno.test("Connection pairs two of version 1, and has the second make the offer", async () => {
  const server = new FakeServer();
  const a = await server.joinLegacy();
  // Version 1 is told nothing while it waits, and asked for no sign of life.
  assertUntouched(a);
  const b = await server.joinLegacy();
  assertEquals(a.socket.taken(), [found(false)]);
  assertEquals(b.socket.taken(), [found(true)]);
  server.clock.advance(3_600_000);
  assertUntouched(a, b);
  a.connection.onClose(1005);
  b.connection.onClose(1005);
  server.assertNothingLeft();
});

Deno.test("Connection refuses one of version 1 that nobody would ask for a sign of life", async () => {
  const server = new FakeServer();
  const { socket, connection } = server.connect();
  Object.assign(socket, { answersHeartbeats: true });
  connection.onText('{"type":"pair","data":"s3cret"}');
  await turn();
  assertEquals(socket.closeCode, 4001);
  assertEquals(server.refusals(), ["malformed"]);
  server.assertNothingLeft();
});

Deno.test("Connection takes a number for a pair code of version 1, as its server did", async () => {
  const server = new FakeServer();
  const a = await server.joinLegacy(42);
  await server.joinLegacy("42");
  assertEquals(a.socket.taken(), [found(false)]);
});

Deno.test("Connection passes messages and signals of version 1 on letter for letter", async () => {
  const server = new FakeServer();
  const { a, b } = await joinLegacyPair(server);
  const texts = [
    '{"type":"data","data":"hello"}',
    ' { "data" : [1.0e0, null] , "type":"data" }',
    '{"type":"data"}',
    '{"type":"rtc.connect"}',
    '{"type":"rtc.signal","data":{"type":"offer","sdp":"v=0\\r\\n"}}',
    '{"type":"rtc.signal","data":{"candidate":{"candidate":""}}}',
  ];
  for (const text of texts) a.connection.onText(text);
  assertEquals(b.socket.sent, texts);
  b.connection.onText(texts[0]);
  assertStrictEquals(a.socket.sent[0], texts[0]);
});

Deno.test("Connection lets no peer of version 1 speak for the server", async () => {
  const server = new FakeServer();
  const { a, b } = await joinLegacyPair(server);
  const forged = [
    '{"type":"busy"}',
    '{"type":"error","data":{}}',
    '{"type":"peer.found","data":{"initiator":true}}',
    // The last one counts, here as there.
    '{"type":"data","data":1,"type":"busy"}',
  ];
  for (const text of forged) a.connection.onText(text);
  assertUntouched(b);
  assertEquals(a.socket.types(), forged.map(() => "warning"));
});

Deno.test("Connection has the one of version 1 that stays wait for the next", async () => {
  const server = new FakeServer();
  const { a, b } = await joinLegacyPair(server);
  a.connection.onClose(1006);
  assertUntouched(b);
  assertEquals([server.registry.waiting, server.registry.pairs], [1, 0]);
  b.connection.onText('{"type":"data","data":"to nobody"}');
  server.clock.advance(3_600_000);
  assertUntouched(b);
  const c = await server.joinLegacy();
  assertEquals(b.socket.taken(), [found(false)]);
  assertEquals(c.socket.taken(), [found(true)]);
  // And so on, whoever goes.
  b.connection.onClose(4000);
  const d = await server.joinLegacy();
  assertEquals(c.socket.taken(), [found(false)]);
  assertEquals(d.socket.taken(), [found(true)]);
  c.connection.onText('{"type":"data","data":1}');
  assertEquals(d.socket.types(), ["data"]);
  for (const { connection } of [c, d]) connection.onClose(1005);
  server.assertNothingLeft();
});

Deno.test("Connection tells a third of version 1 that the pair is busy", async () => {
  const server = new FakeServer();
  const { a, b } = await joinLegacyPair(server);
  const c = await server.joinLegacy();
  assertEquals(c.socket.taken(), [{ type: "busy" }]);
  assertEquals(c.socket.closeCode, 4005);
  const d = await server.join("d");
  assertEquals([d.socket.sent, d.socket.closeCode], [[], 4005]);
  assertUntouched(a, b);
  a.connection.onText('{"type":"data","data":1}');
  assertEquals(b.socket.types(), ["data"]);
});

Deno.test("Connection never sends an error to one of version 1", async () => {
  const server = new FakeServer({ maxControlLength: 1000 });
  const { a, b } = await joinLegacyPair(server);
  const texts = [
    "",
    "hello",
    "{",
    "null",
    '{"type":"pong"}',
    '{"type":"pair","data":"again"}',
    '{"type":"pair"}',
    pairText("a"),
    JSON.stringify({ type: "data", data: "x".repeat(1000) }),
  ];
  for (const text of texts) {
    a.connection.onText(text);
    assertEquals(a.socket.types(), ["warning"], text.slice(0, 80));
  }
  assertUntouched(a, b);
  for (const code of ["", "x".repeat(300), null]) {
    const refused = await server.joinLegacy(code);
    assertEquals(refused.socket.types(), ["warning"]);
    assertEquals(refused.socket.closeCode, 4001);
  }
});

Deno.test("Connection passes messages of version 1 on up to maxControlLength", async () => {
  const server = new FakeServer({ maxControlLength: 100 });
  const { a, b } = await joinLegacyPair(server);
  const text = (length: number) =>
    `{"type":"data","data":"${"x".repeat(length - 25)}"}`;
  a.connection.onText(text(100));
  assertEquals(b.socket.sent, [text(100)]);
  a.connection.onText(text(101));
  assertEquals(b.socket.sent.length, 1);
  assertEquals(a.socket.taken()[0].type, "warning");
});

Deno.test("Connection does not count messages of version 1 as control messages", async () => {
  const server = new FakeServer({ controlRate: { burst: 5, perSecond: 1 } });
  const { a, b } = await joinLegacyPair(server);
  for (let time = 0; time < 1000; time++) {
    a.connection.onText('{"type":"data","data":1}');
  }
  assertEquals(b.socket.types().length, 1000);
  assertEquals(server.traffic.relayedPackets, 1000);
  for (let time = 0; time < 5; time++) {
    a.connection.onText('{"type":"rtc.connect"}');
  }
  assertEquals(a.socket.closeCode, 4010);
  assertEquals(b.socket.closes, []);
});

Deno.test("Connection gives up one of version 1 that does not read", async () => {
  const server = new FakeServer({ maxBufferedBytes: 1000 });
  const { a, b } = await joinLegacyPair(server);
  b.socket.stalled = true;
  const text = `{"type":"data","data":"${"x".repeat(400)}"}`;
  for (let time = 0; time < 3; time++) a.connection.onText(text);
  assertEquals(b.socket.closeCode, 4009);
  assertUntouched(a);
  await server.joinLegacy();
  assertEquals(a.socket.taken(), [found(false)]);
});

Deno.test("Connection passes no binary messages between two of version 1", async () => {
  const server = new FakeServer();
  const { a, b } = await joinLegacyPair(server);
  a.connection.onBinary(new ArrayBuffer(6));
  assertUntouched(a, b);
});

Deno.test("Connection asks for a sign of life from version 2 alone", async () => {
  const server = new FakeServer();
  const { old, young } = await joinMixedPair(server);
  server.pass(15_000, young);
  assertUntouched(old);
  server.clock.advance(60_000);
  assertEquals(young.socket.closeCode, 4009);
  assertUntouched(old);
});

Deno.test("Connection lets one of version 1 wait for longer than peerTimeout", async () => {
  const server = new FakeServer({ peerTimeout: 1000 });
  const old = await server.joinLegacy();
  server.clock.advance(100_000);
  assertUntouched(old);
  assertEquals(server.clock.pending, 0);
});

Deno.test("Connection pairs version 1 with version 2, and has nobody make an offer", async () => {
  for (const oldFirst of [true, false]) {
    const server = new FakeServer();
    server.iceServers.get = () => Promise.resolve([{ urls: "stun:x" }]);
    const join = async (old: boolean) =>
      await (old ? server.joinLegacy() : server.join("young"));
    const first = await join(oldFirst);
    const second = await join(!oldFirst);
    const [old, young] = oldFirst ? [first, second] : [second, first];
    // No id: that is how version 2 knows.
    assertEquals(old.socket.taken(), [found(false)]);
    assertEquals(young.socket.taken().at(-1), FOUND_LEGACY);
    assertEquals(server.registry.pairs, 1);
    old.connection.onClose(1005);
    server.assertNothingLeft();
  }
});

/** The session of one of version 2, and what it has received. */
function sessionOf({ connection, socket }: FakePeer, maxMessageBytes = 65_536) {
  const messages: unknown[] = [];
  const session = new Session({
    onMessage: (message) => messages.push(message),
    onEnd() {},
  }, maxMessageBytes);
  const send = (...values: unknown[]) => {
    for (const value of values) session.queue(encodeMessage(value));
    for (let packet; (packet = session.nextPacket(null, 0));) {
      connection.onBinary(packet.slice());
    }
  };
  const receive = () => {
    for (const packet of socket.taken()) session.receive(packet);
  };
  return { session, messages, send, receive };
}

/** What a client of version 1 is told as `data`. */
const heard = ({ socket }: FakePeer) =>
  socket.taken().map(({ type, data }) => {
    assertEquals(type, "data");
    return data;
  });

Deno.test("Connection passes messages between version 1 and version 2, and nothing else", async () => {
  const server = new FakeServer();
  const { old, young } = await joinMixedPair(server);
  const { session, messages, send, receive } = sessionOf(young);
  const sent = ["text", "", { x: [1, { y: null }] }, 7, null, "x".repeat(6e4)];
  for (const data of sent) {
    old.connection.onText(JSON.stringify({ type: "data", data }));
  }
  old.connection.onText('{"type":"data"}');
  receive();
  assertEquals(messages, [...sent, null]);
  // The young client says that it has them, which is nothing that version 1
  // hears of.
  young.connection.onBinary(session.ackPacket().slice());
  assertUntouched(old);

  send(...sent);
  assertEquals(heard(old), sent);
  receive();
  assertEquals(session.bufferedBytes, 0);
  const probe = session.probePacket(1);
  young.connection.onBinary(probe.slice());
  assertEquals(young.socket.types(), ["packet"]);

  young.connection.onText('{"type":"rtc.connect","data":{"generation":1}}');
  young.connection.onText(
    '{"type":"rtc.signal","data":{"generation":1,"candidates":[]}}',
  );
  old.connection.onText('{"type":"rtc.connect"}');
  old.connection.onText('{"type":"rtc.signal","data":{"generation":0}}');
  old.connection.onBinary(new ArrayBuffer(12));
  assertUntouched(old, young);
});

Deno.test("Connection says in version 1 what comes in many packets, in order", async () => {
  await fuzz(50, async (chance) => {
    const server = new FakeServer();
    const { old, young } = await joinMixedPair(server);
    const { session, send, receive } = sessionOf(young);
    session.packetBytes = 20 + chance.below(2000);
    const sent = Array.from(
      { length: 100 },
      (_, index) => `${index}${"x".repeat(chance.below(500))}`,
    );
    send(...sent.slice(0, 50));
    send(...sent.slice(50));
    assertEquals(heard(old), sent);
    receive();
    assertEquals(session.unacknowledged, 0);
  });
});

Deno.test("Connection ends the conversation with what version 1 cannot be told, and says why", async () => {
  const cases: [unknown, string][] = [
    [new Uint8Array([1]), "to a peer of version 1"],
    ["\0".repeat(20_000), "to a peer of version 1"],
    ["x".repeat(65_537), "65537 bytes"],
  ];
  for (const [message, reason] of cases) {
    const server = new FakeServer();
    const { old, young } = await joinMixedPair(server);
    const { session, send, receive } = sessionOf(young, Infinity);
    send("before", message, "after");
    assertEquals(heard(old), ["before"]);
    const [{ code, reason: said }] = young.socket.closes;
    assertEquals(code, 4001);
    assert(said.includes(reason), said);
    receive();
    assertEquals(session.unacknowledged, 3);
    assertEquals(server.events().at(-1)?.type, "refuse");
    // The one of version 1 waits for the next.
    assertEquals(old.socket.closes, []);
  }
});

Deno.test("Connection takes no garbage for one of version 1", async () => {
  await fuzz(300, async (chance) => {
    const server = new FakeServer();
    const { old, young } = await joinMixedPair(server);
    for (let i = 0; i < 5 && young.socket.closes.length === 0; i++) {
      young.connection.onBinary(chance.bytes(chance.below(60)));
    }
    for (const { type } of old.socket.taken()) assertEquals(type, "data");
    for (const { code } of young.socket.closes) assertEquals(code, 4001);
    old.connection.onClose(1005);
    server.assertNothingLeft();
  });
});

Deno.test("Connection gives up one of version 2 that does not acknowledge what version 1 says", async () => {
  const server = new FakeServer({ maxBufferedBytes: 100_000 });
  const { old, young } = await joinMixedPair(server);
  const text = JSON.stringify({ type: "data", data: "x".repeat(10_000) });
  for (let i = 0; i < 9; i++) old.connection.onText(text);
  assertEquals(young.socket.closes, []);
  for (let i = 0; i < 2; i++) old.connection.onText(text);
  assertEquals(young.socket.closeCode, 4009);
  assertEquals(old.socket.closes, []);
});

Deno.test("Connection takes no data of version 2", async () => {
  for (const mixed of [true, false]) {
    const server = new FakeServer();
    const [a, b] = mixed
      ? Object.values(await joinMixedPair(server)).reverse()
      : Object.values(await server.joinPair());
    a.connection.onText('{"type":"data","data":1}');
    assertEquals(a.socket.types(), ["error"]);
    assertUntouched(b);
  }
});

Deno.test("Connection ends version 2's conversation when the one of version 1 is gone", async () => {
  for (const code of [0, 1001, 1005, 1006, 4000]) {
    const server = new FakeServer();
    const { old, young } = await joinMixedPair(server);
    old.connection.onClose(code);
    assertEquals(young.socket.closeCode, 4007);
    assertEquals(young.socket.sent, []);
    server.assertNothingLeft();
  }
});

Deno.test("Connection keeps no place of version 2 for a partner of version 1", async () => {
  for (const code of [0, 1001, 1006, 4000]) {
    const server = new FakeServer();
    const { old, young } = await joinMixedPair(server);
    young.connection.onClose(code);
    assertUntouched(old);
    assertEquals([server.registry.waiting, server.clock.pending], [1, 0]);
    // Anyone may have it, of either version.
    const next = code ? await server.join("next") : await server.joinLegacy();
    assertEquals(old.socket.taken(), [found(false)]);
    assertEquals(next.socket.taken().at(-1), code ? FOUND_LEGACY : found(true));
    old.connection.onClose(1005);
    next.connection.onClose(1006);
    server.assertNothingLeft();
  }
});

Deno.test("Connection has version 1 meet again one of version 2 that comes back before its old socket ends", async () => {
  const server = new FakeServer();
  const { old, young } = await joinMixedPair(server);
  // The young client's conversation was over with its socket, so it has a new
  // id.
  const leaves = { id: "young", key: "key of young" };
  const again = await server.join("younger", { leaves });
  assertEquals(young.socket.closeCode, 4007);
  assertEquals(old.socket.taken(), [found(false)]);
  assertEquals(again.socket.taken().at(-1), FOUND_LEGACY);
  old.connection.onText('{"type":"data","data":1}');
  assertEquals(again.socket.types(), ["packet"]);
  // Whoever has not the key gives up nothing.
  const stranger = await server.join("stranger", {
    leaves: { id: "younger", key: "a guess" },
  });
  assertEquals(stranger.socket.closeCode, 4005);
  assertUntouched(old, again);
});

Deno.test("Connection hands version 2's place to its newer socket beside version 1", async () => {
  const server = new FakeServer();
  const { old, young } = await joinMixedPair(server);
  const newer = await server.join("young");
  assertEquals(young.socket.closeCode, 4006);
  assertEquals(newer.socket.taken().at(-1), FOUND_LEGACY);
  assertEquals(old.socket.taken(), [found(false)]);
  young.connection.onClose(4000);
  assertUntouched(old, newer);
});

Deno.test("Connection has version 1 make way for one that resumes, and be busy where one is expected", async () => {
  const server = new FakeServer();
  const old = await server.joinLegacy();
  const a = await server.join("a", { partner: "b" });
  assertEquals(old.socket.taken(), [{ type: "busy" }]);
  assertEquals(old.socket.closeCode, 4005);
  const again = await server.joinLegacy();
  assertEquals(again.socket.closeCode, 4005);
  const b = await server.join("b", { partner: "a" });
  assertEquals(b.socket.types().at(-1), "peer.found");
  // While one of them is away, too.
  b.connection.onClose(1006);
  assertEquals((await server.joinLegacy()).socket.closeCode, 4005);
  assertEquals(a.socket.closes, []);
  a.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection stands one of version 1 or 2 that ends while it is told of the other", async () => {
  for (const oldFirst of [true, false]) {
    for (const oldSecond of [true, false]) {
      const server = new FakeServer();
      const join = (old: boolean, id: string) =>
        old ? server.joinLegacy() : server.join(id);
      const first = await join(oldFirst, "a");
      first.socket.stalled = true;
      first.socket.bufferedAmount = 5_000_000;
      const second = await join(oldSecond, "b");
      assertEquals(first.socket.closeCode, 4009);
      // Version 1 ends with its socket what the other had not heard of yet.
      const over = oldFirst && !oldSecond;
      assertEquals(second.socket.closeCode, over ? 4007 : undefined);
      if (over) server.assertNothingLeft();
      server.clock.advance(1_000_000);
      second.connection.onClose(1005);
      server.clock.advance(1_000_000);
      server.assertNothingLeft();
    }
  }
});

Deno.test("Connection observes those of version 1 like all others", async () => {
  const server = new FakeServer();
  const a = await server.joinLegacy();
  assertEquals(server.events(), [{ type: "wait" }]);
  server.clock.advance(500);
  await server.joinLegacy();
  assertEquals(server.events(), [
    { type: "pair", waitedMs: 500, pairingMs: 0 },
  ]);
  a.connection.onText("hello");
  await server.joinLegacy();
  assertEquals(server.refusals(), ["malformed", "busy"]);
});

Deno.test("Connection keeps its tables right, whoever of either version comes and goes", async () => {
  await fuzz(300, async (chance) => {
    const server = new FakeServer();
    let peers: FakePeer[] = [];
    let ids = 0;
    for (let step = 0; step < 60; step++) {
      const peer = peers.length > 0 ? chance.pick(peers) : undefined;
      switch (chance.below(7)) {
        case 0:
        case 1:
          peers.push(await server.joinLegacy());
          break;
        case 2:
          peers.push(await server.join(`${++ids}`));
          break;
        case 3: {
          // A peer comes back: with its old id, resuming, or giving up the old.
          const id = `${Math.max(1, ids - chance.below(3))}`;
          const leaves = { id, key: `key of ${id}` };
          const partner = `${1 + chance.below(ids + 1)}`;
          peers.push(
            await chance.pick([
              () => server.join(id),
              () => server.join(id, { partner }),
              () => server.join(`${++ids}`, { leaves }),
            ])(),
          );
          break;
        }
        case 4:
          peer?.connection.onClose(chance.pick([0, 1005, 1006, 4000]));
          break;
        case 5:
          peer?.connection.onText('{"type":"data","data":1}');
          break;
        default:
          server.clock.advance(chance.pick([1, 29_999, 30_001, 60_000]));
      }
      peers = peers.filter(({ connection }) =>
        !server.ended.includes(connection)
      );
      const { size, waiting, pairs } = server.registry;
      assert(size <= 1 && waiting + pairs <= size, `${waiting} ${pairs}`);
      // One more peer may knock.
      const knocking = peers.length - (waiting + 2 * pairs);
      assert(knocking === 0 || knocking === 1, `${knocking} without a place`);
      assert(
        server.clock.pending <= peers.length + 1 + knocking,
        `${server.clock.pending} timers`,
      );
    }
    for (const { connection } of peers) connection.onClose(1006);
    await turn();
    server.clock.advance(600_000);
    server.assertNothingLeft();
  });
});
