/**
 * Where a peer and its conversation stand, and what may follow what.
 *
 * @module
 */

/** Where a peer stands between its first `connect()` and its last `close()`. */
export type ConnectionState =
  /** Not connecting, and not asked to; messages wait. */
  | "idle"
  /** Opening a socket to the server. */
  | "connecting"
  /** At the server, alone in the pair. */
  | "waiting"
  /** Both peers are here, and a path joins them. */
  | "connected"
  /** The connection broke; a conversation or an attempt is to go on. */
  | "reconnecting"
  /** Ended; a call of `connect()` begins anew. */
  | "closed";

/** Where a conversation stands. */
export type Phase =
  /** Nobody has called `connect()`, or the attempt was given up. */
  | "idle"
  /** On the way to the server, or waiting there for another peer. */
  | "seeking"
  /** The partner is known; no path has joined the two yet. */
  | "met"
  /** A path joins the two. */
  | "joined"
  /** A path has joined the two, and none does now. */
  | "apart"
  /** `close()` was called: what was sent is still being delivered. */
  | "lingering"
  /** Ended, and the last acknowledgement is still leaving. */
  | "parting"
  /** Ended, and nothing is left of it. */
  | "over";

/** Which timers a phase may have running. */
export type PhaseTimer = "connect" | "resume" | "linger" | "lastWords";

/** What holds in a phase. */
export interface PhaseRule {
  /** What may follow. */
  readonly next: readonly Phase[];
  /** Started on entering, unless they run already; all others are stopped. */
  readonly timers: readonly PhaseTimer[];
  /** Whether a path has joined the two. */
  readonly begun?: true;
  /** Where the peer stands; in the other phases the server decides it. */
  readonly state?: ConnectionState;
}

/** The life of a conversation. */
export const PHASES: Readonly<Record<Phase, PhaseRule>> = {
  idle: { next: ["seeking", "over"], timers: [], state: "idle" },
  seeking: { next: ["idle", "met", "over"], timers: ["connect"] },
  met: { next: ["idle", "joined", "over"], timers: ["connect", "resume"] },
  joined: {
    next: ["apart", "lingering", "parting", "over"],
    timers: [],
    begun: true,
    state: "connected",
  },
  apart: {
    next: ["joined", "lingering", "over"],
    timers: ["resume"],
    begun: true,
  },
  lingering: {
    next: ["parting", "over"],
    timers: ["linger"],
    begun: true,
    state: "closed",
  },
  parting: { next: ["over"], timers: ["lastWords"], state: "closed" },
  over: { next: [], timers: [], state: "closed" },
};
