/**
 * Makes one file of a program that Node or Bun is to run: Node runs no
 * TypeScript and knows no `npm:`.
 *
 * @module
 */

import * as esbuild from "esbuild";
// Imported so that Deno has downloaded `ws` when it is bundled.
import "ws";
import { fileURLToPath } from "node:url";

/** Files that were made, by what they were made of and for whom. */
const bundles = new Map<string, Promise<string>>();

/**
 * The path of one file of a program, which is there until this process ends.
 *
 * @param entry The program's first module.
 * @param command Who is to run it.
 */
export function bundleForNode(
  entry: URL,
  command: "node" | "bun" = "node",
): Promise<string> {
  const key = `${command} ${entry}`;
  const bundle = bundles.get(key) ?? build(entry, command);
  bundles.set(key, bundle);
  return bundle;
}

async function build(entry: URL, command: "node" | "bun"): Promise<string> {
  const folder = Deno.makeTempDirSync({ prefix: "socketpeer-" });
  globalThis.addEventListener("unload", () => {
    Deno.removeSync(folder, { recursive: true });
  });
  const outfile = `${folder}/program.mjs`;
  try {
    await esbuild.build({
      entryPoints: [fileURLToPath(entry)],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      tsconfigRaw: {},
      // What is loaded only where it is asked for: the command, and the clients
      // of brokers, which are packages of npm. Bun has a `ws` of its own.
      external: [
        "*/server/cli.ts",
        "*/brokers/at.ts",
        ...command === "bun" ? ["ws"] : [],
      ],
      // `ws` is CommonJS, and asks for Node's modules as such.
      banner: {
        js: `import { createRequire } from "node:module";` +
          `const require = createRequire(import.meta.url);`,
      },
      plugins: [{
        name: "deno-imports",
        setup(build) {
          // What is external is left as it is.
          if (command === "bun") return;
          build.onResolve({ filter: /^ws$/ }, ({ path }) => ({
            path: fileURLToPath(import.meta.resolve(path)),
          }));
        },
      }],
    });
  } finally {
    // The child process of esbuild would keep this one alive.
    await esbuild.stop();
  }
  return outfile;
}
