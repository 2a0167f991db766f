/**
 * Two peers on links as they are: slow, far, full, lossy, broken for a while,
 * and left for others. All arrives, once and in order, and soon after any way
 * works again; and a way that is only slow is kept, and carries nothing twice.
 *
 * @module
 */

import fc from "fast-check";
import { SendQueueFullError, type SocketPeer } from "../../client.ts";
import {
  ACK_PACKET_BYTES,
  PACKET_HEADER_BYTES,
  readUint48,
} from "../../src/protocol/frame.ts";
import { Simulation, type Traffic as Seen } from "../../testing.ts";
import {
  type Action,
  type Directions,
  kinds,
  nameOf,
  type Schedule,
  sizes,
  waits,
  weighted,
} from "./schedule.ts";
import {
  brief,
  isSample,
  makePeer,
  makeSample,
  must,
  mustBeEmpty,
  type Sample,
} from "./world.ts";

/** How long delivery may take to go on, beside what the links take. */
const RECOVERY_MS = 240_000;
/** How often a way may carry everything. */
const COPIES = 4;
/**
 * How long until something comes: a peer that only listens finds that its
 * socket is dead when a heartbeat is missed, after 18 s, and then dials.
 */
const RESUME_MS = 30_000;
/** What may be sent twice where links are only slow, beside two windows. */
const TWICE_SHARE = 0.03;
const SLACK_BYTES = 131_072;
/**
 * What a peer sends for the first time is acknowledged behind all that the
 * other one has just begun to send: it may be missed, but not again and again.
 */
const MOST_DOWNGRADES = 4;

const direction = fc.record({
  rate: weighted(
    [2, fc.constant(Infinity)],
    [3, fc.integer({ min: 20_000, max: 200_000 })],
    [2, fc.integer({ min: 200_000, max: 5_000_000 })],
  ),
  queue: fc.integer({ min: 16, max: 256 }).map((kib) => kib * 1024),
  delay: weighted(
    [3, fc.integer({ min: 0, max: 50 })],
    [1, fc.integer({ min: 0, max: 500 })],
  ),
  jitter: weighted([1, fc.constant(0)], [1, fc.integer({ min: 1, max: 100 })]),
  loss: weighted(
    [1, fc.constant(0)],
    [1, fc.integer({ min: 1, max: 20 }).map((mille) => mille / 1000)],
  ),
});
const link: fc.Arbitrary<Directions> = fc.record({
  up: direction,
  down: direction,
});

const peer = fc.nat({ max: 1 });
const actions = weighted<Action>(
  [
    36,
    fc.record({
      do: fc.constant("send" as const),
      peer,
      kind: kinds,
      bytes: sizes,
      count: fc.integer({ min: 1, max: 8 }),
    }),
  ],
  [
    6,
    fc.record({
      do: fc.constant("readdress" as const),
      peer,
      channelAfter: weighted(
        [2, fc.integer({ min: 0, max: 15_000 })],
        [1, fc.constant(Infinity)],
      ),
      online: fc.boolean(),
    }),
  ],
  [
    6,
    fc.record({
      do: fc.constant("breakLink" as const),
      peer,
      ms: weighted(
        [2, fc.integer({ min: 1, max: 5000 })],
        [1, fc.integer({ min: 1, max: 60_000 })],
      ),
    }),
  ],
  [3, fc.record({ do: fc.constant("link" as const), peer, link })],
);

/** Draws schedules. */
export const networkSchedules: fc.Arbitrary<Schedule> = fc.record({
  seed: fc.nat({ max: 1_000_000 }),
  latency: fc.integer({ min: 0, max: 30 }),
  webrtc: fc.tuple(
    weighted([4, fc.constant(true)], [1, fc.constant(false)]),
    weighted([4, fc.constant(true)], [1, fc.constant(false)]),
  ),
  socketFallback: fc.constant(true),
  echo: fc.boolean(),
  links: fc.tuple(link, link),
  steps: fc.array(
    fc.record({ action: actions, wait: waits }),
    { maxLength: 30, size: "max" },
  ),
});

