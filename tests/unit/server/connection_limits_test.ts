import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertStrictEquals,
} from "@std/assert";
import { collectGarbage } from "../../support/collect_garbage.ts";
import {
  type FakePeer,
  FakeServer,
  pairText,
  turn,
} from "../../support/fake_server.ts";

const PONG = '{"type":"pong"}';
const ADDRESS = "192.0.2.1";

/** A candidate as browsers make them. */
const CANDIDATE = JSON.stringify({
  type: "rtc.signal",
  data: {
    generation: 1,
    candidate: {
      candidate: "candidate:1 1 udp 2113937151 192.0.2.1 50000 typ host",
      sdpMid: "0",
      sdpMLineIndex: 0,
    },
  },
});

/** Sends the same until the socket is closed, at most 100,000 times. */
function flood({ socket, connection }: FakePeer, text: string): number {
  let count = 0;
  while (count < 100_000 && socket.closes.length === 0) {
    connection.onText(text);
    count++;
  }
  return count;
}

Deno.test("Connection takes control messages up to maxControlLength", async () => {
  const server = new FakeServer({ maxControlLength: 400 });
  const { socket, connection } = await server.join("a");
  socket.taken();
  const [head, tail] = ['{"type":"pong","data":"', '"}'];
  const filled = (length: number) =>
    head + "x".repeat(length - head.length - tail.length) + tail;
  connection.onText(filled(400));
  assertEquals(server.refusals(), []);
  connection.onText(filled(401));
  assertEquals(server.refusals(), ["size"]);
  const [{ type, data }] = socket.taken();
  assertEquals(type, "error");
  assert(data.message.includes("401") && data.message.includes("400"));
  // The peer has its place, and keeps it.
  connection.onText(PONG);
  assertEquals([socket.closes, socket.sent], [[], []]);
});

Deno.test("Connection closes on one over maxControlLength before a place is taken", () => {
  const server = new FakeServer({ maxControlLength: 400 });
  const { socket, connection } = server.connect(ADDRESS);
  connection.onText(pairText("a", { later: "x".repeat(400) }));
  assertEquals(socket.closeCode, 4001);
  assertEquals(server.events(), [
    { type: "refuse", address: ADDRESS, reason: "size" },
  ]);
  server.assertNothingLeft();
});

Deno.test("Connection takes pair codes up to maxPairCodeLength", async () => {
  const server = new FakeServer({ maxPairCodeLength: 10 });
  const taken = await server.join("a", { code: "x".repeat(10) });
  assertEquals(server.refusals(), []);
  const refused = await server.join("b", { code: "x".repeat(11) });
  assertEquals(taken.socket.closes, []);
  assertEquals(refused.socket.closes, [{
    code: 4001,
    reason: "Cannot take a pair code of 11 characters: it must have 1 to 10",
  }]);
  assertEquals(refused.socket.types(), ["error"]);
  assertEquals(server.refusals(), ["pair_code"]);
});

Deno.test("Connection takes packets up to maxPacketBytes", async () => {
  const server = new FakeServer({ maxPacketBytes: 100 });
  const { a, b } = await server.joinPair();
  server.events();
  a.connection.onBinary(new ArrayBuffer(100));
  assertEquals(b.socket.types(), ["packet"]);
  a.connection.onBinary(new ArrayBuffer(101));
  assertEquals(a.socket.closes, [
    { code: 4001, reason: "a packet has 101 bytes of at most 100" },
  ]);
  assertEquals(server.refusals(), ["size"]);
  assertEquals([b.socket.types(), b.socket.closes], [["peer.lost"], []]);
});

