import * as esbuild from "esbuild";
import { createRequire, isBuiltin } from "node:module";
import { fileURLToPath } from "node:url";
import { root, runDeno } from "../../scripts/deno.ts";

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

/** Bundles that were made, by their examples. */
const bundles = new Map<string, Promise<string>>();

/** The text of one module with an example in it, for Node. */
export function bundleExample(example: string): Promise<string> {
  const bundle = bundles.get(example) ?? build(example);
  bundles.set(example, bundle);
  return bundle;
}

async function build(example: string): Promise<string> {
  await download(example);
  try {
    const { outputFiles: [{ text }] } = await esbuild.build({
      entryPoints: [fileURLToPath(new URL(`examples/${example}`, root))],
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      tsconfigRaw: {},
      // Most packages are CommonJS, and ask for Node's modules as such.
      banner: {
        js: `import { createRequire } from "node:module";` +
          `const require = createRequire(import.meta.url);`,
      },
      // The command runs on Deno alone.
      external: ["*/server/cli.ts"],
      plugins: [denoPackages],
      write: false,
    });
    return text;
  } finally {
    // The child process of esbuild would keep this one alive.
    await esbuild.stop();
  }
}

/**
 * A folder in which Node finds the native part of `@roamhq/wrtc`, which Deno
 * keeps elsewhere.
 */
export async function linkNativePart(folder: string): Promise<string> {
  await download("node_peer.mjs");
  const { os, arch } = Deno.build;
  const names = { x86_64: "x64", aarch64: "arm64" };
  const system = os === "windows" ? "win32" : os;
  const name = `@roamhq/wrtc-${system}-${names[arch]}`;
  const { resolve } = createRequire(import.meta.resolve("@roamhq/wrtc"));
  const modules = `${folder}/native`;
  await Deno.mkdir(`${modules}/@roamhq`, { recursive: true });
  await Deno.symlink(
    fileURLToPath(new URL(".", `file://${resolve(name)}`)),
    `${modules}/${name}`,
  );
  return modules;
}

/** Downloads the packages of an example with Deno, as only those are found. */
async function download(example: string): Promise<void> {
  await runDeno("cache", "--quiet", `examples/${example}`);
}
