import {
  assert,
  assertEquals,
  assertFalse,
  assertLessOrEqual,
  assertStrictEquals,
} from "@std/assert";
import type { Connection } from "../../../src/server/connection.ts";
import { fuzz } from "../../support/fuzz.ts";
import {
  FakeServer,
  HELLO,
  pairText,
  turn,
  type Validator,
} from "../../support/fake_server.ts";

const HEARTBEAT_MS = 15_000;
/** What may wait for one socket: 4 MiB. */
const MAX_WAITING_BYTES = 4_194_304;

Deno.test("Connection tells a peer that it is taken in, and when it will be heard of again", async () => {
  const server = new FakeServer();
  const { socket, connection } = await server.join("a");
  // The peer will be asked for a sign of life within that time.
  assertEquals(socket.taken(), [
    { type: "peer.waiting", data: { interval: 15_000 } },
  ]);
  assertEquals(connection.request.id, "a");
  connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection tells two peers of each other, and of no key", async () => {
  const server = new FakeServer();
  const a = await server.join("a", { hello: { ...HELLO, received: 1 } });
  a.socket.taken();
  const b = await server.join("b", { hello: { ...HELLO, received: 2 } });
  assertEquals(a.socket.taken(), [{
    type: "peer.found",
    data: {
      interval: 15_000,
      initiator: false,
      id: "b",
      hello: { ...HELLO, received: 2 },
    },
  }]);
  assertEquals(
    b.socket.taken().filter(({ type }) => type !== "ping"),
    [{
      type: "peer.found",
      data: {
        interval: 15_000,
        initiator: true,
        id: "a",
        hello: { ...HELLO, received: 1 },
      },
    }],
  );
  b.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection passes on what a later version says in its hello", async () => {
  const server = new FakeServer();
  const { socket } = await server.join("a");
  socket.taken();
  const hello = { ...HELLO, sealed: { keys: ["x"] }, "": null };
  await server.join("b", { hello });
  assertEquals(socket.taken()[0].data.hello, hello);
});

Deno.test("Connection tells of a hello in no more than a control message may have", async () => {
  const server = new FakeServer();
  const a = await server.join("a");
  a.socket.sent = [];
  // Written out, each of these numbers has five times its characters.
  const hello = JSON.stringify(HELLO).replace(
    "}",
    `,"x":[${Array(12_000).fill("1e20").join()}]}`,
  );
  const text = pairText("b").replace(JSON.stringify(HELLO), hello);
  assertLessOrEqual(text.length, 65_536);
  const b = server.connect();
  b.connection.onText(text);
  await turn();
  for (const sent of [...a.socket.sent, ...b.socket.sent]) {
    assertLessOrEqual((sent as string).length, 65_536);
  }
});

Deno.test("Connection asks the validator for the pair code, and awaits its answer", async () => {
  for (const answer of [true, Promise.resolve(true)]) {
    const server = new FakeServer();
    const asked: string[] = [];
    server.pairCodeValidator = (pairCode) => {
      asked.push(pairCode);
      return answer;
    };
    const { socket, connection } = await server.join("a");
    assertEquals(asked, ["s3cret"]);
    assert(socket.types().includes("peer.waiting"));
    connection.onClose(4000);
    server.assertNothingLeft();
  }
});

Deno.test("Connection pairs two that wrote the same code differently", async () => {
  const codes: string[] = [];
  const server = new FakeServer();
  server.pairCodeValidator = (pairCode) => codes.push(pairCode) > 0;
  await server.join("a", { code: "0abc-1def-0ghj-1kmn" });
  await server.join("b", { code: "OABC IDEF OGHJ IKMN" });
  assertEquals(server.registry.pairs, 1);
  assertEquals(codes, Array(2).fill("0abc-1def-0ghj-1kmn"));
});

