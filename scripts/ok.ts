/**
 * Everything that has to hold before a change lands, as CI runs it. The last
 * line is the sum of the tests: `N passed, N failed`.
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { runDeno } from "./deno.ts";
import { ENTRIES } from "./entries.ts";
import { stdFlags } from "./std.ts";
import { printTally, runTests, type Tally } from "./test.ts";

async function runGate(): Promise<Tally> {
  const flags = await stdFlags();
  const steps: [name: string, ...args: string[]][] = [
    ["fmt", "fmt", "--check"],
    ["lint", "lint"],
    ["layers", "run", "-A", "scripts/check_layers.ts"],
    ["types", "check", "--quiet", ...flags, "."],
    ["doc comments", "doc", "--lint", ...ENTRIES],
    ["docs", "run", "-A", "scripts/docs.ts", "--check"],
    // Nothing is published, so what is not committed yet does no harm.
    ["publish", "publish", "--dry-run", "--allow-dirty", "--quiet"],
  ];
  for (const [name, ...args] of steps) {
    console.log(`\n== ${name}`);
    if (await runDeno(...args)) continue;
    console.error(`\nfailed: ${name}; nothing after it was run`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  return await runTests(flags);
}

const tally = await runGate();
printTally(tally);
if (tally.failed > 0) Deno.exit(1);