Deno.test("Connection gives up one for which more than maxBufferedBytes wait", async () => {
  const server = new FakeServer({ maxBufferedBytes: 1000 });
  const { a, b } = await server.joinPair();
  server.events();
  b.socket.stalled = true;
  for (let time = 0; time < 10; time++) {
    a.connection.onBinary(new ArrayBuffer(100));
  }
  assertEquals([b.socket.closes, server.refusals()], [[], []]);
  a.connection.onBinary(new ArrayBuffer(1));
  assertEquals(b.socket.closeCode, 4009);
  assertEquals(server.refusals(), ["unread"]);
  // Nothing waits for a close that may never be reported.
  assertEquals(server.ended, [b.connection]);
  assertEquals(server.closed, []);
  assertEquals([server.registry.pairs, server.registry.waiting], [0, 1]);
  const again = await server.join("b", { partner: "a" });
  assertEquals(again.socket.types().at(-1), "peer.found");
  assertEquals(server.registry.pairs, 1);
});

Deno.test("Connection keeps nothing of a socket that it has given up", async () => {
  const server = new FakeServer({ maxBufferedBytes: 1000 });
  const { a, b } = await server.joinPair();
  b.socket.stalled = true;
  b.socket.bufferedAmount = 1000;
  a.connection.onBinary(new ArrayBuffer(1));
  assertEquals(b.socket.closeCode, 4009);
  const { sent } = b.socket;
  // The connection itself may be held by what will never report its close.
  b.socket.send = () => {
    throw new Error("It is sent on");
  };
  b.connection.found(a.connection, false);
  b.connection.waiting();
  b.connection.lost();
  b.connection.dismiss(1012, "retry in 5 ms");
  a.connection.onBinary(new ArrayBuffer(1));
  assertStrictEquals(b.socket.sent, sent);
  assertEquals(b.socket.closes.length, 1);
});

Deno.test("Connection refers to no socket and no partner that it has given up", async () => {
  const server = new FakeServer({ maxBufferedBytes: 1000 });
  const { ended, sockets } = await (async () => {
    const { a, b } = await server.joinPair();
    b.socket.stalled = true;
    b.socket.bufferedAmount = 1000;
    a.connection.onBinary(new ArrayBuffer(1));
    a.connection.onClose(4000);
    const sockets = [a.socket, b.socket].map((socket) => new WeakRef(socket));
    return { ended: [a.connection, b.connection], sockets };
  })();
  // What a WeakRef was made of lives until the end of the turn.
  await new Promise((resolve) => setTimeout(resolve));
  collectGarbage();
  assertEquals(sockets.map((socket) => socket.deref()), [undefined, undefined]);
  assertEquals(ended.length, 2);
});

Deno.test("Connection waits for a pair as long as pairTimeout", () => {
  const server = new FakeServer({ pairTimeout: 500 });
  const { socket } = server.connect();
  server.clock.advance(499);
  assertEquals(socket.closes, []);
  server.clock.advance(1);
  assertEquals(socket.closes, [
    { code: 4003, reason: 'no "pair" came in 500 ms' },
  ]);
  assertEquals(server.ends, socket.closes);
  server.assertNothingLeft();
});

Deno.test("Connection asks for signs of life every heartbeatInterval", async () => {
  const server = new FakeServer({ heartbeatInterval: 700 });
  const { socket } = await server.join("a", { partner: "b" });
  assertEquals(socket.taken(), [
    { type: "peer.waiting", data: { interval: 700 } },
  ]);
  server.clock.advance(700);
  assertEquals(socket.taken(), [{ type: "ping", data: { interval: 700 } }]);
  server.clock.advance(700);
  assertEquals(socket.closeCode, 4009);
});

Deno.test("Connection takes as many control messages as controlRate allows", async () => {
  const controlRate = { burst: 10, perSecond: 2 };
  const floods = [
    PONG,
    CANDIDATE,
    "not a control message",
    '{"type":"upgrade"}',
    '{"type":"data","data":1}',
    pairText("a"),
  ];
  for (const text of floods) {
    const server = new FakeServer({ controlRate });
    const { a, b } = await server.joinPair();
    server.events();
    // The `pair` was the first of the control messages.
    assertEquals(flood(a, text), 10, text);
    assertEquals(a.socket.closes, [
      { code: 4010, reason: "too many control messages" },
    ]);
    assertEquals(server.refusals().at(-1), "control_rate");
    assertEquals(b.socket.closes, []);
    b.connection.onClose(4000);
    server.assertNothingLeft();
  }
});

