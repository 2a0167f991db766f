import { assert, assertEquals } from "@std/assert";
import { FakeServer, pairText, turn } from "../../support/fake_server.ts";

const STUN = { urls: "stun:stun.example.org" };

/** What was observed, but for who waits and who pairs. */
const others = (server: FakeServer) =>
  server.events().filter(({ type }) => type !== "wait" && type !== "pair");

Deno.test("Connection observes who waits, and who has found a partner after how long", async () => {
  const server = new FakeServer();
  const a = await server.join("a");
  assertEquals(server.events(), [{ type: "wait" }]);
  server.pass(3000, a);
  const decision = Promise.withResolvers<boolean>();
  server.pairCodeValidator = () => decision.promise;
  const b = await server.join("b");
  server.pass(20, a);
  decision.resolve(true);
  await turn();
  assertEquals(server.events(), [
    { type: "pair", waitedMs: 3020, pairingMs: 20 },
  ]);
  // The next wait is counted from the moment at which the first was alone
  // again.
  server.pass(10_000, a, b);
  b.connection.onClose(1006);
  server.pass(400, a);
  server.pairCodeValidator = () => true;
  await server.join("b", { partner: "a" });
  assertEquals(server.events(), [
    { type: "pair", waitedMs: 400, pairingMs: 0 },
  ]);
});

Deno.test("Connection observes a peer that resumes before its partner does", async () => {
  const server = new FakeServer();
  await server.join("a", { partner: "b" });
  await server.join("b", { partner: "a" });
  assertEquals(server.events(), [
    { type: "wait" },
    { type: "pair", waitedMs: 0, pairingMs: 0 },
  ]);
});

Deno.test("Connection observes no wait where a newer socket takes its peer's place", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  server.pass(10_000, a, b);
  server.events();
  await server.join("b", { partner: "a" });
  assertEquals(server.events(), [
    { type: "pair", waitedMs: 0, pairingMs: 0 },
  ]);
});

Deno.test("Connection observes nothing of one that has ended", async () => {
  const server = new FakeServer();
  const { a } = await server.joinPair();
  a.connection.dismiss(4009, "Why");
  server.events();
  a.connection.onText("garbage");
  a.connection.onText('{"type":"upgrade"}');
  a.connection.onBinary(new ArrayBuffer(70_000));
  a.connection.waiting();
  assertEquals(server.events(), []);
});

Deno.test("Connection observes a data channel once for each time that a peer finds its partner", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  server.events();
  for (let time = 0; time < 3; time++) {
    a.connection.onText('{"type":"upgrade"}');
  }
  b.connection.onText('{"type":"upgrade"}');
  assertEquals(server.events(), [{ type: "upgrade" }, { type: "upgrade" }]);
  assertEquals([a.socket.sent, b.socket.sent], [[], []]);
  const newB = await server.join("b", { partner: "a" });
  server.events();
  a.connection.onText('{"type":"upgrade"}');
  newB.connection.onText('{"type":"upgrade"}');
  newB.connection.onText('{"type":"upgrade"}');
  assertEquals(server.events(), [{ type: "upgrade" }, { type: "upgrade" }]);
});

Deno.test("Connection observes no data channel of a peer that is alone", async () => {
  const server = new FakeServer();
  const { connection, socket } = await server.join("a");
  server.events();
  connection.onText('{"type":"upgrade"}');
  assertEquals(server.events(), []);
  assertEquals(socket.closes, []);
});

Deno.test("Connection observes what it refuses, with the address", async () => {
  const server = new FakeServer();
  await server.joinPair();
  server.events();
  const address = "192.0.2.1";
  await server.join("c", {}, address);
  server.connect(address).connection.onText("hello");
  server.pairCodeValidator = () => false;
  await server.join("d", { code: "another" }, address);
  assertEquals(
    others(server),
    ["busy", "malformed", "pair_code"].map((reason) => ({
      type: "refuse",
      address,
      reason,
    })) as unknown[],
  );
});

Deno.test("Connection observes what a validator throws, and no mere no", async () => {
  const server = new FakeServer();
  const error = new Error("The database is down");
  server.pairCodeValidator = () => {
    throw error;
  };
  await server.join("a");
  server.pairCodeValidator = () => Promise.reject(error);
  await server.join("b");
  const thrown = { type: "error", option: "pairCodeValidator", error };
  const refused = { type: "refuse", address: undefined, reason: "pair_code" };
  assertEquals(
    server.events() as unknown[],
    [thrown, refused, thrown, refused],
  );
});

