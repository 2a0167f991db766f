/**
 * Servers of the benchmark, each a process of its own.
 *
 * @module
 */

import { bundleForNode } from "../node_bundle.ts";
import { TextLineStream } from "./text_line_stream.ts";
import { onServerCore } from "./machine.ts";

/** What a server has used since its start. */
export interface Usage {
  /** CPU time, in microseconds. */
  readonly cpuUs: number;
  /** Resident memory, in bytes. */
  readonly rss: number;
}

const DENO = [
  Deno.execPath(),
  "run",
  "--quiet",
  "-A",
  "--v8-flags=--expose-gc",
];
const NODE = ["node", "--expose-gc"];

const COMMANDS = {
  socketpeer: [...DENO, "socketpeer.ts"],
  // On Node socketpeer listens with node:http and ws.
  "socketpeer on ws": [...NODE, "socketpeer.ts"],
  "socketpeer on Bun": ["bun", "socketpeer.ts"],
  "bare Deno": [...DENO, "bare_deno.ts"],
  "bare Bun": ["bun", "bare_bun.mjs"],
  "bare ws": [...NODE, "bare_ws.mjs"],
  "socket.io": [...NODE, "socketio.mjs"],
  PeerJS: [...NODE, "peerjs.mjs"],
} as const;

const FOLDER = new URL("servers/", import.meta.url);

/** The same command, with what Node and Bun can run in place of TypeScript. */
async function runnable(
  command: readonly string[],
): Promise<readonly string[]> {
  const program = command.at(-1)!;
  const [runtime] = command;
  if (runtime !== "node" && runtime !== "bun") return command;
  if (!program.endsWith(".ts")) return command;
  const bundle = await bundleForNode(new URL(program, FOLDER), runtime);
  return [...command.slice(0, -1), bundle];
}

/** The name of a server. */
export type ServerName = keyof typeof COMMANDS;

/** A server that runs. */
export class BenchServer implements AsyncDisposable {
  /** The port that the server listens on. */
  readonly port: number;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;

  private constructor(
    port: number,
    child: Deno.ChildProcess,
    lines: ReadableStreamDefaultReader<string>,
  ) {
    this.port = port;
    this.#child = child;
    this.#stdin = child.stdin.getWriter();
    this.#lines = lines;
  }

  /** Starts a server; throws where it does not listen. */
  static async start(
    name: ServerName,
    { broker = "" } = {},
  ): Promise<BenchServer> {
    const [command, ...args] = onServerCore(await runnable(COMMANDS[name]));
    const child = new Deno.Command(command, {
      args,
      cwd: FOLDER,
      env: { BROKER: broker },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const lines = child.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream())
      .getReader();
    const { value } = await lines.read();
    if (value === undefined) throw new Error(`${name} does not start`);
    return new BenchServer(Number(value), child, lines);
  }

  /** What the server has used until now. */
  usage(): Promise<Usage> {
    return this.#ask("usage");
  }

  /** What the server has used, after a collection of garbage. */
  tidy(): Promise<Usage> {
    return this.#ask("tidy");
  }

  async #ask(question: string): Promise<Usage> {
    await this.#stdin.write(new TextEncoder().encode(`${question}\n`));
    const { value } = await this.#lines.read();
    if (value === undefined) throw new Error("The server has stopped");
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // The process has ended.
    }
    await this.#child.status;
    await this.#lines.cancel();
    await this.#stdin.abort().catch(() => {});
  }
}
