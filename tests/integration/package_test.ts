/**
 * The npm package as people have it: installed in an empty folder, run, checked
 * and bundled there.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import { basename } from "node:path";
import { BUDGET_BYTES, packForNpm, renameImports } from "../../scripts/pack.ts";
import { findRuntime } from "../support/node_process.ts";
import { RawPair } from "../support/raw_client.ts";
import { type Launch, ServerProcess } from "../support/server_process.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

const PROGRAMS = new URL("package/", import.meta.url);

/** What the package is tried with, beside the Node and Bun of this machine. */
const TOOLS = [
  "esbuild@0.28",
  "node@26",
  "typescript@7",
  "vite@8",
  "webpack@5",
];

const LIMIT_MS = 120_000;

/** What a page of both clients may weigh: neither has the server in it. */
const PAGE_BYTES = 65_000;

interface Outcome {
  readonly code: number;
  readonly output: string;
  readonly log: string;
}

/** What a program prints and how it ends. */
async function run(
  cwd: string,
  command: string,
  ...args: string[]
): Promise<Outcome> {
  const child = new Deno.Command(command, {
    args,
    cwd,
    env: { NO_COLOR: "1", NO_UPDATE_NOTIFIER: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  try {
    const { code, stdout, stderr } = await deadline(child.output(), LIMIT_MS);
    const decoder = new TextDecoder();
    return {
      code,
      output: decoder.decode(stdout),
      log: decoder.decode(stderr),
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

const NPM_FLAGS = ["--no-audit", "--no-fund", "--prefer-offline"];

function npm(cwd: string, ...args: string[]): Promise<Outcome> {
  return run(cwd, "npm", ...args, ...NPM_FLAGS);
}

/** Why npm can't install anything, if it can't. */
async function whyNoNpm(): Promise<string | undefined> {
  try {
    const { code, log } = await run(
      Deno.cwd(),
      "npm",
      ...["view", "ws", "version", "--fetch-retries=0"],
      "--fetch-timeout=10000",
    );
    return code === 0 ? undefined : log.split("\n")[0];
  } catch (error) {
    return (error as Error).message;
  }
}

const missing = await whyNoNpm();
if (missing !== undefined) {
  // deno-lint-ignore no-console -- a skipped test says nothing itself
  console.error(`npm does not answer, so its package is not tried: ${missing}`);
}

/** Copies the programs beside this test, with imports by the name on npm. */
async function copyPrograms(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(PROGRAMS)) {
    const text = await Deno.readTextFile(new URL(name, PROGRAMS));
    await Deno.writeTextFile(`${folder}/${name}`, renameImports(text));
  }
}

/** Starts the installed command, and has two peers meet there. */
async function tryCommand(launch: Launch): Promise<void> {
  const flags = ["--port=0", "--host=127.0.0.1", "--metrics-port=0"];
  await using command = new ServerProcess(flags, {}, launch);
  const address = await command.address();
  for (
    const [path, content] of Object.entries({
      "/": /<!doctype html>/i,
      "/demo.css": /\{/,
      "/demo.js": /SocketPeer/,
      "/socketpeer.min.js": /SocketPeer/,
      "/socketpeer.private.min.js": /completeCode/,
    })
  ) {
    const response = await fetch(new URL(path, address));
    assertEquals(response.status, 200, path);
    assertMatch(await response.text(), content, path);
    assertEquals(response.headers.get("vary"), "Accept-Encoding");
  }
  for (
    const [path, wanted] of [["/none", 404], ["/socketpeer/", 426]] as const
  ) {
    const response = await fetch(new URL(path, address));
    await response.body?.cancel();
    assertEquals([path, response.status], [path, wanted]);
  }
  const url = new URL("/socketpeer/", address).href;
  await using pair = await RawPair.open(url, "code");
  await pair.check();
  const metrics = await fetch(await command.metrics());
  assertMatch(await metrics.text(), /^socketpeer_pairs 1$/m);

  command.kill("SIGTERM");
  const { code, stderr } = await command.ended();
  assertEquals(code, 0, stderr);
  assertMatch(stderr, / info drain connections=2$/m);
  assertEquals(await pair.a.closeCode(), 1012);
}

/** Programs that bundle the page's module, and print what warns. */
const BUNDLERS: Record<string, string> = {
  esbuild: `
    import { build } from "esbuild";
    const { warnings } = await build({
      entryPoints: ["page.mjs"], outfile: "bundled/esbuild.js", bundle: true,
      minify: true, platform: "browser", format: "iife", logLevel: "silent",
    });
    if (warnings.length > 0) console.log(JSON.stringify(warnings));
  `,
  vite: `
    import { build } from "vite";
    await build({
      configFile: false, logLevel: "warn",
      build: {
        lib: { entry: "page.mjs", formats: ["iife"], name: "page",
          fileName: () => "vite.js" },
        outDir: "bundled", emptyOutDir: false, minify: true,
      },
    });
  `,
  webpack: `
    import webpack from "webpack";
    webpack({
      mode: "production", target: "web", entry: "./page.mjs",
      output: { path: process.cwd() + "/bundled", filename: "webpack.js" },
      performance: false,
    }, (error, stats) => {
      if (error) throw error;
      if (stats.hasErrors() || stats.hasWarnings()) {
        console.log(stats.toString("errors-warnings"));
      }
    });
  `,
};

const RESOLUTIONS = [
  ["node16", "--module", "node16", "--moduleResolution", "node16"],
  ["bundler", "--module", "esnext", "--moduleResolution", "bundler"],
];

const node = findRuntime("node", 20);
const bun = findRuntime("bun", 1);

Deno.test({
  name: "The npm package",
  ignore: missing !== undefined || "missing" in node,
  async fn(t) {
    await using tools = await temporaryFolder();
    const app = `${tools.path}/app`;
    await Deno.mkdir(app);
    await Deno.writeTextFile(`${app}/package.json`, "{}");
    await copyPrograms(app);
    const installing = npm(tools.path, "install", ...TOOLS);
    // What fails before it is waited for is told when it is.
    installing.catch(() => {});

    await t.step("is packed without a warning, and small enough", async () => {
      const { tarball, bytes } = await packForNpm(tools.path);
      assertMatch(basename(tarball), /^socketpeer-\d+\.\d+\.\d+.*\.tgz$/);
      assert(bytes <= BUDGET_BYTES);
      const { code, output, log } = await npm(app, "install", tarball);
      assertEquals([code, log], [0, ""]);
      assertMatch(output, /^added \d+ packages/m);
    });

    const { code, log } = await installing;
    assertEquals(code, 0, log);
    const bin = `${tools.path}/node_modules`;
    const newest = `${bin}/node/bin/node`;
    const runtimes: [name: string, program: string][] = [
      [`Node ${"version" in node && node.version}`, "node"],
      [`the newest Node`, newest],
    ];
    if ("version" in bun) runtimes.push([`Bun ${bun.version}`, "bun"]);

    for (const [name, program] of runtimes) {
      await t.step(`has peers that talk on ${name}`, async () => {
        const { code, output, log } = await run(app, program, "talk.mjs");
        const wanted = "Bob,Bob,true,function,true";
        assertEquals([code, output, log], [0, wanted, ""]);
      });
      await t.step(`can be had with require() on ${name}`, async () => {
        const { code, output, log } = await run(app, program, "require.cjs");
        const wanted = Array(7).fill("function").join();
        assertEquals([code, output], [0, wanted], log);
      });
      await t.step(`has a command that runs on ${name}`, async () => {
        await tryCommand([
          program,
          `${app}/node_modules/socketpeer/command.js`,
        ]);
      });
    }

    await t.step("has a command that npx finds", async () => {
      const { code, output, log } = await run(
        app,
        "npx",
        ...["--no-install", "socketpeer", "--help"],
      );
      assertEquals(code, 0, log);
      assertMatch(output, /^Usage: npx socketpeer /m);
    });

    for (const [name, ...flags] of RESOLUTIONS) {
      await t.step(`has types for "moduleResolution": "${name}"`, async () => {
        // Modules, which a package.json that says nothing has none of.
        await Deno.writeTextFile(`${app}/package.json`, `{"type": "module"}`);
        const { code, output, log } = await run(
          app,
          "node",
          `${bin}/typescript/bin/tsc`,
          ...["--strict", "--noEmit", "--target", "es2022", "--types", ""],
          ...[...flags, "consumer.ts", "entries.ts"],
        );
        assertEquals([code, output, log], [0, "", ""]);
      });
    }

    for (const [name, script] of Object.entries(BUNDLERS)) {
      await t.step(`is bundled for browsers by ${name}`, async () => {
        await Deno.writeTextFile(`${app}/bundle_${name}.mjs`, script);
        const { code, output, log } = await run(
          app,
          "node",
          `bundle_${name}.mjs`,
        );
        assertEquals([code, output, log], [0, "", ""]);
        const text = await Deno.readTextFile(`${app}/bundled/${name}.js`);
        assert(text.length < PAGE_BYTES, `${text.length} bytes`);
        const load = new Function(
          "globalThis",
          `${text}; return globalThis.pairCodes`,
        );
        assertEquals(load({ __proto__: globalThis }), [
          "code",
          "7-otter-lunar-basin",
        ]);
      });
    }
  },
});