Deno.test("Connection stands an observer that throws", async () => {
  const server = new FakeServer({
    observer: () => {
      throw new Error("The disk is full");
    },
  });
  const { a, b } = await server.joinPair();
  a.connection.onText('{"type":"upgrade"}');
  a.connection.onText("hello");
  assertEquals(a.socket.types(), ["error"]);
  b.connection.onClose(4000);
  assertEquals(a.socket.closeCode, 4007);
  server.assertNothingLeft();
});

Deno.test("Connection reports its end once, with the code and the reason", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  a.connection.onClose(1001, "The page is left");
  a.connection.onClose(1005);
  b.connection.dismiss(4008, "Enough");
  assertEquals(server.ended, [a.connection, b.connection]);
  assertEquals(server.ends, [
    { code: 1001, reason: "The page is left" },
    { code: 4008, reason: "Enough" },
  ]);
  assertEquals(server.closed, [a.connection]);
  // The socket of b has its memory until the platform says that it is closed,
  // which may not know by then why.
  b.connection.onClose(1006);
  b.connection.onClose(1005);
  assertEquals(server.closed, [a.connection, b.connection]);
  assertEquals(server.closes, server.ends);
});

Deno.test("Connection observes a limit that was met beneath it, unless it was told to close", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  a.connection.onClose(1009);
  assertEquals(server.refusals(), ["size"]);
  b.connection.dismiss(4008, "Enough");
  b.connection.onClose(1009);
  assertEquals(server.refusals(), []);
});

Deno.test("Connection counts what it relays, and nothing that reaches nobody", async () => {
  const server = new FakeServer();
  const a = await server.join("a");
  a.connection.onBinary(new ArrayBuffer(10));
  const b = await server.join("b");
  a.connection.onBinary(new ArrayBuffer(10));
  b.connection.onBinary(new ArrayBuffer(5));
  a.connection.onBinary(new ArrayBuffer(70_000));
  b.connection.onBinary(new ArrayBuffer(5));
  assertEquals(server.traffic, { relayedPackets: 2, relayedBytes: 15 });
});

Deno.test("Connection tells both peers of the STUN and TURN servers", async () => {
  const server = new FakeServer();
  let given = 0;
  server.iceServers.get = () =>
    Promise.resolve([{ ...STUN, username: `${++given}` }]);
  const a = await server.join("a");
  a.socket.taken();
  const b = await server.join("b");
  const [found] = a.socket.taken();
  assertEquals(found.data.iceServers, [{ ...STUN, username: "1" }]);
  assertEquals(b.socket.taken().at(-1).data.iceServers, [
    { ...STUN, username: "2" },
  ]);
});

Deno.test("Connection says nothing of STUN and TURN servers where there are none", async () => {
  const server = new FakeServer();
  await server.join("a");
  const { socket } = await server.join("b");
  assertEquals("iceServers" in socket.taken().at(-1).data, false);
});

Deno.test("Connection asks for no servers on behalf of a refused pair code", async () => {
  const server = new FakeServer();
  let asked = 0;
  server.iceServers.get = () => {
    asked++;
    return Promise.resolve([]);
  };
  server.pairCodeValidator = () => false;
  await server.join("a");
  // No servers are asked for on behalf of a peer that has gone meanwhile
  // either.
  const decision = Promise.withResolvers<boolean>();
  server.pairCodeValidator = () => decision.promise;
  const { connection } = await server.join("b");
  connection.onClose(1006);
  decision.resolve(true);
  await turn();
  assertEquals(asked, 0);
});

Deno.test("Connection pairs without STUN and TURN servers where they can't be had", async () => {
  const error = new Error("The provider is down");
  const failures = [
    () => Promise.reject(error),
    () => {
      throw error;
    },
  ];
  for (const get of failures) {
    const server = new FakeServer();
    server.iceServers.get = get;
    const { socket } = await server.join("a");
    assertEquals(socket.types(), ["peer.waiting"]);
    assertEquals(others(server) as unknown[], [
      { type: "error", option: "iceServers", error },
    ]);
  }
});

