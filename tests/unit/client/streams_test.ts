import { assert, assertEquals, assertRejects } from "@std/assert";
import type { CloseInfo, SocketPeer } from "../../../client.ts";
import {
  ConversationEndedError,
  PeerClosedError,
} from "../../../src/errors.ts";
import { WINDOW_BYTES } from "../../../src/protocol/limits.ts";
import { Simulation } from "../../../testing.ts";

const SECOND = 1000;
const CHUNK_BYTES = 32_768;

/** Two peers that have each other. */
async function joined(webrtc = false) {
  const world = new Simulation();
  const [a, b] = [world.peer({ webrtc }), world.peer({ webrtc })];
  await world.clock.pass(SECOND);
  assert(a.connected && b.connected);
  // Without a listener nothing is taken.
  for (const peer of [a, b]) peer.on("data", () => {});
  return { world, a, b };
}

/** What becomes of a promise: in virtual time nobody may just wait for it. */
function fate(promise: Promise<unknown>) {
  const seen = { settled: false, error: undefined as unknown };
  promise.then(
    () => seen.settled = true,
    (error) => Object.assign(seen, { settled: true, error }),
  );
  return seen;
}

Deno.test("SocketPeer.flush() resolves when the other peer has acknowledged what was sent so far", async () => {
  const { world, a } = await joined();
  world.stallSockets(a);
  a.send("one");
  const flushed = fate(a.flush());
  await world.clock.pass(SECOND);
  assertEquals(flushed.settled, false);
  // What follows is not waited for.
  a.send(new Uint8Array(20_000_000));
  world.healSockets(a);
  while (!flushed.settled) await world.clock.pass(1);
  assertEquals(flushed.error, undefined);
  assert(a.bufferedAmount > 0);
});

Deno.test("SocketPeer.flush() resolves at once when nothing is under way", async () => {
  const { a } = await joined();
  await a.flush();
});

Deno.test("SocketPeer.flush() waits for a Blob, and for one that can't be read no longer than it takes to say so", async () => {
  const { world, a } = await joined();
  class Unreadable extends Blob {
    override arrayBuffer(): Promise<ArrayBuffer> {
      return Promise.reject(new Error("gone"));
    }
  }
  a.on("error", () => {});
  a.send(new Unreadable(["x"]));
  a.send("after");
  const flushed = fate(a.flush());
  await world.clock.pass(SECOND);
  assertEquals(flushed, { settled: true, error: undefined });
});

Deno.test("SocketPeer.flush() rejects with the count when the conversation ends first", async () => {
  const { world, a, b } = await joined();
  world.stallSockets(a);
  a.send("one");
  a.send("two");
  const flushed = a.flush();
  flushed.catch(() => {});
  b.destroy();
  a.destroy();
  const error = await assertRejects(() => flushed, ConversationEndedError);
  assertEquals([error.code, error.unacknowledged], ["ENDED", 2]);
  await assertRejects(() => a.flush(), ConversationEndedError, `"local"`);
});

Deno.test("SocketPeer.flush() resolves where close() delivers what is left", async () => {
  const { world, a } = await joined();
  a.send("last words");
  const flushed = fate(a.flush());
  a.close();
  await world.clock.pass(SECOND);
  assertEquals(flushed, { settled: true, error: undefined });
});

Deno.test("SocketPeer.drained() waits for room, and for none where there is some", async () => {
  const { world, a } = await joined();
  await a.drained();
  assertEquals(a.send(new Uint8Array(6_000_000)), false);
  const drained = fate(a.drained());
  await Promise.resolve();
  assertEquals(drained.settled, false);
  while (!drained.settled) await world.clock.pass(1);
  assertEquals(drained.error, undefined);
  assert(a.bufferedAmount <= 4_194_304 && a.bufferedAmount > 0);
});

Deno.test("SocketPeer.readable gives each message once and in order, and closes with the other side", async () => {
  const { world, a, b } = await joined(true);
  const got: unknown[] = [];
  const reading = (async () => {
    for await (const message of b.readable) got.push(message);
  })();
  for (let index = 0; index < 300; index++) a.send({ index });
  a.close();
  const done = fate(reading);
  await world.clock.pass(SECOND);
  assertEquals(got, Array.from({ length: 300 }, (_, index) => ({ index })));
  assertEquals(done, { settled: true, error: undefined });
});

