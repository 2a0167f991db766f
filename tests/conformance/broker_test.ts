/**
 * What joins nodes, whichever engine it stands on: one suite, run over each
 * broker. An engine that this machine lacks has its tests skipped, and counted
 * as that.
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { deadline } from "@std/async";
import {
  connect as connectNats,
  headers,
  wsconnect,
} from "@nats-io/transport-node";
import { createClient } from "@redis/client";
import { Redis as IoRedis } from "ioredis";
import { Redis as IoValkey } from "iovalkey";
import {
  type Broker,
  type BrokerHandlers,
  CLAIM_MS,
  LEASE_MS,
} from "../../src/server/brokers/broker.ts";
import {
  type MemoryBroker,
  MemoryEngine,
} from "../../src/server/brokers/memory.ts";
import { natsBroker } from "../../src/server/brokers/nats.ts";
import {
  redisBroker,
  type RedisClient,
} from "../../src/server/brokers/redis.ts";
import type { Bytes } from "../../src/server/server_socket.ts";
import type { EngineProcess } from "../support/engine_process.ts";
import { NatsServer, natsServerPath } from "../support/nats_server.ts";
import { RedisServer, redisServerPath } from "../support/redis_server.ts";
import { type TcpProxy, tcpProxy } from "../support/tcp_proxy.ts";

/** No wait takes nearly as long. */
const WAIT_MS = 15_000;

/** An engine that runs, and what becomes of it. */
interface Engine extends AsyncDisposable {
  broker(): Broker;
  /** Lets the lease of a node run out. */
  endLease(node: string): Promise<void>;
  /** Lets the engine answer nobody, until it fails. */
  stall(): void;
  /** Ends the engine on the spot. */
  fail(): Promise<void>;
  /** Starts the engine again, with nothing. */
  restart(): Promise<void>;
  /** Cuts all connections that listen, and takes new ones. */
  cut(): Promise<void>;
}

interface Kind {
  readonly name: string;
  readonly ignore: boolean;
  start(): Promise<Engine>;
}

