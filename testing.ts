/**
 * A simulator for tests: peers and a server on a virtual clock, with faults by
 * name and no network. It is what socketpeer itself is tested with.
 *
 * @example Nothing is lost while both are cut off
 * ```ts
 * import { assert } from "@std/assert";
 * import { Simulation } from "@socketpeer/socketpeer/testing";
 *
 * const simulation = new Simulation({ seed: 42, latency: 50 });
 * const [alice, bob] = [simulation.peer(), simulation.peer()];
 * const got: unknown[] = [];
 * bob.on("data", (message) => got.push(message));
 *
 * for (let number = 0; number < 100; number++) {
 *   alice.send(number);
 *   if (number % 10 === 0) simulation.cutSockets();
 *   if (number % 25 === 0) simulation.stallChannels();
 *   await simulation.clock.pass(simulation.random() * 500);
 * }
 * simulation.repair();
 * await simulation.clock.pass(60_000);
 * assert(got.length === 100 && got.every((each, at) => each === at));
 * ```
 *
 * @module
 */

export {
  type LinkDirections,
  type MoveOptions,
  type ServerEngine,
  type ServerNode,
  type SimulatedPeerOptions,
  Simulation,
  type SimulationOptions,
} from "./src/testing/simulation.ts";
export { VirtualClock } from "./src/testing/virtual_clock.ts";
export { seededRandom } from "./src/testing/seeded_random.ts";
export type { LinkOptions } from "./src/testing/link.ts";
export type { Traffic } from "./src/testing/network.ts";
export type { DialFate } from "./src/testing/simulated_server.ts";
