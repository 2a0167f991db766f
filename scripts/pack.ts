/**
 * Makes the npm package: what `deno pack` makes, under the name of version 1,
 * with the command and the bundles in it.
 *
 *     deno task pack                  write socketpeer-X.Y.Z.tgz here
 *     deno task pack --output DIR     write it elsewhere
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, stripVTControlCharacters } from "node:util";
import config from "../deno.json" with { type: "json" };
import { root } from "./deno.ts";

/** The package's name on npm. */
export const NPM_NAME = "socketpeer";

/** What the package's tarball may weigh. */
export const BUDGET_BYTES = 400 * 1024;

/** What was packed. */
export interface Packed {
  /** Where the tarball lies. */
  readonly tarball: string;
  readonly bytes: number;
}

/** What npm reads of a package. */
interface Manifest {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly [name: string]: unknown;
}

/**
 * What only the command loads, to join several servers: 13 MB, which nobody
 * else should have to install.
 */
const OPTIONAL = ["@nats-io/transport-node", "@redis/client"];

/** The file that npm links as `socketpeer`. */
const COMMAND = {
  path: "command.js",
  contents: `#!/usr/bin/env node
import { run } from "./src/server/cli.js";
run();
`,
};

/** What `deno pack` says while all goes well. */
const PROGRESS = [
  /^Check /,
  /^Packing /,
  /^\d+ (?:modules|assets) collected$/,
  /^✓ /,
  // Said of modules that no public type needs: what is missed is looked for
  // below.
  /^Could not generate types for '[^']+'\. Types will not be included for this module\.$/,
];

/** What of a line of `deno pack` is no mere progress. */
export function warningsIn(output: string): string[] {
  return stripVTControlCharacters(output).split("\n")
    .map((line) => line.trim())
    .filter((line) => line && !PROGRESS.some((known) => known.test(line)));
}

/** The manifest that npm gets, made of that which `deno pack` writes. */
export function npmManifest(packed: Manifest): Manifest {
  const { version, type, license, main, types, exports } = packed;
  const dependencies: Record<string, string> = {};
  const peerDependencies: Record<string, string> = {};
  for (const [name, range] of Object.entries(packed.dependencies)) {
    const all = OPTIONAL.includes(name) ? peerDependencies : dependencies;
    all[name] = range;
  }
  return {
    name: NPM_NAME,
    version,
    description: "A message pipe between exactly two peers: over a WebSocket " +
      "relay at once, over WebRTC as soon as possible, nothing lost",
    keywords: [
      "webrtc",
      "websocket",
      "p2p",
      "peer-to-peer",
      "data-channel",
      "signaling",
      "relay",
    ],
    license,
    type,
    main,
    types,
    bin: { [NPM_NAME]: COMMAND.path },
    unpkg: "./socketpeer.min.js",
    jsdelivr: "./socketpeer.min.js",
    exports: {
      ...exports,
      "./socketpeer.min.js": "./socketpeer.min.js",
      "./socketpeer.private.min.js": "./socketpeer.private.min.js",
      "./package.json": "./package.json",
    },
    // All else only defines things, so a bundler leaves out what is not used.
    sideEffects: [
      COMMAND.path,
      "./server.js",
      "./src/demo/*",
      "./socketpeer*.js",
    ],
    engines: { node: ">=20.16.0", bun: ">=1.3.0" },
    dependencies,
    peerDependencies,
    peerDependenciesMeta: Object.fromEntries(
      Object.keys(peerDependencies).map((name) => [name, { optional: true }]),
    ),
  };
}

/** A text of the package, whose examples import it by its name on npm. */
export function renameImports(text: string): string {
  return text.replaceAll(
    /(from |import\(|require\()"@socketpeer\/socketpeer(?=["/])/g,
    `$1"${NPM_NAME}`,
  );
}

/**
 * The modules that a module of the package imports and that are not there,
 * types or code.
 */
