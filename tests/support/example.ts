import { deadline } from "@std/async";
import { fileURLToPath } from "node:url";
import { root } from "../../scripts/deno.ts";
import { bundleExample } from "./bundle_example.ts";

/** Native packages take a while to load on a busy machine. */
const PATIENCE_MS = 30_000;

/** How the table in `examples/README.md` has an example run, by its file. */
export function commands(): Map<string, string> {
  const text = Deno.readTextFileSync(new URL("examples/README.md", root));
  const rows = text.matchAll(/^\| \[(\S+)\]\(\1\) .*\| `(.+)` +\|$/gm);
  return new Map(rows.map(([, file, command]) => [file, command]));
}

/** How an example is run. */
export interface ExampleOptions {
  /** What follows its name on the command line. */
  args?: readonly string[];
  env?: Record<string, string>;
  cwd?: string;
}

/** An example in a process of its own, which is killed with its scope. */
export class Example implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #finished: Promise<unknown>;
  #seen = () => {};
  #ended = false;
  /** What the example has printed and logged. */
  output = "";

  private constructor(
    command: string,
    args: readonly string[],
    { env, cwd }: ExampleOptions,
  ) {
    this.#child = new Deno.Command(command, {
      args: [...args],
      env: { NO_COLOR: "1", ...env },
      cwd,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    const { stdout, stderr } = this.#child;
    this.#finished = Promise.all(
      [stdout, stderr].map((each) => this.#read(each)),
    ).then(() => {
      this.#ended = true;
      this.#seen();
    });
  }

  /** Starts an example with the command that the table has for it. */
  static start(file: string, options: ExampleOptions = {}): Example {
    const [command, ...words] = commands().get(file)!.split(" ");
    const at = words.indexOf(`examples/${file}`);
    return new Example(command === "deno" ? Deno.execPath() : command, [
      ...words.slice(0, at),
      // The example may run in a folder of its own.
      ...[`--config=${fileURLToPath(new URL("deno.json", root))}`],
      fileURLToPath(new URL(`examples/${file}`, root)),
      ...options.args ?? [],
    ], options);
  }

  /**
   * Starts an example in a Node of that version, as one file that lies in
   * `cwd`.
   */
  static async startInNode(
    file: string,
    major: number,
    options: ExampleOptions & { cwd: string },
  ): Promise<Example> {
    const path = `${options.cwd}/${file}`;
    await Deno.writeTextFile(path, await bundleExample(file));
    // Later versions of Node have a WebSocket by themselves.
    const flags = major < 22 ? ["--experimental-websocket"] : [];
    return new Example("node", [
      ...flags,
      path,
      ...options.args ?? [],
    ], options);
  }

  /**
   * Waits until the example has printed something; resolves to what is in
   * brackets.
   */
  async until(pattern: RegExp): Promise<string> {
    const found = async () => {
      for (;;) {
        const match = this.output.match(pattern);
        if (match) return match[1] ?? match[0];
        if (this.#ended) throw new Error("It has ended");
        await new Promise<void>((resolve) => this.#seen = resolve);
      }
    };
    try {
      return await deadline(found(), PATIENCE_MS);
    } catch (cause) {
      throw new Error(`No ${pattern} in:\n${this.output}`, { cause });
    }
  }

  /** Types a line. */
  async type(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Types no more. */
  async endInput(): Promise<void> {
    await this.#input.close();
  }

  /** Asks the example to end. */
  terminate(): void {
    this.#child.kill("SIGTERM");
  }

  /** Waits for the example's end; resolves to its exit code. */
  async code(): Promise<number> {
    try {
      return (await deadline(this.#child.status, PATIENCE_MS)).code;
    } catch (cause) {
      throw new Error(`It goes on:\n${this.output}`, { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // The process has ended.
    }
    await this.#finished;
    await this.#child.status;
    await this.#input.close().catch(() => {});
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.output += text;
      this.#seen();
    }
  }
}
