import { deadline } from "@std/async";

/** Longest that anything may take, in milliseconds. */
export const LIMIT_MS = 15_000;

/** An engine of this machine, which keeps nothing; gone with its scope. */
export abstract class EngineProcess implements AsyncDisposable {
  /** The folder that the engine may write into. */
  protected readonly folder: string;
  #child: Deno.ChildProcess | null = null;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** The command that starts the engine, empty, where it was before. */
  protected abstract commandLine(): Promise<[path: string, ...args: string[]]>;

  /** Whether the engine takes what it is told. */
  protected abstract answers(): Promise<boolean>;

  /** Starts the engine, empty, where it was before. */
  async start(): Promise<void> {
    const [path, ...args] = await this.commandLine();
    this.#child = new Deno.Command(path, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const settled = async () => {
      while (!await this.answers()) await tick();
    };
    await deadline(settled(), LIMIT_MS);
  }

  /** Ends the engine on the spot, as a machine that fails. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    child?.kill("SIGKILL");
    await child?.status;
  }

  /** Stops the engine, and has it go on: it answers nobody meanwhile. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child!.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
