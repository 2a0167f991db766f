/**
 * What it costs that the two peers of a pair are connected to two nodes: CPU
 * of the nodes and of the engine between them, and time.
 *
 * @module
 */

import { contest, OURS, pick, quantile, type Work } from "./contest.ts";
import { Engine } from "./engine.ts";
import type { Plan } from "./plan.ts";
import {
  closePairs,
  type End,
  openPairOf,
  protocolWire,
} from "./relay_link.ts";
import { wait } from "./relay_load.ts";
import { BenchServer, type ServerName } from "./servers.ts";
import { openSocketIo, type SocketIo } from "./socket_io.ts";

const ONE_NODE = "one node";
const SOCKET_IO = "socket.io";

/** Packets of a size, so many a second, from one end of each pair or both. */
interface Traffic {
  readonly bytes: number;
  readonly perSecond: number;
  readonly bothWays: boolean;
}

/**
 * Loads under which two nodes and their engine just fit on the one core that
 * they share here. Where packets go one way, a node has less to wake up for.
 */
const LOADS: readonly Traffic[] = [
  { bytes: 64, perSecond: 15_000, bothWays: false },
  { bytes: 64, perSecond: 15_000, bothWays: true },
  { bytes: 16_384, perSecond: 2500, bothWays: false },
];
/** The share of those loads that socket.io manages at most. */
const SOCKET_IO_SHARE = 0.1;
/** A load at which nothing waits for a core. */
const QUIET: Traffic = { bytes: 64, perSecond: 2000, bothWays: true };
const PAIRS = 100;
/** How often the load sends, in milliseconds. */
const TICK_MS = 2;

/** Two ends, each of which may send. */
interface Pipe {
  send(end: 0 | 1, packet: Uint8Array): void;
  /** Called when an end has got a packet. */
  received(end: 0 | 1): void;
}

/** What a second of packets has cost. */
interface Cost {
  /** CPU time of the nodes per packet, in microseconds. */
  readonly nodesUs: number;
  /** CPU time of the nodes and the engine per packet, in microseconds. */
  readonly allUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Nodes with pairs on them, each pair over two of them, or on one. */
class Cluster {
  readonly nodes: readonly BenchServer[];
  readonly pipes: readonly Pipe[];
  readonly #engine: Engine;

  constructor(
    nodes: readonly BenchServer[],
    pipes: readonly Pipe[],
    engine: Engine,
  ) {
    this.nodes = nodes;
    this.pipes = pipes;
    this.#engine = engine;
  }

  /** Measures packets for so long, after a third of that to warm up. */
  async run(traffic: Traffic, ms: number): Promise<Cost> {
    const load = new Load(this.pipes, traffic);
    await wait(ms / 3);
    const before = await this.#usage();
    load.measure();
    await wait(ms);
    const after = await this.#usage();
    const { packets, latenciesMs } = load;
    await load.stop();
    const nodesUs = (after.nodesUs - before.nodesUs) / packets;
    return {
      nodesUs,
      allUs: nodesUs + (after.engineUs - before.engineUs) / packets,
      p50Ms: quantile(latenciesMs, 0.5),
      p99Ms: quantile(latenciesMs, 0.99),
    };
  }

  async #usage() {
    const usages = await Promise.all(this.nodes.map((node) => node.usage()));
    const nodesUs = usages.reduce((sum, { cpuUs }) => sum + cpuUs, 0);
    return { nodesUs, engineUs: await this.#engine.cpuUs() };
  }
}

/** Packets at a steady rate, from all ends in turn. */
class Load {
  packets = 0;
  latenciesMs: number[] = [];
  #underWay = 0;
  #drained = () => {};
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(
    pipes: readonly Pipe[],
    { bytes, perSecond, bothWays }: Traffic,
  ) {
    const packet = new Uint8Array(bytes);
    const sentAt = pipes.map((): number[][] => [[], []]);
    pipes.forEach((pipe, index) => {
      pipe.received = (end) => {
        this.packets++;
        // What is sent first comes first.
        const at = sentAt[index][end].shift()!;
        this.latenciesMs.push(performance.now() - at);
        if (--this.#underWay === 0) this.#drained();
      };
    });
    const start = performance.now();
    let sent = 0;
    this.#timer = setInterval(() => {
      const now = performance.now();
      for (; sent < (now - start) * perSecond / 1000; sent++) {
        const index = (sent >> 1) % pipes.length;
        const end = bothWays ? (sent & 1) as 0 | 1 : 0;
        this.#underWay++;
        sentAt[index][1 - end].push(performance.now());
        pipes[index].send(end, packet);
      }
    }, TICK_MS);
  }

  measure(): void {
    this.packets = 0;
    this.latenciesMs = [];
  }

  /** Sends no more, and resolves when all has come. */
  stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained = resolve);
  }
}

