/**
 * Runs as many random schedules of faults as you like, or breaks real
 * connections for as long as it takes.
 *
 *     deno task chaos                       10,000 schedules of each property
 *     deno task chaos --seeds 200000        so many
 *     deno task chaos --seed 7              drawn from this seed
 *     deno task chaos --only steady --seed 7 --path 12:3   what has failed
 *     deno task chaos --private             of private peers
 *     deno task chaos --breakage            in Chromium, over real sockets: the
 *                                           long form of what tests do, and how
 *                                           long each breakage holds up messages
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { parseArgs } from "node:util";
import {
  findFailure,
  PROPERTIES,
  type PropertyName,
} from "../tests/chaos/chaos.ts";
import { runDeno } from "./deno.ts";
import { stdFlags } from "./std.ts";

/** After so many schedules a run says how far it is. */
const BATCH = 1000;

/** Tests that take `--long`. */
const BREAKAGE = [
  "tests/browser/breakage_test.ts",
  "tests/integration/streams_test.ts",
];

function readFlags() {
  try {
    return parseArgs({
      options: {
        seeds: { type: "string", default: "10000" },
        seed: { type: "string" },
        path: { type: "string" },
        only: { type: "string" },
        private: { type: "boolean", default: false },
        breakage: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(2);
  }
}

const values = readFlags();
if (values.breakage) {
  const built = await runDeno("run", "-A", "scripts/build.ts", "--check");
  const flags = await stdFlags();
  const held = await runDeno(
    ...["test", "-A", ...flags, ...BREAKAGE, "--", "--long"],
  );
  Deno.exit(built && held ? 0 : 1);
}
for (const flag of ["seeds", "seed"] as const) {
  if (/^\d*$/.test(values[flag] ?? "")) continue;
  console.error(`Cannot use "${values[flag]}" as --${flag}: give a number`);
  Deno.exit(2);
}
const { only, path } = values;
const names = Object.keys(PROPERTIES) as PropertyName[];
if (only !== undefined && !names.includes(only as PropertyName)) {
  console.error(`Cannot run "${only}": there is ${names.join(" and ")}`);
  Deno.exit(2);
}
if (path !== undefined && (only === undefined || values.seed === undefined)) {
  console.error("Cannot repeat a --path without its --only and --seed");
  Deno.exit(2);
}

const schedules = Number(values.seeds);
const started = performance.now();
let seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
for (let left = schedules; left > 0; left -= BATCH, seed++) {
  const runs = path === undefined ? Math.min(left, BATCH) : 1;
  for (const name of names.filter((name) => !only || name === only)) {
    const failure = await findFailure(name, {
      seed,
      runs,
      path,
      isPrivate: values.private,
    });
    if (failure !== undefined) {
      console.error(failure);
      Deno.exit(1);
    }
  }
  if (path !== undefined) break;
  const seconds = Math.round((performance.now() - started) / 1000);
  const done = Math.min(schedules - left + BATCH, schedules);
  console.log(`${done} of ${schedules} hold (seed ${seed}, ${seconds} s)`);
}
if (path !== undefined) console.log("It holds now");
