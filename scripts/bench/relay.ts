/**
 * What the server costs: for each packet, each user message, each pairing and
 * each idle connection.
 *
 * @module
 */

import { contest, OURS, type Outcome, pick, type Work } from "./contest.ts";
import type { Plan } from "./plan.ts";
import {
  bareWire,
  closePairs,
  type End,
  openPair,
  openPairs,
  protocolWire,
  type Wire,
} from "./relay_link.ts";
import { exchange, type ExchangeResult, wait } from "./relay_load.ts";
import { BenchServer, type ServerName } from "./servers.ts";

/** The limit for the relay. */
const BARE = "bare Deno";

/** Ours on Node, whose limit is another. */
const OURS_ON_WS = "socketpeer on ws";

/** Ours on Bun, and its limit. */
const OURS_ON_BUN = "socketpeer on Bun";
const BARE_BUN = "bare Bun";

const WIRES = {
  [OURS]: protocolWire,
  [OURS_ON_WS]: protocolWire,
  [BARE]: bareWire,
  "bare ws": bareWire,
  [OURS_ON_BUN]: protocolWire,
  [BARE_BUN]: bareWire,
} as const satisfies Partial<Record<ServerName, Wire>>;

type Relay = keyof typeof WIRES;

/** Packets and round trips on busy pairs. */
export async function measurePackets(plan: Plan): Promise<Work[]> {
  const works: Work[] = [];
  for (const count of plan.pairCounts) {
    await using stage = await Stage.open([OURS, BARE, "bare ws"], count);
    const sizes = count > plan.mostPairsOfLarge
      ? plan.packetBytes.slice(0, 1)
      : plan.packetBytes;
    for (const bytes of sizes) {
      const outcome = await stage.run(plan, bytes);
      works.push(packetWork(outcome, bytes, count));
      const busiest = count === plan.pairCounts.at(-1);
      if (busiest && bytes === 64) works.push(latencyWork(outcome, count));
    }
  }
  return works;
}

/** Packets on Bun, where Bun is installed. */
export async function measureBunPackets(plan: Plan): Promise<Work[]> {
  const count = 50;
  await using stage = await Stage.open([OURS_ON_BUN, BARE_BUN], count);
  // Without both there is nothing to compare.
  stage.assertComplete();
  const works: Work[] = [];
  for (const bytes of plan.packetBytes) {
    const { samples, notes } = await stage.run(plan, bytes);
    const { [OURS_ON_BUN]: ours, [BARE_BUN]: bare } = samples;
    works.push({
      name: `server CPU per packet on Bun, ${size(bytes)}, ${pairsText(count)}`,
      unit: "µs",
      better: "less",
      samples: pick({ [OURS]: ours, [BARE_BUN]: bare }, ({ cpuUs }) => cpuUs),
      targets: [{ against: [BARE_BUN], ratio: 1.1 }],
      notes,
    });
  }
  return works;
}

/** Servers that run, with pairs on each. */
class Stage implements AsyncDisposable {
  readonly #servers = new Map<Relay, BenchServer>();
  readonly #pairs = new Map<Relay, [End, End][]>();
  readonly #notes: string[] = [];

