/**
 * Runs the tests, one folder after the other.
 *
 *     deno task test                          everything
 *     deno task test tests/unit README.md     what lies under these paths
 *     deno task test --filter resume          the tests with such a name
 *
 * The last line is the sum: `N passed, N failed`.
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { existsSync } from "node:fs";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { root, runDeno, startDeno } from "./deno.ts";
import { ENTRIES } from "./entries.ts";
import { stdFlags } from "./std.ts";

/** Examples in doc comments and in Markdown are tests too. */
const DOCUMENTED = [...ENTRIES, "src", "README.md", "docs"];

/**
 * Folders whose files run side by side: nothing in them is measured, and each
 * file has ports and processes of its own.
 */
const PARALLEL_FOLDERS = ["tests/unit", "tests/conformance", "tests/chaos"];

/**
 * The folders of tests: each is a step by itself, so no two browsers run at
 * once.
 */
const FOLDERS = [
  "tests/unit",
  "tests/conformance",
  "tests/integration",
  "tests/browser",
];

/** Folders that may be missing. */
const OPTIONAL_FOLDERS = ["tests/chaos"];

/** No step takes nearly as long; one that hangs must not hold CI up. */
const STEP_LIMIT_MS = 20 * 60_000;

/** How many tests ended how. */
export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

/** Prints the closing line of a run: the last thing that it prints. */
export function printTally({ passed, failed, skipped }: Tally): void {
  const skips = skipped > 0 ? `, ${skipped} skipped` : "";
  console.log(`${passed} passed, ${failed} failed${skips}`);
}

/** Runs every test, or those that `args` choose. */
export async function runTests(
  flags: readonly string[],
  args: readonly string[] = [],
): Promise<Tally> {
  const { values: { filter }, positionals } = parseArgs({
    args: [...args],
    options: { filter: { type: "string" } },
    allowPositionals: true,
  });
  const filterFlags = filter === undefined ? [] : ["--filter", filter];

  const sum: Tally = { passed: 0, failed: 0, skipped: 0 };
  const failedSteps: string[] = [];
  const add = (name: string, tally: Tally) => {
    sum.passed += tally.passed;
    sum.failed += tally.failed;
    sum.skipped += tally.skipped;
    if (tally.failed > 0) failedSteps.push(name);
  };

  const steps = chooseSteps(positionals);
  // Browser tests open the bundle, so a stale one would prove nothing.
  if (steps.some(({ paths }) => paths.some((path) => /browser/.test(path)))) {
    console.log("\n== bundle");
    const current = await runDeno("run", "-A", "scripts/build.ts", "--check");
    add("bundle", { passed: 0, failed: current ? 0 : 1, skipped: 0 });
  }
  for (const { paths, doc } of steps) {
    const name = `${doc ? "examples in " : ""}${paths.join(" ")}`;
    console.log(`\n== ${name}`);
    const docFlags = doc ? ["--doc"] : [];
    const parallelFlags = paths.every(isParallel) ? ["--parallel"] : [];
    const tally = await runStep(
      [
        ...["test", "-A", ...flags, ...docFlags, ...parallelFlags],
        ...[...filterFlags, ...paths],
      ],
    );
    if (tally.passed + tally.failed === 0 && filter === undefined) {
      console.error(`No test ran in ${name}`);
      tally.failed = 1;
    }
    add(name, tally);
  }
  if (sum.passed + sum.failed === 0) {
    console.error("No test ran");
    sum.failed = 1;
  }

  console.log();
  for (const name of failedSteps) console.log(`failed: ${name}`);
  return sum;
}

interface Step {
  paths: string[];
  doc: boolean;
}

function chooseSteps(paths: string[]): Step[] {
  if (paths.length === 0) {
    const folders = FOLDERS.concat(
      OPTIONAL_FOLDERS.filter((folder) => existsSync(new URL(folder, root))),
    );
    return [
      { paths: DOCUMENTED, doc: true },
      ...folders.map((folder) => ({ paths: [folder], doc: false })),
    ];
  }
  const isTest = (path: string) => /(^|\/)tests(\/|$)/.test(path);
  return [
    { paths: paths.filter((path) => !isTest(path)), doc: true },
    { paths: paths.filter(isTest), doc: false },
  ].filter((step) => step.paths.length > 0);
}

function isParallel(path: string): boolean {
  return PARALLEL_FOLDERS.some((folder) => path.startsWith(folder));
}

/** Runs one `deno test`, in view, and reads the line that it ends with. */
async function runStep(args: string[]): Promise<Tally> {
  const child = startDeno(args, { stdout: "piped" });
  const timer = setTimeout(() => {
    console.error(`Stopped after ${STEP_LIMIT_MS / 60_000} minutes`);
    child.kill();
  }, STEP_LIMIT_MS);

  const [shown, read] = child.stdout.tee();
  const showing = shown.pipeTo(Deno.stdout.writable, { preventClose: true });
  let output = "";
  for await (const text of read.pipeThrough(new TextDecoderStream())) {
    // Only the end matters, and tests may print a lot.
    output = (output + text).slice(-4096);
  }
  await showing;
  const { success } = await child.status;
  clearTimeout(timer);

  const summary = stripVTControlCharacters(output)
    .match(/^(?:ok|FAILED) \| \d+ passed.*$/gm)?.at(-1) ?? "";
  const count = (word: string) =>
    Number(summary.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
  return {
    passed: count("passed"),
    // A step that crashed, or lost its summary, has not passed.
    failed: count("failed") || (success && summary ? 0 : 1),
    skipped: count("ignored"),
  };
}

if (import.meta.main) {
  const tally = await runTests(await stdFlags(), Deno.args);
  printTally(tally);
  if (tally.failed > 0) Deno.exit(1);
}
