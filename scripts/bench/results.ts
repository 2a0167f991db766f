/**
 * The results of a run, and the last one that was kept.
 *
 * @module
 */

import type { Work } from "./contest.ts";
import type { Disturbance } from "./machine.ts";

const FILE = new URL("results.json", import.meta.url);

/** What a run has found, and on what machine. */
export interface Results {
  readonly when: string;
  /** Which plan it followed. */
  readonly size: string;
  readonly seconds: number;
  readonly deno: string;
  readonly cores: number;
  readonly disturbance: Disturbance;
  readonly works: readonly Work[];
}

/** The last kept result, if there is one. */
export async function lastResults(): Promise<Results | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(FILE));
  } catch {
    return undefined;
  }
}

/** Keeps results, in place of the last. */
export async function keepResults(results: Results): Promise<void> {
  await Deno.writeTextFile(FILE, JSON.stringify(results, rounded, 1) + "\n");
}

/** Four digits that count are more than any run repeats. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(4)) : value;
}
