/**
 * Measures this project, beside the least that could do the same work and
 * beside the libraries that people use today.
 *
 *     deno task bench                  everything, in a few minutes
 *     deno task bench --quick          the same with less of it, under a minute
 *     deno task bench:relay            the server; also bench:channel, the pages
 *     deno task bench:session          microbenchmarks of the parts
 *     deno task bench --keep           makes this run the last kept result
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { parseArgs } from "node:util";
import type { Work } from "./contest.ts";
import { canPin, pinLoad, watchMachine } from "./machine.ts";
import { measureMessages } from "./messages.ts";
import { installPackages } from "./packages.ts";
import { type Plan, PLANS } from "./plan.ts";
import { measureMemory, measurePackets, measurePairings } from "./relay.ts";
import { keepResults, lastResults, type Results } from "./results.ts";
import { formatTable, missed } from "./table.ts";

type Step = (plan: Plan) => Promise<Work[]>;

/** What is measured, in the order of the table. */
const SUITES: Readonly<Record<string, readonly Step[]>> = {
  relay: [
    measurePackets,
    measureMessages,
    measurePairings,
    measureMemory,
  ],
};

function readFlags() {
  try {
    return parseArgs({
      args: Deno.args,
      options: {
        quick: { type: "boolean", default: false },
        tiny: { type: "boolean", default: false },
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
const size = values.tiny ? "tiny" : values.quick ? "quick" : "full";
const names = positionals.length > 0 ? positionals : Object.keys(SUITES);
for (const name of names) {
  if (Object.hasOwn(SUITES, name)) continue;
  console.error(
    `Cannot measure "${name}": there is ${Object.keys(SUITES).join(", ")}`,
  );
  Deno.exit(2);
}

const missing = await installPackages();
if (missing) console.error(`Without the libraries of others: ${missing}`);
if (!canPin) console.error("Servers and load share all cores");

const works: Work[] = [];
const stopWatching = watchMachine();
const start = performance.now();
for (const name of names) {
  await pinLoad(name === "relay");
  for (const step of SUITES[name]) {
    console.error(`${step.name} …`);
    works.push(...await step(PLANS[size]));
  }
}
const results: Results = {
  when: new Date().toISOString(),
  size,
  seconds: Math.round((performance.now() - start) / 1000),
  deno: Deno.version.deno,
  cores: navigator.hardwareConcurrency,
  disturbance: stopWatching(),
  works,
};
const last = await lastResults();
console.log(formatTable(works, last?.works));
console.log();
for (const note of new Set(works.flatMap(({ notes = [] }) => notes))) {
  console.log(note);
}
for (const name of missed(works)) console.log(`missed: ${name}`);
console.log(JSON.stringify(results.disturbance));
if (values.keep) await keepResults(results);