Deno.test("Connection refuses a pair code where the validator says no, or throws", async () => {
  const refusals: Validator[] = [
    () => false,
    () => Promise.resolve(false),
    () => {
      throw new Error("The database knows s3cret");
    },
    () => Promise.reject(new Error("The database knows s3cret")),
  ];
  for (const refusal of refusals) {
    const server = new FakeServer();
    server.pairCodeValidator = refusal;
    const { socket, connection } = await server.join("a");
    assertEquals(socket.closeCode, 4002);
    assertEquals(socket.types(), []);
    assertFalse(socket.closes[0].reason.includes("s3cret"));
    assertEquals(server.ended, [connection]);
    server.assertNothingLeft();
  }
});

Deno.test("Connection joins nothing when its socket closes while the validator decides", async () => {
  for (const code of [4000, 1006]) {
    for (const answer of [true, false]) {
      const server = new FakeServer();
      const decision = Promise.withResolvers<boolean>();
      server.pairCodeValidator = () => decision.promise;
      const { socket, connection } = await server.join("a");
      connection.onClose(code);
      server.assertNothingLeft();
      decision.resolve(answer);
      await turn();
      assertEquals([socket.sent, socket.closes], [[], []]);
      assertEquals(server.ended, [connection]);
      server.assertNothingLeft();
    }
  }
});

Deno.test("Connection joins nothing when it is dismissed while the validator decides", async () => {
  const server = new FakeServer();
  const decision = Promise.withResolvers<boolean>();
  server.pairCodeValidator = () => decision.promise;
  const { socket, connection } = await server.join("a");
  connection.dismiss(1001, "Closing");
  decision.reject(new Error("Too late"));
  await turn();
  assertEquals(socket.closes.length, 1);
  assertEquals(socket.closeCode, 1001);
  server.assertNothingLeft();
});

Deno.test("Connection does not give a place to one that left, although another of its code came", async () => {
  const server = new FakeServer();
  const decision = Promise.withResolvers<boolean>();
  server.pairCodeValidator = () => decision.promise;
  const a = await server.join("a");
  server.pairCodeValidator = () => true;
  const b = await server.join("b");
  a.connection.onClose(4000);
  decision.resolve(true);
  await turn();
  // Who was never joined ends no conversation.
  assertEquals(b.socket.closes, []);
  assertFalse(b.socket.types().includes("peer.found"));
  b.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection does not say that no pair came while the validator decides", async () => {
  // The close code 4003 means that none came within 10 s. One did.
  const server = new FakeServer();
  const decision = Promise.withResolvers<boolean>();
  server.pairCodeValidator = () => decision.promise;
  const { socket, connection } = server.connect();
  server.clock.advance(9000);
  connection.onText(pairText("a"));
  await turn();
  server.clock.advance(2000);
  assertEquals(socket.closeCode, undefined);
  decision.resolve(true);
  await turn();
  assert(socket.types().includes("peer.waiting"));
});

Deno.test("Connection waits for the validator no longer than for a pair", async () => {
  const server = new FakeServer();
  server.pairCodeValidator = () => new Promise(() => {});
  const { socket, connection } = await server.join("a", {}, "192.0.2.1");
  server.clock.advance(9999);
  assertEquals(socket.closeCode, undefined);
  server.clock.advance(1);
  assertEquals(socket.closeCode, 4003);
  assertEquals(server.ended, [connection]);
  server.assertNothingLeft();
});

Deno.test("Connection waits 10 seconds for a pair", () => {
  const server = new FakeServer();
  const { socket, connection } = server.connect();
  server.clock.advance(9999);
  assertEquals(socket.closeCode, undefined);
  server.clock.advance(1);
  assertEquals(socket.closeCode, 4003);
  assertEquals(server.ended, [connection]);
  server.assertNothingLeft();
});

Deno.test("Connection does not wait longer for one that sends packets and pongs instead", () => {
  const server = new FakeServer();
  const { socket, connection } = server.connect();
  for (let time = 0; time < 10; time++) {
    connection.onBinary(new ArrayBuffer(6));
    connection.onText('{"type":"pong"}');
    server.clock.advance(1000);
  }
  assertEquals(socket.closeCode, 4003);
  server.assertNothingLeft();
});

