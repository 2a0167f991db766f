/**
 * Schedules: what happens in a run, step by step, as fast-check draws and
 * shrinks it, and in words.
 *
 * @module
 */

import fc from "fast-check";
import type { LinkOptions } from "../../testing.ts";

/** What a message is sent as. */
export type Kind = "text" | "bytes" | "json" | "blob";

/** A fault that needs no further word. */
export type Fault = keyof typeof FAULTS;

/** Faults that strike everybody, in words. */
const FAULTS = {
  cutSockets: "all sockets break",
  halfOpenSockets: "all sockets break, and the server is not told",
  stallSockets: "all sockets stall",
  healSockets: "all sockets go on",
  closeChannels: "the data channel closes",
  stallChannels: "the data channel stalls",
  healChannels: "the data channel goes on",
  replayPackets: "packets are delivered a second time",
  killServer: "the server dies",
  startServer: "the server is back",
  refuse: "dials are refused",
  swallow: "dials hang",
  accept: "dials are accepted",
  blockDirect: "new data channels find no path",
  allowDirect: "new data channels find a path",
} as const;

/** Faults that may strike one side alone, in words. */
const FAULTS_OF_ONE = {
  cutSockets: "socket breaks",
  halfOpenSockets: "socket breaks, and the server is not told",
  stallSockets: "socket stalls",
  healSockets: "socket goes on",
  closeChannels: "end of the data channel closes",
  halfOpenChannels: "end of the data channel closes, and the other is not told",
  stallChannels: "sending on the data channel stalls",
  healChannels: "sending on the data channel goes on",
} as const;

/** A fault that can strike one side alone. */
export type FaultOfOne = keyof typeof FAULTS_OF_ONE;

/** What may strike a node of the server, or what joins them, in words. */
const NODE_FAULTS = {
  kill: "node dies",
  start: "node is back",
  drain: "node sends everybody elsewhere, and ends",
  stall: "node stands still",
  partition: "node is cut off from the engine",
  join: "node reaches the engine again",
  stopEngine: "the engine is away",
  startEngine: "the engine is back",
  emptyEngine: "the engine is back, with nothing",
  lose: "the engine loses some messages",
  double: "the engine brings some messages twice",
  carry: "the engine loses and doubles none",
} as const;

/** What may strike a node. */
export type NodeFault = keyof typeof NODE_FAULTS;

/** What peers do when they come and go, in words. */
const MOVES = {
  close: "closes",
  destroy: "is destroyed",
  connect: "connects again",
  crash: "crashes",
  replace: "is there anew, as another instance",
  hidePage: "leaves the page",
  showPage: "is back on the page",
} as const;

/** The moves that a peer of version 1 has, too. */
const MOVES_OF_ALL: readonly Move[] = ["destroy", "connect"];

/** What a peer does when it comes or goes. */
export type Move = keyof typeof MOVES;

/** One thing that happens. Peers are numbers. */
export type Action =
  | {
    do: "send";
    peer: number;
    kind: Kind;
    bytes: number;
    count: number;
  }
  | { do: "fault"; fault: Fault }
  | { do: "faultOfOne"; fault: FaultOfOne; peer: number }
  | { do: "freeze"; peer: number; ms: number }
  | { do: "latency"; ms: number }
  | { do: "read"; peer: number; on: boolean }
  | { do: "move"; move: Move; peer: number }
  | { do: "link"; peer: number; link: Directions }
  | { do: "breakLink"; peer: number; ms: number }
  | { do: "node"; fault: NodeFault; node: number; ms: number }
  | { do: "leave" }
  | { do: "readdress"; peer: number; channelAfter: number; online: boolean };

/** A peer's link in both directions. */
export interface Directions {
  readonly up: LinkOptions;
  readonly down: LinkOptions;
}

/** Something happens, and then time passes. */
export interface Step {
  readonly action: Action;
  /** How long, in milliseconds. */
  readonly wait: number;
}

/** A run: what its world is like, and what happens in it. */
export interface Schedule {
  readonly seed: number;
  readonly latency: number;
  /** Which of the first two peers have WebRTC. */
  readonly webrtc: readonly [boolean, boolean];
  readonly socketFallback: boolean;
  /** Whether a peer sends something whenever it gets something. */
  readonly echo: boolean;
  readonly steps: readonly Step[];
  /** The first two peers' links, where they are not as wide as can be. */
  readonly links?: readonly [Directions, Directions];
  /** How many nodes the server has, where it has several. */
  readonly nodes?: number;
  /** Which peers speak version 1. */
  readonly legacy?: readonly boolean[];
  /** Whether the server ends the conversation that is there in the end. */
  readonly leaves?: boolean;
  /** Whether the peers are private. */
  readonly isPrivate?: boolean;
}

const names = "ABC";

/** What a peer is called. */
export function nameOf(peer: number): string {
  return names[peer];
}