Deno.test("Connection takes control messages for ever at the rate's pace", async () => {
  const server = new FakeServer({ controlRate: { burst: 2, perSecond: 2 } });
  const { socket, connection } = await server.join("a", { partner: "b" });
  for (let time = 0; time < 100; time++) {
    server.clock.advance(500);
    connection.onText(PONG);
  }
  assertEquals(socket.closes, []);
});

Deno.test("Connection does not count packets", async () => {
  const server = new FakeServer({ controlRate: { burst: 1, perSecond: 1 } });
  const { a, b } = await server.joinPair();
  for (let time = 0; time < 10_000; time++) {
    a.connection.onBinary(new ArrayBuffer(6));
  }
  assertEquals([a.socket.closes, b.socket.closes], [[], []]);
});

Deno.test("Connection takes as many control messages of one address as addressControlRate allows", async () => {
  const addressControlRate = { burst: 10, perSecond: 1 };
  const server = new FakeServer({ addressControlRate });
  const peers = [];
  for (const id of ["a", "b", "c"]) {
    peers.push(await server.join(id, { code: id }, ADDRESS));
  }
  const other = await server.join("d", { code: "d" }, "192.0.2.2");
  assertEquals(flood(peers[0], PONG), 8);
  assertEquals(server.refusals(), ["control_rate"]);
  // What is used up is used up for all of them.
  assertEquals(flood(peers[1], PONG), 1);
  other.connection.onText(PONG);
  assertEquals(other.socket.closes, []);
  server.clock.advance(1000);
  peers[2].connection.onText(PONG);
  assertEquals(peers[2].socket.closes, []);
});

Deno.test("Connection takes as many attempts to pair from one address as pairRate allows", async () => {
  const server = new FakeServer({ pairRate: { burst: 4, perSecond: 1 } });
  let asked = 0;
  server.pairCodeValidator = () => ++asked > 0;
  // Two by two they find each other: these cost one each.
  for (const id of ["a", "b", "c", "d"]) {
    const code = id < "c" ? "first" : "second";
    const peer = await server.join(id, { code }, ADDRESS);
    assertEquals(peer.socket.closes, []);
  }
  const { socket } = await server.join("e", { code: "third" }, ADDRESS);
  assertEquals(socket.closes, [
    { code: 4010, reason: "too many attempts to pair" },
  ]);
  assertEquals(server.refusals(), ["pair_rate"]);
  assertEquals(asked, 4);
  const other = await server.join("f", { code: "third" }, "192.0.2.2");
  assertEquals(other.socket.closes, []);
  server.clock.advance(1000);
  const later = await server.join("g", { code: "fourth" }, ADDRESS);
  assertEquals(later.socket.closes, []);
});

/** Whether the address has paid ten for what happens in `attempt`. */
async function isFailure(
  attempt: (server: FakeServer) => void | Promise<void>,
): Promise<boolean> {
  const server = new FakeServer({ pairRate: { burst: 30, perSecond: 0.001 } });
  await attempt(server);
  await turn();
  let left = 0;
  while (server.addresses.takePair(ADDRESS)) left++;
  return left < 25;
}

