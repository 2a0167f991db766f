/** Numbers that a server gives out as pair codes, over real sockets. */

import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { MemoryEngine } from "../../src/server/brokers/memory.ts";
import { systemRuntime } from "../../src/runtime.ts";
import { RawClient } from "../support/raw_client.ts";
import { startServer, type TestServer } from "../support/start_server.ts";

const SECRET = "0123456789abcdef0123456789abcdef";

function peersUrl({ url }: TestServer): string {
  return `${url}/socketpeer/`;
}

/** A server that acts as one with all others of an engine. */
async function startNode(engine: MemoryEngine): Promise<TestServer> {
  const broker = engine.broker();
  const server = startServer({ broker, brokerSecret: SECRET });
  await server.peerServer.ready;
  return server;
}

/** A peer that has asked for a number, and which it got. */
async function draw(url: string, id: string) {
  const client = await RawClient.pair(url, "", id);
  const { code } = await client.control("peer.waiting");
  return { client, code };
}

Deno.test("SocketPeerServer gives out a number, and pairs who types it with who has it", async () => {
  await using server = startServer();
  const url = peersUrl(server);
  const { client: a, code } = await draw(url, "a");
  await using _ = a;
  assertMatch(code, /^[1-9]$/);
  await using b = await RawClient.pair(url, code, "b");
  assertEquals((await a.control("peer.found")).id, "b");
  assertEquals((await b.control("peer.found")).id, "a");
  a.sendRaw(Uint8Array.of(1, 2, 3, 4, 5, 6));
  assertEquals(await b.packet(), Uint8Array.of(1, 2, 3, 4, 5, 6));
  // A third is busy there, and gets a number of its own where it asks.
  await using third = await RawClient.pair(url, code, "third");
  assertEquals(await third.closeCode(), 4005);
  const other = await draw(url, "other");
  await using _other = other.client;
  assertNotEquals(other.code, code);
});

Deno.test("SocketPeerServer resumes a conversation under the number that it gave out", async () => {
  await using server = startServer();
  const url = peersUrl(server);
  const { client: first, code } = await draw(url, "a");
  await using b = await RawClient.pair(url, code, "b");
  await b.control("peer.found");
  await first.close(3000);
  await b.control("peer.lost");
  await using again = await RawClient.pair(url, code, "a", { partner: "b" });
  assertEquals((await again.control("peer.found")).code, undefined);
  assertEquals((await b.control("peer.found")).id, "a");
});

Deno.test("SocketPeerServer gives out no number that a peer has at another node", async () => {
  const { now, after } = systemRuntime();
  const engine = new MemoryEngine({ now, after });
  await using first = await startNode(engine);
  await using second = await startNode(engine);
  await using stack = new AsyncDisposableStack();
  // All of one digit but one.
  for (let code = 1; code <= 8; code++) {
    const client = await RawClient.pair(peersUrl(first), `${code}`, `${code}`);
    stack.use(client);
    await client.control("peer.waiting");
  }
  const a = await draw(peersUrl(second), "a");
  stack.use(a.client);
  // In 50 tries the ninth is missed once in 360 times.
  assertMatch(a.code, /^(?:9|[1-9]\d)$/);
  const b = await draw(peersUrl(first), "b");
  stack.use(b.client);
  assertMatch(b.code, /^[1-9]\d?$/);
  assertNotEquals(b.code, a.code);
  const typist = await RawClient.pair(peersUrl(first), a.code, "typist");
  stack.use(typist);
  assertEquals((await a.client.control("peer.found")).id, "typist");
  assertEquals((await typist.control("peer.found")).id, "a");
});

Deno.test("SocketPeerServer gives different numbers to peers that ask at two nodes at once", async () => {
  const { now, after } = systemRuntime();
  const engine = new MemoryEngine({ now, after });
  await using first = await startNode(engine);
  await using second = await startNode(engine);
  await using stack = new AsyncDisposableStack();
  const drawn = await Promise.all(
    Array.from(
      { length: 20 },
      (_, index) => draw(peersUrl(index % 2 ? first : second), `${index}`),
    ),
  );
  for (const { client } of drawn) stack.use(client);
  assertEquals(new Set(drawn.map(({ code }) => code)).size, 20);
  assertEquals(drawn.every(({ client }) => client.quiet), true);
});
