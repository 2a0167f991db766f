import { deadline } from "@std/async";
import { join } from "node:path";
import { findFile } from "./find_file.ts";
import { freePort } from "./free_port.ts";

/** A TURN server of this machine, which is gone when its scope is left. */
export interface TurnServer extends AsyncDisposable {
  /** Addresses for peers: over UDP and over TCP. */
  readonly urls: readonly string[];
  /**
   * The secret that the server shares with those who make credentials for it.
   */
  readonly secret: string;
  /** Resolves once its log has such words. */
  said(words: RegExp): Promise<void>;
}

/** Longest that it may take to start, in milliseconds. */
const LIMIT_MS = 15_000;

/** Where Debian's coturn is, if this machine has it. */
export const turnServerPath: string | undefined = await findFile([
  "turnserver",
]);

if (turnServerPath === undefined) {
  // deno-lint-ignore no-console -- a test that is not run has to be seen
  console.warn("No TURN server is here, so its tests are skipped: get coturn");
}

/** Starts coturn, which takes what is signed with its secret and no more. */
export async function startTurnServer(): Promise<TurnServer> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "turn" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const secret = "north star";
  const port = freePort();
  const config = join(folder, "turnserver.conf");
  await Deno.writeTextFile(
    config,
    `listening-ip=127.0.0.1
listening-port=${port}
relay-ip=127.0.0.1
relay-threads=1
realm=example.org
use-auth-secret
static-auth-secret=${secret}
# Both peers are on this machine, where else that would be a hole.
allow-loopback-peers
no-tls
no-dtls
no-cli
verbose
userdb=${join(folder, "db")}
pidfile=${join(folder, "pid")}
log-file=stdout
`,
  );
  const child = new Deno.Command(turnServerPath!, {
    args: ["-c", config],
    cwd: folder,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let log = "";
  let wake = () => {};
  /** Waits, with what it says, for what it does. */
  const until = async (test: () => boolean | Promise<boolean>) => {
    const met = async () => {
      for (;;) {
        const more = new Promise<void>((resolve) => wake = resolve);
        if (await test()) return;
        await more;
      }
    };
    await deadline(met(), LIMIT_MS).catch((cause) => {
      throw new Error(`coturn does not do it:\n${log}`, { cause });
    });
  };
  const reading = (async () => {
    for await (
      const text of child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      log += text;
      wake();
    }
  })();
  stack.defer(async () => {
    // coturn takes seconds to stop by itself, and has nothing to save.
    child.kill("SIGKILL");
    await Promise.all([child.status, reading]);
  });
  // coturn goes on to speak after it began to listen.
  await until(() => listens(port));

  const owned = stack.move();
  const address = `turn:127.0.0.1:${port}`;
  return {
    urls: [`${address}?transport=udp`, `${address}?transport=tcp`],
    secret,
    said: (words) => until(() => words.test(log)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function listens(port: number): Promise<boolean> {
  try {
    using _connection = await Deno.connect({ hostname: "127.0.0.1", port });
    return true;
  } catch {
    return false;
  }
}
