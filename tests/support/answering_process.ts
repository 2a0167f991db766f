import { TextLineStream } from "../../scripts/bench/text_line_stream.ts";
import { root, startDeno } from "../../scripts/deno.ts";
import { stdFlags } from "../../scripts/std.ts";

/**
 * A program of `tests/support/` in a process of its own, which answers with
 * lines and is killed when enough is known: what goes wrong in the end of a
 * process that has loaded a native package is nobody's concern.
 */
export class AnsweringProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#lines = child.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream())[Symbol.asyncIterator]();
  }

  /** Starts a program. */
  static async start(
    program: string,
    ...args: string[]
  ): Promise<AnsweringProcess> {
    const url = new URL(`tests/support/${program}`, root).href;
    const flags = await stdFlags();
    return new AnsweringProcess(
      startDeno(["run", "-A", "--no-check", ...flags, url, ...args], {
        stdout: "piped",
      }),
    );
  }

  /** The program's next line; undefined where it has ended instead. */
  async answer(): Promise<string | undefined> {
    const { value, done } = await this.#lines.next();
    return done ? undefined : value;
  }

  /** Kills the program, if it has not ended by itself. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // The program has ended.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    // What is left unread would be a leak.
    while (await this.answer() !== undefined);
    await this.#child.status;
  }
}