Deno.test("Connection joins nothing when it ends while servers are asked for", async () => {
  const server = new FakeServer();
  const answer = Promise.withResolvers<object[]>();
  server.iceServers.get = () => answer.promise;
  const { connection } = await server.join("a");
  connection.onClose(1006);
  answer.resolve([STUN]);
  await turn();
  server.assertNothingLeft();
});

Deno.test("Connection sends fresh servers every renewMs until it ends", async () => {
  const server = new FakeServer({ heartbeatInterval: 1_000_000 });
  server.iceServers.renewMs = 1000;
  let given = 0;
  server.iceServers.get = () => Promise.resolve([{ ...STUN, given: given++ }]);
  const { socket, connection } = await server.join("a", { partner: "b" });
  socket.taken();
  for (let round = 1; round < 4; round++) {
    server.clock.advance(999);
    await turn();
    assertEquals(socket.sent, []);
    server.clock.advance(1);
    await turn();
    assertEquals(socket.taken(), [{
      type: "ice.servers",
      data: { iceServers: [{ ...STUN, given: round }] },
    }]);
  }
  // Who is found later is found with the last of them.
  await server.join("b", { partner: "a" });
  assertEquals(socket.taken()[0].data.iceServers, [{ ...STUN, given: 3 }]);
  connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection goes on with the servers it had where fresh ones can't be had", async () => {
  const server = new FakeServer({ heartbeatInterval: 1_000_000 });
  server.iceServers.renewMs = 1000;
  server.iceServers.get = () => Promise.resolve([STUN]);
  const { socket } = await server.join("a", { partner: "b" });
  socket.taken();
  server.iceServers.get = () => Promise.reject(new Error("Down"));
  server.clock.advance(1000);
  await turn();
  assertEquals(socket.taken(), []);
  assertEquals(others(server).map(({ type }) => type), ["error"]);
  server.iceServers.get = () => Promise.resolve([STUN]);
  server.clock.advance(1000);
  await turn();
  assertEquals(socket.types(), ["ice.servers"]);
  assertEquals(socket.closes, []);
});

Deno.test("Connection sends no fresh servers to one that has ended meanwhile", async () => {
  const server = new FakeServer();
  server.iceServers.renewMs = 1000;
  const { socket, connection } = await server.join("a", { partner: "b" });
  const answer = Promise.withResolvers<object[]>();
  server.iceServers.get = () => answer.promise;
  server.clock.advance(1000);
  connection.onClose(4000);
  socket.taken();
  answer.resolve([STUN]);
  await turn();
  assertEquals(socket.sent, []);
  server.assertNothingLeft();
});

Deno.test("PairRegistry.drain() hands over the two of a pair together, who are told nothing else", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  const c = await server.join("c", { code: "another" });
  c.socket.taken();
  await server.join("d", { code: "third" });
  const e = await server.join("e", { code: "third" });
  e.connection.onClose(1006);
  let delay = 0;
  server.registry.drain((members) => {
    delay++;
    for (const member of members) {
      member.dismiss(1012, `retry in ${delay} ms`);
    }
  });
  assertEquals([delay, server.registry.size], [3, 0]);
  for (const { socket } of [a, b]) {
    assertEquals(socket.sent, []);
    assertEquals(socket.closes, [{ code: 1012, reason: "retry in 1 ms" }]);
  }
  assertEquals(c.socket.closes, [{ code: 1012, reason: "retry in 2 ms" }]);
  // A peer whose partner is away is handed over alone.
  assertEquals(server.ends.at(-1)?.reason, "retry in 3 ms");
  server.assertNothingLeft();
  assert(server.ended.length === 5);
});

Deno.test("Connection joins nothing after a drain that it was dismissed in", async () => {
  const server = new FakeServer();
  const decision = Promise.withResolvers<boolean>();
  server.pairCodeValidator = () => decision.promise;
  const { socket, connection } = server.connect();
  connection.onText(pairText("a"));
  server.registry.drain(() => {});
  connection.dismiss(1012, "retry in 5 ms");
  decision.resolve(true);
  await turn();
  assertEquals(socket.closeCode, 1012);
  server.assertNothingLeft();
});