const MALFORMED = [
  "",
  "hello",
  "{",
  "[]",
  "null",
  '{"type":"hello"}',
  '{"type":["pair"]}',
  '{"type":"pair"}',
  '{"type":"pair","data":["s3cret"]}',
  '{"type":"data","data":"s3cret"}',
  '{"type":"data"}',
  pairText("a", { version: 1 }),
  pairText("x".repeat(65)),
  pairText("a", { code: "s3cret".repeat(50) }),
  '{"type":"peer.found"}',
  '{"type":"peer.waiting","data":{"interval":1}}',
  '{"type":"peer.waiting"}',
  '{"type":"peer.lost"}',
  '{"type":"error","data":{"message":"no"}}',
  `{"type":"pong","data":"${"x".repeat(65_536)}"}`,
];

Deno.test("Connection answers what it cannot read with an error, and closes before a place is taken", () => {
  for (const text of MALFORMED) {
    const server = new FakeServer();
    const { socket, connection } = server.connect();
    connection.onText(text);
    const sent = socket.taken();
    assertEquals(sent.map(({ type }) => type), ["error"], text.slice(0, 80));
    assertEquals(typeof sent[0].data.message, "string");
    assertEquals(socket.closeCode, 4001);
    assertEquals(server.ended, [connection]);
    server.assertNothingLeft();
  }
});

Deno.test("Connection closes on what it cannot read while the validator decides", async () => {
  const server = new FakeServer();
  const decision = Promise.withResolvers<boolean>();
  server.pairCodeValidator = () => decision.promise;
  const { socket, connection } = await server.join("a");
  connection.onText("hello");
  assertEquals(socket.types(), ["error"]);
  assertEquals(socket.closeCode, 4001);
  decision.resolve(true);
  await turn();
  server.assertNothingLeft();
});

Deno.test("Connection answers what it cannot read with an error, and goes on once a place is taken", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  for (const text of MALFORMED) {
    a.connection.onText(text);
    assertEquals(a.socket.types(), ["error"], text.slice(0, 80));
  }
  assertEquals([a.socket.closes, b.socket.closes], [[], []]);
  assertEquals(b.socket.taken(), []);
  const packet = new ArrayBuffer(6);
  a.connection.onBinary(packet);
  assertStrictEquals(b.socket.taken()[0], packet);
  b.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection quotes no pair code, and closes with a reason of at most 123 bytes", () => {
  const encoder = new TextEncoder();
  for (const text of MALFORMED) {
    const { socket, connection } = new FakeServer().connect();
    connection.onText(text);
    const [{ data }] = socket.taken();
    const { reason } = socket.closes[0];
    assertFalse(data.message.includes("s3cret"), data.message);
    assertFalse(reason.includes("s3cret"), reason);
    assertLessOrEqual(encoder.encode(reason).length, 123);
  }
});

Deno.test("Connection refuses a second pair and keeps the first", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  a.connection.onText(pairText("a"));
  a.connection.onText(pairText("c", { code: "another" }));
  await turn();
  assertEquals(a.socket.types(), ["error", "error"]);
  assertEquals(a.connection.request.id, "a");
  assertEquals([a.socket.closes, b.socket.taken()], [[], []]);
  assertEquals(server.registry.size, 1);
  a.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection asks the validator once, however often it is sent a pair", async () => {
  const server = new FakeServer();
  const decision = Promise.withResolvers<boolean>();
  let asked = 0;
  server.pairCodeValidator = () => {
    asked++;
    return decision.promise;
  };
  const { socket, connection } = await server.join("a");
  connection.onText(pairText("b", { code: "another" }));
  assertEquals(socket.types(), ["error"]);
  decision.resolve(true);
  await turn();
  assertEquals(asked, 1);
  assertEquals(connection.request.id, "a");
  connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection passes packets to the other peer as they are, in order", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  // The server never reads a packet, so these need not be any.
  const packets = [0, 1, 6, 7, 65_535, 65_536].map((n) => new ArrayBuffer(n));
  for (const packet of packets) a.connection.onBinary(packet);
  for (const [index, packet] of b.socket.taken().entries()) {
    assertStrictEquals(packet, packets[index]);
  }
  b.connection.onBinary(packets[2]);
  assertStrictEquals(a.socket.taken()[0], packets[2]);
  assertEquals([a.socket.closes, b.socket.closes], [[], []]);
});

