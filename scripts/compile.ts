/**
 * Makes one file of the server, which needs nothing installed: the command,
 * the demo page and both bundles.
 *
 *     deno task compile                                  write socketpeer
 *     deno task compile --target aarch64-apple-darwin    for another machine
 *     deno task compile --output FILE                    write it elsewhere
 *
 * @module
 */

import { parseArgs } from "node:util";
import { startDeno } from "./deno.ts";

/** Files and folders that the command serves, which no module imports. */
export const INCLUDED = [
  "src/demo/",
  "socketpeer.min.js",
  "socketpeer.private.min.js",
];

/** The arguments that `deno` is run with. */
export function compileArgs(output: string, target?: string): string[] {
  return [
    "compile",
    // The command's own flags say where it listens and which files it reads.
    "--allow-all",
    "--exclude-unused-npm",
    // `deno task ok` checks types.
    "--no-check",
    ...INCLUDED.flatMap((path) => ["--include", path]),
    ...target === undefined ? [] : ["--target", target],
    "--output",
    output,
    "server.ts",
  ];
}

if (import.meta.main) {
  const { values: { output, target } } = parseArgs({
    args: Deno.args,
    options: {
      output: { type: "string", default: "socketpeer" },
      target: { type: "string" },
    },
  });
  const { code } = await startDeno(compileArgs(output, target)).status;
  Deno.exit(code);
}
