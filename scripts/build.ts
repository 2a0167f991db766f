/**
 * Builds `socketpeer.min.js` and `socketpeer.private.min.js`, the two clients
 * for a `<script>` tag, and says what each part of them weighs.
 *
 *     deno task build            write them
 *     deno task build --watch    write them again on every change
 *     deno task build --check    fail if one is stale or over its budget
 *
 * `scripts/pack_names.ts` takes more bytes off when they are scarce.
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
import type { MemberNames } from "./member_names.ts";
import {
  numberPrivateNames,
  packPrivateNames,
  PLACEHOLDER,
} from "./private_names.ts";

/** A client for a `<script>` tag. */
export interface Bundle {
  /** The name of its file. */
  readonly name: string;
  /** The text of the module that is bundled. */
  readonly contents: string;
  /** What the bundle may weigh on the network, gzipped. */
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

/** Both bundles. */
export const BUNDLES = [PLAIN_BUNDLE, PRIVATE_BUNDLE];

/** Where a bundle is kept. */
export function bundleFile({ name }: Bundle): URL {
  return new URL(name, root);
}

/** Short forms of names of members. */
export type ShortNames = Readonly<Record<string, string>>;

/** The short forms that were chosen last; the build writes them. */
export const SHORT_NAMES_FILE = new URL("short_names.json", import.meta.url);

/** What the sources say of the names that they may be built with. */
export interface Names {
  /** A short form for each name that is in a bundle. */
  readonly shortNames: ShortNames;
  /** What is wrong with the short forms that were chosen last. */
  readonly faults: readonly string[];
}

/** Finds the names that may be shortened, and their short forms. */
export async function chooseShortNames(): Promise<Names> {
  // Whoever imports this module for a size needs no TypeScript.
  const { findMemberNames } = await import("./member_names.ts");
  const { own, taken } = findMemberNames();
  const used = new Set<string>();
  for (const bundle of BUNDLES) {
    const { mangleCache = {} } = await esbuild.build({
      ...optionsOf(bundle, [...own]),
      mangleCache: {},
    });
    for (const name in mangleCache) used.add(name);
  }
  const last = JSON.parse(await Deno.readTextFile(SHORT_NAMES_FILE));
  const shortNames = giveShortNames([...used], last, taken);
  return { shortNames, faults: findWrongNames(last, shortNames, taken) };
}

/**
 * Gives each name a short form that no other member has. A name keeps the one
 * that it had, so that a bundle changes no more than its sources do.
 */
export function giveShortNames(
  names: readonly string[],
  last: ShortNames,
  taken: MemberNames["taken"],
): ShortNames {
  const isFree = (form: string) => !taken.has(form) && !names.includes(form);
  const kept = names.filter((name) =>
    Object.hasOwn(last, name) && isFree(last[name])
  );
  const shortNames = new Map(kept.map((name) => [name, last[name]]));
  const given = new Set(shortNames.values());
  const forms = twoLetters();
  for (const name of names) {
    if (shortNames.has(name)) continue;
    let form;
    do form = forms.next().value!; while (given.has(form) || !isFree(form));
    shortNames.set(name, form);
  }
  return Object.fromEntries(
    [...shortNames].sort(([one], [other]) => one < other ? -1 : 1),
  );
}

function* twoLetters(): Generator<string, undefined> {
  const letters = "abcdefghijklmnopqrstuvwxyz";
  for (const first of letters) {
    for (const second of letters) yield first + second;
  }
}

/** Says of each short form that was chosen last why it is not right now. */
export function findWrongNames(
  last: ShortNames,
  right: ShortNames,
  taken: MemberNames["taken"],
): string[] {
  const faults: string[] = [];
  for (const name in last) {
    const form = last[name];
    if (!Object.hasOwn(right, name)) {
      const why = taken.get(name) ?? "no member of the client's own any more";
      faults.push(`Cannot shorten "${name}" as it is ${why}`);
    } else if (right[name] !== form) {
      const why = taken.get(form) ?? "a member of the client";
      faults.push(`Cannot shorten "${name}" to "${form}" as that is ${why}`);
    }
  }
  for (const name in right) {
    if (Object.hasOwn(last, name)) continue;
    faults.push(`Cannot find a short form of "${name}"`);
  }
  return faults;
}

/** Which of the names a placeholder stands for. */
export function indexOf(placeholder: string): number {
  return placeholder.codePointAt(0)! - 0x4e00;
}

/**
 * A character that is nothing else: so what a minifier calls its variables does
 * not depend on the short forms, and any of them can be put in.
 */
function placeholderOf(index: number): string {
  return String.fromCodePoint(0x4e00 + index);
}

function optionsOf({ name, contents }: Bundle, names: readonly string[]) {
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
    mangleProps: new RegExp(`^(?:${names.join("|")})$`),
    mangleCache: Object.fromEntries(
      names.map((name, index) => [name, placeholderOf(index)]),
    ),
    // A stray tsconfig.json in a parent folder must not change a byte.
    tsconfigRaw: {},
    metafile: true,
    write: false,
  } satisfies esbuild.BuildOptions;
}

/** What is built of one bundle. */
interface Result {
  readonly content: Uint8Array;
  /** Bytes of each module in it, before the last few percent are taken off. */
  readonly parts: ReadonlyMap<string, number>;
}

