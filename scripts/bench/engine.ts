/**
 * The engine between nodes, a process of its own.
 *
 * @module
 */

import { freePort } from "../../tests/support/free_port.ts";
import { onServerCore } from "./machine.ts";

/** Clock ticks in a second, as every Linux tells them to programs. */
const TICKS_PER_SECOND = 100;

/** What starts an engine on a port. */
const COMMANDS = {
  redis: (port: number) => [
    ...["redis-server", "--bind", "127.0.0.1", "--port", `${port}`],
    ...["--save", "", "--appendonly", "no"],
  ],
  nats: (port: number) => [
    ...["nats-server", "-js", "-sd", ".", "-a", "127.0.0.1", "-p", `${port}`],
  ],
} as const;

/** The name of an engine. */
export type EngineName = keyof typeof COMMANDS;

/** An engine that runs. */
export class Engine implements AsyncDisposable {
  /** The address that nodes are given. */
  readonly url: string;
  readonly #child: Deno.ChildProcess;

  private constructor(url: string, child: Deno.ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  /** Starts an engine; throws where it is not installed, or does not listen. */
  static async start(name: EngineName): Promise<Engine> {
    const port = freePort();
    const [command, ...args] = onServerCore(COMMANDS[name](port));
    const folder = await Deno.makeTempDir();
    const child = new Deno.Command(command, {
      args,
      cwd: folder,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (let tries = 0; tries < 100; tries++) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return new Engine(`${name}://127.0.0.1:${port}`, child);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    child.kill("SIGKILL");
    throw new Error(`${name} does not listen`);
  }

  /**
   * CPU time that the engine has used, in microseconds; Linux alone tells it.
   */
  async cpuUs(): Promise<number> {
    const stat = await Deno.readTextFile(`/proc/${this.#child.pid}/stat`);
    // The fields begin after the name, in which there may be spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return ticks / TICKS_PER_SECOND * 1e6;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }
}