/** What ends an attempt without a partner, and is paid for. */
const FAILURES: Record<string, (server: FakeServer) => void | Promise<void>> = {
  "the pair code is held by two others": async (server) => {
    await server.joinPair();
    await server.join("c", {}, ADDRESS);
  },
  "the key is wrong": async (server) => {
    await server.join("a");
    await server.join("a", { key: "a guess" }, ADDRESS);
  },
  "the pair code is refused": async (server) => {
    server.pairCodeValidator = () => false;
    await server.join("a", {}, ADDRESS);
  },
  "it leaves while it waits": async (server) => {
    (await server.join("a", {}, ADDRESS)).connection.onClose(4000);
  },
  "its socket breaks while it waits": async (server) => {
    (await server.join("a", {}, ADDRESS)).connection.onClose(1006);
  },
  "its socket breaks while the validator decides": async (server) => {
    server.pairCodeValidator = () => new Promise(() => {});
    (await server.join("a", {}, ADDRESS)).connection.onClose(1006);
  },
  "it leaves just before nobody came": async (server) => {
    const peer = await server.join("a", {}, ADDRESS);
    server.pass(59_000, peer);
    peer.connection.onClose(4000);
  },
  "it does not say what it wants": (server) => {
    server.connect(ADDRESS);
    server.clock.advance(10_000);
  },
  "it goes silent while it waits": async (server) => {
    await server.join("a", {}, ADDRESS);
    server.clock.advance(60_000);
  },
  "it speaks version 1, and leaves while it waits": async (server) => {
    (await server.joinLegacy("code", ADDRESS)).connection.onClose(1005);
  },
  "it speaks version 1, and is busy": async (server) => {
    await server.joinPair();
    await server.joinLegacy("s3cret", ADDRESS);
  },
};

for (const [name, attempt] of Object.entries(FAILURES)) {
  Deno.test(`Connection counts an attempt to pair ten times when ${name}`, async () => {
    assert(await isFailure(attempt));
  });
}

/** What ends an attempt, and is nobody's guess at a pair code. */
const HONEST: Record<string, (server: FakeServer) => void | Promise<void>> = {
  "it has met its partner": async (server) => {
    const a = await server.join("a", {}, ADDRESS);
    const b = await server.join("b");
    b.connection.onClose(1006);
    a.connection.onClose(1006);
  },
  "its newer socket takes its place": async (server) => {
    await server.join("a", {}, ADDRESS);
    await server.join("a", {}, "192.0.2.2");
  },
  "the server restarts": async (server) => {
    const { connection } = await server.join("a", {}, ADDRESS);
    connection.dismiss(1012, "retry in 5 ms");
  },
  "the server ends the conversation": async (server) => {
    await server.join("a", {}, ADDRESS);
    server.registry.end("s3cret");
  },
};

for (const [name, attempt] of Object.entries(HONEST)) {
  Deno.test(`Connection counts an attempt to pair once when ${name}`, async () => {
    assertEquals(await isFailure(attempt), false);
  });
}

/** What has waited alone for as long as anybody may. */
const WAITS: Record<string, (server: FakeServer) => Promise<void>> = {
  "nobody comes": async (server) => {
    const peer = await server.join("a", {}, ADDRESS);
    server.pass(60_000, peer);
    assertEquals(peer.socket.closeCode, 4004);
  },
  "it leaves just before it is told": async (server) => {
    const peer = await server.join("a", { partner: "z" }, ADDRESS);
    server.pass(60_000, peer);
    peer.connection.onClose(1006);
  },
  "it speaks version 1, and leaves after a minute": async (server) => {
    const peer = await server.joinLegacy("code", ADDRESS);
    server.pass(60_000, peer);
    peer.connection.onClose(1005);
  },
};

for (const [name, attempt] of Object.entries(WAITS)) {
  Deno.test(`Connection does not count an attempt to pair when ${name}`, async () => {
    const server = new FakeServer({
      pairRate: { burst: 1, perSecond: 0.001 },
    });
    await attempt(server);
    assert(server.addresses.takePair(ADDRESS));
  });
}

Deno.test("Connection counts no attempt after a minute where peerTimeout is 0", async () => {
  const server = new FakeServer({
    peerTimeout: 0,
    pairRate: { burst: 1, perSecond: 0.001 },
  });
  const peer = await server.join("a", {}, ADDRESS);
  server.pass(60_000, peer);
  peer.connection.onClose(4000);
  assert(server.addresses.takePair(ADDRESS));
});