/** Bundles a client, writing nothing. */
async function buildBundle(
  bundle: Bundle,
  shortNames: ShortNames,
): Promise<Result> {
  const [draft, { outputs }] = await draftBundle(
    bundle,
    Object.keys(shortNames),
  );
  const [{ inputs }] = Object.values(outputs);
  const parts = Object.entries(inputs)
    .map(([path, { bytesInOutput }]) => [path, bytesInOutput] as const);
  const forms = Object.values(shortNames);
  const text = draft.replace(
    new RegExp(PLACEHOLDER, "g"),
    (one) => forms[indexOf(one)],
  );
  return { content: await pack(bundle, text), parts: new Map(parts) };
}

/** Bundles a client, with placeholders for the names. */
export async function draftBundle(
  bundle: Bundle,
  names: readonly string[],
): Promise<[text: string, metafile: esbuild.Metafile]> {
  const { outputFiles, metafile } = await esbuild.build(
    optionsOf(bundle, names),
  );
  // Terser takes three percent more off than esbuild does.
  const { code } = await minify(outputFiles[0].text, {
    ecma: 2020,
    compress: { passes: 3, sequences: false, lhs_constants: false },
    format: { comments: /^!/ },
    toplevel: true,
  });
  return [`${code}\n`, metafile];
}

/** Makes a bundle one percent smaller by the names of its private members. */
async function pack(bundle: Bundle, text: string): Promise<Uint8Array> {
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
function weigh(
  { name, budgetBytes }: Bundle,
  { content, parts }: Result,
): boolean {
  const gzippedBytes = gzippedSize(content);
  console.log(
    `${name}: ${content.byteLength} bytes, ${gzippedBytes} gzipped ` +
      `(${budgetBytes - gzippedBytes} left of its budget of ${budgetBytes})`,
  );
  // Pages that take the bundle from elsewhere need this (Subresource
  // Integrity).
  const hash = createHash("sha384").update(content).digest("base64");
  console.log(`${name}: integrity="sha384-${hash}"`);
  for (const [part, bytes] of shareOut(gzippedBytes, parts)) {
    console.log(`${String(bytes).padStart(8)}  ${part}`);
  }
  return gzippedBytes <= budgetBytes;
}

/**
 * How many of the gzipped bytes each folder, and each module in it, is there
 * for, largest first: an estimate, as if gzip packed all of them alike.
 */
export function shareOut(
  gzippedBytes: number,
  parts: ReadonlyMap<string, number>,
): [part: string, gzippedBytes: number][] {
  const folders = new Map<string, number>();
  let sum = 0;
  for (const [path, bytes] of parts) {
    const folder = folderOf(path);
    folders.set(folder, (folders.get(folder) ?? 0) + bytes);
    sum += bytes;
  }
  const largestFirst = (sizes: Iterable<[string, number]>) =>
    [...sizes].filter(([, bytes]) => bytes > 0)
      .sort(([, a], [, b]) => b - a);
  return largestFirst(folders)
    .flatMap(([folder, bytes]): [string, number][] => [
      [folder, bytes],
      ...largestFirst(parts).filter(([path]) => folderOf(path) === folder)
        .map(([path, bytes]): [string, number] => [`  ${path}`, bytes]),
    ])
    .map(([part, bytes]) => [part, Math.round(bytes / sum * gzippedBytes)]);
}

/** The first two folders of a module: `src/client/`, or all that it has. */
function folderOf(path: string): string {
  return path.match(/^(?:[^/]+\/){0,2}/)![0] || "./";
}

function readKept(bundle: Bundle): Promise<Uint8Array> {
  return Deno.readFile(bundleFile(bundle)).catch(() => new Uint8Array());
}

async function check(): Promise<boolean> {
  const { shortNames, faults } = await chooseShortNames();
  for (const fault of faults) console.error(fault);
  let right = faults.length === 0;
  if (!right) console.error("short_names.json is stale: run `deno task build`");
  for (const bundle of BUNDLES) {
    const result = await buildBundle(bundle, shortNames);
    if (!weigh(bundle, result)) right = false;
    const kept = await readKept(bundle);
    if (Buffer.compare(result.content, kept) === 0) continue;
    console.error(`${bundle.name} is stale: run \`deno task build\``);
    right = false;
  }
  return right;
}

async function write(): Promise<void> {
  const { shortNames, faults } = await chooseShortNames();
  for (const fault of faults) console.log(`${fault}: it is mended`);
  await Deno.writeTextFile(
    SHORT_NAMES_FILE,
    `${JSON.stringify(shortNames, null, 2)}\n`,
  );
  for (const bundle of BUNDLES) {
    const result = await buildBundle(bundle, shortNames);
    await Deno.writeFile(bundleFile(bundle), result.content);
    weigh(bundle, result);
  }
}

/** Writes everything again when a source has changed. */
async function watch(): Promise<void> {
  const writer: esbuild.Plugin = {
    name: "writer",
    setup(build) {
      build.onEnd(async ({ errors }) => {
        if (errors.length === 0) await write();
      });
    },
  };
  // Whatever the plain client has, the private one has.
  const context = await esbuild.context({
    ...optionsOf(PRIVATE_BUNDLE, []),
    logLevel: "warning",
    plugins: [writer],
  });
  await context.watch();
}

async function main([flag]: string[]): Promise<boolean> {
  switch (flag) {
    case undefined:
      await write();
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
  // The child process of esbuild would keep this one alive.
  if (Deno.args[0] !== "--watch") await esbuild.stop();
  if (!done) Deno.exit(1);
}
