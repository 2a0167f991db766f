/**
 * Runs a server in a process of Node or Bun.
 */

import * as esbuild from "esbuild";
// So that Deno has downloaded it when it is bundled.
import "ws";
import "@socket.io/component-emitter";
import { fileURLToPath } from "node:url";
import type { CloseOptions, ServerEvent } from "../../server.ts";
import type { AdapterHost, HostKind, HostOptions } from "./adapter_host.ts";

/** Finds a program that is there and says its version, or says why not. */
export function findRuntime(
  name: "node" | "bun",
  leastMajor: number,
): { version: string } | { missing: string } {
  try {
    const { success, stdout } = new Deno.Command(name, { args: ["--version"] })
      .outputSync();
    const version = new TextDecoder().decode(stdout).trim().replace(/^v/, "");
    if (success && parseInt(version) >= leastMajor) return { version };
    return { missing: `its version ${version} is older than ${leastMajor}` };
  } catch {
    return { missing: `there is no "${name}" on the PATH` };
  }
}

/** Programs in one file each, by name and by who is to run them. */
const bundles = new Map<string, Promise<string>>();

/**
 * Makes one file of a program in `tests/conformance/node/`: Node runs no
 * TypeScript and knows no `npm:`.
 */
export function bundleFor(command: string, program: string): Promise<string> {
  const key = `${command} ${program}`;
  const bundle = bundles.get(key) ?? build(command, program);
  bundles.set(key, bundle);
  return bundle;
}

async function build(command: string, program: string): Promise<string> {
  const folder = Deno.makeTempDirSync({ prefix: "socketpeer-" });
  globalThis.addEventListener("unload", () => {
    Deno.removeSync(folder, { recursive: true });
  });
  const outfile = `${folder}/${program}.mjs`;
  const entry = new URL(`../conformance/node/${program}.ts`, import.meta.url);
  try {
    await esbuild.build({
      entryPoints: [fileURLToPath(entry)],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      tsconfigRaw: {},
      // The command runs on Deno alone; Bun has a `ws` of its own.
      external: ["*/server/cli.ts", ...command === "bun" ? ["ws"] : []],
      // `ws` is CommonJS, and asks for Node's modules as such.
      banner: {
        js: `import { createRequire } from "node:module";` +
          `const require = createRequire(import.meta.url);`,
      },
      plugins: [{
        name: "deno-imports",
        setup(build) {
          // What is external is left as it is.
          const filter = command === "bun"
            ? /^@socket\.io\/component-emitter$/
            : /^(ws|@socket\.io\/component-emitter)$/;
          build.onResolve({ filter }, ({ path }) => ({
            path: fileURLToPath(import.meta.resolve(path)),
          }));
        },
      }],
    });
  } finally {
    // Its child process would keep this one alive.
    await esbuild.stop();
  }
  return outfile;
}

/** Starts a server in a process of its own. */
export async function startProcess(
  command: string,
  kind: HostKind,
  options: HostOptions,
  told: (event: ServerEvent) => void,
): Promise<AdapterHost> {
  const child = new Deno.Command(command, {
    args: [
      await bundleFor(command, "serve"),
      JSON.stringify({ kind, options }),
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const questions: PromiseWithResolvers<unknown>[] = [];
  const question = () => {
    const asked = Promise.withResolvers<unknown>();
    questions.push(asked);
    return asked.promise;
  };

  const read = async () => {
    let rest = "";
    for await (
      const text of child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const { event, answer } = JSON.parse(line);
        if (event) told(event);
        else questions.shift()!.resolve(answer);
      }
    }
    const died = new Error(`The server's process has died`);
    for (const { reject } of questions) reject(died);
  };
  const started = question();
  const reading = read();

  const ask = async (what: string, options?: CloseOptions) => {
    const answer = question();
    const line = JSON.stringify({ ask: what, options });
    await writer.write(new TextEncoder().encode(`${line}\n`));
    return await answer;
  };
  return {
    port: await started as number,
    connections: async () => await ask("connections") as number,
    close: async (options) => void await ask("close", options),
    async stop() {
      await ask("stop");
      await writer.close();
      await reading;
      await child.status;
    },
  };
}
