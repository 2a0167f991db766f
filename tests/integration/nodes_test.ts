/**
 * Several servers that act as one, each a real process, over a real Redis:
 * what two peers at different nodes notice when something dies.
 */

// deno-lint-ignore-file no-console -- the table is what it is for
import { assert, assertEquals, assertFalse, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import { SocketPeer } from "../../client.ts";
import { type BreakageRow, breakageTable } from "../support/breakage_table.ts";
import { createMeter } from "../support/meter.ts";
import { next, untilState } from "../support/next_event.ts";
import { RedisServer, redisServerPath } from "../support/redis_server.ts";
import { ServerProcess } from "../support/server_process.ts";
import { type TcpProxy, tcpProxy } from "../support/tcp_proxy.ts";

const PATIENCE_MS = 30_000;
const SECRET = "0123456789abcdef0123456789abcdef";

const rows: BreakageRow[] = [];

Deno.test.afterAll(() => {
  if (rows.length > 0) console.log(`\n${breakageTable(rows)}\n`);
});

/** A node, on a port of its own. */
class Node extends ServerProcess {
  constructor(broker: string, port = 0) {
    super([
      ...["--host=127.0.0.1", `--port=${port}`, "--metrics-port=0"],
      ...[`--broker=${broker}`, "--log-level=info"],
      // With these a peer soon notices a node that stands still.
      ...["--heartbeat-interval=1000", "--drain-timeout=2000"],
    ], { SOCKETPEER_BROKER_SECRET: SECRET });
  }

  async port(): Promise<number> {
    return Number((await this.address()).port);
  }

  /** What a path of its probes answers. */
  async probe(path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(new URL(path, await this.metrics()));
    return { status: response.status, text: await response.text() };
  }

  /** How many pair codes it decides about. */
  async claims(): Promise<number> {
    const { text } = await this.probe("metrics");
    return Number(text.match(/^socketpeer_claimed_codes (\d+)/m)![1]);
  }

  joined(): Promise<void> {
    return this.logged(/ info broker /);
  }
}

/** Nodes, and two peers with a balancer in front of them, or of each. */
class Scene implements AsyncDisposable {
  readonly redis: RedisServer;
  readonly nodes: Node[] = [];
  readonly #stack = new AsyncDisposableStack();
  readonly #balancers: TcpProxy[] = [];
  readonly #peers: SocketPeer[] = [];

  private constructor(redis: RedisServer) {
    this.redis = this.#stack.use(redis);
  }

  /**
   * The first peer is at the first node, which owns the code, and the second at
   * the second.
   *
   * @param shared Whether there is one balancer, which has all nodes take turns.
   */
  static async open(count = 3, shared = false): Promise<Scene> {
    const scene = new Scene(await RedisServer.start());
    for (let index = 0; index < count; index++) await scene.start();
    const ports = await Promise.all(scene.nodes.map((node) => node.port()));
    const inTurn = shared ? scene.#stack.use(tcpProxy(ports[0])) : null;
    inTurn?.aim(...ports);
    for (let index = 0; index < 2; index++) {
      const balancer = inTurn ?? scene.#stack.use(tcpProxy(ports[index]));
      scene.#balancers.push(balancer);
      const peer = new SocketPeer({
        url: `http://127.0.0.1:${balancer.port}`,
        pairCode: "the code",
      });
      scene.#peers.push(peer);
      if (index === 0) await untilState(peer, "waiting");
      else await deadline(peerConnected(peer), PATIENCE_MS);
    }
    assertEquals(await scene.nodes[0].claims(), 1);
    assertEquals(await scene.nodes[1].claims(), 0);
    return scene;
  }

  /** Starts one more node, at the end. */
  async start(port = 0): Promise<Node> {
    const node = this.#stack.use(new Node(this.redis.url, port));
    this.nodes.push(node);
    await node.joined();
    return node;
  }

  /** Makes a peer get to a node when it dials again. */
  async aim(peer: number, node: Node): Promise<void> {
    this.#balancers[peer].aim(await node.port());
  }

  /** Breaks something while messages pass, until they do so again. */
  async breaks(name: string, breakage: () => Promise<void>): Promise<void> {
    const meters = this.#peers.map((peer) => createMeter(peer));
    for (const meter of meters) {
      meter.start();
      meter.measure();
    }
    // A pause begins with a message.
    await deadline(Promise.all(this.#peers.map(gotSome)), PATIENCE_MS);
    await breakage();
    for (const peer of this.#peers) {
      await deadline(peerConnected(peer), PATIENCE_MS);
    }
    for (const meter of meters) meter.stop();
    const flushed = Promise.all(this.#peers.map((peer) => peer.flush()));
    await deadline(flushed, PATIENCE_MS);
    for (const meter of meters) meter.measured();
    const [a, b] = meters.map((meter) => meter.report());
    for (const [{ sent }, got] of [[a, b], [b, a]]) {
      assert(sent > 0);
      assertEquals(
        [got.received, got.missing, got.doubled, got.outOfOrder, got.corrupt],
        [sent, 0, 0, 0, 0],
      );
    }
    rows.push({ name, reports: [a, b] });
  }

  /** Resolves when a peer has lost its partner, and has it again. */
  async regained(peer: number): Promise<void> {
    const it = this.#peers[peer];
    if (it.connected) await next(it, "statechange");
    await deadline(peerConnected(it), PATIENCE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    await this.#stack.disposeAsync();
  }
}

/** Resolves when so many messages have come as take a moment. */
function gotSome(peer: SocketPeer): Promise<void> {
  let left = 20;
  return new Promise((resolve) => {
    const count = () => {
      if (--left > 0) return;
      peer.off("data", count);
      resolve();
    };
    peer.on("data", count);
  });
}

async function peerConnected(peer: SocketPeer): Promise<void> {
  while (!peer.connected) await next(peer, "statechange");
}

function test(name: string, fn: () => Promise<void>): void {
  const ignore = redisServerPath === undefined ||
    Deno.build.os === "windows";
  Deno.test({ name, ignore, fn });
}

test("SocketPeer loses nothing while a node is killed, whether it owns the code or not", async () => {
  await using scene = await Scene.open();
  const { nodes } = scene;
  await scene.breaks("node killed that does not own the code", async () => {
    await scene.aim(1, nodes[2]);
    const regained = scene.regained(1);
    nodes[1].kill("SIGKILL");
    await regained;
  });
  await scene.breaks("node killed that owns the code", async () => {
    await scene.aim(0, nodes[2]);
    const regained = Promise.all([scene.regained(0), scene.regained(1)]);
    nodes[0].kill("SIGKILL");
    await regained;
  });
  assertEquals(await nodes[2].claims(), 1);
});

test("SocketPeer loses nothing while the engine is killed, and comes back empty", async () => {
  await using scene = await Scene.open(2);
  const { redis, nodes } = scene;
  await scene.breaks("engine killed, and back, empty", async () => {
    const regained = Promise.all([scene.regained(0), scene.regained(1)]);
    await redis.kill();
    // What is away is no reason to start a node again.
    assertEquals((await nodes[0].probe("healthz")).status, 200);
    await redis.start();
    await regained;
  });
});

test("SocketPeer loses nothing while a node stands still for longer than its lease", async () => {
  await using scene = await Scene.open();
  const { nodes } = scene;
  await scene.breaks("owner stands still for 10 s", async () => {
    await scene.aim(0, nodes[2]);
    const regained = Promise.all([scene.regained(0), scene.regained(1)]);
    nodes[0].kill("SIGSTOP");
    const woken = new Promise<void>((resolve) =>
      setTimeout(() => {
        nodes[0].kill("SIGCONT");
        resolve();
      }, 10_000)
    );
    await Promise.all([regained, woken]);
  });
  // The node has found out by its own clock.
  await nodes[0].logged(/ error broker /);
});

test("SocketPeer loses nothing while all nodes are replaced, one after the other", async () => {
  await using scene = await Scene.open(2);
  await scene.breaks("all nodes replaced, one after the other", async () => {
    for (const peer of [0, 1]) {
      const next = await scene.start();
      await scene.aim(peer, next);
      const regained = scene.regained(peer);
      scene.nodes[peer].kill("SIGTERM");
      await regained;
      assertEquals((await scene.nodes[peer].ended()).code, 0);
    }
  });
});

test("SocketPeer loses nothing while all nodes behind one balancer are restarted, one after the other", async () => {
  await using scene = await Scene.open(3, true);
  const { nodes } = scene;
  await scene.breaks("all nodes restarted behind one balancer", async () => {
    for (const old of [...nodes]) {
      const port = await old.port();
      old.kill("SIGTERM");
      assertEquals((await old.ended()).code, 0);
      // The new node is where the balancer looks for one.
      const node = await scene.start(port);
      assertEquals((await node.probe("readyz")).status, 200);
    }
  });
  const claims = await Promise.all(nodes.slice(3).map((node) => node.claims()));
  assertEquals(claims.reduce((sum, count) => sum + count), 1);
});

test("A node that is cut off from the engine says so, and is alive", async () => {
  await using redis = await RedisServer.start();
  await using path = tcpProxy(redis.port);
  await using node = new Node(`redis://127.0.0.1:${path.port}`);
  await node.joined();
  assertEquals((await node.probe("readyz")).status, 200);
  path.stall(true);
  await node.logged(/ error broker /);
  const cutOff = async () => {
    while ((await node.probe("readyz")).status !== 503);
  };
  await deadline(cutOff(), PATIENCE_MS);
  assertEquals((await node.probe("healthz")).status, 200);
  assertMatch((await node.probe("metrics")).text, /^socketpeer_broker_up 0$/m);
});

test("A node ends with a clear message where the engine refuses it", async () => {
  await using redis = await RedisServer.start("--requirepass", "s3cret");
  await using node = new Node(redis.url);
  const { code, stderr } = await node.ended();
  assertEquals(code, 1);
  assertMatch(stderr, /^socketpeer: Cannot .*password/i);
});

test("Nothing in the engine tells a pair code or a key", async () => {
  await using redis = await RedisServer.start();
  await using monitor = await redis.monitor();
  await using first = new Node(redis.url);
  await using second = new Node(redis.url);
  await Promise.all([first.joined(), second.joined()]);
  const pairCode = "7-otter-lunar";
  const keys: string[] = [];
  const peers: SocketPeer[] = [];
  for (const node of [first, second]) {
    const port = await node.port();
    const dial = () => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/socketpeer/?v=2`);
      const { send } = socket;
      socket.send = (data) => {
        const key = typeof data === "string" && data.match(/"key":"([^"]+)"/);
        if (key) keys.push(key[1]);
        send.call(socket, data);
      };
      return socket;
    };
    peers.push(new SocketPeer({ socket: dial, pairCode }));
  }
  for (const peer of peers) await deadline(peerConnected(peer), PATIENCE_MS);
  peers[0].send("hello");
  await next(peers[1], "data");
  for (const peer of peers) peer.destroy();
  await redis.command("ECHO", "the end");
  let heard = "";
  while (!heard.includes("the end")) heard += `${await monitor.read()}\n`;
  assertEquals(keys.length, 2);
  assertMatch(heard, /"PUBLISH"/i);
  for (const text of [pairCode, ...keys]) {
    assertFalse(heard.includes(text), text);
    // In base64 the middle of a text is the same wherever the text begins.
    for (const start of [0, 1, 2]) {
      const coded = btoa(text.slice(start)).slice(0, -4);
      assertFalse(heard.includes(coded), coded);
    }
  }
});