Deno.test("SocketPeer.readable whose reader is behind stops the other side at its window", async () => {
  const { world, a, b } = await joined();
  const reader = b.readable.getReader();
  let arrived = 0;
  b.on("data", () => arrived++);
  const count = 400;
  for (let index = 0; index < count; index++) {
    a.send(new Uint8Array(CHUNK_BYTES).fill(index));
  }
  await world.clock.pass(60 * SECOND);
  assert(arrived < 5, `${arrived} were taken in`);
  const acknowledged = count * CHUNK_BYTES - a.bufferedAmount;
  assert(acknowledged < WINDOW_BYTES / 4, `${acknowledged} bytes acknowledged`);
  for (let index = 0; index < count; index++) {
    const read = reader.read();
    await world.clock.pass(20);
    const { value } = await read;
    assertEquals((value as Uint8Array)[0], index & 255);
  }
  await world.clock.pass(SECOND);
  assertEquals(a.bufferedAmount, 0);
});

Deno.test("SocketPeer.readable with a slow reader leaves the path as it is", async () => {
  const { world, a, b } = await joined(true);
  assertEquals(a.path, "direct");
  const reader = b.readable.getReader();
  let downgrades = 0;
  a.on("downgrade", () => downgrades++);
  for (let index = 0; index < 100; index++) a.send(new Uint8Array(CHUNK_BYTES));
  await world.clock.pass(30 * SECOND);
  assertEquals([a.path, downgrades], ["direct", 0]);
  // The channel goes silent for real. A peer that takes nothing is asked less
  // often.
  world.stallChannels();
  await world.clock.pass(7 * SECOND);
  assertEquals(a.path, "relay");
  for (let index = 0; index < 100; index++) {
    const read = reader.read();
    await world.clock.pass(50);
    await read;
  }
});

Deno.test("SocketPeer.readable gives the other listeners of a message nothing out of order", async () => {
  const { world, a, b } = await joined();
  const reader = b.readable.getReader();
  const got: unknown[] = [];
  // The reader asks for more in the middle of an event, before the next
  // listener.
  b.on("data", () => void reader.read());
  b.on("data", (message) => got.push(message));
  const sent = Array.from({ length: 200 }, (_, index) => ({ index }));
  for (const message of sent) a.send(message);
  await world.clock.pass(SECOND);
  assertEquals(got, sent);
  assertEquals(a.bufferedAmount, 0);
});

Deno.test("SocketPeer.readable lets messages through again when it is cancelled", async () => {
  const { world, a, b } = await joined();
  const { readable } = b;
  let arrived = 0;
  b.on("data", () => arrived++);
  for (let index = 0; index < 100; index++) a.send(new Uint8Array(CHUNK_BYTES));
  await world.clock.pass(SECOND);
  assert(arrived < 5);
  await readable.cancel();
  await world.clock.pass(SECOND);
  assertEquals([arrived, a.bufferedAmount], [100, 0]);
});

Deno.test("SocketPeer.readable breaks where the conversation does", async () => {
  const { world, a, b } = await joined();
  const { readable } = b;
  const read = fate(readable.getReader().read());
  world.crash(a);
  await world.clock.pass(300 * SECOND);
  assert(read.error instanceof ConversationEndedError, `${read.error}`);
  assert(b.readable !== readable, "the next conversation has its own");
});

Deno.test("SocketPeer.readable breaks where the other side has not closed, but is gone", async () => {
  for (const webrtc of [false, true]) {
    const ways: ((a: SocketPeer) => unknown)[] = [
      (a) => a.destroy(),
      (a) => a.writable.abort(),
      // What it has sent waits for longer than it lingers.
      (a) => a.close(),
    ];
    for (const end of ways) {
      const { world, a, b } = await joined(webrtc);
      const infos: CloseInfo[] = [];
      b.on("close", (info) => infos.push(info));
      const reader = b.readable.getReader();
      for (let count = 0; count < 100; count++) {
        a.send(new Uint8Array(CHUNK_BYTES));
      }
      await world.clock.pass(SECOND);
      await reader.read();
      end(a);
      await world.clock.pass(10 * SECOND);
      assertEquals(infos, [{
        reason: "remote",
        unacknowledged: 0,
        clean: false,
      }]);
      await assertRejects(() => reader.closed, ConversationEndedError);
    }
  }
});

