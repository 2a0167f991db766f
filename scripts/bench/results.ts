/**
 * The results of a run, and the last one that was kept.
 *
 * @module
 */

import type { Work } from "./contest.ts";
import { canPin, type Disturbance } from "./machine.ts";
import type { Curve } from "./sweep.ts";

const FILE = new URL("results.json", import.meta.url);

/** What a run has found, and on what machine. */
export interface Results {
  readonly when: string;
  /** The name of the plan that the run followed. */
  readonly size: string;
  readonly seconds: number;
  readonly deno: string;
  readonly cores: number;
  readonly disturbance: Disturbance;
  readonly works: readonly Work[];
  /** How costs grow; missing in a part of a run. */
  readonly curves?: readonly Curve[];
}

/** The last kept result, if there is one. */
export async function lastResults(): Promise<Results | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(FILE));
  } catch {
    return undefined;
  }
}

/** When and where a run was made, and what disturbed it. */
export function describeRun(
  { size, seconds, cores, disturbance }: Results,
  last: Results | undefined,
): string {
  const { stolenCores, otherCores } = disturbance;
  const cored = (count: number | undefined) =>
    count === undefined ? "unknown" : `${count.toFixed(2)} cores`;
  const pinned = canPin
    ? "server and load of the relay on different cores"
    : "servers and load share all cores, as there is no taskset";
  return [
    `${seconds} s (${size}), ${cores} cores, ${pinned}`,
    `before and after, others used ${cored(otherCores)}; meanwhile other ` +
    `machines took ${cored(stolenCores)}`,
    ...(otherCores ?? 0) + (stolenCores ?? 0) > 0.1
      ? ["The machine had other work: figures are unsure, ratios less so"]
      : [],
    ...last ? [`last: ${last.when.slice(0, 10)} (${last.size})`] : [],
  ].join("\n");
}

/** Keeps results, in place of the last. */
export async function keepResults(results: Results): Promise<void> {
  await Deno.writeTextFile(FILE, JSON.stringify(results, rounded, 1) + "\n");
}

/** Four digits that count are more than any run repeats. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(4)) : value;
}
