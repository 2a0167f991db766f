/**
 * `readable` and `writable` over real sockets and the real command: a slow
 * reader slows the writer, and nothing piles up in between.
 *
 * With `-- --long` a gigabyte passes instead of 64 MB.
 */

// deno-lint-ignore-file no-console -- figures of the long form
import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertRejects,
} from "@std/assert";
import { deadline, delay } from "@std/async";
import {
  type CloseInfo,
  SocketPeer,
  type SocketPeerOptions,
} from "../../client.ts";
import { ConversationEndedError } from "../../src/errors.ts";
import { residentBytes, startCommand } from "../support/start_command.ts";
import { startServer } from "../support/start_server.ts";

const LONG = Deno.args.includes("--long");
const PATIENCE_MS = 60_000;
const MB = 1_000_000;

/** Two peers of a server, destroyed when their scope is left. */
function peers(url: string, options: SocketPeerOptions = {}) {
  const stack = new DisposableStack();
  const create = () =>
    stack.adopt(
      new SocketPeer({ pairCode: "code", url, ...options }),
      (peer) => peer.destroy(),
    );
  const [a, b] = [create(), create()];
  return { a, b, [Symbol.dispose]: () => stack.dispose() };
}

const connected = (peer: SocketPeer) =>
  new Promise<void>((resolve) => peer.once("connect", resolve));

const closed = (peer: SocketPeer) =>
  new Promise<CloseInfo>((resolve) => peer.once("close", resolve));

