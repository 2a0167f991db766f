import { deadline } from "@std/async";

const ROOT = new URL("../../", import.meta.url);

/** A machine under load takes its time to start a process. */
const WAIT_MS = 30_000;

/** What came out of the command by its end. */
export interface Outcome {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How the command is started: a program, and what comes before its flags. */
export type Launch = readonly [program: string, ...args: string[]];

const SOURCE: Launch = [Deno.execPath(), "run", "-A", "server.ts"];

/**
 * `server.ts`, or the command as it is started elsewhere, in a process of its
 * own, which is gone when its scope is left.
 */
export class ServerProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  #stdout = "";
  #stderr = "";
  #wake: () => void = () => {};
  readonly #ended: Promise<Outcome>;

  constructor(
    args: string[],
    variables: Record<string, string> = {},
    [program, ...before]: Launch = SOURCE,
  ) {
    const { PORT: _port, HOST: _host, ...env } = Deno.env.toObject();
    this.#child = new Deno.Command(program, {
      args: [...before, ...args],
      cwd: ROOT,
      clearEnv: true,
      env: { ...env, NO_COLOR: "1", ...variables },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#ended = this.#watch();
  }

  /** Resolves with the address that it prints first, once it has. */
  async address(): Promise<URL> {
    return new URL(await this.#printed(/^[^\n]*(http:\S+)\n/));
  }

  /** Resolves with the address of its metrics, once it has printed it. */
  async metrics(): Promise<URL> {
    return new URL(await this.#printed(/^metrics .*(http:\S+)\n/m));
  }

  /** Resolves once its standard error has such words. */
  async logged(words: RegExp): Promise<void> {
    await this.#until(() => words.test(this.#stderr));
  }

  async #printed(pattern: RegExp): Promise<string> {
    await this.#until(() => this.#stdout.includes("\n"));
    await this.#until(() => pattern.test(this.#stdout));
    return this.#stdout.match(pattern)![1];
  }

  async #until(test: () => boolean): Promise<void> {
    const met = async () => {
      while (!test()) {
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    };
    const failed = this.#ended.then(({ code, stderr }) => {
      if (!test()) throw new Error(`It ended with ${code}: ${stderr}`);
    });
    await deadline(Promise.race([met(), failed]), WAIT_MS);
    failed.catch(() => {});
  }

  /** Sends the process a signal. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Resolves when the process has ended. */
  ended(): Promise<Outcome> {
    return deadline(this.#ended, WAIT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // The process has ended.
    }
    await this.ended();
  }

  async #watch(): Promise<Outcome> {
    const { stdout, stderr, status } = this.#child;
    const reading = Promise.all([
      this.#read(stdout, (text) => this.#stdout += text),
      this.#read(stderr, (text) => this.#stderr += text),
    ]);
    const { code, signal } = await status;
    await reading;
    return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
  }

  async #read(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    add: (text: string) => void,
  ): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      add(text);
      this.#wake();
    }
  }
}