Deno.test("Connection passes signals to the other peer letter for letter", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  const texts = [
    '{"type":"rtc.connect","data":{"generation":1}}',
    ' { "data" : {"generation":1.0e0,"candidate":null,"new":1} ,"type":"rtc.signal"}',
    '{"type":"rtc.signal","data":{"generation":2,"description":{"type":"offer","sdp":"v=0\\r\\n"}}}',
  ];
  for (const text of texts) a.connection.onText(text);
  assertEquals(b.socket.sent, texts);
  assertEquals(a.socket.sent, []);
});

Deno.test("Connection passes on what two say in private, letter for letter", async () => {
  const server = new FakeServer();
  const agreement = { share: "s", ad: '{"id":"a"}' };
  const hello = { ...HELLO, private: agreement };
  const { a, b } = await server.joinPair({ hello });
  const text = ' {"type":"private.start","data":{"seal":"x","counter":1.0e0}}';
  a.connection.onText(text);
  assertEquals(b.socket.sent, [text]);
  assertEquals(a.socket.sent, []);
  b.connection.onClose(1006);
  a.socket.taken();
  a.connection.onText(text);
  const again = await server.join("b", { hello, partner: "a" });
  const [found, ...more] = again.socket.taken();
  assertEquals(found.data.hello.private, agreement);
  assertEquals(more, []);
});

Deno.test("Connection starts nothing private with a peer that has not said that it knows how", async () => {
  // Such a peer would tell its page of a message that it can't read.
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  a.connection.onText(
    '{"type":"private.start","data":{"counter":1,"seal":"x"}}',
  );
  assertEquals([a.socket.sent, b.socket.sent], [[], []]);
});

Deno.test("Connection closes one that sends a packet of more than 65536 bytes", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  a.connection.onBinary(new ArrayBuffer(65_537));
  assertEquals(a.socket.closeCode, 4001);
  assertEquals(b.socket.types(), ["peer.lost"]);
  b.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection closes one that sends such a packet before its pair, too", () => {
  const server = new FakeServer();
  const { socket, connection } = server.connect();
  connection.onBinary(new ArrayBuffer(65_536));
  assertEquals(socket.closes, []);
  connection.onBinary(new ArrayBuffer(65_537));
  assertEquals(socket.closeCode, 4001);
  server.assertNothingLeft();
});

Deno.test("Connection drops packets and signals for a peer that is not here", async () => {
  const signal = '{"type":"rtc.connect","data":{"generation":1}}';
  const server = new FakeServer();
  const a = server.connect();
  const send = () => {
    a.connection.onBinary(new ArrayBuffer(6));
    a.connection.onText(signal);
    assertEquals([a.socket.taken(), a.socket.closes], [[], []]);
  };
  // Peer a sends before it has a place, alone, and after the other one's socket
  // broke.
  send();
  a.connection.onText(pairText("a"));
  await turn();
  a.socket.taken();
  send();
  const b = await server.join("b");
  b.connection.onClose(1006);
  assertEquals(a.socket.types(), ["peer.found", "peer.lost"]);
  b.socket.taken();
  send();
  assertEquals(b.socket.taken(), []);
  // Nothing was kept for later.
  const newB = await server.join("b", { partner: "a" });
  assertEquals(newB.socket.types(), ["peer.found"]);
  newB.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection tells the other peer of a broken socket, whatever its code", async () => {
  for (const code of [0, 1000, 1001, 1005, 1006, 3000, 4001, 4999]) {
    const server = new FakeServer();
    const { a, b } = await server.joinPair();
    b.connection.onClose(code);
    assertEquals(a.socket.taken(), [{ type: "peer.lost" }], `${code}`);
    a.connection.onClose(4000);
    server.assertNothingLeft();
  }
});