class MemoryWorld implements Engine {
  readonly #brokers: MemoryBroker[] = [];
  #skippedMs = 0;
  #stalled = false;
  #away = false;
  readonly #engine = new MemoryEngine({
    now: () => performance.now() + this.#skippedMs,
    after: (_delayMs, callback) => {
      if (!this.#stalled) queueMicrotask(callback);
      return () => {};
    },
  });

  broker() {
    const broker = this.#engine.broker();
    this.#brokers.push(broker);
    if (this.#away) broker.disconnect();
    return broker;
  }

  endLease(node: string) {
    this.#engine.leases.set(node, this.#engine.now());
    return Promise.resolve();
  }

  stall() {
    this.#stalled = true;
  }

  fail() {
    this.#away = true;
    for (const broker of this.#brokers) broker.disconnect();
    return Promise.resolve();
  }

  restart() {
    this.#away = false;
    this.#stalled = false;
    this.#engine.forget();
    for (const broker of this.#brokers) broker.connect();
    return Promise.resolve();
  }

  async cut() {
    await this.fail();
    this.#away = false;
    for (const broker of this.#brokers) broker.connect();
  }

  async [Symbol.asyncDispose]() {}
}

/** Clients of Redis, by package; none is connected. */
const CLIENTS: Record<string, (url: string) => RedisClient> = {
  "@redis/client": (url) => createClient({ url }),
  "ioredis": (url) => new IoRedis(url, { lazyConnect: true }),
  "iovalkey": (url) => new IoValkey(url, { lazyConnect: true }),
};

/** An engine that is a process of this machine. */
abstract class ProcessWorld<Server extends EngineProcess> implements Engine {
  constructor(readonly server: Server) {}

  abstract broker(): Broker;

  abstract endLease(node: string): Promise<void>;

  abstract cut(): Promise<void>;

  stall() {
    this.server.signal("SIGSTOP");
  }

  fail() {
    return this.server.kill();
  }

  restart() {
    return this.server.start();
  }

  [Symbol.asyncDispose]() {
    return this.server[Symbol.asyncDispose]();
  }
}

class RedisWorld extends ProcessWorld<RedisServer> {
  readonly #client: (url: string) => RedisClient;

  constructor(server: RedisServer, client: (url: string) => RedisClient) {
    super(server);
    this.#client = client;
  }

  static async start(client: (url: string) => RedisClient) {
    return new RedisWorld(await RedisServer.start(), client);
  }

  override broker() {
    return redisBroker({ client: this.#client(this.server.url) });
  }

  override async endLease(node: string) {
    const score = await this.server.command("ZSCORE", "sp:nodes", node);
    const renewed = String(Number(score) - LEASE_MS);
    await this.server.command("ZADD", "sp:nodes", renewed, node);
  }

  override async cut() {
    await this.server.command("CLIENT", "KILL", "TYPE", "pubsub");
  }
}

/** A broker of an app that has the package of NATS. */
function natsBrokerAt(servers: string, options?: { prefix?: string }): Broker {
  return natsBroker({
    ...{ connect: connectNats, headers },
    options: { servers },
    ...options,
  });
}

class NatsWorld extends ProcessWorld<NatsServer> {
  /** What can be cut. */
  readonly proxy: TcpProxy;

  constructor(server: NatsServer) {
    super(server);
    this.proxy = tcpProxy(server.port);
  }

  static async start(settings?: string): Promise<NatsWorld> {
    return new NatsWorld(await NatsServer.start(settings));
  }

  override broker() {
    return natsBrokerAt(`nats://127.0.0.1:${this.proxy.port}`);
  }

  override async endLease(node: string) {
    const filter = `$KV.sp_nodes.${node}`;
    await this.server.ask("STREAM.PURGE.KV_sp_nodes", { filter });
  }

  override async cut() {
    const connections = async () => {
      const { connections } = await this.server.monitor("connz");
      return connections.map(({ cid }: { cid: number }) => cid) as number[];
    };
    const before = await connections();
    this.proxy.cut();
    // The server knows only after a moment.
    await eventually(async () => {
      const now = await connections();
      return !before.some((connection) => now.includes(connection));
    });
  }

  override async [Symbol.asyncDispose]() {
    await super[Symbol.asyncDispose]();
    await this.proxy[Symbol.asyncDispose]();
  }
}

/** Each broker; another one is one more row. */
const KINDS: readonly Kind[] = [
  {
    name: "MemoryEngine",
    ignore: false,
    start: () => Promise.resolve(new MemoryWorld()),
  },
  ...Object.entries(CLIENTS).map(([name, client]): Kind => ({
    name: `Redis with ${name}`,
    ignore: redisServerPath === undefined,
    start: () => RedisWorld.start(client),
  })),
  {
    name: "NATS",
    ignore: natsServerPath === undefined,
    start: () => NatsWorld.start(),
  },
];

/** One node's broker, and all that it told. */
class Node implements AsyncDisposable {
  readonly messages: Bytes[] = [];
  readonly told: string[] = [];
  /** Why the engine was away, each time that it was told. */
  readonly reasons: string[] = [];
  readonly handlers: BrokerHandlers = {
    onMessage: (message) => {
      this.messages.push(message);
      this.#wake();
    },
    onUp: () => this.#tell("up"),
    onDown: (reason) => {
      assert(reason instanceof Error && reason.message);
      assert(
        this.told.at(-1) !== "down" || this.reasons.at(-1) !== reason.message,
      );
      this.reasons.push(reason.message);
      // An engine that is away is told again for another reason.
      if (this.told.at(-1) === "down") this.#wake();
      else this.#tell("down");
    },
    onUnheard: (name) => this.#tell(`unheard ${name}`),
  };
  #wake = () => {};

  private constructor(readonly broker: Broker) {}

  /** Opens a broker, whether its engine is there or not. */
  static async open(broker: Broker): Promise<Node> {
    const node = new Node(broker);
    await deadline(broker.open(node.handlers), WAIT_MS);
    return node;
  }

  /** Enters an engine as a node. */
  static async enter(engine: Engine, name: string): Promise<Node> {
    const node = await Node.open(engine.broker());
    await node.reach("up");
    await node.broker.enter(name);
    return node;
  }

  /** Waits, with each that it is told, for what is to come. */
  async until(test: () => boolean, what: string): Promise<void> {
    const met = async () => {
      while (!test()) {
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    };
    await deadline(met(), WAIT_MS).catch((cause) => {
      const told = [...this.told, ...this.reasons].join(", ");
      const count = this.messages.length;
      const message = `No ${what}, but: ${told} and ${count} messages`;
      throw new Error(message, { cause });
    });
  }

  /** The last that it was told is such. */
  reach(what: string): Promise<void> {
    return this.until(() => this.told.at(-1) === what, what);
  }

  received(count: number): Promise<void> {
    return this.until(() => this.messages.length >= count, `${count} messages`);
  }

  #tell(what: string): void {
    this.told.push(what);
    this.#wake();
  }

  get texts(): string[] {
    return this.messages.map((bytes) => new TextDecoder().decode(bytes));
  }

  say(node: string, text: string): void {
    this.broker.send(node, new TextEncoder().encode(text));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return deadline(this.broker.close(), WAIT_MS);
  }
}

/** Asks again and again, as an engine does not say when. */
async function eventually(test: () => Promise<boolean>): Promise<void> {
  const met = async () => {
    while (!await test()) await new Promise((done) => setTimeout(done, 5));
  };
  await deadline(met(), WAIT_MS);
}

function brokerSuite({ name: kind, ignore, start }: Kind): void {
  const test = (name: string, run: (engine: Engine) => Promise<void>) =>
    Deno.test({
      name: `${kind} ${name}`,
      ignore,
      fn: async () => {
        await using engine = await start();
        await run(engine);
      },
    });

  test("carries bytes of every value, to oneself too", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    await using bob = await Node.enter(engine, "bob");
    const values = Uint8Array.from({ length: 256 }, (_, value) => value);
    // The message is a part of a larger buffer.
    const part = new Uint8Array(300).subarray(20, 276);
    part.set(values);
    alice.broker.send("bob", part);
    bob.broker.send("bob", values.slice());
    alice.broker.send("bob", new Uint8Array());
    await bob.received(3);
    const received = bob.messages.map((bytes) => new Uint8Array(bytes));
    received.sort((one, other) => one.length - other.length);
    assertEquals(received, [new Uint8Array(), values, values]);
    assertEquals(alice.messages, []);
  });

  test("carries 512 KiB", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    const message = new Uint8Array(512 << 10);
    for (let at = 0; at < message.length; at++) message[at] = at * 31 >> 3;
    assert(alice.broker.maxMessageBytes >= message.length);
    alice.broker.send("alice", message.slice());
    await alice.received(1);
    assertEquals(new Uint8Array(alice.messages[0]), message);
  });

  test("carries many messages in the order of their sender", async (engine) => {
    const each = 10_000;
    await using target = await Node.enter(engine, "target");
    await using stack = new AsyncDisposableStack();
    for (const name of ["a", "b", "c"]) {
      const sender = stack.use(await Node.enter(engine, name));
      for (let count = 0; count < each; count++) {
        sender.say("target", `${name}${count}`);
      }
    }
    await target.received(3 * each);
    const { texts } = target;
    for (const name of ["a", "b", "c"]) {
      const own = texts.filter((text) => text[0] === name);
      assertEquals(own, own.map((_, count) => `${name}${count}`));
      assertEquals(own.length, each);
    }
  });

  test("moves the inbox with a second enter()", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    await using bob = await Node.enter(engine, "bob");
    await bob.broker.enter("robert");
    alice.say("bob", "old");
    alice.say("robert", "new");
    await bob.received(1);
    await alice.reach("unheard bob");
    assertEquals(bob.texts, ["new"]);
    assertEquals(await alice.broker.isAlive("bob"), false);
    assertEquals(await alice.broker.isAlive("robert"), true);
    assertEquals(await bob.broker.renew(), 2);
    assertEquals(await bob.broker.claim("key"), "robert");
    // Entering under the same name once more changes nothing.
    await bob.broker.enter("robert");
    alice.say("robert", "once");
    alice.say("robert", "last");
    await bob.received(3);
    assertEquals(bob.texts, ["new", "once", "last"]);
  });

  test("tells that nobody listens to an inbox", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    alice.say("alice", "heard");
    alice.say("nobody", "unheard");
    await alice.reach("unheard nobody");
    await alice.received(1);
    assertEquals(alice.told, ["up", "unheard nobody"]);
  });

  test("gives a key to one of 50 who claim it at once", async (engine) => {
    await using stack = new AsyncDisposableStack();
    const nodes = await Promise.all(
      Array.from({ length: 5 }, async (_, index) => {
        return stack.use(await Node.enter(engine, `node${index}`));
      }),
    );
    const claims = Array.from({ length: 50 }, (_, index) => {
      return nodes[index % nodes.length].broker.claim("key");
    });
    const owners = new Set(await Promise.all(claims));
    assertEquals(owners.size, 1);
    const [owner] = owners;
    assertMatch(owner, /^node[0-4]$/);
    for (const { broker } of nodes) {
      assertEquals(await broker.find("key"), owner);
    }
    assertEquals(await nodes[0].broker.find("other"), undefined);
  });

  test("gives a key in place of its owner alone", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    await using bob = await Node.enter(engine, "bob");
    assertEquals(await alice.broker.claim("key"), "alice");
    assertEquals(await alice.broker.claim("key"), "alice");
    assertEquals(await bob.broker.claim("key"), "alice");
    assertEquals(await bob.broker.claim("key", "carol"), "alice");
    assertEquals(await bob.broker.claim("key", "alice"), "bob");
    assertEquals(await alice.broker.claim("key", "carol"), "bob");
    assertEquals(await alice.broker.claim("new", "carol"), "alice");
    assertEquals(await alice.broker.find("key"), "bob");
  });

  test("forgets a key that is not kept", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    await using bob = await Node.enter(engine, "bob");
    await alice.broker.claim("short");
    await alice.broker.claim("long");
    assertEquals(await alice.broker.keep(["short"], 20), []);
    await eventually(async () => await bob.broker.find("short") === undefined);
    assertEquals(await bob.broker.claim("short"), "bob");
    assertEquals(await bob.broker.find("long"), "alice");
  });

  test("keeps and frees the keys of a node alone", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    await using bob = await Node.enter(engine, "bob");
    // More than go at once.
    const own = Array.from({ length: 1200 }, (_, index) => `own${index}`);
    await Promise.all(own.map((key) => alice.broker.claim(key)));
    await bob.broker.claim("bobs");
    const keys = ["bobs", ...own, "nobodys"];
    // A claim that was kept for so short would be gone at once.
    const lost = await alice.broker.keep(["bobs", "nobodys"], 1);
    assertEquals(lost, ["bobs", "nobodys"]);
    assertEquals(await alice.broker.keep(keys, 60_000), ["bobs", "nobodys"]);
    assertEquals(await alice.broker.keep([], 60_000), []);
    await alice.broker.free(keys);
    await alice.broker.free([]);
    assertEquals(await bob.broker.find("bobs"), "bob");
    const found = await Promise.all(own.map((key) => bob.broker.find(key)));
    assertEquals(found.filter((owner) => owner !== undefined), []);
    assertEquals(await bob.broker.find("nobodys"), undefined);
  });

  test("does what is asked of a key in that order", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    const { broker } = alice;
    const others = Array.from({ length: 1200 }, (_, index) => `${index}`);
    const answers = await Promise.all([
      broker.claim("key"),
      broker.find("key"),
      broker.free([...others, "key"]),
      broker.find("key"),
      broker.keep(["key"], 60_000),
      broker.claim("key"),
      broker.keep([...others, "key"], 60_000),
      broker.free(["key"]),
      broker.find("key"),
    ]);
    assertEquals<unknown>(answers, [
      ...["alice", "alice", undefined, undefined, ["key"]],
      ...["alice", others, undefined, undefined],
    ]);
  });

  test("knows who is alive", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    const bob = await Node.enter(engine, "bob");
    assertEquals(await alice.broker.isAlive("alice"), true);
    assertEquals(await alice.broker.isAlive("bob"), true);
    assertEquals(await alice.broker.isAlive("nobody"), false);
    await engine.endLease("bob");
    assertEquals(await alice.broker.isAlive("bob"), false);
    await bob.broker.enter("bob");
    assertEquals(await alice.broker.isAlive("bob"), true);
    await bob.broker.close();
    assertEquals(await alice.broker.isAlive("bob"), false);
    alice.say("bob", "hello");
    await alice.reach("unheard bob");
  });

  test("has nobody alive who was cut off", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    await using bob = await Node.enter(engine, "bob");
    await engine.cut();
    await Promise.all(
      [alice, bob].map((node) =>
        node.until(() => node.told.length >= 3, "down, up")
      ),
    );
    assertEquals(alice.told, ["up", "down", "up"]);
    assertEquals(bob.told, ["up", "down", "up"]);
    // The nodes hold their leases, but do not listen before they enter again.
    assertEquals(await alice.broker.isAlive("bob"), false);
    await bob.broker.enter("robert");
    assertEquals(await alice.broker.isAlive("robert"), true);
    assertEquals(await alice.broker.isAlive("bob"), false);
    alice.say("bob", "old");
    alice.say("robert", "new");
    await bob.received(1);
    assertEquals(bob.texts, ["new"]);
  });

  test("counts the nodes that hold a lease", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    assertEquals(await alice.broker.renew(), 1);
    await using bob = await Node.enter(engine, "bob");
    const carol = await Node.enter(engine, "carol");
    assertEquals(await alice.broker.renew(), 3);
    await carol.broker.close();
    assertEquals(await alice.broker.renew(), 2);
    await engine.endLease("bob");
    assertEquals(await alice.broker.renew(), 1);
    // A lease that has ended is not mended, neither then nor later.
    assertEquals(await bob.broker.renew(), 0);
    assertEquals(await bob.broker.renew(), 0);
    assertEquals(await alice.broker.isAlive("bob"), false);
    await bob.broker.enter("robert");
    assertEquals(await bob.broker.renew(), 2);
  });

  test("tells of an engine that fails and starts empty", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    await using bob = await Node.enter(engine, "bob");
    await bob.broker.claim("old");
    engine.stall();
    // What was asked and never answered must not be asked again.
    alice.broker.claim("unanswered").catch(() => {});
    await engine.fail();
    await Promise.all([alice.reach("down"), bob.reach("down")]);
    for (const name of ["alice", "bob", "robert"]) alice.say(name, "meanwhile");
    // A question may stay open, too.
    alice.broker.claim("meanwhile").catch(() => {});
    await engine.restart();
    await Promise.all([alice.reach("up"), bob.reach("up")]);
    await alice.broker.enter("alicia");
    await bob.broker.enter("robert");
    alice.say("robert", "after");
    bob.say("alicia", "after");
    await Promise.all([alice.received(1), bob.received(1)]);
    assertEquals([alice.texts, bob.texts], [["after"], ["after"]]);
    assertEquals(alice.told, ["up", "down", "up"]);
    for (const key of ["old", "unanswered", "meanwhile"]) {
      assertEquals(await alice.broker.find(key), undefined);
    }
    assertEquals(await alice.broker.renew(), 2);
  });

  test("waits for an engine that is away", async (engine) => {
    await engine.fail();
    await using alice = await Node.open(engine.broker());
    assertEquals(alice.told, ["down"]);
    alice.broker.enter("alice").catch(() => {});
    alice.say("alice", "early");
    // A node that waits for its engine can be closed.
    await using bob = await Node.open(engine.broker());
    await bob.broker.close();
    await engine.restart();
    await alice.reach("up");
    await alice.broker.enter("alicia");
    alice.say("alicia", "hello");
    await alice.received(1);
    assertEquals(alice.texts, ["hello"]);
    assertEquals([alice.told, bob.told], [["down", "up"], ["down"]]);
  });

  test("tells nothing more once it is closed", async (engine) => {
    await using alice = await Node.enter(engine, "alice");
    const bob = await Node.enter(engine, "bob");
    await bob.broker.close();
    await bob.broker.close();
    bob.say("alice", "late");
    alice.say("bob", "late");
    await alice.reach("unheard bob");
    alice.say("alice", "last");
    await alice.received(1);
    assertEquals(alice.texts, ["last"]);
    assertEquals([bob.told, bob.messages], [["up"], []]);
  });
}

