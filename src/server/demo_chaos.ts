/**
 * The flag `--demo-chaos`: a server that its demo page may kill.
 *
 * A server that is really killed says goodbye to nobody and forgets all that it
 * knew, and only the end of a process is like that. So the command runs itself
 * once more, and starts the other again when it has died.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import process from "node:process";
import { isDeno } from "./adapters/deno.ts";
import {
  type PageAnswer,
  type PageRequest,
  textAnswer,
} from "./adapters/front.ts";

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
  return process.env[VARIABLE] !== undefined;
}

/** Ends this process with the one that watches over it, whatever ended that. */
export function dieWithParent(): void {
  // Its end closes the pipe. Deno emits no "close" then.
  process.stdin.on("end", () => process.exit(KILLED)).resume();
}

/** How this program was started, without its flags. */
function ownProgram(): string[] {
  if (!isDeno()) return [process.argv[1]];
  return Deno.build.standalone ? [] : ["run", "-A", Deno.mainModule];
}

/**
 * Runs the command in a process of its own, again and again, until it ends
 * otherwise than by being killed from the page; returns its exit code.
 *
 * @param args The command's own, but with a port that stays the same.
 * @param signals What stops the command.
 */
export async function superviseCommand(
  args: string[],
  signals: readonly ("SIGINT" | "SIGTERM")[],
): Promise<number> {
  let child: ChildProcess | undefined;
  let stopped = false;
  const stop = () => {
    stopped = true;
    // Whatever ends this process, a terminal has told both of SIGINT.
    child?.kill("SIGTERM");
  };
  for (const name of signals) process.on(name, stop);
  try {
    while (true) {
      const running = child = spawn(
        process.execPath,
        [...ownProgram(), ...args],
        {
          env: { ...process.env, [VARIABLE]: "1" },
          stdio: ["pipe", "inherit", "inherit"],
        },
      );
      const code = await new Promise<number>((resolve, reject) => {
        running.on("error", reject);
        // Deno has no code for one that kill() was called of.
        running.on("exit", (code) => resolve(code ?? (stopped ? 0 : 1)));
      });
      child = undefined;
      if (stopped || code !== KILLED) return code;
      await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
      if (stopped) return 0;
    }
  } finally {
    for (const name of signals) process.off(name, stop);
  }
}

/** A port for a process that is to have the same when it starts again. */
export async function freePort(hostname: string): Promise<number> {
  const server = createServer().listen(0, hostname);
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Answers a request to kill this server, and does so. */
export function answerChaos(request: PageRequest): PageAnswer {
  if (request.method !== "POST") {
    const answer = textAnswer(405, "POST, to kill this server\n");
    return { ...answer, headers: { ...answer.headers, allow: "POST" } };
  }
  // Browsers always say where a POST comes from: another page may send one too.
  if (!isOwnPage(request)) {
    return textAnswer(403, "Only its own page may kill this server\n");
  }
  setTimeout(() => process.exit(KILLED), ANSWER_MS);
  return { status: 202, headers: {}, body: null };
}

/** Whether a request comes from a page of the same host. */
function isOwnPage({ header }: PageRequest): boolean {
  // A proxy may have turned https: into http:.
  return [`http://${header("host")}`, `https://${header("host")}`]
    .includes(header("origin") ?? "");
}