Deno.test("Connection ends the other peer's conversation when one closes with 4000", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  b.connection.onClose(4000);
  assertEquals(a.socket.closeCode, 4007);
  assertEquals(a.socket.taken(), []);
  server.assertNothingLeft();
});

Deno.test("Connection hands its place to a newer socket and carries nothing more", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  const newA = await server.join("a", { partner: "b" });
  assertEquals(a.socket.closeCode, 4006);
  assertEquals(b.socket.types(), ["peer.found"]);
  assertEquals(newA.socket.types(), ["peer.found"]);
  // What was still under way from the old socket, and its end.
  a.connection.onBinary(new ArrayBuffer(6));
  a.connection.onText('{"type":"rtc.connect","data":{"generation":1}}');
  a.connection.onClose(4000);
  assertEquals(b.socket.taken(), []);
  const packet = new ArrayBuffer(6);
  b.connection.onBinary(packet);
  assertStrictEquals(newA.socket.taken()[0], packet);
  assertEquals(a.socket.taken(), []);
  newA.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection is asked for a sign of life every 15 seconds", async () => {
  const server = new FakeServer();
  const a = await server.join("a", { partner: "b" });
  a.socket.taken();
  for (let time = 0; time < 20; time++) {
    server.clock.advance(HEARTBEAT_MS - 1);
    assertEquals(a.socket.taken(), []);
    server.clock.advance(1);
    assertEquals(a.socket.taken(), [
      { type: "ping", data: { interval: 15_000 } },
    ]);
    a.connection.onText('{"type":"pong"}');
  }
  assertEquals(a.socket.closes, []);
});

Deno.test("Connection is closed after two intervals without a sign of life", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  server.pass(2 * HEARTBEAT_MS - 1, b);
  assertEquals(a.socket.closes, []);
  server.pass(1, b);
  assertEquals(a.socket.closeCode, 4009);
  assertEquals(b.socket.closes, []);
  b.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection answers a ping at once, with a place and without", async () => {
  const server = new FakeServer();
  const { socket, connection } = server.connect();
  connection.onText('{"type":"ping"}');
  assertEquals(socket.taken(), [{ type: "pong" }]);
  const a = await server.join("a");
  a.socket.taken();
  a.connection.onText('{"type":"ping"}');
  assertEquals(a.socket.taken(), [{ type: "pong" }]);
});

Deno.test("Connection is closed within three intervals of the last sign of life", async () => {
  const server = new FakeServer();
  const a = await server.join("a", { partner: "b" });
  server.clock.advance(1);
  a.connection.onText('{"type":"pong"}');
  server.clock.advance(2 * HEARTBEAT_MS - 1);
  assertEquals(a.socket.closes, []);
  server.clock.advance(HEARTBEAT_MS);
  assertEquals(a.socket.closeCode, 4009);
});

Deno.test("Connection takes any message for a sign of life", async () => {
  const signs: ((connection: Connection) => void)[] = [
    (connection) => connection.onText('{"type":"pong"}'),
    (connection) => connection.onText("not a control message"),
    (connection) =>
      connection.onText('{"type":"rtc.connect","data":{"generation":1}}'),
    (connection) => connection.onBinary(new ArrayBuffer(6)),
  ];
  for (const sign of signs) {
    const server = new FakeServer();
    const { socket, connection } = await server.join("a", { partner: "b" });
    for (let time = 0; time < 10; time++) {
      server.clock.advance(HEARTBEAT_MS);
      sign(connection);
    }
    assertEquals(socket.closes, []);
    connection.onClose(4000);
    server.assertNothingLeft();
  }
});

