/**
 * The flag `--demo-chaos`: a server that its demo page may kill.
 *
 * A server that is really killed says goodbye to nobody and forgets all that it
 * knew, and only the end of a process is like that. So the command runs itself
 * once more, and starts the other again when it has died.
 *
 * @module
 */

/** Where the page asks for it, beside the page itself. */
export const CHAOS_PATH = "/demo-chaos";

/** Set for the process that may die, to what tells it from the other. */
const VARIABLE = "SOCKETPEER_DEMO_CHAOS_CHILD";
/** How it ends then: as a process does that is killed. */
const KILLED = 137;
/** How long the server is away, in milliseconds. */
const AWAY_MS = 4000;
/** So that the page gets an answer, in milliseconds. */
const ANSWER_MS = 100;

/** Whether this is the process that may die. */
export function mayDie(): boolean {
  return Deno.env.has(VARIABLE);
}

/** Ends this process with the one that watches over it, whatever ended that. */
export async function dieWithParent(): Promise<void> {
  // Its end closes the pipe.
  for await (const _ of Deno.stdin.readable);
  Deno.exit(KILLED);
}

/**
 * Runs the command in a process of its own, again and again, until it ends
 * otherwise than by being killed from the page; returns its exit code.
 *
 * @param args The command's own, but with a port that stays the same.
 */
export async function superviseCommand(args: string[]): Promise<number> {
  let child: Deno.ChildProcess | undefined;
  let stopped = false;
  const stop = () => {
    stopped = true;
    try {
      // Whatever ends this process, a terminal has told both of SIGINT.
      child?.kill("SIGTERM");
    } catch {
      // It has ended.
    }
  };
  const names: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM"];
  for (const name of names) Deno.addSignalListener(name, stop);
  try {
    while (true) {
      child = new Deno.Command(Deno.execPath(), {
        args: Deno.build.standalone
          ? args
          : ["run", "-A", Deno.mainModule, ...args],
        env: { [VARIABLE]: "1" },
        stdin: "piped",
        stdout: "inherit",
        stderr: "inherit",
      }).spawn();
      const { code } = await child.status;
      child = undefined;
      if (stopped || code !== KILLED) return code;
      await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
      if (stopped) return 0;
    }
  } finally {
    for (const name of names) Deno.removeSignalListener(name, stop);
  }
}

/** A port for a process that is to have the same when it starts again. */
export function freePort(hostname: string): number {
  using listener = Deno.listen({ hostname, port: 0 });
  return listener.addr.port;
}

/** Answers a request to kill this server, and does so. */
export function answerChaos(request: Request): Response {
  if (request.method !== "POST") {
    const headers = { allow: "POST" };
    return new Response("POST, to kill this server\n", {
      status: 405,
      headers,
    });
  }
  // Browsers always say where a POST comes from: another page may send one too.
  if (!isOwnPage(request)) {
    return new Response("Only its own page may kill this server\n", {
      status: 403,
    });
  }
  setTimeout(() => Deno.exit(KILLED), ANSWER_MS);
  return new Response(null, { status: 202 });
}

/** Whether a request comes from a page of the same host. */
function isOwnPage({ headers }: Request): boolean {
  // A proxy may have turned https: into http:.
  return [`http://${headers.get("host")}`, `https://${headers.get("host")}`]
    .includes(headers.get("origin") ?? "");
}
