/** Whether links of tests and benchmarks do what they say, on real sockets. */

import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
} from "@std/assert";
import { deadline, delay } from "@std/async";
import type { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { AccessLink, type LinkShape } from "../support/link.ts";
import { type TcpProxy, tcpProxy } from "../support/tcp_proxy.ts";
import { udpProxy } from "../support/udp_proxy.ts";

const hostname = "127.0.0.1";

function assertBetween(value: number, low: number, high: number): void {
  assert(low <= value && value <= high, `${value} is not in ${low} to ${high}`);
}

/** Two UDP sockets with a proxy between them. */
async function udpScene(a: AccessLink, b: AccessLink) {
  const stack = new AsyncDisposableStack();
  const proxy = stack.use(udpProxy([a, b]));
  stack.use(a);
  stack.use(b);
  const bind = async () => {
    const socket = createSocket("udp4").bind(0, hostname);
    await once(socket, "listening");
    stack.defer(() => void socket.close());
    return socket;
  };
  const [from, to] = [await bind(), await bind()];
  const port = await proxy.standIn(1, hostname, to.address().port);
  const arrivals: { at: number; number: number; port: number }[] = [];
  to.on("message", (packet: Buffer, { port }) => {
    const at = performance.now();
    arrivals.push({ at, number: packet.readUInt32BE(), port });
  });
  let sent = 0;
  return {
    ...{ proxy, from, to, arrivals },
    send(bytes: number) {
      const packet = new Uint8Array(bytes);
      new DataView(packet.buffer).setUint32(0, sent++);
      from.send(packet, port, hostname);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A server that greets whoever comes, and takes what they send. */
function sink(greeting = new Uint8Array()) {
  const listener = Deno.listen({ hostname, port: 0 });
  const connections = new Set<Deno.TcpConn>();
  const self = {
    port: listener.addr.port,
    received: 0,
    ended: 0,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of connections) connection.close();
      await accepting;
    },
  };
  const serve = async (connection: Deno.TcpConn) => {
    try {
      if (greeting.length > 0) await connection.write(greeting);
      for await (const { length } of connection.readable) {
        self.received += length;
      }
    } catch {
      // The connection was cut.
    }
    connections.delete(connection);
    self.ended++;
  };
  const accept = async () => {
    for await (const connection of listener) {
      connections.add(connection);
      serve(connection);
    }
  };
  const accepting = accept();
  return self;
}

async function tcpScene(shape: LinkShape, greeting?: Uint8Array<ArrayBuffer>) {
  const stack = new AsyncDisposableStack();
  const server = stack.use(sink(greeting));
  const access = stack.use(new AccessLink(shape));
  const proxy: TcpProxy = stack.use(tcpProxy(server.port, access));
  await proxy.ready;
  const connect = () => Deno.connect({ hostname, port: proxy.port });
  return {
    ...{ server, access, proxy, connect },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Sends until it is told to stop; a connection that is cut is no error. */
function flood(connection: Deno.TcpConn) {
  const chunk = new Uint8Array(65_536);
  let stopped = false;
  const sending = (async () => {
    try {
      while (!stopped) await connection.write(chunk);
    } catch {
      // The connection was closed.
    }
  })();
  return async () => {
    stopped = true;
    connection.close();
    await sending;
  };
}

/** Waits for the next bytes, which make so many of them. */
async function untilReceived(
  server: { received: number },
  bytes: number,
): Promise<void> {
  const end = performance.now() + 5000;
  const before = server.received;
  while (server.received === before && performance.now() < end) await delay(5);
  // What has come together is there by now.
  await delay(20);
  assertEquals(server.received, bytes);
}

async function received(
  server: { received: number },
  ms: number,
): Promise<number> {
  const before = server.received;
  const start = performance.now();
  await delay(ms);
  return (server.received - before) / (performance.now() - start) * 1000;
}

Deno.test("udpProxy() takes the time of both links, and nothing overtakes", async () => {
  const shape = { delayMs: 20, jitterMs: 10 };
  await using scene = await udpScene(
    new AccessLink(shape),
    new AccessLink(shape),
  );
  const sentAt: number[] = [];
  for (let i = 0; i < 50; i++) {
    sentAt.push(performance.now());
    scene.send(100);
    await delay(5);
  }
  await delay(100);
  const numbers = scene.arrivals.map(({ number }) => number);
  assertEquals(numbers, [...sentAt.keys()]);
  const delays = scene.arrivals.map(({ at }, i) => at - sentAt[i]);
  assertGreater(Math.min(...delays), 19);
  assertLess(Math.max(...delays), 300);
});

Deno.test("udpProxy() keeps a link's rate, and drops what its queue has no room for", async () => {
  const slow = { bytesPerSecond: 100_000, queueBytes: 20_000 };
  await using scene = await udpScene(
    new AccessLink(slow),
    new AccessLink(),
  );
  // The queue holds twenty of these, and another leaves every 10 ms: also while
  // they are sent, which takes as long as it takes.
  const start = performance.now();
  for (let i = 0; i < 100; i++) scene.send(972);
  await delay(400);
  const { length: passed } = scene.arrivals;
  assertBetween(passed, 19, 40);
  // Not since the first came, which a busy machine is late to see.
  assertGreater(scene.arrivals.at(-1)!.at - start, 9 * passed);
  scene.arrivals.length = 0;
  for (let i = 0; i < 200; i++) {
    for (let j = 0; j < 2; j++) scene.send(972);
    await delay(2);
  }
  const { length } = scene.arrivals;
  const seconds = (scene.arrivals.at(-1)!.at - scene.arrivals[0].at) / 1000;
  assertBetween(length / seconds, 80, 120);
});

Deno.test("udpProxy() loses as much as a link loses", async () => {
  await using scene = await udpScene(
    new AccessLink({ loss: 0.2 }),
    new AccessLink(),
  );
  for (let i = 0; i < 1000; i++) {
    scene.send(100);
    if (i % 10 === 0) await delay(1);
  }
  await delay(50);
  assertBetween(scene.arrivals.length, 700, 890);
});

Deno.test("udpProxy() lets nothing pass while a link is dead, and all at once after", async () => {
  await using scene = await udpScene(new AccessLink(), new AccessLink());
  await using access = new AccessLink();
  access.breakFor(100);
  assert(access.dead);
  await delay(150);
  assert(!access.dead);
  scene.send(100);
  await delay(20);
  assertEquals(scene.arrivals.length, 1);
});

Deno.test("udpProxy().move() gives a side new ports, and loses what goes to the old ones", async () => {
  await using scene = await udpScene(new AccessLink(), new AccessLink());
  scene.send(100);
  await delay(20);
  const [{ port }] = scene.arrivals;
  const back: number[] = [];
  scene.from.on("message", (packet: Buffer) => back.push(packet.length));
  scene.to.send(new Uint8Array(8), port, hostname);
  await delay(20);
  assertEquals(back, [8]);

  await scene.proxy.move(0);
  scene.to.send(new Uint8Array(9), port, hostname);
  scene.send(100);
  await delay(20);
  assertEquals(back, [8]);
  assertEquals(scene.arrivals.length, 2);
  assert(scene.arrivals[1].port !== port);
  scene.to.send(new Uint8Array(10), scene.arrivals[1].port, hostname);
  await delay(20);
  assertEquals(back, [8, 10]);
});

Deno.test("tcpProxy() keeps a link's rate, and its queue", async () => {
  const shape = { bytesPerSecond: 200_000, queueBytes: 30_000, delayMs: 10 };
  await using scene = await tcpScene(shape);
  const stop = flood(await scene.connect());
  await delay(500);
  assertBetween(await received(scene.server, 2000), 150_000, 210_000);
  assertLess(scene.access.up.queuedBytes(), 30_001);
  assertGreater(scene.access.up.droppedPackets, 0);
  await stop();
});

Deno.test("tcpProxy() takes a round trip to connect, and one for each answer", async () => {
  await using scene = await tcpScene({ delayMs: 50 }, new Uint8Array(10));
  const start = performance.now();
  using connection = await scene.connect();
  await connection.read(new Uint8Array(10));
  assertBetween(performance.now() - start, 149, 600);
});

Deno.test("tcpProxy() starts slowly on a far link, and doubles with each round trip", async () => {
  await using scene = await tcpScene({ delayMs: 100 });
  const stop = flood(await scene.connect());
  // The first ten segments arrive after 300 ms, twenty more 200 ms later.
  await delay(400);
  assertBetween(scene.server.received, 10_000, 20_000);
  await delay(200);
  assertBetween(scene.server.received, 35_000, 60_000);
  await delay(800);
  assertGreater(scene.server.received, 300_000);
  await stop();
});

Deno.test("tcpProxy() is as slow on a lossy link as TCP is", async () => {
  // By Mathis's formula, 1448 / 0.04 * 1.22 / sqrt(0.02): 312 KB/s.
  await using scene = await tcpScene({ delayMs: 20, loss: 0.02 });
  const stop = flood(await scene.connect());
  // What it reached before the first loss takes as long to forget.
  await delay(2500);
  assertBetween(await received(scene.server, 2000), 100_000, 700_000);
  await stop();
});

Deno.test("tcpProxy() goes on after a gap when TCP would send again, and connects at once", async () => {
  await using scene = await tcpScene({ delayMs: 5 });
  using old = await scene.connect();
  await old.write(new Uint8Array(100));
  await untilReceived(scene.server, 100);
  scene.access.breakFor(1000);
  await old.write(new Uint8Array(100));
  await delay(200);
  using early = await scene.connect();
  await early.write(new Uint8Array(1000));
  await delay(850);
  // The old one was due after 200 and 600 ms, and is after 1400 ms.
  assertEquals(scene.server.received, 100);
  using later = await scene.connect();
  await later.write(new Uint8Array(10_000));
  await untilReceived(scene.server, 10_100);
  // The early one knocks a second after it began.
  await untilReceived(scene.server, 11_100);
  await untilReceived(scene.server, 11_200);
});

Deno.test("tcpProxy() strands connections for good", async () => {
  await using scene = await tcpScene({ delayMs: 1 });
  using old = await scene.connect();
  await old.write(new Uint8Array(100));
  await untilReceived(scene.server, 100);
  scene.proxy.strand();
  await old.write(new Uint8Array(100));
  await delay(800);
  using later = await scene.connect();
  await later.write(new Uint8Array(1000));
  await untilReceived(scene.server, 1100);
  await assertRejects(() => deadline(old.read(new Uint8Array(1)), 50));
});

Deno.test("tcpProxy() delivers what was sent before the client closed", async () => {
  await using scene = await tcpScene({ bytesPerSecond: 100_000 });
  const client = await scene.connect();
  const bytes = new Uint8Array(80_000);
  for (let sent = 0; sent < bytes.length;) {
    sent += await client.write(bytes.subarray(sent));
  }
  client.close();
  await delay(300);
  assertLess(scene.server.received, 60_000);
  assertEquals(scene.server.ended, 0);
  await delay(900);
  assertEquals(scene.server.received, bytes.length);
  assertEquals(scene.server.ended, 1);
  assertEquals(scene.proxy.open, 0);
});

Deno.test(
  "tcpProxy() leaves in the client's kernel about what a real link leaves there",
  {
    ignore: Deno.build.os !== "linux",
  },
  async () => {
    await using scene = await tcpScene({ bytesPerSecond: 50_000 });
    // The proxy listens before it has changed its listener.
    await delay(50);
    const client = await scene.connect();
    let written = 0;
    const sending = (async () => {
      const chunk = new Uint8Array(1000);
      for (;;) written += await client.write(chunk);
    })().catch(() => {});
    await delay(1500);
    assertBetween(written - scene.server.received, 30_000, 1_000_000);
    client.close();
    await sending;
  },
);