function missingImports(folder: string, path: string, text: string): string[] {
  const isTypes = path.endsWith(".d.ts");
  const code = text.replaceAll(/\/\*[^]*?\*\//g, "");
  return [...code.matchAll(/(?:from |import\(|import )"(\.[^"]+)"/g)]
    .map(([, specifier]) => join(dirname(path), specifier))
    .filter((target) => {
      const wanted = isTypes ? target.replace(/\.js$/, ".d.ts") : target;
      return !existsSync(join(folder, wanted));
    })
    .map((target) => `${path} imports ${target}, which is not in the package`);
}

function* filesOf(folder: string, path = ""): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(folder, path))) {
    const inside = join(path, name);
    if (isDirectory) yield* filesOf(folder, inside);
    else yield inside;
  }
}

/** Runs a program, and returns what it printed. */
async function run(
  cwd: string,
  command: string,
  ...args: string[]
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  const output = decoder.decode(stdout) + decoder.decode(stderr);
  if (success) return output;
  throw new Error(`Cannot pack as ${command} ${args[0]} failed:\n${output}`);
}

/**
 * Makes the tarball in a folder.
 *
 * @throws {Error} If anything warns, is missing, or weighs too much.
 */
export async function packForNpm(destination: string): Promise<Packed> {
  const home = fileURLToPath(root);
  const temporary = await Deno.makeTempDir({ prefix: "socketpeer-" });
  try {
    const raw = join(temporary, "packed.tgz");
    const output = await run(
      home,
      Deno.execPath(),
      ...["pack", "--no-source-maps", "--allow-dirty", "--output", raw],
    );
    await run(temporary, "tar", "xzf", raw);
    const folder = join(temporary, "package");
    const faults = [...warningsIn(output), ...await finish(folder)];
    const json = await run(
      folder,
      Deno.build.os === "windows" ? "npm.cmd" : "npm",
      ...["pack", "--ignore-scripts", "--silent", "--pack-destination"],
      resolve(home, destination),
    );
    const tarball = join(resolve(home, destination), json.trim());
    const { size } = await Deno.stat(tarball);
    if (size > BUDGET_BYTES) {
      faults.push(`${size} bytes are more than its budget of ${BUDGET_BYTES}`);
    }
    if (faults.length === 0) return { tarball, bytes: size };
    throw new Error(`Cannot use the package:\n${faults.join("\n")}`);
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

/** Makes of an unpacked package what npm gets; returns what is wrong in it. */
async function finish(folder: string): Promise<string[]> {
  const manifestFile = join(folder, "package.json");
  const manifest = npmManifest(
    JSON.parse(await Deno.readTextFile(manifestFile)),
  );
  await Deno.writeTextFile(
    manifestFile,
    `${JSON.stringify(manifest, null, 2)}\n`,
  );
  const commandFile = join(folder, COMMAND.path);
  await Deno.writeTextFile(commandFile, COMMAND.contents);
  if (Deno.build.os !== "windows") await Deno.chmod(commandFile, 0o755);

  const faults: string[] = [];
  for (const path of filesOf(folder)) {
    if (!/\.(?:js|ts|md)$/.test(path) || path.endsWith(".min.js")) continue;
    const file = join(folder, path);
    const text = await Deno.readTextFile(file);
    const renamed = renameImports(text);
    if (renamed !== text) await Deno.writeTextFile(file, renamed);
    if (path.endsWith(".md")) continue;
    faults.push(...missingImports(folder, path, renamed));
  }
  for (const path of targetsOf(manifest)) {
    if (existsSync(join(folder, path))) continue;
    faults.push(`package.json names ${path}, which is not in the package`);
  }
  return faults;
}

/** The files that a manifest names. */
function targetsOf({ main, types, unpkg, exports, bin }: Manifest): string[] {
  const leaves = (value: unknown): string[] =>
    typeof value === "object" && value !== null
      ? Object.values(value).flatMap(leaves)
      : [String(value)];
  return leaves({ main, types, unpkg, exports, bin });
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: { output: { type: "string", default: "." } },
  });
  try {
    const { tarball, bytes } = await packForNpm(values.output);
    console.log(
      `${tarball}: ${config.version}, ${bytes} bytes ` +
        `(${BUDGET_BYTES - bytes} left of its budget of ${BUDGET_BYTES})`,
    );
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(1);
  }
}
