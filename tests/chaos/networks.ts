/**
 * Two peers on links as they are: slow, far, full, lossy, broken for a while,
 * and left for others. All arrives, once and in order. How soon is not asked
 * yet: this is the place to ask it.
 *
 * @module
 */

import fc from "fast-check";
import { SendQueueFullError } from "../../client.ts";
import { Simulation } from "../../testing.ts";
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
  makeSample,
  must,
  mustBeEmpty,
  type Sample,
} from "./world.ts";

/** How long it may take to go on, beside what the links take. */
const RECOVERY_MS = 240_000;
/** How often it may carry everything. */
const COPIES = 4;

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
    const peer = simulation.peer({ webrtc: has, resumeTimeout: 2_000_000_000 });
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
  const transferMs = sentBytes / Math.min(...rates) * 1000;
  const end = clock.now() + RECOVERY_MS + COPIES * transferMs;
  const done = () =>
    sides.every(({ peer, sent }, index) =>
      sides[1 - index].arrived === sent.length && peer.bufferedAmount === 0 &&
      peer.connected
    );
  while (!done() && clock.now() < end) await pass(1000);
  sides.forEach(({ peer, sent }, index) => {
    const { arrived } = sides[1 - index];
    must(
      arrived === sent.length,
      () => `${arrived} of ${sent.length} of ${nameOf(index)} have arrived`,
    );
    must(peer.bufferedAmount === 0, () => "something is left in the queue");
    must(peer.connected, () => `${nameOf(index)} is not connected`);
  });

  for (const { peer } of sides) {
    peer.close();
    await pass(60_000);
  }
  await pass(120_000);
  mustBeEmpty(simulation);
}

function slowest({ up, down }: Directions): number {
  return Math.min(up.rate ?? Infinity, down.rate ?? Infinity);
}
