/**
 * Tests import `@std/assert`, `@std/async` and `@std/http` by bare name. Where
 * JSR cannot be reached, those names stand for the modules in
 * `tests/support/std/` instead.
 *
 * @module
 */

// deno-lint-ignore-file no-console
import config from "../deno.json" with { type: "json" };
import { root, startDeno } from "./deno.ts";

/** A network that drops packets instead of refusing must not hold tests up. */
const PATIENCE_MS = 10_000;

/**
 * Flags for every `deno` command whose modules may import `@std/…`: none where
 * JSR answers or its packages are in the cache, else an import map.
 */
export async function stdFlags(): Promise<string[]> {
  const imports = Object.entries(config.imports);
  const std = imports.filter(([, target]) => target.startsWith("jsr:"));
  if (await canLoad(std.map(([, target]) => target))) return [];

  console.error(
    "JSR does not answer: tests use tests/support/std/ in place of @std/",
  );
  // `--import-map` takes the place of all of deno.json's imports, so the map
  // is made from them. As a `data:` URL it leaves no file behind.
  const map = Object.fromEntries(imports);
  // In deno.json a name stands for what is in its package, too.
  for (const [name, target] of imports) {
    const [, path] = target.match(/^npm:((?:@[^/]+\/)?[^/]+)$/) ?? [];
    if (path) map[`${name}/`] = `npm:/${path}/`;
  }
  for (const [name] of std) {
    map[name] = new URL(
      `tests/support/std/${name.slice("@std/".length)}.ts`,
      root,
    ).href;
  }
  const json = JSON.stringify({ imports: map });
  return ["--import-map", `data:application/json,${encodeURIComponent(json)}`];
}

async function canLoad(specifiers: string[]): Promise<boolean> {
  const child = startDeno(["cache", "--quiet", ...specifiers], {
    stdout: "null",
    stderr: "null",
  });
  const timer = setTimeout(() => child.kill(), PATIENCE_MS);
  const { success } = await child.status;
  clearTimeout(timer);
  return success;
}
