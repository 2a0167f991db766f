/**
 * Measures this project, beside the least that could do the same work and
 * beside the libraries that people use today.
 *
 *     deno task bench             everything, in a few minutes
 *     deno task bench --quick     less of it, in under a minute
 *     deno task bench:relay       the server; also bench:channel, two pages, and
 *                                 bench:session, the parts
 *     deno task bench network     slow, far and lossy networks, which take half
 *                                 an hour and are not part of everything; with
 *                                 --net "1 Mbit/s" those of such a name
 *     deno task bench --sweep     how costs grow with pairs, sizes and queues,
 *                                 which is part of everything, alone
 *     deno task bench --keep      keeps the result, and draws the chart of it
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { parseArgs } from "node:util";
import { measureBundles } from "./bundle.ts";
import { measurePages } from "./channel.ts";
import type { Work } from "./contest.ts";
import { drawChart } from "./chart.ts";
import { pinLoad, watchMachine } from "./machine.ts";
import { measureMessages } from "./messages.ts";
import { measureNodes } from "./nodes.ts";
import { measureNetworks } from "./network.ts";
import { installPackages } from "./packages.ts";
import { type Plan, PLANS } from "./plan.ts";
import {
  measureBunPackets,
  measureMemory,
  measurePackets,
  measurePairings,
} from "./relay.ts";
import {
  describeRun,
  keepResults,
  lastResults,
  type Results,
} from "./results.ts";
import { measureParts } from "./session.ts";
import { type Curve, formatCurves, sweep } from "./sweep.ts";
import { formatTable, missed } from "./table.ts";

type Step = (plan: Plan, net: string) => Promise<Work[]>;

/** What is measured, in the order of the table. */
const SUITES = {
  relay: [
    measurePackets,
    measureBunPackets,
    measureMessages,
    measurePairings,
    measureMemory,
  ],
  nodes: [measureNodes],
  channel: [measurePages],
  session: [measureParts],
  bundle: [measureBundles],
  network: [measureNetworks],
} as const satisfies Record<string, readonly Step[]>;

type SuiteName = keyof typeof SUITES;

function readFlags() {
  try {
    return parseArgs({
      args: Deno.args,
      options: {
        quick: { type: "boolean", default: false },
        tiny: { type: "boolean", default: false },
        sweep: { type: "boolean", default: false },
        net: { type: "string", default: "" },
        keep: { type: "boolean", default: false },
      },
      allowPositionals: true,
    });
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(2);
  }
}

const { values, positionals } = readFlags();
for (const name of positionals) {
  if (Object.hasOwn(SUITES, name)) continue;
  console.error(
    `Cannot measure "${name}": there is ${Object.keys(SUITES).join(", ")}`,
  );
  Deno.exit(2);
}
const size = values.tiny ? "tiny" : values.quick ? "quick" : "full";
if (values.keep && positionals.length > 0) {
  console.error("Cannot keep a part: the chart shows everything");
  Deno.exit(2);
}
// The compilers alone take long over the parts.
const unasked = Object.keys(SUITES).filter((name) =>
  name !== "network" && (size === "full" || name !== "session")
);
const names = (positionals.length > 0 ? positionals : unasked) as SuiteName[];

/** How costs grow, beside what they are. */
async function measureCurves(): Promise<Curve[]> {
  await pinLoad(true);
  const curves = await sweep();
  console.log(`${formatCurves(curves)}\n`);
  return curves;
}

if (values.sweep) {
  await measureCurves();
  Deno.exit();
}

// A run that only shows that everything runs makes do with what is there.
const missing = size === "tiny" ? undefined : await installPackages();
if (missing) console.log(`Without the libraries of others: ${missing}`);

const works: Work[] = [];
const stopWatching = await watchMachine();
const start = performance.now();
for (const name of names) {
  await pinLoad(name === "relay" || name === "nodes");
  for (const step of SUITES[name] as readonly Step[]) {
    try {
      works.push(...await step(PLANS[size], values.net));
    } catch (error) {
      console.log(`${step.name} failed: ${(error as Error).message}`);
    }
    const seconds = Math.round((performance.now() - start) / 1000);
    console.error(`${step.name}: done after ${seconds} s`);
  }
}
const curves = size === "full" && positionals.length === 0
  ? await measureCurves()
  : [];
const results: Results = {
  when: new Date().toISOString(),
  size,
  seconds: Math.round((performance.now() - start) / 1000),
  deno: Deno.version.deno,
  cores: navigator.hardwareConcurrency,
  disturbance: await stopWatching(),
  works,
  curves,
};

const last = await lastResults();
console.log(formatTable(works, last?.works));
console.log(`\n${describeRun(results, last)}`);
for (const note of new Set(works.flatMap(({ notes = [] }) => notes))) {
  console.log(note);
}
for (const name of missed(works)) console.log(`missed: ${name}`);
if (values.keep) {
  await keepResults(results);
  await drawChart(results);
}
// A library of another may have left something running.
Deno.exit();