/** Draws one of these, as often as their weights say. */
export function weighted<T>(
  ...choices: [weight: number, arbitrary: fc.Arbitrary<T>][]
): fc.Arbitrary<T> {
  return fc.oneof(
    ...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })),
  );
}

/** Draws how long to wait after an action. */
export const waits = weighted(
  [3, fc.constant(0)],
  [6, fc.integer({ min: 1, max: 60 })],
  [6, fc.integer({ min: 1, max: 1500 })],
  [2, fc.integer({ min: 1, max: 20_000 })],
  [1, fc.integer({ min: 1, max: 120_000 })],
);

/** Draws how large a message is. */
export const sizes = weighted(
  [14, fc.integer({ min: 0, max: 40 })],
  [3, fc.integer({ min: 0, max: 5000 })],
  [1, fc.integer({ min: 0, max: 200_000 })],
);

/** Draws what a message is sent as. */
export const kinds = weighted<Kind>(
  [6, fc.constant("text")],
  [3, fc.constant("bytes")],
  [2, fc.constant("json")],
  [1, fc.constant("blob")],
);

/** Which schedules to draw here; those of networks.ts are drawn there. */
export type Story =
  | "steady"
  | "failover"
  | "churn"
  | "nodes"
  | "nodesChurn"
  | "nodesLegacy";

/** The faults that leave the relay alone. */
const CHANNEL_FAULTS: readonly Fault[] = [
  "closeChannels",
  "stallChannels",
  "healChannels",
  "replayPackets",
  "blockDirect",
  "allowDirect",
];
// Not "healChannels": what one direction held back and brings then is a sign
// of life, and the wait for the other begins anew.
const CHANNEL_FAULTS_OF_ONE: readonly FaultOfOne[] = [
  "closeChannels",
  "halfOpenChannels",
  "stallChannels",
];

function hasNodes(story: Story): boolean {
  return story === "nodes" || story === "nodesChurn" || story === "nodesLegacy";
}

function actions(story: Story): fc.Arbitrary<Action> {
  const isLegacy = story === "nodesLegacy";
  const peers = story === "churn" || story === "nodesChurn" || isLegacy ? 3 : 2;
  const channelsOnly = story === "failover";
  const peer = fc.nat({ max: peers - 1 });
  const send = fc.record({
    do: fc.constant("send" as const),
    peer,
    kind: kinds,
    bytes: sizes,
    count: fc.integer({ min: 1, max: 4 }),
  });
  const burst = fc.record({
    do: fc.constant("send" as const),
    peer,
    kind: kinds,
    bytes: fc.integer({ min: 0, max: 3000 }),
    count: fc.integer({ min: 5, max: 60 }),
  });
  /** Larger than the window of what may be in flight. */
  const sendMuch = fc.record({
    do: fc.constant("send" as const),
    peer,
    kind: fc.constant("bytes" as const),
    bytes: fc.integer({ min: 500_000, max: 1_500_000 }),
    count: fc.constant(1),
  });
  const fault = fc.record({
    do: fc.constant("fault" as const),
    fault: fc.constantFrom(
      ...channelsOnly ? CHANNEL_FAULTS : Object.keys(FAULTS) as Fault[],
    ),
  });
  const faultOfOne = fc.record({
    do: fc.constant("faultOfOne" as const),
    fault: fc.constantFrom(
      ...channelsOnly
        ? CHANNEL_FAULTS_OF_ONE
        : Object.keys(FAULTS_OF_ONE) as FaultOfOne[],
    ),
    peer,
  });
  const freeze = fc.record({
    do: fc.constant("freeze" as const),
    peer,
    ms: weighted(
      [2, fc.integer({ min: 1, max: 2500 })],
      [1, fc.integer({ min: 1, max: 90_000 })],
    ),
  });
  const latency = fc.record({
    do: fc.constant("latency" as const),
    ms: fc.integer({ min: 0, max: 400 }),
  });
  const read = fc.record({
    do: fc.constant("read" as const),
    peer,
    on: fc.boolean(),
  });
  const move = fc.record({
    do: fc.constant("move" as const),
    move: fc.constantFrom(
      ...isLegacy ? MOVES_OF_ALL : Object.keys(MOVES) as Move[],
    ),
    peer,
  });
  const node = fc.record({
    do: fc.constant("node" as const),
    fault: fc.constantFrom(...Object.keys(NODE_FAULTS) as NodeFault[]),
    node: fc.nat({ max: MAX_NODES - 1 }),
    ms: fc.integer({ min: 1, max: 12_000 }),
  });
  const leave = fc.constant({ do: "leave" as const });
  return weighted<Action>(
    [hasNodes(story) ? 24 : 0, node],
    [36, send],
    [4, burst],
    [1, sendMuch],
    [14, fault],
    [8, faultOfOne],
    [channelsOnly ? 0 : 4, freeze],
    [channelsOnly ? 0 : 2, latency],
    [story === "steady" ? 4 : 0, read],
    [peers > 2 ? 12 : 0, move],
    [story === "nodesChurn" || isLegacy ? 3 : 0, leave],
  );
}

