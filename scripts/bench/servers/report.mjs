/**
 * How a server of the benchmark talks to it: its port on the first line of
 * stdout, then one line of JSON for each line of stdin: `tidy` collects garbage
 * first. Runs on Deno, Node and Bun.
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";

/**
 * Tells the port, and from then on what the process has used.
 *
 * @param {number} port
 */
export function report(port) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    if (line === "tidy") (globalThis.gc ?? globalThis.Bun?.gc)?.(true);
    const { user, system } = process.cpuUsage();
    const { rss } = process.memoryUsage();
    process.stdout.write(JSON.stringify({ cpuUs: user + system, rss }) + "\n");
  });
  // Whoever started this process is gone.
  lines.on("close", () => process.exit());
  process.stdout.write(`${port}\n`);
}
