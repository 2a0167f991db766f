/**
 * Runs a server in a process of Node or Bun.
 */

import { bundleForNode } from "../../scripts/node_bundle.ts";
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

/**
 * Makes one file of a program in `tests/conformance/node/`.
 *
 * @param command Who is to run it.
 */
export function bundleFor(
  command: "node" | "bun",
  program: string,
): Promise<string> {
  const entry = new URL(`../conformance/node/${program}.ts`, import.meta.url);
  return bundleForNode(entry, command);
}

/** Starts a server in a process of its own. */
export async function startProcess(
  command: "node" | "bun",
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