Deno.test("Connection is not asked for anything once it has ended", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  a.connection.onClose(1006);
  b.connection.dismiss(1001, "Closing");
  a.socket.taken();
  b.socket.taken();
  server.clock.advance(10 * HEARTBEAT_MS);
  assertEquals([a.socket.sent, b.socket.sent], [[], []]);
  server.assertNothingLeft();
});

Deno.test("Connection dismisses one that does not read when more than 4 MiB wait", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  b.socket.stalled = true;
  const packet = new ArrayBuffer(65_536);
  for (let sent = 0; sent < MAX_WAITING_BYTES; sent += 65_536) {
    a.connection.onBinary(packet);
  }
  assertEquals(b.socket.closes, []);
  assertEquals(b.socket.bufferedAmount, MAX_WAITING_BYTES);
  a.connection.onBinary(new ArrayBuffer(6));
  assertEquals(b.socket.closeCode, 4009);
  assertEquals(a.socket.types(), ["peer.lost"]);
  // From now on nothing more is put into the socket.
  a.connection.onBinary(packet);
  assertLessOrEqual(b.socket.bufferedAmount, MAX_WAITING_BYTES + 65_536);
  assertEquals(a.socket.closes, []);
  a.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection dismisses one that does not read its error messages", async () => {
  const controlRate = { burst: 100_000, perSecond: 1 };
  const server = new FakeServer({ controlRate });
  const { socket, connection } = await server.join("a");
  socket.stalled = true;
  for (let text = 0; text < 100_000 && !socket.closeCode; text++) {
    connection.onText("hello");
  }
  assertEquals(socket.closeCode, 4009);
  server.assertNothingLeft();
});

Deno.test("Connection keeps no timer when a heartbeat is what makes too much wait", async () => {
  const server = new FakeServer();
  const { socket } = await server.join("a");
  socket.stalled = true;
  socket.bufferedAmount = MAX_WAITING_BYTES;
  server.clock.advance(HEARTBEAT_MS);
  assertEquals(socket.closeCode, 4009);
  server.assertNothingLeft();
});

Deno.test("Connection stands a partner that is dismissed while it is told of it", async () => {
  const failures: unknown[] = [];
  const fail = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    failures.push(event.reason);
  };
  // Nobody awaits the validator: what is thrown after it ends the process.
  globalThis.addEventListener("unhandledrejection", fail);
  try {
    const server = new FakeServer();
    const { a } = await server.joinPair();
    a.socket.stalled = true;
    a.socket.bufferedAmount = MAX_WAITING_BYTES;
    const newB = await server.join("b", { partner: "a" });
    // A rejection is reported when all promises have had their turn.
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals(failures, []);
    assertEquals(a.socket.closeCode, 4009);
    // The other one is taken in, alone.
    const types = newB.socket.types();
    assertEquals(types.at(-1), "peer.waiting");
    server.pass(20_000, newB);
    assertEquals(newB.socket.closes, []);
    newB.connection.onClose(4000);
    server.assertNothingLeft();
  } finally {
    globalThis.removeEventListener("unhandledrejection", fail);
  }
});

Deno.test("Connection.dismiss() closes once, and harms nothing when it is called again", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  a.connection.dismiss(4009, "First");
  a.connection.dismiss(4001, "Second");
  assertEquals(a.socket.closes, [{ code: 4009, reason: "First" }]);
  assertEquals(server.ended, [a.connection]);
  assertEquals(b.socket.types(), ["peer.lost"]);
  b.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection.dismiss() cuts a long reason to what a close frame holds", () => {
  const { socket, connection } = new FakeServer().connect();
  connection.dismiss(1001, "€".repeat(100));
  assertEquals(socket.closes, [{ code: 1001, reason: "€".repeat(41) }]);
});