/** Packets across nodes, beside packets on one. */
export async function measureNodes(plan: Plan): Promise<Work[]> {
  await using stack = new AsyncDisposableStack();
  const notes: string[] = [];
  const clusters = new Map<string, Cluster>();
  const add = async (
    name: string,
    server: ServerName,
    count: number,
    open: (ports: readonly number[]) => Promise<Pipe[]>,
  ) => {
    try {
      const engine = stack.use(await Engine.start("redis"));
      const nodes: BenchServer[] = [];
      for (let index = 0; index < count; index++) {
        const broker = count > 1 ? engine.url : "";
        nodes.push(stack.use(await BenchServer.start(server, { broker })));
      }
      const ports = nodes.map(({ port }) => port);
      const pipes = await open([ports[0], ports.at(-1)!]);
      clusters.set(name, new Cluster(nodes, pipes, engine));
    } catch (error) {
      notes.push(`${name} failed: ${(error as Error).message}`);
    }
  };
  const ends: [End, End][] = [];
  const openOurs = async (ports: readonly number[]) => {
    const pipes: Pipe[] = [];
    for (let count = 0; count < PAIRS; count++) {
      const pair = await openPairOf(protocolWire, ports[0], ports[1]);
      ends.push(pair);
      pipes.push(ourPipe(pair));
    }
    return pipes;
  };
  stack.defer(() => closePairs(ends));
  await add(OURS, "socketpeer", 2, openOurs);
  await add(ONE_NODE, "socketpeer", 1, openOurs);
  await add(SOCKET_IO, "socket.io", 2, async (ports) => {
    const opened = await openSocketIoPipes(ports);
    stack.defer(opened.close);
    return opened.pipes;
  });
  const works: Work[] = [];
  for (const traffic of LOADS) {
    const { samples, notes } = await contest(
      plan.rounds,
      Object.fromEntries([...clusters].map(([name, cluster]) => [
        name,
        () =>
          cluster.run(
            name === SOCKET_IO
              ? { ...traffic, perSecond: SOCKET_IO_SHARE * traffic.perSecond }
              : traffic,
            3 * plan.busyMs,
          ),
      ])),
    );
    works.push(...costs(samples, notes, traffic));
  }
  clusters.delete(SOCKET_IO);
  const { samples } = await contest(
    plan.rounds,
    Object.fromEntries([...clusters].map(([name, cluster]) => [
      name,
      () => cluster.run(QUIET, 3 * plan.busyMs),
    ])),
  );
  works.push(...times(samples));
  return works.map((work, index) =>
    index > 0 ? work : {
      ...work,
      notes: [...notes, ...work.notes ?? []],
    }
  );
}

function costs(
  samples: Record<string, Cost[]>,
  notes: readonly string[],
  traffic: Traffic,
): Work[] {
  const small = traffic.bytes < 1024;
  const rate = inWords(traffic);
  return [
    {
      name: `CPU of the nodes per packet across two, ${rate}`,
      unit: "µs",
      better: "less",
      samples: pick(samples, ({ nodesUs }) => nodesUs),
      targets: [
        { against: [ONE_NODE], ratio: small ? 1.7 : 2.2 },
        { against: [SOCKET_IO], ratio: 1 / 3 },
      ],
      notes: [
        ...notes,
        `socket.io carries a tenth of that: more is too much for its nodes`,
      ],
    },
    {
      name: `the same with the engine's, ${rate}`,
      unit: "µs",
      better: "less",
      samples: pick(samples, ({ allUs }) => allUs),
      targets: [{ against: [ONE_NODE], ratio: small ? 2 : 2.2 }],
    },
  ];
}

function times(samples: Record<string, Cost[]>): Work[] {
  const { [OURS]: ours = [], [ONE_NODE]: local = [] } = samples;
  const rate = inWords(QUIET);
  const added = (choose: (cost: Cost) => number) => ({
    [OURS]: ours.map((cost, round) => choose(cost) - choose(local[round])),
  });
  return [
    {
      name: `what a second node adds to the median, ${rate}`,
      unit: "ms",
      better: "less",
      samples: added(({ p50Ms }) => p50Ms),
      limit: 1,
      targets: [],
    },
    {
      name: `what it adds to the p99, ${rate}`,
      unit: "ms",
      better: "less",
      samples: added(({ p99Ms }) => p99Ms),
      targets: [],
    },
  ];
}

function inWords({ bytes, perSecond, bothWays }: Traffic): string {
  const size = bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KiB`;
  const rate = `${perSecond.toLocaleString("en")}/s`;
  return `${size} at ${rate} ${bothWays ? "both ways" : "one way"}`;
}

function ourPipe(ends: readonly [End, End]): Pipe {
  const pipe: Pipe = {
    send: (end, packet) => ends[end].socket.send(packet as BufferSource),
    received() {},
  };
  ends.forEach((end, index) =>
    end.receive = () => pipe.received(index as 0 | 1)
  );
  return pipe;
}

async function openSocketIoPipes(ports: readonly number[]) {
  const all: SocketIo[] = [];
  const pipes: Pipe[] = [];
  for (let count = 0; count < PAIRS; count++) {
    const sockets = await openSocketIo(`code ${count}`, ports);
    all.push(...sockets);
    const pipe: Pipe = {
      send: (end, packet) => sockets[end].emit("message", packet),
      received() {},
    };
    sockets.forEach((socket, index) =>
      socket.on("message", () => pipe.received(index as 0 | 1))
    );
    pipes.push(pipe);
  }
  return { pipes, close: () => all.forEach((socket) => socket.disconnect()) };
}
