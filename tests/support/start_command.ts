import { deadline, delay } from "@std/async";
import { fileURLToPath } from "node:url";

const LIMIT_MS = 30_000;
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** `deno run -A server.ts`, as a process of its own. */
export interface Command extends AsyncDisposable {
  /** The address that the command prints. */
  readonly url: string;
  readonly port: number;
  /**
   * Memory that the command has in use, in bytes; NaN where the system does not
   * say.
   */
  residentBytes(): Promise<number>;
  /** Stops the command with no chance to say goodbye. */
  kill(): Promise<void>;
  /** Starts the command again, on the same port. */
  start(): Promise<void>;
}

/**
 * Starts the command on a port of its own, and waits until it listens.
 *
 * @param flags Further ones.
 */
export async function startCommand(
  flags: readonly string[] = [],
): Promise<Command> {
  let child: Deno.ChildProcess | undefined;
  let url = "";
  let port = 0;

  const kill = async () => {
    const killed = child;
    child = undefined;
    killed?.kill("SIGKILL");
    await killed?.status;
  };
  const start = async () => {
    child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "server.ts"],
        ...["--host", "127.0.0.1", "--port", `${port}`, ...flags],
      ],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdout: "piped",
    }).spawn();
    try {
      url = await deadline(readUrl(child.stdout), LIMIT_MS);
      port = Number(new URL(url).port);
    } catch (error) {
      await kill();
      throw error;
    }
  };
  await start();
  return {
    get url() {
      return url;
    },
    get port() {
      return port;
    },
    residentBytes: () => residentBytes(child!.pid),
    kill,
    async start() {
      // The port may be free a moment after the process is gone.
      for (let tries = 0;; tries++) {
        try {
          return await start();
        } catch (error) {
          if (tries === 3) throw error;
          await delay(100);
        }
      }
    },
    [Symbol.asyncDispose]: kill,
  };
}

/** Memory that a process has in use, in bytes; NaN off Linux. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`)
    .catch(() => "");
  return Number(status.match(/VmRSS:\s+(\d+)/)?.[1] ?? NaN) * 1024;
}

async function readUrl(output: Deno.ChildProcess["stdout"]): Promise<string> {
  let text = "";
  for await (const part of output.pipeThrough(new TextDecoderStream())) {
    text += part;
    const url = text.match(/http:\S+/)?.[0];
    if (url) return url;
  }
  throw new Error(`The command ended, and printed: ${text}`);
}
