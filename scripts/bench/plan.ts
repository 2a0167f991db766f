/**
 * How much of everything: a run that lasts minutes, one under a minute, and
 * one that only shows that everything runs.
 *
 * @module
 */

/** Sizes and repetitions. */
export interface Plan {
  /** How often each contender has its turn. */
  readonly rounds: number;
  /** How long a relay is kept busy, in milliseconds. */
  readonly busyMs: number;
  readonly packetBytes: readonly number[];
  readonly pairCounts: readonly number[];
  /** Connections that are open and idle. */
  readonly idleConnections: number;
  readonly pairings: number;
  /** Messages of 64 bytes on a server that is watched. */
  readonly userMessages: number;
  /** Messages of 64 bytes between two pages. */
  readonly smallMessages: number;
  /** Bytes of a transfer between two pages. */
  readonly bulkBytes: number;
  readonly roundTrips: number;
  /** How often pages are opened, in each round. */
  readonly starts: number;
  /** Bytes that pass while the heap is watched. */
  readonly heapBytes: number;
}

const MiB = 2 ** 20;

/** By the name of its flag; `full` without one. */
export const PLANS = {
  full: {
    rounds: 5,
    busyMs: 800,
    packetBytes: [64, 1024, 16_384, 65_536],
    pairCounts: [1, 50, 500],
    idleConnections: 10_000,
    pairings: 1000,
    userMessages: 100_000,
    smallMessages: 100_000,
    bulkBytes: 32 * MiB,
    roundTrips: 1000,
    starts: 3,
    heapBytes: 1024 * MiB,
  },
  quick: {
    rounds: 3,
    busyMs: 150,
    packetBytes: [64, 65_536],
    pairCounts: [1, 50, 500],
    idleConnections: 1000,
    pairings: 100,
    userMessages: 10_000,
    smallMessages: 10_000,
    bulkBytes: 4 * MiB,
    roundTrips: 200,
    starts: 1,
    heapBytes: 64 * MiB,
  },
  tiny: {
    rounds: 1,
    busyMs: 50,
    packetBytes: [64],
    pairCounts: [2],
    idleConnections: 20,
    pairings: 4,
    userMessages: 1000,
    smallMessages: 1000,
    bulkBytes: MiB,
    roundTrips: 10,
    starts: 1,
    heapBytes: MiB,
  },
} as const satisfies Record<string, Plan>;
