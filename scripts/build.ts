/**
 * Builds `socketpeer.min.js` and `socketpeer.private.min.js`, the two clients
 * for a `<script>` tag.
 *
 *     deno task build            write them
 *     deno task build --watch    write them again on every change
 *     deno task build --check    fail if one is stale or over its budget
 *
 * @module
 */

// deno-lint-ignore-file no-console
import * as esbuild from "esbuild";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { minify } from "terser";
import config from "../deno.json" with { type: "json" };
import { root } from "./deno.ts";
import { numberPrivateNames, packPrivateNames } from "./private_names.ts";
import shortNames from "./short_names.json" with { type: "json" };

/** A client for a `<script>` tag. */
export interface Bundle {
  /** The name of its file. */
  readonly name: string;
  /** What it makes of the sources. */
  readonly contents: string;
  /** What it may weigh on the network, gzipped. */
  readonly budgetBytes: number;
}

/** The client. */
export const PLAIN_BUNDLE: Bundle = {
  name: "socketpeer.min.js",
  contents: `
import { SocketPeer } from "./client.ts";
globalThis.SocketPeer = SocketPeer;
`,
  budgetBytes: 12_288,
};

/** The private client, whose class has what its module has beside it. */
export const PRIVATE_BUNDLE: Bundle = {
  name: "socketpeer.private.min.js",
  contents: `
import { completeCode, SocketPeer } from "./private.ts";
globalThis.SocketPeer = Object.assign(SocketPeer, { completeCode });
`,
  budgetBytes: 18_432,
};

const BUNDLES = [PLAIN_BUNDLE, PRIVATE_BUNDLE];

/** Where a bundle is kept. */
export function bundleFile({ name }: Bundle): URL {
  return new URL(name, root);
}

function optionsOf({ name, contents }: Bundle) {
  return {
    stdin: { contents, resolveDir: fileURLToPath(root), loader: "ts" },
    outfile: fileURLToPath(new URL(name, root)),
    banner: { js: `/*! socketpeer ${config.version} ${config.license} */` },
    bundle: true,
    minify: true,
    format: "iife",
    platform: "browser",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    // Members that only the client's own modules use, and those of a runtime,
    // which nobody gives to the bundle, under short names that gzip packs well.
    // One that is missing there costs a few bytes. One that is wrong there, as
    // it is part of the API, the wire or the platform, breaks the browser
    // tests, which run the bundle.
    mangleProps: new RegExp(`^(?:${Object.keys(shortNames).join("|")})$`),
    mangleCache: { ...shortNames },
    // A stray tsconfig.json in a parent folder must not change a byte.
    tsconfigRaw: {},
    write: false,
  } satisfies esbuild.BuildOptions;
}

type Built = esbuild.BuildResult<ReturnType<typeof optionsOf>>;

/** Bundles a client, writing nothing. */
export async function buildBundle(
  bundle: Bundle = PLAIN_BUNDLE,
): Promise<Uint8Array> {
  try {
    return await shrink(bundle, await esbuild.build(optionsOf(bundle)));
  } finally {
    // Its child process would keep this one alive.
    await esbuild.stop();
  }
}

/** Three percent more than esbuild takes off, and one more by the names. */
async function shrink(
  bundle: Bundle,
  { outputFiles }: Built,
): Promise<Uint8Array> {
  const { code } = await minify(outputFiles[0].text, {
    ecma: 2020,
    compress: { passes: 3, sequences: false, lhs_constants: false },
    format: { comments: /^!/ },
    toplevel: true,
  });
  const text = `${code}\n`;
  // The names take a quarter of a minute to choose: where nothing else has
  // changed, those that were chosen stay.
  const kept = await readKept(bundle);
  const keptText = new TextDecoder().decode(kept);
  if (numberPrivateNames(keptText) === numberPrivateNames(text)) return kept;
  const encoder = new TextEncoder();
  const sizeOf = (text: string) => gzippedSize(encoder.encode(text));
  return encoder.encode(packPrivateNames(text, sizeOf));
}

/**
 * Bytes of what `gzip -9` makes of it. Deno's level 8 is zlib's 9, to the
 * byte; its own level 9 makes more of it.
 */
export function gzippedSize(bytes: Uint8Array): number {
  return gzipSync(bytes, { level: 8 }).byteLength;
}

/** Says what a bundle weighs, and whether that is within the budget. */
function weigh({ name, budgetBytes }: Bundle, content: Uint8Array): boolean {
  const gzippedBytes = gzippedSize(content);
  console.log(
    `${name}: ${content.byteLength} bytes, ${gzippedBytes} gzipped ` +
      `(${budgetBytes - gzippedBytes} left of its budget of ${budgetBytes})`,
  );
  // For pages that take it from elsewhere (Subresource Integrity).
  const hash = createHash("sha384").update(content).digest("base64");
  console.log(`${name}: integrity="sha384-${hash}"`);
  return gzippedBytes <= budgetBytes;
}

function readKept(bundle: Bundle): Promise<Uint8Array> {
  return Deno.readFile(bundleFile(bundle)).catch(() => new Uint8Array());
}

async function check(bundle: Bundle): Promise<boolean> {
  const content = await buildBundle(bundle);
  const fits = weigh(bundle, content);
  const kept = await readKept(bundle);
  const current = Buffer.compare(content, kept) === 0;
  if (!current) {
    console.error(`${bundle.name} is stale: run \`deno task build\``);
  }
  return fits && current;
}

async function watch(bundle: Bundle): Promise<void> {
  const writer: esbuild.Plugin = {
    name: "writer",
    setup(build) {
      build.onEnd(async (result) => {
        if (result.errors.length > 0) return;
        await write(bundle, await shrink(bundle, result as Built));
      });
    },
  };
  const context = await esbuild.context({
    ...optionsOf(bundle),
    logLevel: "warning",
    plugins: [writer],
  });
  await context.watch();
}

async function write(bundle: Bundle, content: Uint8Array): Promise<void> {
  await Deno.writeFile(bundleFile(bundle), content);
  weigh(bundle, content);
}

async function main([flag]: string[]): Promise<boolean> {
  switch (flag) {
    case undefined:
      for (const bundle of BUNDLES) {
        await write(bundle, await buildBundle(bundle));
      }
      return true;
    case "--check": {
      let right = true;
      for (const bundle of BUNDLES) right = await check(bundle) && right;
      return right;
    }
    case "--watch":
      for (const bundle of BUNDLES) await watch(bundle);
      return true;
    default:
      console.error(`Unknown flag ${flag}: known are --check and --watch`);
      return false;
  }
}

if (import.meta.main) {
  // What is wrong with the source, esbuild has said already.
  const done = await main(Deno.args).catch((error) => {
    if (!("errors" in error)) throw error;
    return false;
  });
  if (!done) Deno.exit(1);
}