Deno.test("SocketPeer.writable is closed when the other side's stream is, so that this program may end", async () => {
  for (const webrtc of [false, true]) {
    const { world, a, b } = await joined(webrtc);
    const writer = a.writable.getWriter();
    const reader = b.readable.getReader();
    writer.write("all of it");
    writer.close().then(() => world.crash(a));
    for (const expected of ["all of it", undefined]) {
      const next = reader.read();
      await world.clock.pass(SECOND);
      assertEquals((await next).value, expected);
    }
  }
});

Deno.test("SocketPeer.writable sends no faster than the other side reads", async () => {
  const { world, a, b } = await joined();
  const writer = a.writable.getWriter();
  const reader = b.readable.getReader();
  let written = 0;
  const all = (async () => {
    for (; written < 300; written++) {
      await writer.write(new Uint8Array(CHUNK_BYTES));
    }
    await writer.close();
  })();
  await world.clock.pass(60 * SECOND);
  const most = 4_194_304 + 3 * CHUNK_BYTES;
  assert(written * CHUNK_BYTES < 2 * most, `${written} were written`);
  assert(a.bufferedAmount <= most, `${a.bufferedAmount}`);
  let read = 0;
  for (let done = false; !done;) {
    const next = reader.read();
    await world.clock.pass(20);
    ({ done } = await next);
    if (!done) read++;
  }
  await all;
  assertEquals(read, 300);
});

Deno.test("SocketPeer.writable closes the peer when everything is delivered, and not before", async () => {
  const { world, a, b } = await joined();
  const reader = b.readable.getReader();
  const writer = a.writable.getWriter();
  for (let index = 0; index < 10; index++) {
    writer.write(new Uint8Array(CHUNK_BYTES));
  }
  const closed = fate(writer.close());
  let closes = 0;
  a.on("close", () => closes++);
  // This is longer than close() itself would wait.
  await world.clock.pass(60 * SECOND);
  assertEquals([closed.settled, closes], [false, 0]);
  for (let index = 0; index < 10; index++) {
    const next = reader.read();
    await world.clock.pass(100);
    await next;
  }
  await world.clock.pass(SECOND);
  assertEquals([closed, closes], [{ settled: true, error: undefined }, 1]);
});

Deno.test("SocketPeer.writable breaks where the conversation ends, and says how much is missing", async () => {
  const { world, a, b } = await joined();
  const writer = a.writable.getWriter();
  world.stallSockets(b);
  await writer.write("lost");
  b.destroy();
  const closed = fate(writer.closed);
  world.crash(b);
  await world.clock.pass(300 * SECOND);
  const { error } = closed;
  assert(error instanceof ConversationEndedError, `${error}`);
  assertEquals(error.unacknowledged, 1);
});

Deno.test("SocketPeer.writable that is aborted destroys the peer", async () => {
  const { world, a } = await joined();
  const infos: unknown[] = [];
  a.on("close", (info) => infos.push(info));
  await a.writable.abort();
  await world.clock.pass(SECOND);
  assertEquals(infos, [{ reason: "local", unacknowledged: 0, clean: false }]);
});

Deno.test("SocketPeer.writable refuses what cannot be sent, and after close() everything", async () => {
  const { a, b } = await joined();
  const writer = a.writable.getWriter();
  writer.closed.catch(() => {});
  await assertRejects(() => writer.write(undefined), TypeError, "undefined");
  b.close();
  const other = b.writable.getWriter();
  other.closed.catch(() => {});
  await assertRejects(() => other.write(1), PeerClosedError);
});

Deno.test("SocketPeer.readable holds up a writer of empty messages too", async () => {
  for (const nothing of ["", new Uint8Array(), {}]) {
    const world = new Simulation();
    const [a, b] = [
      world.peer({ webrtc: false }),
      world.peer({ webrtc: false }),
    ];
    await world.clock.pass(SECOND);
    const reader = b.readable.getReader();
    for (let count = 0; count < 2000; count++) a.send(nothing);
    await world.clock.pass(10 * SECOND);
    // What is in the stream counts with what it costs to keep it.
    assert(a.bufferedAmount > 0, "all were taken");
    for (let got = 0; got < 2000; got++) await reader.read();
    await world.clock.pass(SECOND);
    assertEquals(a.bufferedAmount, 0);
  }
});