/** Runs a schedule. */
export async function runNetworks(schedule: Schedule): Promise<void> {
  const { seed, latency, webrtc, echo, steps, links = [] } = schedule;
  const simulation = new Simulation({ seed, latency });
  const { clock } = simulation;
  const found: unknown[] = [];
  let sentBytes = 0;
  /** The slowest that any link ends up with. */
  const rates = links.map(slowest);

  const sides = webrtc.map((has, index) => {
    const peer = makePeer(simulation, schedule, {
      webrtc: has,
      resumeTimeout: 2_000_000_000,
    });
    simulation.link(peer, links[index]);
    return { peer, sent: [] as Sample[], arrived: 0 };
  });
  const send = (index: number, kind: Sample["kind"], bytes: number) => {
    const { peer, sent } = sides[index];
    const sample = makeSample(`${nameOf(index)}${sent.length}`, kind, bytes);
    try {
      peer.send(sample.message);
    } catch (error) {
      must(error instanceof SendQueueFullError, () => String(error));
      return;
    }
    sent.push(sample);
    sentBytes += bytes;
  };
  sides.forEach((side, index) =>
    side.peer.on("data", (message) => {
      const sample = sides[1 - index].sent[side.arrived++];
      if (!sample || !isSample(message, sample)) {
        found.push(
          new Error(
            `${nameOf(index)} got ${brief(message)} and not ${sample?.name}`,
          ),
        );
      }
      if (echo && side.arrived % 4 === 0) send(index, "text", 9);
    })
  );
  let downgrades = 0;
  for (const { peer } of sides) peer.on("downgrade", () => downgrades++);
  const traffic = new Traffic();
  // What is sealed can't be read.
  if (!schedule.isPrivate) {
    simulation.ontraffic = (seen) => traffic.see(seen);
  }
  const pass = async (ms: number) => {
    await clock.pass(ms);
    if (found.length > 0) throw found[0];
  };

  const act = (action: Action) => {
    switch (action.do) {
      case "send":
        for (let count = 0; count < action.count; count++) {
          send(action.peer, action.kind, action.bytes);
        }
        break;
      case "link":
        simulation.link(sides[action.peer].peer, action.link);
        rates[action.peer] = slowest(action.link);
        break;
      case "breakLink":
        simulation.breakLink(sides[action.peer].peer, action.ms);
        break;
      case "readdress":
        simulation.move(sides[action.peer].peer, action);
        break;
    }
  };
  for (const { action, wait } of steps) {
    act(action);
    await pass(wait);
  }

  simulation.repair();
  const owed = sides.map(({ arrived }, index) =>
    sides[1 - index].sent.length - arrived
  );
  const before = sides.map(({ arrived }) => arrived);
  const transferMs = sentBytes / Math.min(...rates) * 1000;
  const end = clock.now() + RECOVERY_MS + COPIES * transferMs;
  const done = () =>
    sides.every(({ peer, sent }, index) =>
      sides[1 - index].arrived === sent.length && peer.bufferedAmount === 0 &&
      peer.connected
    );
  // Delivery goes on soon: the first of what is owed comes, or all that it is
  // behind.
  const resumed = clock.now() + RESUME_MS + COPIES * transferMs;
  while (!done() && clock.now() < end) {
    await pass(1000);
    sides.forEach(({ arrived }, index) =>
      must(
        clock.now() <= resumed || owed[index] === 0 || arrived > before[index],
        () => `nothing more has come to ${nameOf(index)} in ${RESUME_MS} ms`,
      )
    );
  }
  sides.forEach(({ peer, sent }, index) => {
    const { arrived } = sides[1 - index];
    must(
      arrived === sent.length,
      () => `${arrived} of ${sent.length} of ${nameOf(index)} have arrived`,
    );
    must(peer.bufferedAmount === 0, () => "something is left in the queue");
    must(peer.connected, () => `${nameOf(index)} is not connected`);
  });

  // The links were slow, and nothing worse has happened.
  if (steps.every(({ action }) => action.do === "send")) {
    must(downgrades <= MOST_DOWNGRADES, () => `${downgrades} downgrades`);
    const { bytes, twiceBytes } = traffic;
    // With each downgrade a window is sent again.
    must(
      downgrades > 0 || twiceBytes <= SLACK_BYTES + bytes * TWICE_SHARE,
      () => `${twiceBytes} of ${bytes} bytes were sent twice`,
    );
  }

  for (const { peer } of sides) {
    peer.close();
    await pass(60_000);
  }
  await pass(120_000);
  await mustBeEmpty(simulation);
}

/** Counts bytes of packets with messages, and of those that were sent before. */
class Traffic {
  bytes = 0;
  twiceBytes = 0;
  readonly #firsts = new Map<SocketPeer, Set<number>>();

  see({ peer, direction, data }: Seen): void {
    if (direction === "in" || typeof data === "string") return;
    if (data.byteLength <= PACKET_HEADER_BYTES) return;
    const firsts = this.#firsts.get(peer) ?? new Set();
    this.#firsts.set(peer, firsts);
    const first = readUint48(new Uint8Array(data), ACK_PACKET_BYTES);
    this.bytes += data.byteLength;
    if (firsts.has(first)) this.twiceBytes += data.byteLength;
    firsts.add(first);
  }
}

function slowest({ up, down }: Directions): number {
  return Math.min(up.rate ?? Infinity, down.rate ?? Infinity);
}
