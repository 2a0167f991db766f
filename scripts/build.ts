/**
 * Builds `socketpeer.min.js`, the client for a `<script>` tag.
 *
 *     deno task build            write it
 *     deno task build --watch    write it again on every change
 *     deno task build --check    fail if the file is stale or over its budget
 *
 * @module
 */

// deno-lint-ignore-file no-console
import * as esbuild from "esbuild";
import { Buffer } from "node:buffer";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { minify } from "terser";
import config from "../deno.json" with { type: "json" };
import { root } from "./deno.ts";
import { numberPrivateNames, packPrivateNames } from "./private_names.ts";
import shortNames from "./short_names.json" with { type: "json" };

/** Where the bundle is kept. */
export const bundleFile: URL = new URL("socketpeer.min.js", root);

/** What the whole client may weigh on the network, gzipped. */
const BUDGET_BYTES = 12_288;

const ENTRY = `
import { SocketPeer } from "./client.ts";
globalThis.SocketPeer = SocketPeer;
`;

const options = {
  stdin: { contents: ENTRY, resolveDir: fileURLToPath(root), loader: "ts" },
  outfile: fileURLToPath(bundleFile),
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
  // One that is missing there costs a few bytes. One that is wrong there, as it
  // is part of the API, the wire or the platform, breaks the browser tests,
  // which run the bundle.
  mangleProps: new RegExp(`^(?:${Object.keys(shortNames).join("|")})$`),
  mangleCache: shortNames,
  // A stray tsconfig.json in a parent folder must not change a byte.
  tsconfigRaw: {},
  write: false,
} satisfies esbuild.BuildOptions;

/** Bundles `client.ts`, writing nothing. */
export async function buildBundle(): Promise<Uint8Array> {
  try {
    return await shrink(await esbuild.build(options));
  } finally {
    // Its child process would keep this one alive.
    await esbuild.stop();
  }
}

/** Three percent more than esbuild takes off, and one more by the names. */
async function shrink(
  { outputFiles }: esbuild.BuildResult<typeof options>,
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
  const kept = await Deno.readFile(bundleFile).catch(() => new Uint8Array());
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
function weigh(bundle: Uint8Array): boolean {
  const gzippedBytes = gzippedSize(bundle);
  const fits = gzippedBytes <= BUDGET_BYTES;
  console.log(
    `socketpeer.min.js: ${bundle.byteLength} bytes, ${gzippedBytes} gzipped ` +
      `(${BUDGET_BYTES - gzippedBytes} left of its budget of ${BUDGET_BYTES})`,
  );
  return fits;
}

async function check(): Promise<boolean> {
  const bundle = await buildBundle();
  const kept = await Deno.readFile(bundleFile).catch(() => new Uint8Array());
  const fits = weigh(bundle);
  const current = Buffer.compare(bundle, kept) === 0;
  if (!current) {
    console.error("socketpeer.min.js is stale: run `deno task build`");
  }
  return fits && current;
}

async function watch(): Promise<void> {
  const writer: esbuild.Plugin = {
    name: "writer",
    setup(build) {
      build.onEnd(async (result) => {
        if (result.errors.length > 0) return;
        await write(
          await shrink(result as esbuild.BuildResult<typeof options>),
        );
      });
    },
  };
  const context = await esbuild.context({
    ...options,
    logLevel: "warning",
    plugins: [writer],
  });
  await context.watch();
}

async function write(bundle: Uint8Array): Promise<void> {
  await Deno.writeFile(bundleFile, bundle);
  weigh(bundle);
}

async function main([flag]: string[]): Promise<boolean> {
  switch (flag) {
    case undefined:
      await write(await buildBundle());
      return true;
    case "--check":
      return await check();
    case "--watch":
      await watch();
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