async function readAll(stream: ReadableStream): Promise<unknown[]> {
  const messages = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

Deno.test("SocketPeer.writable is held up by the other side's reader, and nothing piles up in between", async () => {
  const totalBytes = LONG ? 1000 * MB : 64 * MB;
  const chunkBytes = 32_768;
  const chunks = Math.ceil(totalBytes / chunkBytes);
  const restEvery = Math.ceil(chunks / 8);
  await using server = await startCommand();
  using pair = peers(server.url);
  await Promise.all([connected(pair.a), connected(pair.b)]);

  let written = 0;
  let read = 0;
  let mostBetween = 0;
  const write = async () => {
    const writer = pair.a.writable.getWriter();
    for (; written < chunks; written++) {
      mostBetween = Math.max(mostBetween, written - read);
      const chunk = new Uint8Array(chunkBytes).fill(written % 251);
      new DataView(chunk.buffer).setUint32(0, written);
      await writer.write(chunk);
    }
    await writer.close();
  };
  const memory: { here: number; server: number }[] = [];
  const remember = async () => {
    memory.push({
      here: await residentBytes(Deno.pid),
      server: await server.residentBytes(),
    });
  };
  const readSlowly = async () => {
    for await (const message of pair.b.readable) {
      assertInstanceOf(message, Uint8Array);
      assertEquals(message.length, chunkBytes);
      const { buffer, byteOffset } = message;
      assertEquals(new DataView(buffer, byteOffset).getUint32(0), read);
      assertEquals(message[chunkBytes - 1], read % 251);
      if (++read % restEvery === 0) {
        await delay(300);
        const before = written;
        await delay(200);
        assertEquals(written, before, "the writer went on");
        await remember();
      }
    }
  };
  const started = performance.now();
  const end = closed(pair.b);
  await deadline(
    Promise.all([write(), readSlowly()]),
    LONG ? 20 * PATIENCE_MS : PATIENCE_MS,
  );
  assertEquals(read, chunks);
  assertEquals((await end).reason, "remote");
  // highWaterMark unacknowledged, and what the reader's stream keeps.
  assertLess(mostBetween * chunkBytes, 5 * MB);

  const grown = (where: "here" | "server") =>
    Math.max(...memory.map((sample) => sample[where])) - memory[0][where];
  if (LONG) {
    const seconds = (performance.now() - started) / 1000;
    console.log(`${totalBytes / MB} MB in ${seconds.toFixed(1)} s`);
    console.log(`at most ${mostBetween * chunkBytes} bytes in between`);
    for (const where of ["here", "server"] as const) {
      const mb = memory.map((sample) => Math.round(sample[where] / MB));
      console.log(`resident, ${where}, MB: ${mb.join(" ")}`);
    }
  }
  // What is collected late must not fail it, and a pile of highWaterMark in each
  // of a few places is what is allowed. NaN where nothing can be measured.
  assert(!(grown("here") > 80 * MB), `grown by ${grown("here")}`);
  // The server's garbage came to 34 MB with 64 MB sent, and with 400 MB sent.
  assert(!(grown("server") > 56 * MB), `grown by ${grown("server")}`);
});

Deno.test("SocketPeer.readable and writable take part in pipeTo(), which closes both sides when all has arrived", async () => {
  await using server = startServer();
  using pair = peers(server.url);
  const messages = Array.from({ length: 1000 }, (_, number) => ({ number }));
  const got: unknown[] = [];
  const ends = Promise.all([closed(pair.a), closed(pair.b)]);
  await deadline(
    Promise.all([
      ReadableStream.from(messages).pipeTo(pair.a.writable),
      pair.b.readable.pipeTo(
        new WritableStream({
          async write(message) {
            got.push(message);
            if (got.length % 100 === 0) await delay(1);
          },
        }),
      ),
    ]),
    PATIENCE_MS,
  );
  assertEquals(got, messages);
  assertEquals(await ends, [
    { reason: "local", unacknowledged: 0, clean: false },
    { reason: "remote", unacknowledged: 0, clean: true },
  ]);
});

Deno.test("SocketPeer.readable ends a `for await` where the other side has closed, after its last message", async () => {
  await using server = startServer();
  using pair = peers(server.url);
  const reading = readAll(pair.b.readable);
  for (const message of ["one", { two: 2 }, ["three"]]) pair.a.send(message);
  await connected(pair.a);
  pair.a.close();
  assertEquals(await deadline(reading, PATIENCE_MS), [
    "one",
    { two: 2 },
    ["three"],
  ]);
});

Deno.test("SocketPeer.readable lets listeners have the messages again when a `for await` is left", async () => {
  await using server = startServer();
  using pair = peers(server.url);
  for (let i = 0; i < 3; i++) pair.a.send(i);
  const heard: unknown[] = [];
  const all = Promise.withResolvers<void>();
  pair.b.on("data", (message) => {
    heard.push(message);
    if (message === 999) all.resolve();
  });
  for await (const message of pair.b.readable) {
    if (message === 1) break;
  }
  for (let i = 3; i < 1000; i++) pair.a.send(i);
  await deadline(all.promise, PATIENCE_MS);
  assertEquals(heard, Array.from({ length: 1000 }, (_, i) => i));
  assert(pair.b.connected);
});

Deno.test("SocketPeer.readable goes on after a cancel() that came while its reader was behind", async () => {
  await using server = startServer();
  using pair = peers(server.url);
  const reader = pair.b.readable.getReader();
  const chunk = new Uint8Array(65_536);
  for (let i = 0; i < 64; i++) pair.a.send(chunk);
  await reader.read();
  await delay(200);
  assertGreater(pair.a.bufferedAmount, 3 * MB);
  await reader.cancel();
  pair.b.on("data", () => {});
  await deadline(pair.a.flush(), PATIENCE_MS);
});

Deno.test("SocketPeer.readable and writable break where the server ends the conversation", async () => {
  await using server = startServer();
  using pair = peers(server.url);
  const writer = pair.a.writable.getWriter();
  const reader = pair.b.readable.getReader();
  await writer.write("a word");
  assertEquals(await reader.read(), { done: false, value: "a word" });
  await server.peerServer.leave("code");
  const error = await assertRejects(() => reader.read());
  assertInstanceOf(error, ConversationEndedError);
  await assertRejects(() => writer.closed, ConversationEndedError);
  await assertRejects(() => writer.write("another"), ConversationEndedError);
});

Deno.test("SocketPeer.writable.abort() destroys the peer", async () => {
  await using server = startServer();
  using pair = peers(server.url);
  await connected(pair.a);
  const ends = Promise.all([closed(pair.a), closed(pair.b)]);
  await pair.a.writable.abort("enough");
  const [a, b] = await deadline(ends, PATIENCE_MS);
  assertEquals([a.reason, b.reason], ["local", "remote"]);
});

Deno.test("SocketPeer has streams of its own in each conversation", async () => {
  await using server = startServer();
  using pair = peers(server.url);
  const first = readAll(pair.b.readable);
  const writer = pair.a.writable.getWriter();
  const end = closed(pair.a);
  await writer.write("first");
  await writer.close();
  assertEquals(await deadline(first, PATIENCE_MS), ["first"]);

  await end;
  const second = readAll(pair.b.readable);
  pair.a.connect();
  const again = pair.a.writable.getWriter();
  await again.write("second");
  await again.close();
  assertEquals(await deadline(second, PATIENCE_MS), ["second"]);
});
