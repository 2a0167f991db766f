/**
 * Clients of version 1 at several servers that act as one, over a real Redis:
 * among themselves, beside those of version 2, and where the server ends it.
 */

import { createClient } from "@redis/client";
import { assert, assertEquals, assertFalse } from "@std/assert";
import { redisBroker } from "../../brokers.ts";
import { SocketPeer } from "../../client.ts";
import { LegacyClient } from "../support/legacy_client.ts";
import { next, untilState } from "../support/next_event.ts";
import {
  type ObservedServer,
  observedServer,
} from "../support/observed_server.ts";
import { RawClient } from "../support/raw_client.ts";
import { RedisServer, redisServerPath } from "../support/redis_server.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const ENDED_BY_SERVER = 4008;

/** Three servers that have joined one engine. */
class Scene implements AsyncDisposable {
  readonly nodes: readonly ObservedServer[];
  readonly #stack: AsyncDisposableStack;

  private constructor(
    stack: AsyncDisposableStack,
    nodes: readonly ObservedServer[],
  ) {
    this.#stack = stack;
    this.nodes = nodes;
  }

  static async open(): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const redis = stack.use(await RedisServer.start());
    const nodes = [0, 1, 2].map(() =>
      stack.use(observedServer({
        broker: redisBroker({ client: createClient({ url: redis.url }) }),
        brokerSecret: SECRET,
      }))
    );
    await Promise.all(nodes.map(({ peerServer }) => peerServer.joined));
    return new Scene(stack.move(), nodes);
  }

  /** A client of version 1 that waits at a node, which owns the code then. */
  async waiting(node: number, code: string): Promise<LegacyClient> {
    const { peersUrl } = this.nodes[node];
    const waits = this.#another(node, "wait");
    const client = await LegacyClient.pair(peersUrl, code);
    await waits;
    return client;
  }

  /** Closes a socket, and resolves when its node knows of it. */
  async leave(client: LegacyClient, node: number): Promise<void> {
    const closed = this.#another(node, "close");
    await client.close();
    await closed;
  }

  /** Resolves when a node says such a thing once more. */
  #another(node: number, type: "wait" | "close"): Promise<void> {
    const { events, until } = this.nodes[node];
    const count = () => events.filter((event) => event.type === type).length;
    const before = count();
    return until(() => count() > before);
  }

  /** How many pairs each node decides about. */
  get pairs(): number[] {
    return this.nodes.map(({ peerServer }) => peerServer.stats.pairs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: redisServerPath === undefined, fn });
}

test("SocketPeerServer pairs clients of version 1 at two nodes, and has one wait for the next", async () => {
  await using scene = await Scene.open();
  const { nodes } = scene;
  await using a = await scene.waiting(0, "yolo");
  await using b = await LegacyClient.pair(nodes[1].peersUrl, "yolo");
  assertEquals(await a.next("peer.found"), { initiator: false });
  assertEquals(await b.next("peer.found"), { initiator: true });
  const messages = ["hello", "", "🦄", 7, null, { x: [1, { y: true }] }];
  for (const message of [...messages, "x".repeat(60_000)]) {
    a.send("data", message);
    b.send("data", message);
    assertEquals(await b.next("data"), message);
    assertEquals(await a.next("data"), message);
  }
  b.send("rtc.connect");
  b.send("rtc.signal", { type: "offer", sdp: "v=0\r\n" });
  assertEquals(await a.next("rtc.connect"), undefined);
  assertEquals(await a.next("rtc.signal"), { type: "offer", sdp: "v=0\r\n" });

  await using third = await LegacyClient.pair(nodes[2].peersUrl, "yolo");
  await third.next("busy");
  assertEquals(await third.closeCode(), 4005);

  // The owner hears of both from one node, so in this order.
  await scene.leave(b, 1);
  await using c = await LegacyClient.pair(nodes[1].peersUrl, "yolo");
  assertEquals(await a.next("peer.found"), { initiator: false });
  assertEquals(await c.next("peer.found"), { initiator: true });
  // Nor does it matter that the owner has none of the two any more.
  await scene.leave(a, 0);
  await using d = await LegacyClient.pair(nodes[2].peersUrl, "yolo");
  assertEquals(await c.next("peer.found"), { initiator: false });
  assertEquals(await d.next("peer.found"), { initiator: true });
  d.send("data", "from the last");
  assertEquals(await c.next("data"), "from the last");
});

test("SocketPeer and a client of version 1 at two nodes say all that both can, whichever owns the code", async () => {
  await using scene = await Scene.open();
  const { nodes } = scene;
  for (const oldFirst of [true, false]) {
    const pairCode = `old first: ${oldFirst}`;
    const waiting = oldFirst ? await scene.waiting(0, pairCode) : null;
    const peer = new SocketPeer({ pairCode, url: nodes[1].url });
    const connected = next(peer, "connect");
    if (!oldFirst) await untilState(peer, "waiting");
    await using old = waiting ??
      await LegacyClient.pair(nodes[0].peersUrl, pairCode);
    await connected;
    assertEquals(await old.next("peer.found"), { initiator: false });
    for (const message of ["hello", "🦄", { x: [1] }, "x".repeat(60_000)]) {
      const arrived = next(peer, "data");
      old.send("data", message);
      assertEquals(await arrived, [message]);
      peer.send(message);
      assertEquals(await old.next("data"), message);
    }
    await peer.flush();
    const closed = next(peer, "close");
    await old.close();
    assertEquals(await closed, [{
      reason: "remote",
      unacknowledged: 0,
      clean: false,
    }]);
    peer.destroy();
  }
});

// The node that owned the code had them busy; see the test of SharedRegistry.
test("SocketPeerServer pairs a client of version 1 anew when its partner comes back by another node", async () => {
  await using scene = await Scene.open();
  const { nodes } = scene;
  await using old = await scene.waiting(0, "yolo");
  await using young = await RawClient.pair(nodes[1].peersUrl, "yolo", "young");
  await young.control("peer.found");
  assertEquals(await old.next("peer.found"), { initiator: false });
  const leaves = { id: "young", key: "key of young" };
  await using back = await RawClient.pair(nodes[2].peersUrl, "yolo", "back", {
    leaves,
  });
  assertEquals((await back.control("peer.found")).initiator, false);
  assertEquals(await old.next("peer.found"), { initiator: false });
  assertEquals(await young.closeCode(), 4007);
});

test("SocketPeerServer.leave() ends conversations of either version at a node that has nothing of them", async () => {
  await using scene = await Scene.open();
  const { nodes } = scene;
  const { peerServer } = nodes[2];
  assertFalse(await peerServer.leave("unknown"));

  await using a = await scene.waiting(0, "two of version 1");
  await using b = await LegacyClient.pair(
    nodes[1].peersUrl,
    "two of version 1",
  );
  await b.next("peer.found");
  await using old = await scene.waiting(0, "both");
  await using young = await RawClient.pair(nodes[1].peersUrl, "both", "young");
  await young.control("peer.found");
  await using one = await RawClient.pair(nodes[0].peersUrl, "version 2", "one");
  await one.control("peer.waiting");
  await using two = await RawClient.pair(nodes[1].peersUrl, "version 2", "two");
  await two.control("peer.found");
  assertEquals(scene.pairs, [3, 0, 0]);

  for (const code of ["two of version 1", "both", "version 2"]) {
    assert(await peerServer.leave(code), code);
    assertFalse(await peerServer.leave(code), code);
  }
  for (const client of [a, b, old, young, one, two]) {
    assertEquals(await client.closeCode(), ENDED_BY_SERVER);
  }
  assertEquals(scene.pairs, [0, 0, 0]);
});
