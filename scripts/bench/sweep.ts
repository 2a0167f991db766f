/**
 * How costs grow: the same work with more and more of one thing, and whether
 * anything grows faster than its work.
 *
 * @module
 */

import { encodeMessage } from "../../src/protocol/message.ts";
import { OURS } from "./contest.ts";
import { closePairs, openPairs, protocolWire } from "./relay_link.ts";
import { exchange } from "./relay_load.ts";
import { newMembers, newRegistry } from "./registry_load.ts";
import { BenchServer } from "./servers.ts";
import { SessionPair } from "./session_pair.ts";

/** What one unit of work costs, as something grows. */
export interface Curve {
  readonly name: string;
  readonly unit: string;
  readonly points: (readonly [size: number, cost: number])[];
  /** Why a point is missing. */
  note?: string;
}

const PAIRS = [10, 100, 1000, 5000, 10_000];
const PACKET_BYTES = [64, 256, 1024, 4096, 16_384, 65_536];
const QUEUED = [10, 100, 1000, 10_000, 100_000];
const WINDOW_PACKETS = [1, 2, 4, 8, 16];
const BUSY_MS = 500;

/**
 * How much more a unit of work may cost when the work doubles: caches that
 * overflow take a quarter, and what grows with all that is there doubles it.
 */
const TOLERATED = 1.4;

/** Measures every curve. */
export async function sweep(): Promise<Curve[]> {
  return [
    ...await relayByPairs(),
    await relayBySize(),
    sessionByQueue(),
    sessionByWindow(),
    registryByPairs(),
  ];
}

/** One line for each point, and a last word on each curve. */
export function formatCurves(curves: readonly Curve[]): string {
  return curves.flatMap(({ name, unit, points, note }) => [
    `${name} (${unit})`,
    ...points.map(([size, cost]) =>
      `  ${size.toLocaleString("en").padStart(8)}  ${cost.toPrecision(3)}`
    ),
    ...note ? [`  ${note}`] : [],
    growsTooFast(points)
      ? "  GROWS FASTER THAN ITS WORK"
      : "  no faster than its work",
  ]).join("\n");
}

/**
 * Whether costs grow faster than the work: from the middle of the curve on,
 * where fixed costs do not hide it.
 */
export function growsTooFast(points: Curve["points"]): boolean {
  const [first, last] = [points[points.length >> 1], points.at(-1)];
  if (!first || !last || first === last) return false;
  const doublings = Math.log2(last[0] / first[0]);
  return (last[1] / first[1]) ** (1 / doublings) > TOLERATED;
}

async function relayByPairs(): Promise<Curve[]> {
  const cpu: Curve = {
    name: "server CPU per packet of 64 B, by busy pairs",
    unit: "µs",
    points: [],
  };
  const memory: Curve = {
    name: "memory per connection, by pairs",
    unit: "KiB",
    points: [],
  };
  for (const count of PAIRS) {
    await using server = await BenchServer.start(OURS);
    try {
      const before = await server.tidy();
      const pairs = await openPairs(protocolWire, server.port, count);
      const { rss } = await server.tidy();
      memory.points.push([count, (rss - before.rss) / count / 2 / 1024]);
      const options = { bytes: 64, window: 1, ms: BUSY_MS };
      const { cpuUs } = await exchange(server, pairs, options);
      cpu.points.push([count, cpuUs]);
      await closePairs(pairs);
    } catch (error) {
      cpu.note = `${count.toLocaleString("en")} pairs failed, as this ` +
        `system may limit open files: ${(error as Error).message}`;
      break;
    }
  }
  return [cpu, memory];
}

async function relayBySize(): Promise<Curve> {
  await using server = await BenchServer.start(OURS);
  const pairs = await openPairs(protocolWire, server.port, 20);
  const points: Curve["points"] = [];
  for (const bytes of PACKET_BYTES) {
    const options = { bytes, window: 4, ms: BUSY_MS };
    const { cpuUs } = await exchange(server, pairs, options);
    points.push([bytes, 1000 * cpuUs / bytes]);
  }
  await closePairs(pairs);
  return { name: "server CPU per byte, by size of packet", unit: "ns", points };
}

function sessionByQueue(): Curve {
  const message = encodeMessage("x".repeat(64));
  return timed("session, 64 B message, by messages queued", QUEUED, (count) => {
    const pair = new SessionPair();
    return () => {
      pair.queue(message, count);
      pair.carry();
    };
  });
}

function sessionByWindow(): Curve {
  const message = encodeMessage(new Uint8Array(65_000));
  const perTurn = 64;
  const curve = timed(
    "session, 64 messages of 65 KB, by packets under way",
    WINDOW_PACKETS,
    (packets) => {
      const pair = new SessionPair();
      return () => {
        pair.queue(message, perTurn);
        pair.carry(packets);
      };
    },
  );
  // However wide the window, the work is the same.
  const points = curve.points.map(([size, cost]) =>
    [size, cost * size / perTurn] as const
  );
  return { ...curve, points };
}

function registryByPairs(): Curve {
  return timed(
    "registry, one pair joins and leaves, by pairs",
    PAIRS,
    (count) => {
      const members = newMembers(count);
      const registry = newRegistry();
      return () => {
        for (const member of members) registry.join(member);
        for (const member of members) registry.leave(member, true);
      };
    },
  );
}

/** The least time for each of `size` units of work, as noise only adds. */
function timed(
  name: string,
  sizes: readonly number[],
  prepare: (size: number) => () => void,
): Curve {
  const points = sizes.map((size) => {
    const run = prepare(size);
    let leastMs = Infinity;
    const end = performance.now() + 500;
    for (let times = 0; times < 10 || performance.now() < end; times++) {
      const start = performance.now();
      run();
      leastMs = Math.min(leastMs, performance.now() - start);
    }
    return [size, 1000 * leastMs / size] as const;
  });
  return { name, unit: "µs", points };
}