Deno.test("Connection.close() harms nothing when it is reported twice", async () => {
  // Deno reports 1001 and then 1005 for one socket.
  for (const codes of [[1001, 1005], [1005, 4000], [4000, 1005]]) {
    const server = new FakeServer();
    const { a, b } = await server.joinPair();
    for (const code of codes) a.connection.onClose(code);
    // With 4000 the other one's end comes first.
    const ends = server.ended.filter((ended) => ended === a.connection);
    assertEquals(ends.length, 1);
    assertEquals(new Set(server.ended).size, server.ended.length);
    assertEquals(a.socket.closes, []);
    if (codes[0] === 4000) {
      assertEquals(b.socket.closeCode, 4007);
    } else {
      assertEquals(b.socket.types(), ["peer.lost"]);
      assertEquals(b.socket.closes, []);
    }
    b.connection.onClose(4000);
    server.assertNothingLeft();
  }
});

Deno.test("Connection.close() harms nothing after a dismissal, nor a dismissal after it", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  a.connection.dismiss(4009, "Why");
  a.connection.onClose(4009);
  b.connection.onClose(1006);
  b.connection.dismiss(1001, "Closing");
  assertEquals(b.socket.closes, []);
  assertEquals(server.ended, [a.connection, b.connection]);
  server.clock.advance(30_000);
  server.assertNothingLeft();
});

Deno.test("Connection ignores what still arrives after its end", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  a.connection.dismiss(4009, "Why");
  a.socket.taken();
  b.socket.taken();
  a.connection.onText(pairText("a"));
  a.connection.onText("hello");
  a.connection.onText('{"type":"rtc.connect","data":{"generation":1}}');
  a.connection.onBinary(new ArrayBuffer(6));
  a.connection.onBinary(new ArrayBuffer(70_000));
  await turn();
  assertEquals([a.socket.sent, b.socket.sent], [[], []]);
  assertEquals(a.socket.closes.length, 1);
  b.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection stands anything a client sends, and another pair goes on", async () => {
  const valid = [
    ...MALFORMED,
    pairText("a"),
    pairText("b", { partner: "a" }),
    '{"type":"pong"}',
    '{"type":"rtc.connect","data":{"generation":1}}',
    '{"type":"rtc.signal","data":{"generation":1,"candidate":null}}',
  ].map((text) => new TextEncoder().encode(text.slice(0, 300)));
  const decoder = new TextDecoder();
  const server = new FakeServer();
  server.pairCodeValidator = (pairCode) => pairCode !== "refused";
  const c = await server.join("c", { code: "other" });
  const d = await server.join("d", { code: "other" });

  await fuzz(300, async (chance) => {
    const clients = [];
    for (let step = 0; step < 40; step++) {
      if (clients.length === 0 || chance.below(8) === 0) {
        clients.push(server.connect());
      }
      const { connection } = chance.pick(clients);
      switch (chance.below(8)) {
        case 0:
          connection.onBinary(chance.bytes(chance.below(40)).buffer);
          break;
        case 1:
          connection.onClose(chance.pick([0, 1000, 1006, 4000]));
          break;
        case 2:
        case 3:
          connection.onText(decoder.decode(chance.mutated(chance.pick(valid))));
          break;
        case 4:
          await turn();
          break;
        case 5:
          server.pass(chance.pick([1, 5000, 20_000]), c, d);
          break;
        default:
          connection.onText(decoder.decode(chance.pick(valid)));
      }
    }
    await turn();
    for (const { connection } of clients) connection.onClose(1006);

    c.socket.taken();
    d.socket.taken();
    const packet = new ArrayBuffer(6);
    c.connection.onBinary(packet);
    assertStrictEquals(d.socket.taken()[0], packet);
    assertEquals([c.socket.closes, d.socket.closes], [[], []]);
  });

  c.connection.onClose(4000);
  server.clock.advance(600_000);
  server.assertNothingLeft();
});