Deno.test("Connection lets an address that waits on 256 sockets try 256 pair codes in each peerTimeout", async () => {
  const server = new FakeServer({ peerTimeout: 10_000 });
  const MINUTES = 10;
  let guesses = 0;
  let held: FakePeer[] = [];
  for (let second = 0; second < 60 * MINUTES; second++) {
    held = held.filter(({ socket }) => socket.closes.length === 0);
    while (held.length < 256) {
      const code = `guess ${guesses}`;
      const peer = await server.join("x", { code }, ADDRESS);
      if (peer.socket.closeCode === 4010) break;
      guesses++;
      held.push(peer);
    }
    server.pass(1000, ...held);
  }
  assertLessOrEqual(guesses, 6 * MINUTES * 256);
});

Deno.test("Connection lets an address guess at about one pair code a second", async () => {
  const server = new FakeServer();
  let guesses = 0;
  const SECONDS = 600;
  for (let second = 0; second < SECONDS; second++) {
    for (let guess = 0; guess < 20; guess++) {
      const code = `guess ${second} ${guess}`;
      const { socket, connection } = await server.join("x", { code }, ADDRESS);
      if (socket.closeCode === 4010) break;
      guesses++;
      connection.onClose(1006);
    }
    server.clock.advance(1000);
  }
  // The burst of 1000 buys a hundred at first.
  assertLessOrEqual(guesses, SECONDS + 110);
  // Who shares a code is let in from anywhere else.
  const honest = await server.join("a", {}, "192.0.2.2");
  assertEquals(honest.socket.closes, []);
});

Deno.test("Connection does not trouble a peer that sends 100 candidates at once, again and again", async () => {
  const server = new FakeServer();
  const { a, b } = await server.joinPair();
  for (let restart = 0; restart < 20; restart++) {
    for (let time = 0; time < 100; time++) a.connection.onText(CANDIDATE);
    server.pass(5000, a, b);
  }
  assertEquals([a.socket.closes, b.socket.closes], [[], []]);
});

Deno.test("Connection does not trouble a page that is reloaded every 2 seconds", async () => {
  const server = new FakeServer();
  for (let time = 0; time < 1000; time++) {
    const peer = await server.join(`${time}`, {}, ADDRESS);
    server.pass(2000, peer);
    assertEquals(peer.socket.closes, []);
    peer.connection.onClose(time % 2 ? 4000 : 1001);
  }
});

Deno.test("Connection does not trouble 50 peers of one address that connect at once", async () => {
  const server = new FakeServer();
  for (let round = 0; round < 5; round++) {
    const peers: FakePeer[] = [];
    for (let index = 0; index < 50; index++) {
      const code = `code ${index >> 1}`;
      const id = `${round} ${index}`;
      peers.push(await server.join(id, { code }, ADDRESS));
    }
    for (const { connection } of peers) {
      for (let time = 0; time < 100; time++) connection.onText(CANDIDATE);
    }
    server.pass(20_000, ...peers);
    for (const { socket } of peers) assertEquals(socket.closes, []);
    // Their network fails, and comes back.
    for (const { connection } of peers) connection.onClose(4000);
  }
});

Deno.test("Connection does not trouble 50 peers of one address that wait for hours, and come back each minute", async () => {
  const server = new FakeServer();
  for (let minute = 0; minute < 120; minute++) {
    const peers: FakePeer[] = [];
    for (let index = 0; index < 50; index++) {
      peers.push(await server.join("x", { code: `${index}` }, ADDRESS));
    }
    for (const { socket } of peers) assertEquals(socket.closes, []);
    server.pass(60_000, ...peers);
    for (const { socket } of peers) assertEquals(socket.closeCode, 4004);
  }
});
