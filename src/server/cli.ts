/**
 * The command: flags to options, the demo page, signals to `close()`.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- a command talks to its terminal

import { parseArgs } from "node:util";
import { requestPath, serve } from "./adapters/deno.ts";
import {
  resolveServerOptions,
  type SocketPeerServerOptions,
} from "./options.ts";
import { SocketPeerServer } from "./socket_peer_server.ts";

const HELP = `Pairs socketpeer's peers, and relays their messages.

Usage: deno run -A server.ts [flags]

  --port N              port to listen on, 0 for any free one
                        (default 3000, or the variable PORT)
  --host H              address to listen on
                        (default 0.0.0.0, or the variable HOST)
  --allowed-origin O    let only pages of this origin connect, such as
                        https://example.org; may be repeated (default: all)
  --peer-timeout MS     let a peer go that waits alone for so many
                        milliseconds, 0 for never (default 60000)
  --help                show this

It serves the demo page at / and the library at /socketpeer.min.js, takes
peers at /socketpeer/, and stops on SIGINT and SIGTERM.`;

/** What the command was asked for. */
export interface Command {
  /** Show the help, and nothing else. */
  readonly help: boolean;
  /** Options of the server. */
  readonly options: SocketPeerServerOptions;
}

/**
 * Reads the flags and variables of the command.
 *
 * @throws {TypeError | RangeError} If one is not what it must be; its message
 * is for the terminal.
 */
export function parseCommand(
  args: string[],
  variable: (name: string) => string | undefined,
): Command {
  const values = parseFlags(args);
  // An empty variable is none, but an empty flag is a mistake.
  const port = values.port ?? (variable("PORT") || undefined);
  return {
    help: values.help,
    options: {
      host: nonEmpty("--host", values.host) ?? (variable("HOST") || undefined),
      port: port === undefined ? undefined : wholeNumber(
        values.port === undefined ? "PORT" : "--port",
        port,
      ),
      allowedOrigins: values["allowed-origin"],
      peerTimeout: values["peer-timeout"] === undefined
        ? undefined
        : wholeNumber("--peer-timeout", values["peer-timeout"]),
    },
  };
}

function parseFlags(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        port: { type: "string" },
        host: { type: "string" },
        "allowed-origin": { type: "string", multiple: true },
        "peer-timeout": { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (cause) {
    // It says more than fits a line.
    const [message] = (cause as Error).message.split("\n");
    throw new TypeError(message, { cause });
  }
}

function wholeNumber(flag: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new TypeError(
    `Cannot use ${JSON.stringify(text)} as ${flag}: give a whole number`,
  );
}

function nonEmpty(flag: string, text: string | undefined): string | undefined {
  if (text !== "") return text;
  throw new TypeError(`Cannot use "" as ${flag}: give an address`);
}

/** Files that the command serves beside the peers, by path. */
const FILES: Readonly<Record<string, { file: string; type: string }>> = {
  "/": { file: "../demo/index.html", type: "text/html" },
  "/demo.css": { file: "../demo/demo.css", type: "text/css" },
  "/demo.js": { file: "../demo/demo.js", type: "text/javascript" },
  "/socketpeer.min.js": {
    file: "../../socketpeer.min.js",
    type: "text/javascript",
  },
};

async function serveFile(request: Request): Promise<Response | undefined> {
  const pathname = requestPath(request) ?? "";
  const entry = Object.hasOwn(FILES, pathname) ? FILES[pathname] : undefined;
  if (!entry) return undefined;
  // Beside this module, be it on a disk or on the registry.
  const { ok, body } = await fetch(new URL(entry.file, import.meta.url));
  if (!ok) return undefined;
  return new Response(body, {
    headers: {
      "content-type": `${entry.type}; charset=utf-8`,
      "cache-control": "no-cache",
      // The pair code stands in the page's address.
      "referrer-policy": "no-referrer",
    },
  });
}

/** Runs the command until a signal stops it; returns its exit code. */
export async function main(args: string[]): Promise<number> {
  let peerServer: SocketPeerServer;
  let server: ReturnType<typeof serve>;
  try {
    const { help, options } = parseCommand(args, (name) => Deno.env.get(name));
    if (help) {
      console.log(HELP);
      return 0;
    }
    const { host, port } = resolveServerOptions(options);
    peerServer = new SocketPeerServer({ ...options, listen: false });
    const { handler } = peerServer;
    server = serve(
      host,
      port,
      async (request) => await serveFile(request) ?? handler(request),
    );
  } catch (error) {
    const bad = error instanceof TypeError || error instanceof RangeError;
    const { message } = error as Error;
    console.error(`socketpeer: ${message}${bad ? " (see --help)" : ""}`);
    return bad ? 2 : 1;
  }
  // Whoever reads the address may send a signal at once.
  const stopped = signal();
  console.log(`socketpeer listens on ${address(server.addr)}`);
  await stopped;
  await peerServer.close();
  await server.shutdown();
  return 0;
}

/** What to open to see a server that listens there. */
function address({ hostname, port }: { hostname: string; port: number }) {
  if (hostname === "0.0.0.0" || hostname === "::") hostname = "localhost";
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `http://${host}:${port}/`;
}

/** Resolves at the first SIGINT or SIGTERM. */
function signal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      for (const name of names) Deno.removeSignalListener(name, stop);
      resolve();
    };
    // Windows has no SIGTERM.
    const names: Deno.Signal[] = Deno.build.os === "windows"
      ? ["SIGINT"]
      : ["SIGINT", "SIGTERM"];
    for (const name of names) Deno.addSignalListener(name, stop);
  });
}