/** How many nodes there may be. */
const MAX_NODES = 5;

/** Draws schedules. */
export function schedules(story: Story): fc.Arbitrary<Schedule> {
  // On a data channel nobody notices what becomes of nodes.
  const webrtc = weighted(
    [hasNodes(story) ? 1 : 4, fc.constant(true)],
    [1, fc.constant(false)],
  );
  return fc.record({
    seed: fc.nat({ max: 1_000_000 }),
    latency: fc.integer({ min: 0, max: 60 }),
    webrtc: fc.tuple(
      webrtc,
      webrtc,
    ),
    socketFallback: weighted([7, fc.constant(true)], [1, fc.constant(false)]),
    ...hasNodes(story) ? { nodes: fc.integer({ min: 2, max: MAX_NODES }) } : {},
    echo: fc.boolean(),
    ...story === "nodesChurn" ? { leaves: fc.boolean() } : {},
    ...story === "nodesLegacy"
      ? { legacy: fc.tuple(fc.constant(true), fc.boolean(), fc.boolean()) }
      : {},
    steps: fc.array(
      fc.record({ action: actions(story), wait: waits }),
      { maxLength: 45, size: "max" },
    ),
  });
}

function sayLink({ up, down }: Directions): string {
  const [sent, got] = [up, down].map((
    { rate = Infinity, queue, delay, jitter, loss = 0 },
  ) =>
    `${rate === Infinity ? "any" : Math.round(rate)} B/s, queue ${queue}, ` +
    `${delay} + up to ${jitter} ms, ${(loss * 100).toFixed(1)} % lost`
  );
  return `up ${sent}; down ${got}`;
}

function say(action: Action): string {
  switch (action.do) {
    case "send": {
      const { peer, kind, bytes, count } = action;
      return `${nameOf(peer)} sends ${count} × ${kind} of ${bytes} bytes`;
    }
    case "fault":
      return FAULTS[action.fault];
    case "faultOfOne":
      return `${nameOf(action.peer)}'s ${FAULTS_OF_ONE[action.fault]}`;
    case "freeze":
      return `${nameOf(action.peer)} stands still for ${action.ms} ms`;
    case "latency":
      return `latency is ${action.ms} ms from now on`;
    case "read":
      return `${nameOf(action.peer)} ${
        action.on ? "reads on" : "stops reading"
      }`;
    case "move":
      return `${nameOf(action.peer)} ${MOVES[action.move]}`;
    case "link":
      return `${nameOf(action.peer)}'s link is ${sayLink(action.link)}`;
    case "node":
      return action.fault.endsWith("ngine") || action.ms === 0
        ? NODE_FAULTS[action.fault]
        : `${NODE_FAULTS[action.fault]}: ${action.node}, ${action.ms} ms`;
    case "leave":
      return "the server ends the conversation";
    case "breakLink":
      return `${nameOf(action.peer)}'s link is broken for ${action.ms} ms`;
    case "readdress": {
      const { peer, channelAfter, online } = action;
      return `${nameOf(peer)} has another address` +
        `${online ? "" : ", and is not told"}; channels find a path ` +
        (channelAfter === Infinity ? "never" : `after ${channelAfter} ms`);
    }
  }
}

/** A schedule in words, a line for each thing that happens. */
export function inWords(schedule: Schedule): string {
  const {
    seed,
    latency,
    webrtc,
    socketFallback,
    echo,
    steps,
    links = [],
    nodes,
    legacy = [],
    leaves,
  } = schedule;
  const without = webrtc.flatMap((has, peer) =>
    has || !socketFallback ? [] : `${nameOf(peer)} has no WebRTC`
  );
  const world = [
    `simulation seed ${seed}`,
    `latency ${latency} ms`,
    ...without,
    ...nodes ? [`${nodes} nodes`] : [],
    ...legacy.flatMap((is, peer) =>
      is ? [`${nameOf(peer)} speaks version 1`] : []
    ),
    ...socketFallback ? [] : ["no socketFallback"],
    ...echo ? ["what arrives is answered"] : [],
  ];
  let at = 0;
  const lines = steps.map(({ action, wait }) => {
    const line = `${String(at).padStart(8)} ms  ${say(action)}`;
    at += wait;
    return line;
  });
  return [
    world.join(", "),
    ...links.map((link, peer) => `${nameOf(peer)}'s link: ${sayLink(link)}`),
    ...lines,
    `${String(at).padStart(8)} ms  everything is repaired`,
    ...leaves ? ["and then  the server ends the conversation"] : [],
  ].join("\n");
}
