/**
 * Makes one file of an example, for a page or for Node, which know nothing of
 * deno.json.
 *
 * @module
 */

import * as esbuild from "esbuild";
import { createRequire, isBuiltin } from "node:module";
import { fileURLToPath } from "node:url";
import { root } from "../../scripts/deno.ts";

/** Who is to run it, and what esbuild has to know of that. */
const PLATFORMS = {
  node: {
    platform: "node",
    target: "node20",
    // Most packages are CommonJS, and ask for Node's modules as such.
    banner: {
      js: `import { createRequire, isBuiltin } from "node:module";` +
        `const require = createRequire(import.meta.url);`,
    },
  },
  browser: {
    platform: "browser",
    // React runs effects twice where it is not built for production.
    define: { "process.env.NODE_ENV": `"development"` },
  },
} as const satisfies Record<string, esbuild.BuildOptions>;

/** Finds packages where Deno has put them, and this one's own modules. */
const denoPackages: esbuild.Plugin = {
  name: "deno-packages",
  setup(build) {
    build.onResolve({ filter: /^[@a-z][^:]*$/ }, ({ path, importer, kind }) => {
      if (kind === "entry-point" || isBuiltin(path)) return;
      try {
        // What a package imports is of the version that it asks for.
        const found = importer.includes("/registry.npmjs.org/")
          ? createRequire(importer).resolve(path)
          : fileURLToPath(import.meta.resolve(path));
        // What is native can be in no bundle.
        return { path: found, external: path === "@roamhq/wrtc" };
      } catch {
        // Packages ask for others that they can do without.
        return { external: true };
      }
    });
  },
};

/** The text of that file, which is an ES module. */
export async function bundleExample(
  example: string,
  platform: keyof typeof PLATFORMS,
): Promise<string> {
  try {
    const { outputFiles: [{ text }] } = await esbuild.build({
      ...PLATFORMS[platform],
      entryPoints: [fileURLToPath(new URL(`examples/${example}`, root))],
      bundle: true,
      format: "esm",
      jsx: "automatic",
      tsconfigRaw: {},
      // The command runs on Deno alone.
      external: ["*/server/cli.ts"],
      plugins: [denoPackages],
      write: false,
    });
    return text;
  } finally {
    // Its child process would keep this one alive.
    await esbuild.stop();
  }
}