for (const kind of KINDS) brokerSuite(kind);

/** Opens a broker at a port where nobody is, then somebody who hangs up. */
async function tellsWhy(open: (port: number) => Promise<Node>): Promise<void> {
  const address = { hostname: "127.0.0.1", port: 0 };
  let listener = Deno.listen(address);
  const { port } = listener.addr;
  listener.close();
  await using alice = await open(port);
  assertEquals(alice.told, ["down"]);
  assertMatch(alice.reasons[0], /ECONNREFUSED|connection refused/i);
  listener = Deno.listen({ ...address, port });
  const serving = (async () => {
    for await (const connection of listener) connection.close();
  })();
  await alice.until(() => alice.reasons.length >= 2, "other reason");
  listener.close();
  await serving;
  await alice.broker.close();
  assertEquals(alice.told, ["down"]);
}

function redisSuite(
  name: string,
  connect: (url: string) => RedisClient,
): void {
  const test = (what: string, fn: () => Promise<void>) =>
    Deno.test({
      name: `redisBroker() with ${name} ${what}`,
      ignore: redisServerPath === undefined,
      fn,
    });
  const open = (url: string, prefix?: string) =>
    Node.open(redisBroker({ client: connect(url), prefix }));

  test("is told that it was cut off as too slow", async () => {
    await using engine = await RedisWorld.start(connect);
    await using alice = await Node.enter(engine, "alice");
    const limit = "pubsub 100000 0 0";
    const setting = "client-output-buffer-limit";
    await engine.server.command("CONFIG", "SET", setting, limit);
    alice.broker.send("alice", new Uint8Array(512 << 10));
    await alice.until(() => alice.told.includes("down"), "down");
    await alice.reach("up");
    await alice.broker.enter("alicia");
    alice.say("alicia", "small");
    await alice.received(1);
    assertEquals(alice.texts, ["small"]);
  });

  test("refuses a wrong password, and does not tell it", async () => {
    await using server = await RedisServer.start("--requirepass", "right");
    for (const login of [":sesame@", "mallory:sesame@", ""]) {
      const { port } = server;
      const error = await assertRejects(
        () => open(`redis://${login}127.0.0.1:${port}`),
        Error,
        "Cannot join nodes over Redis as it refuses the login",
      );
      assert(!Deno.inspect(error).includes("sesame"));
    }
    await using alice = await open(`redis://:right@127.0.0.1:${server.port}`);
    await alice.reach("up");
  });

  test("refuses a database that is not there", async () => {
    await using server = await RedisServer.start();
    const why = "as it has no database of that number";
    await assertRejects(() => open(`${server.url}/99`), Error, why);
    await using alice = await open(`${server.url}/3`);
    await alice.reach("up");
  });

  test("refuses one that is too old, and does not tell the password", async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const connections: Deno.Conn[] = [];
    const serving = (async () => {
      for await (const connection of listener) {
        connections.push(connection);
        serveAsOld(connection);
      }
    })();
    const url = `redis://:sesame@127.0.0.1:${listener.addr.port}`;
    const error = await assertRejects(
      () => open(url),
      Error,
      "as it is older than Redis 6",
    );
    assert(!Deno.inspect(error).includes("sesame"));
    listener.close();
    await serving;
  });

  test("needs no more rights than its documentation says", async () => {
    await using server = await RedisServer.start();
    const source = new URL(
      "../../src/server/brokers/redis.ts",
      import.meta.url,
    );
    const [rule] = (await Deno.readTextFile(source)).match(/ACL SETUSER[^`]+/)!;
    const words = rule.replaceAll(/\n \* ?/g, " ").trim().split(/ +/);
    assertEquals(await server.command(...words), "OK");
    const login = "socketpeer:password";
    await using alice = await open(`redis://${login}@127.0.0.1:${server.port}`);
    await alice.reach("up");
    const { broker } = alice;
    await broker.enter("alice");
    await broker.enter("alicia");
    alice.say("alicia", "hello");
    await alice.received(1);
    assertEquals(await broker.claim("key"), "alicia");
    assertEquals(await broker.keep(["key"], 60_000), []);
    await broker.free(["key"]);
    assertEquals(await broker.find("key"), undefined);
    assertEquals(await broker.isAlive("alicia"), true);
    assertEquals(await broker.renew(), 1);
    await server.command("ACL", "LOG", "RESET");
    await broker.close();
    assertEquals(await server.command("ACL", "LOG"), []);
    assertEquals(await server.command("KEYS", "*"), []);

    for (const right of words.filter((word) => /^[+&~]/.test(word))) {
      const less = words.map((word) => word === right ? "" : word);
      await server.command(...less.filter((word) => word));
      await assertRejects(
        async () => {
          await using bob = await open(
            `redis://${login}@127.0.0.1:${server.port}`,
          );
          await bob.broker.enter("bob");
          await bob.broker.enter("bobby");
          await bob.broker.claim("key");
          await bob.broker.keep(["key"], 60_000);
          await bob.broker.find("key");
          await bob.broker.free(["key"]);
          assert(await bob.broker.renew());
        },
        Error,
        "Redis",
      );
    }
  });

  test("tells why it does not reach the engine", async () => {
    await tellsWhy((port) => open(`redis://127.0.0.1:${port}`));
  });

  test("has all under its prefix, and what the contract says", async () => {
    await using server = await RedisServer.start();
    await using monitor = await server.monitor();
    await using alice = await open(server.url, "app:");
    await using other = await open(server.url);
    await alice.reach("up");
    await other.reach("up");
    await alice.broker.enter("alice");
    await other.broker.enter("alice");
    await alice.broker.claim("key");
    await alice.broker.claim("kept");
    await alice.broker.keep(["kept"], 60_000);
    alice.say("alice", "hello");
    await alice.received(1);
    assertEquals(await alice.broker.isAlive("alice"), true);
    // Those with another prefix are others.
    assertEquals(await other.broker.find("key"), undefined);
    assertEquals(await alice.broker.renew(), 1);
    assertEquals(other.messages, []);

    const keys = await server.command("KEYS", "*") as string[];
    assertEquals(keys.sort(), [
      ...["app:nodes", "app:s:kept", "app:s:key", "sp:nodes"],
    ]);
    const channels = await server.command("PUBSUB", "CHANNELS") as string[];
    assertEquals(channels.sort(), ["app:i:alice", "sp:i:alice"]);
    const left = async (key: string) => {
      const leftMs = Number(await server.command("PTTL", `app:s:${key}`));
      return Math.round(leftMs / 10_000) * 10_000;
    };
    assertEquals(await left("key"), CLAIM_MS);
    assertEquals(await left("kept"), 60_000);

    await other.broker.close();
    await alice.broker.close();
    await server.command("ECHO", "the end");
    const asked: string[] = [];
    while (!/"the end"/i.test(asked.at(-1) ?? "")) {
      asked.push(String(await monitor.read()));
    }
    // Every name that was said, but for those of the packages themselves.
    const names = asked.flatMap((line) =>
      [...line.matchAll(/"([^"]*(?:alice|key|kept|nodes)[^"]*)"/g)]
        .map(([, name]) => name)
    ).filter((name) => name !== "alice" && !name.includes("redis.call"));
    for (const name of names) {
      assertMatch(name, /^(app|sp):(nodes|[is]:.*)$/);
    }
    assert(names.length > 10);
    // No script is sent each time.
    const evals = asked.filter((line) => /"(EVAL)"/i.test(line));
    assertEquals(evals, []);
  });

  test("leaves no connection behind", async () => {
    await using server = await RedisServer.start();
    const client = connect(server.url);
    const nodes = await Promise.all([1, 2, 3].map(async (number) => {
      const node = await Node.open(redisBroker({ client }));
      await node.reach("up");
      await node.broker.enter(`node${number}`);
      return node;
    }));
    // The app's own is not one of them.
    assertEquals(await server.connections(), 6);
    // What was sent before is not lost.
    nodes[1].say("node1", "last");
    await nodes[1].broker.close();
    await nodes[0].received(1);
    // A connection that is being made does not stay either.
    const early = redisBroker({ client });
    const opening = early.open(nodes[0].handlers);
    await Promise.all(nodes.map(({ broker }) => broker.close()));
    await early.close();
    await opening;
    await eventually(async () => await server.connections() === 0);
    assertEquals(await server.command("KEYS", "*"), []);
  });

  test("closes though the engine does not answer", async () => {
    await using engine = await RedisWorld.start(connect);
    await using alice = await Node.enter(engine, "alice");
    engine.stall();
    const asked = assertRejects(() => alice.broker.find("key"), Error, "Redis");
    await alice.broker.close();
    await asked;
    assertEquals(alice.told, ["up"]);
  });

  test("connects anew to one that has forgotten its scripts", async () => {
    await using engine = await RedisWorld.start(connect);
    await using alice = await Node.enter(engine, "alice");
    await engine.server.command("SCRIPT", "FLUSH");
    await assertRejects(() => alice.broker.claim("key"), Error, "NOSCRIPT");
    await alice.until(() => alice.told.length === 3, "up");
    assertEquals(alice.told, ["up", "down", "up"]);
    await alice.broker.enter("alicia");
    assertEquals(await alice.broker.claim("key"), "alicia");
  });

  test("waits for the right to write", async () => {
    await using engine = await RedisWorld.start(connect);
    await using alice = await Node.enter(engine, "alice");
    const { port } = engine.server;
    // The server becomes a replica of one that is not there.
    await engine.server.command("REPLICAOF", "127.0.0.1", String(port));
    await assertRejects(() => alice.broker.claim("key"), Error, "READONLY");
    await alice.reach("down");
    await using bob = await open(engine.server.url);
    await engine.server.command("REPLICAOF", "NO", "ONE");
    await Promise.all([alice.reach("up"), bob.reach("up")]);
    assertEquals(alice.told, ["up", "down", "up"]);
  });
}

/** Answers as Redis 5 does, whatever it is asked but to log in. */
async function serveAsOld(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(4096);
  const encoder = new TextEncoder();
  try {
    for (let size; (size = await connection.read(buffer)) !== null;) {
      const asked = new TextDecoder().decode(buffer.subarray(0, size));
      for (
        const [, words] of asked.matchAll(/\*\d+\r\n((?:\$\d+\r\n.*\r\n)+)/g)
      ) {
        const [command, ...args] = words.split(/\r?\n?\$\d+\r\n/).slice(1);
        const given = args.map((word) => `\`${word.trim()}\``).join(", ");
        const answer = /^auth/i.test(command)
          ? "+OK"
          : `-ERR unknown command \`${command.trim()}\`, with args beginning with: ${given}, `;
        await connection.write(encoder.encode(`${answer}\r\n`));
      }
    }
  } catch {
    // The connection was cut.
  }
  connection.close();
}

for (const [name, connect] of Object.entries(CLIENTS)) {
  redisSuite(name, connect);
}

natsSuite();

function natsSuite(): void {
  const test = (what: string, fn: () => Promise<void>) =>
    Deno.test({
      name: `natsBroker() ${what}`,
      ignore: natsServerPath === undefined,
      fn,
    });
  const open = (servers: string, options?: { prefix?: string }) =>
    Node.open(natsBrokerAt(servers, options));
  /** Opens one with such options of `connect()`. */
  const openWith = (options: Parameters<typeof connectNats>[0]) =>
    Node.open(natsBroker({ connect: connectNats, headers, options }));

  test("is told that it was cut off as too slow", async () => {
    await using engine = await NatsWorld.start(
      "jetstream: enabled, max_pending: 1MB",
    );
    await using alice = await Node.enter(engine, "alice");
    await using bob = await open(engine.server.url);
    await bob.reach("up");
    engine.proxy.stall(true);
    await eventually(async () => {
      bob.broker.send("alice", new Uint8Array(512 << 10));
      const { slow_consumers } = await engine.server.monitor("varz");
      return slow_consumers > 0;
    });
    engine.proxy.stall(false);
    await alice.until(() => alice.told.includes("down"), "down");
    await alice.reach("up");
    await alice.broker.enter("alicia");
    const before = alice.messages.length;
    bob.say("alicia", "small");
    await alice.received(before + 1);
    assertEquals(alice.texts.at(-1), "small");
    assert(!bob.told.includes("down"));
  });

  test("carries what is as long as it says", async () => {
    await using engine = await NatsWorld.start();
    await using alice = await Node.enter(engine, "alice");
    const { maxMessageBytes } = alice.broker;
    alice.broker.send("alice", new Uint8Array(maxMessageBytes).fill(7));
    await alice.received(1);
    assertEquals(alice.messages[0].byteLength, maxMessageBytes);
  });

  test("refuses a wrong password, and does not tell it", async () => {
    const settings = 'authorization: { user: "node", password: "right" }';
    await using server = await NatsServer.start(
      `jetstream: enabled, ${settings}`,
    );
    // In Deno the package for Node may end the program where a login is refused.
    const login = (options: object) => {
      const servers = `ws://127.0.0.1:${server.webSocketPort}`;
      return Node.open(natsBroker({
        ...{ connect: wsconnect, headers },
        options: { servers, ...options },
      }));
    };
    const wrong = [
      {},
      { user: "node", pass: "sesame" },
      { token: "sesame" },
      { servers: `ws://node:sesame@127.0.0.1:${server.webSocketPort}` },
    ];
    for (const options of wrong) {
      const error = await assertRejects(
        () => login(options),
        Error,
        "Cannot join nodes over NATS as it refuses the login",
      );
      assert(!Deno.inspect(error).includes("sesame"));
    }
    await using alice = await login({ user: "node", pass: "right" });
    await alice.reach("up");
    await alice.broker.enter("alice");
    assertEquals(await alice.broker.claim("key"), "alice");
    alice.say("alice", "hello");
    await alice.received(1);
    assertEquals(alice.texts, ["hello"]);
  });

  test("refuses an address that is none, and does not tell it", async () => {
    const error = await assertRejects(
      () => open("nats://node:sesame@[bad"),
      Error,
      "Cannot join nodes over NATS as an address is none",
    );
    assert(!Deno.inspect(error).includes("sesame"));
    const prefixes = ["", "a.b", "a*", "a b", "ä"];
    for (const prefix of prefixes) {
      assertThrows(() => natsBrokerAt("", { prefix }), TypeError, "prefix");
    }
  });

  test("refuses a server that can't do it", async () => {
    const servers: Record<string, string> = {
      "as it has no JetStream: start it": "",
      "as its account has no JetStream":
        `jetstream: enabled, no_auth_user: "node"
        accounts: {
          A: { jetstream: enabled }, B: { users: [{ user: "node", password: "b" }] }
        }`,
      "as it takes messages of up to 65536 bytes":
        "jetstream: enabled, max_payload: 64KB",
      "as it knows no TLS": "jetstream: enabled",
    };
    for (const [why, settings] of Object.entries(servers)) {
      await using server = await NatsServer.start(settings);
      const tls = /TLS/.test(why) ? {} : undefined;
      await assertRejects(
        () => openWith({ servers: server.url, tls }),
        Error,
        why,
      );
    }
  });

  test("refuses buckets with other limits, and takes those made elsewhere", async () => {
    await using server = await NatsServer.start();
    const error = await assertRejects(() =>
      Node.open(natsBroker({
        ...{ connect: connectNats, headers, replicas: 3 },
        options: { servers: server.url },
      })), Error);
    assertMatch(error.message, /as it is no cluster.*leave "replicas" out/);
    const stream = {
      name: "KV_sp_slots",
      subjects: ["$KV.sp_slots.>"],
      storage: "file",
      max_age: CLAIM_MS * 1_000_000,
      max_msgs_per_subject: 1,
      discard: "new",
    };
    const others = [
      { max_age: 60_000_000_000 },
      { max_msgs_per_subject: 2 },
      { discard: "old" },
      { deny_delete: true },
    ];
    for (const other of others) {
      const [limit] = Object.keys(other);
      await server.ask("STREAM.CREATE.KV_sp_slots", { ...stream, ...other });
      const why = `its bucket "sp_slots" has "${limit}" at`;
      await assertRejects(() => open(server.url), Error, why);
      await server.ask("STREAM.DELETE.KV_sp_slots");
    }
    await server.ask("STREAM.CREATE.KV_sp_slots", stream);
    await using alice = await open(server.url);
    await alice.reach("up");
    await alice.broker.enter("alice");
    assertEquals(await alice.broker.claim("key"), "alice");
  });

  test("needs no more rights than its documentation says", async () => {
    const source = new URL("../../src/server/brokers/nats.ts", import.meta.url);
    const text = await Deno.readTextFile(source);
    const [, rule] = text.match(/permissions: (\{[^`]+)```/)!;
    const permissions = rule.replaceAll(/\n \*/g, "\n");
    const rights = permissions.match(/"[^"]+"/g)!;
    // One user has all of the rights, each other lacks one.
    const users = ["", ...rights].map((right, index) => {
      const [less] = [permissions.replace(right, '"none"')];
      return `{ user: "user${index}", password: "p", permissions: ${
        right ? less : permissions
      } }`;
    });
    await using server = await NatsServer.start(
      `jetstream: enabled, no_auth_user: "admin", authorization: { users: [
        { user: "admin", password: "p" }, ${users.join(",\n")}
      ] }`,
    );
    const login = (index: number) =>
      openWith({ servers: server.url, user: `user${index}`, pass: "p" });
    await using alice = await login(0);
    const { broker } = alice;
    await broker.enter("alice");
    await broker.enter("alicia");
    alice.say("alicia", "hello");
    alice.say("nobody", "hello");
    await alice.received(1);
    assertEquals(await broker.claim("key"), "alicia");
    assertEquals(await broker.keep(["key"], 60_000), []);
    assertEquals(await broker.find("key"), "alicia");
    await broker.free(["key"]);
    assertEquals(await broker.find("key"), undefined);
    assertEquals(await broker.isAlive("alicia"), true);
    assertEquals(await broker.renew(), 1);
    await broker.close();
    assertEquals(alice.told, ["up", "unheard nobody"]);

    assert(rights.length > 10);
    for (const index of rights.keys()) {
      const why = "as its user may not do all that is needed";
      await assertRejects(() => login(index + 1), Error, why);
    }
  });

  test("tells why it does not reach the engine", async () => {
    await tellsWhy((port) => open(`nats://127.0.0.1:${port}`));
  });

  test("has all under its prefix, and what the contract says", async () => {
    await using server = await NatsServer.start();
    const app = await server.connect();
    const subjects: string[] = [];
    const seen = Promise.withResolvers<void>();
    app.subscribe(">", {
      callback: (_error, { subject }) => {
        if (subject === "end") seen.resolve();
        else subjects.push(subject);
      },
    });
    await app.flush();
    await using alice = await open(server.url, { prefix: "app" });
    await using other = await open(server.url);
    await alice.reach("up");
    await other.reach("up");
    await alice.broker.enter("alice");
    await other.broker.enter("alice");
    await alice.broker.claim("key");
    await alice.broker.claim("kept");
    await alice.broker.keep(["kept"], 60_000);
    alice.say("alice", "hello");
    await alice.received(1);
    assertEquals(await alice.broker.isAlive("alice"), true);
    // Those with another prefix are others.
    assertEquals(await other.broker.find("key"), undefined);
    assertEquals(await alice.broker.find("kept"), "alice");
    assertEquals(await alice.broker.renew(), 1);
    assertEquals([alice.messages.length, other.messages], [1, []]);

    const inBucket = async (bucket: string) => {
      const { config, state } = await server.ask(`STREAM.INFO.KV_${bucket}`, {
        subjects_filter: ">",
      });
      const { max_age, storage, num_replicas } = config;
      assertEquals([storage, num_replicas], ["memory", 1]);
      return [max_age / 1_000_000, ...Object.keys(state.subjects ?? {}).sort()];
    };
    assertEquals(await inBucket("app_nodes"), [
      LEASE_MS,
      "$KV.app_nodes.alice",
    ]);
    assertEquals(await inBucket("sp_slots"), [CLAIM_MS]);
    assertEquals(await inBucket("app_slots"), [
      ...[CLAIM_MS, "$KV.app_slots.=00clock"],
      ...["$KV.app_slots.kept", "$KV.app_slots.key"],
    ]);
    await other.broker.close();
    await alice.broker.close();
    assertEquals(await inBucket("app_nodes"), [LEASE_MS]);
    app.publish("end");
    await seen.promise;
    await app.close();
    assert(subjects.length > 30);
    for (const subject of subjects) {
      if (/^(_INBOX|\$JS\.(EVENT|API\.STREAM\.INFO))\./.test(subject)) continue;
      const parts =
        /^((app|sp)\.[ir]|\$KV\.(app|sp)_(slots|nodes)|\$JS\.API\.STREAM\.[A-Z.]+\.KV_(app|sp)_(slots|nodes)$)/;
      assertMatch(subject, parts);
    }
  });

  test("takes keys and nodes of any name", async () => {
    await using engine = await NatsWorld.start();
    const names = ["a.b", "*", ">", "$ %=~!'()", "ü/\\\0\n", "a", "A", "=61"];
    for (const name of names) {
      await using alice = await Node.enter(engine, name);
      alice.say(name, "hello");
      alice.say(`${name}${name}`, "hello");
      await alice.received(1);
      await alice.reach(`unheard ${name}${name}`);
      assertEquals(await alice.broker.claim(name), name);
      assertEquals(await alice.broker.find(name), name);
      assertEquals(await alice.broker.isAlive(name), true);
    }
  });

  test("leaves no connection behind", async () => {
    await using server = await NatsServer.start();
    const connections = async () =>
      (await server.monitor("connz")).num_connections;
    const nodes = await Promise.all([1, 2, 3].map(async (number) => {
      const node = await open(server.url);
      await node.reach("up");
      await node.broker.enter(`node${number}`);
      return node;
    }));
    assertEquals(await connections(), 3);
    // What was sent before is not lost.
    nodes[1].say("node1", "last");
    await nodes[1].broker.close();
    await nodes[0].received(1);
    // A connection that is being made does not stay either.
    const early = natsBrokerAt(server.url);
    const opening = early.open(nodes[0].handlers);
    await Promise.all(nodes.map(({ broker }) => broker.close()));
    await early.close();
    await opening;
    await eventually(async () => await connections() === 0);
    const { state } = await server.ask("STREAM.INFO.KV_sp_nodes");
    assertEquals(state.messages, 0);
  });

  test("closes though the engine does not answer", async () => {
    await using engine = await NatsWorld.start();
    await using alice = await Node.enter(engine, "alice");
    engine.proxy.stall(true);
    const asked = assertRejects(() => alice.broker.find("key"), Error, "NATS");
    await alice.broker.close();
    await asked;
    assertEquals(alice.told, ["up"]);
  });

  test("dials again where nothing is answered", async () => {
    await using engine = await NatsWorld.start();
    await using alice = await Node.enter(engine, "alice");
    engine.proxy.strand();
    const why = "Cannot ask NATS: the connection is closed";
    await assertRejects(() => alice.broker.find("key"), Error, why);
    await alice.until(() => alice.told.length === 3, "up");
    assertEquals(alice.told, ["up", "down", "up"]);
    assertEquals(alice.reasons, ["it does not answer"]);
  });

  test("makes its buckets again where somebody has deleted them", async () => {
    await using engine = await NatsWorld.start();
    await using alice = await Node.enter(engine, "alice");
    for (
      const ask of [
        () => alice.broker.claim("key"),
        () => alice.broker.find("key"),
      ]
    ) {
      await engine.server.ask("STREAM.DELETE.KV_sp_slots");
      await assertRejects(ask, Error, "Cannot ask NATS");
      await alice.reach("up");
      await alice.broker.enter("alicia");
      assertEquals(await alice.broker.claim("key"), "alicia");
    }
    assertEquals(alice.told, ["up", "down", "up", "down", "up"]);
  });
}
