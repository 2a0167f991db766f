/**
 * The parts without a network: what `deno bench` says of them.
 *
 * @module
 */

import { OURS, type Work } from "./contest.ts";
import type { Plan } from "./plan.ts";

interface BenchReport {
  readonly benches: readonly {
    readonly name: string;
    readonly results: readonly {
      readonly ok?: { readonly min: number; readonly p75: number };
    }[];
  }[];
}

/** Runs the microbenchmarks. Times are the best of many, as noise only adds. */
export async function measureParts(_plan: Plan): Promise<Work[]> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["bench", "--quiet", "-A", "--json", "micro/"],
    cwd: new URL("./", import.meta.url),
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("The microbenchmarks failed");
  const report: BenchReport = JSON.parse(new TextDecoder().decode(stdout));
  return report.benches.map(({ name, results }) => ({
    name,
    unit: "µs",
    better: "less",
    samples: { [OURS]: results.flatMap(({ ok }) => ok ? [ok.min / 1000] : []) },
    targets: [],
  }));
}
