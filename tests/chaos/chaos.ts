/**
 * The properties that must hold whatever happens, and how to check them.
 *
 * @module
 */

import fc from "fast-check";
import { runChurn } from "./churn.ts";
import { runFailover } from "./failover.ts";
import { runLegacy } from "./legacy.ts";
import { networkSchedules, runNetworks } from "./networks.ts";
import { inWords, type Schedule, schedules } from "./schedule.ts";
import { runSteady } from "./steady.ts";

/** What is to hold; each has schedules of its own. */
export const PROPERTIES = {
  /** Two peers live through it: nothing is lost, doubled or reordered. */
  steady: { run: runSteady, schedules: schedules("steady") },
  /** While the relay lives, nothing that happens to channels takes long. */
  failover: { run: runFailover, schedules: schedules("failover") },
  /** Peers come and go: what is not delivered is counted. */
  churn: { run: runChurn, schedules: schedules("churn") },
  /** Whatever a network is like, and whoever moves through it. */
  networks: { run: runNetworks, schedules: networkSchedules },
  /** Two peers live through it, where the server is several nodes. */
  nodes: { run: runSteady, schedules: schedules("nodes") },
  /** Peers come and go, where the server is several nodes. */
  nodesChurn: { run: runChurn, schedules: schedules("nodesChurn") },
  /** Peers of version 1, too: what arrives is in order, and has no gap. */
  nodesLegacy: { run: runLegacy, schedules: schedules("nodesLegacy") },
} as const;

/** The name of a property. */
export type PropertyName = keyof typeof PROPERTIES;

/** How to check a property. */
export interface ChaosOptions {
  /** The seed that all schedules are drawn from. */
  readonly seed: number;
  /** How many schedules. */
  readonly runs: number;
  /** One schedule, or one of its shrinkings, as a failure named it. */
  readonly path?: string;
  /** Whether the peers are private. */
  readonly isPrivate?: boolean;
}

/**
 * Runs schedules of one property.
 *
 * @returns What to print where one fails, or undefined.
 */
export async function findFailure(
  name: PropertyName,
  { seed, runs, path, isPrivate = false }: ChaosOptions,
): Promise<string | undefined> {
  const { run, schedules } = PROPERTIES[name];
  const details = await fc.check(
    fc.asyncProperty(
      schedules,
      (schedule: Schedule) =>
        withUncaught(() => run({ ...schedule, isPrivate })),
    ),
    { seed, numRuns: runs, ...path === undefined ? {} : { path } },
  );
  if (!details.failed) return undefined;
  const [schedule] = details.counterexample ?? [];
  const { counterexamplePath, errorInstance, numShrinks } = details;
  return [
    `"${name}" does not hold: ${errorInstance}`,
    "",
    schedule ? inWords(schedule) : "(no schedule)",
    "",
    `Shrunk ${numShrinks} times. To repeat it:`,
    `  deno task chaos --only ${name} --seed ${seed} --path ${counterexamplePath}` +
    (isPrivate ? " --private" : ""),
    ...errorInstance instanceof Error ? ["", `${errorInstance.stack}`] : [],
  ].join("\n");
}

/**
 * Makes a run fail of what nobody catches, which would end the whole program.
 */
async function withUncaught(run: () => Promise<void>): Promise<void> {
  const uncaught: unknown[] = [];
  const onUncaught = (event: ErrorEvent | PromiseRejectionEvent) => {
    event.preventDefault();
    uncaught.push(event instanceof ErrorEvent ? event.error : event.reason);
  };
  addEventListener("error", onUncaught);
  addEventListener("unhandledrejection", onUncaught);
  try {
    await run();
  } finally {
    removeEventListener("error", onUncaught);
    removeEventListener("unhandledrejection", onUncaught);
  }
  if (uncaught.length > 0) throw uncaught[0];
}
