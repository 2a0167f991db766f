/**
 * Two peers whose relay lives, whatever happens to their data channels: no
 * message is late.
 *
 * @module
 */

import { ACK_DELAY_MS } from "../../src/protocol/limits.ts";
import { Simulation } from "../../testing.ts";
import { nameOf, type Schedule } from "./schedule.ts";
import {
  forges,
  makePeer,
  makeSample,
  must,
  readName,
  strike,
  strikeOne,
} from "./world.ts";

/** Longest from `send()` to `data`, beside a few round trips. */
const PAUSE_MS = 1000;
const TRIPS = 12;
/**
 * A large message takes several windows, each twice as large as the one before,
 * and for each an acknowledgement comes back through the server.
 */
const FIRST_WINDOW_BYTES = 65_536;
const TRIPS_PER_WINDOW = 4;
/**
 * What comes after a channel that was silent, and healed, may take longer:
 * patience has grown with it, and shrinks with what passes then.
 */
const PAUSE_AFTER_SILENCE_MS = 5000;

/** Runs a schedule. */
export async function runFailover(schedule: Schedule): Promise<void> {
  const { seed, latency, steps } = schedule;
  const simulation = new Simulation({ seed, latency });
  const { clock } = simulation;
  const peers = [0, 1].map(() => makePeer(simulation, schedule));
  let pauseMs = PAUSE_MS;
  let stalls = 0;
  const longest = (bytes: number) => {
    const windows = Math.max(0, Math.log2(bytes / FIRST_WINDOW_BYTES));
    const trips = TRIPS + Math.ceil(windows) * TRIPS_PER_WINDOW;
    return pauseMs + trips * (latency + ACK_DELAY_MS);
  };
  /** When each message was sent, by its name, until it has come. */
  const waiting = new Map<string, { at: number; bytes: number }>();
  let sent = 0;
  /** The bytes that a later message may wait behind. */
  let allBytes = 0;
  for (const peer of peers) {
    peer.on("data", (message) => waiting.delete(readName(message)));
  }

  const pass = async (ms: number) => {
    const end = clock.now() + ms;
    while (clock.now() < end) {
      await clock.pass(Math.min(100, end - clock.now()));
      for (const [name, { at, bytes }] of waiting) {
        const late = clock.now() - at;
        must(
          late <= longest(bytes),
          () => `${name} has not come after ${late} ms of ${longest(bytes)}`,
        );
        // A message that was sent later has no reason to be earlier.
        break;
      }
    }
  };

  // Which way they first find each other is not what this is about.
  await pass(500 + 10 * latency);
  for (const { action, wait } of steps) {
    // Private peers take that for a relay that does not live.
    if (schedule.isPrivate && forges(action)) continue;
    if (action.do === "send") {
      for (let count = 0; count < action.count; count++) {
        const name = `${nameOf(action.peer)}#${sent++}`;
        const bytes = Math.max(1, action.bytes);
        waiting.set(name, { at: clock.now(), bytes: allBytes += bytes });
        peers[action.peer].send(makeSample(name, action.kind, bytes).message);
      }
    } else if (action.do === "fault") strike(simulation, action.fault);
    else if (action.do === "faultOfOne") {
      strikeOne(simulation, action.fault, peers[action.peer]);
    }
    if ("fault" in action && action.fault === "stallChannels" && stalls++ > 0) {
      pauseMs = PAUSE_AFTER_SILENCE_MS;
    }
    await pass(wait);
  }
  await pass(longest(allBytes) + 100);
  for (const peer of peers) must(peer.connected, () => "no longer connected");
}
