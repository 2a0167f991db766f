/**
 * Two peers whose relay lives, whatever happens to their data channels: no
 * message is late.
 *
 * @module
 */

import { Simulation } from "../../testing.ts";
import { nameOf, type Schedule } from "./schedule.ts";
import { makeSample, must, readName, strike, strikeOne } from "./world.ts";

/** Longest from `send()` to `data`, beside a few round trips. */
const PAUSE_MS = 1000;
const TRIPS = 12;

/** Runs a schedule. */
export async function runFailover(schedule: Schedule): Promise<void> {
  const { seed, latency, steps } = schedule;
  const simulation = new Simulation({ seed, latency });
  const { clock } = simulation;
  const peers = [0, 1].map(() => simulation.peer());
  const longest = PAUSE_MS + TRIPS * latency;
  /** When each was sent, by its name, until it has come. */
  const waiting = new Map<string, number>();
  let sent = 0;
  for (const peer of peers) {
    peer.on("data", (message) => waiting.delete(readName(message)));
  }

  const pass = async (ms: number) => {
    const end = clock.now() + ms;
    while (clock.now() < end) {
      await clock.pass(Math.min(100, end - clock.now()));
      for (const [name, at] of waiting) {
        const late = clock.now() - at;
        must(
          late <= longest,
          () => `${name} has not come after ${late} ms of ${longest}`,
        );
        // Who was sent later has no reason to be earlier.
        break;
      }
    }
  };

  // Which way they first find each other is not what this is about.
  await pass(500 + 10 * latency);
  for (const { action, wait } of steps) {
    if (action.do === "send") {
      for (let count = 0; count < action.count; count++) {
        const name = `${nameOf(action.peer)}#${sent++}`;
        waiting.set(name, clock.now());
        const bytes = Math.max(1, action.bytes);
        peers[action.peer].send(makeSample(name, action.kind, bytes).message);
      }
    } else if (action.do === "fault") strike(simulation, action.fault);
    else if (action.do === "faultOfOne") {
      strikeOne(simulation, action.fault, peers[action.peer]);
    }
    await pass(wait);
  }
  await pass(longest + 100);
  for (const peer of peers) must(peer.connected, () => "no longer connected");
}
