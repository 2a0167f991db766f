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
  /**
   * The most pairs that send packets of all sizes; more send the smallest
   * alone.
   */
  readonly mostPairsOfLarge: number;
  /** Connections that are open and idle. */
  readonly idleConnections: number;
  readonly idleRounds: number;
  readonly pairings: number;
  /** Messages of 64 bytes on a server that is watched. */
  readonly userMessages: number;
  /** Messages of 64 bytes that show how fast two pages are. */
  readonly warmMessages: number;
  /** How long two pages then send such messages, in milliseconds. */
  readonly smallMs: number;
  /** Bytes of a transfer between two pages. */
  readonly bulkBytes: number;
  readonly roundTrips: number;
  /** How often a page of each library is started. */
  readonly starts: number;
  /** Bytes that pass while the heap is watched. */
  readonly heapBytes: number;
  /** How often, and how long, each contender has each network. */
  readonly networkRounds: number;
  readonly networkMs: number;
}

const MiB = 2 ** 20;

/** Each plan by the name of its flag; `full` without one. */
export const PLANS = {
  full: {
    rounds: 5,
    busyMs: 400,
    packetBytes: [64, 4096, 65_536],
    pairCounts: [1, 50, 500],
    idleConnections: 10_000,
    pairings: 1000,
    userMessages: 20_000,
    bulkBytes: 16 * MiB,
    roundTrips: 1000,
    starts: 15,
    heapBytes: 1024 * MiB,
    networkRounds: 3,
    networkMs: 15_000,
    warmMessages: 5000,
    smallMs: 800,
    mostPairsOfLarge: 500,
    idleRounds: 2,
  },
  quick: {
    rounds: 3,
    busyMs: 120,
    packetBytes: [64, 65_536],
    pairCounts: [1, 50, 500],
    idleConnections: 1000,
    pairings: 50,
    userMessages: 5000,
    bulkBytes: 2 * MiB,
    roundTrips: 100,
    starts: 2,
    heapBytes: 8 * MiB,
    networkRounds: 1,
    networkMs: 8000,
    warmMessages: 500,
    smallMs: 200,
    mostPairsOfLarge: 1,
    idleRounds: 1,
  },
  tiny: {
    rounds: 1,
    busyMs: 50,
    packetBytes: [64],
    pairCounts: [2],
    idleConnections: 20,
    pairings: 4,
    userMessages: 1000,
    bulkBytes: MiB,
    roundTrips: 10,
    starts: 1,
    heapBytes: MiB,
    networkRounds: 1,
    networkMs: 1000,
    warmMessages: 100,
    smallMs: 20,
    mostPairsOfLarge: 1,
    idleRounds: 1,
  },
} as const satisfies Record<string, Plan>;