  static async open(names: readonly Relay[], count: number): Promise<Stage> {
    const stage = new Stage();
    for (const name of names) {
      try {
        const server = await BenchServer.start(name);
        stage.#servers.set(name, server);
        stage.#pairs.set(
          name,
          await openPairs(WIRES[name], server.port, count),
        );
      } catch (error) {
        stage.#notes.push(`${name} failed: ${(error as Error).message}`);
      }
    }
    return stage;
  }

  /**
   * Checks that all servers run.
   *
   * @throws {Error} If one does not; the message says which, and why.
   */
  assertComplete(): void {
    if (this.#notes.length > 0) throw new Error(this.#notes.join("; "));
  }

  async run(plan: Plan, bytes: number): Promise<Outcome<ExchangeResult>> {
    const pairs = [...this.#pairs];
    const options = {
      bytes,
      window: Math.max(1, Math.min(16, Math.floor(200 / pairs[0][1].length))),
      ms: plan.busyMs,
    };
    const outcome = await contest(
      plan.rounds,
      Object.fromEntries(pairs.map(([name, pairs]) => [
        name,
        () => exchange(this.#servers.get(name)!, pairs, options),
      ])),
    );
    return { ...outcome, notes: [...this.#notes, ...outcome.notes] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pairs of this.#pairs.values()) await closePairs(pairs);
    for (const server of this.#servers.values()) {
      await server[Symbol.asyncDispose]();
    }
  }
}

function packetWork(
  { samples, notes }: Outcome<ExchangeResult>,
  bytes: number,
  count: number,
): Work {
  return {
    name: `server CPU per packet, ${size(bytes)}, ${pairsText(count)}`,
    unit: "µs",
    better: "less",
    samples: pick(samples, ({ cpuUs }) => cpuUs),
    targets: [{ against: [BARE], ratio: 1.1 }],
    notes,
  };
}

function latencyWork(
  { samples, notes }: Outcome<ExchangeResult>,
  count: number,
): Work {
  return {
    name: `p99 of the round trip, ${pairsText(count)} busy`,
    unit: "ms",
    better: "less",
    samples: pick(samples, ({ p99Ms }) => p99Ms),
    targets: [{ against: [BARE], ratio: 1.1 }],
    notes,
  };
}

/** Pairs that come and go. */
export async function measurePairings(plan: Plan): Promise<Work[]> {
  await using ours = await BenchServer.start(OURS);
  await using bare = await BenchServer.start(BARE);
  const run = async (server: BenchServer, wire: Wire) => {
    let left = plan.pairings;
    const before = await server.usage();
    const start = performance.now();
    const work = async () => {
      while (left-- > 0) {
        const pair = await openPair(wire, server.port);
        await closePairs([pair]);
      }
    };
    await Promise.all(Array.from({ length: 10 }, work));
    const seconds = (performance.now() - start) / 1000;
    const { cpuUs } = await server.usage();
    return {
      perSecond: plan.pairings / seconds,
      cpuUs: (cpuUs - before.cpuUs) / plan.pairings,
    };
  };
  // The first connections warm both up.
  await run(ours, protocolWire);
  await run(bare, bareWire);
  const { samples, notes } = await contest(plan.rounds, {
    [OURS]: () => run(ours, protocolWire),
    [BARE]: () => run(bare, bareWire),
  });
  return [{
    name: "pairings per second",
    unit: "/s",
    better: "more",
    samples: pick(samples, ({ perSecond }) => perSecond),
    targets: [{ against: [BARE], ratio: 1 / 1.25 }],
    notes,
  }, {
    name: "server CPU per pairing",
    unit: "µs",
    better: "less",
    samples: pick(samples, ({ cpuUs }) => cpuUs),
    targets: [{ against: [BARE], ratio: 1.25 }],
    notes,
  }];
}

/** Connections that are paired, and do nothing. */
export async function measureMemory(plan: Plan): Promise<Work[]> {
  const count = plan.idleConnections;
  const run = async (name: Relay) => {
    await using server = await BenchServer.start(name);
    const { port } = server;
    const wire = WIRES[name];
    await closePairs(await openPairs(wire, port, Math.min(50, count / 2)));
    const before = await server.tidy();
    const pairs = await openPairs(wire, port, count / 2);
    await wait(500);
    const { rss } = await server.tidy();
    await closePairs(pairs);
    return (rss - before.rss) / count / 1024;
  };
  const { samples, notes } = await contest(plan.idleRounds, {
    [OURS]: () => run(OURS),
    [BARE]: () => run(BARE),
    [OURS_ON_WS]: () => run(OURS_ON_WS),
    "bare ws": () => run("bare ws"),
    [OURS_ON_BUN]: () => run(OURS_ON_BUN),
    [BARE_BUN]: () => run(BARE_BUN),
  });
  const {
    [OURS_ON_WS]: onWs,
    [OURS_ON_BUN]: onBun,
    [BARE_BUN]: bareBun,
    ...others
  } = samples;
  const name = `memory per idle connection`;
  return [
    {
      name: `${name}, ${count.toLocaleString("en")} of them`,
      unit: "KiB",
      better: "less",
      samples: others,
      targets: [{ against: [BARE], ratio: 1.25 }],
      notes,
    },
    {
      name: `${name} on ws`,
      unit: "KiB",
      better: "less",
      samples: {
        ...onWs && { [OURS]: onWs },
        ...others["bare ws"] && { "bare ws": others["bare ws"] },
      },
      targets: [{ against: ["bare ws"], ratio: 1.25 }],
    },
    ...onBun && bareBun
      ? [{
        name: `${name} on Bun`,
        unit: "KiB" as const,
        better: "less" as const,
        samples: { [OURS]: onBun, [BARE_BUN]: bareBun },
        targets: [{ against: [BARE_BUN], ratio: 1.8 }],
      }]
      : [],
  ];
}

function pairsText(count: number): string {
  return `${count} pair${count === 1 ? "" : "s"}`;
}

function size(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KiB`;
}
