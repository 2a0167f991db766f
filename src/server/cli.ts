/**
 * The command: a server with the demo page, logs, metrics and probes, and
 * signals that become `close()`.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- a command talks to its terminal

import {
  type ConnectionInfo,
  type ListeningServer,
  serve,
} from "./adapters/deno.ts";
import { requestPath } from "./adapters/fetch.ts";
import { brokerAt } from "./brokers/at.ts";
import {
  answerChaos,
  CHAOS_PATH,
  dieWithParent,
  freePort,
  mayDie,
  superviseCommand,
} from "./demo_chaos.ts";
import { type Command, helpText, parseCommand } from "./flags.ts";
import { logEvents } from "./logs.ts";
import type { Metrics } from "./metrics.ts";
import { resolveServerOptions } from "./options.ts";
import type { ServerEvent } from "./server_event.ts";
import { SocketPeerServer } from "./socket_peer_server.ts";

/**
 * What the page may load: what came with it. Nothing that gets into it could
 * send what is said in it elsewhere.
 */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; " +
  "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'";

/** A file that the command serves. */
interface ServedFile {
  /** Where it lies, beside this module. */
  readonly file: string;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One of the two clients for a `<script>` tag. */
function bundle(name: string): ServedFile {
  return {
    file: `../../${name}`,
    type: "text/javascript",
    // Pages of any origin may load it, also those that isolate themselves.
    headers: {
      "access-control-allow-origin": "*",
      "cross-origin-resource-policy": "cross-origin",
    },
  };
}

/** The parts of the demo page, each for itself: there is no build. */
const DEMO_MODULES = [
  "chaos",
  "complete_field",
  "demo",
  "dom",
  "files",
  "hooks",
  "meter",
  "pings",
  "qr",
];

/** Files that the command serves beside the peers, by path. */
const FILES: Readonly<Record<string, ServedFile>> = {
  "/": {
    file: "../demo/index.html",
    type: "text/html",
    headers: { "content-security-policy": PAGE_POLICY },
  },
  "/demo.css": { file: "../demo/demo.css", type: "text/css" },
  ...Object.fromEntries(DEMO_MODULES.map((name) => [
    `/${name}.js`,
    { file: `../demo/${name}.js`, type: "text/javascript" },
  ])),
  "/socketpeer.min.js": bundle("socketpeer.min.js"),
  "/socketpeer.private.min.js": bundle("socketpeer.private.min.js"),
};

async function serveFile(
  request: Request,
  page: PageSettings,
): Promise<Response | undefined> {
  // Peers may connect to the path of a file.
  if (request.headers.has("upgrade")) return undefined;
  const pathname = requestPath(request) ?? "";
  const entry = Object.hasOwn(FILES, pathname) ? FILES[pathname] : undefined;
  if (!entry) return undefined;
  // Beside this module, be it on a disk or on the registry.
  const file = await fetch(new URL(entry.file, import.meta.url));
  if (!file.ok) return undefined;
  const text = await file.text();
  const body = pathname === "/" ? pageFor(text, page, request) : text;
  const etag = await entityTag(body);
  const headers = {
    "content-type": `${entry.type}; charset=utf-8`,
    "cache-control": "no-cache",
    etag,
    vary: "Accept-Encoding",
    // The pair code stands in the page's address.
    "referrer-policy": "no-referrer",
    ...entry.headers,
  };
  // Where Deno has compressed it, it has made a weak tag of it.
  const known = request.headers.get("if-none-match")?.split(",")
    .some((tag) => tag.trim().replace(/^W\//, "") === etag);
  return known
    ? new Response(null, { status: 304, headers })
    : new Response(body, { headers });
}

/** What tells one version of a file from another. */
async function entityTag(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `"${btoa(String.fromCharCode(...hash))}"`;
}

/** What the page has to know of the command. */
interface PageSettings {
  /** Where peers connect to. */
  readonly peersPath: string;
  /** Whether it may kill the server. */
  readonly chaos: boolean;
}

/**
 * The page, told where its peers connect to: relative to itself, as a reverse
 * proxy may have put all of this under a path of its own.
 */
function pageFor(
  html: string,
  { peersPath, chaos }: PageSettings,
  request: Request,
): string {
  const told: Record<string, string> = { server: `.${peersPath}` };
  if (chaos) told.chaos = `.${CHAOS_PATH}`;
  // Who is not on this machine need not know where it is.
  if (isLocal(request)) told.network = networkAddresses().join(", ");
  for (const [name, value] of Object.entries(told)) {
    const escaped = value.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
    html = html.replace(
      new RegExp(`data-${name}="[^"]*"`),
      () => `data-${name}="${escaped}"`,
    );
  }
  return html;
}

/** Whether a page was asked for by a name that is good on this machine alone. */
function isLocal(request: Request): boolean {
  return /^(localhost|127\.[\d.]+|\[::1\])(:|$)/
    .test(request.headers.get("host") ?? "");
}

/** Where this machine is in its networks, as people type it. */
function networkAddresses(): string[] {
  try {
    return Deno.networkInterfaces()
      .filter(({ family, address }) =>
        family === "IPv4" && !/^(127|169\.254)\./.test(address)
      )
      .map(({ address }) => address);
  } catch {
    // It takes a permission that nothing else here does.
    return [];
  }
}

/** A server with everything around it. */
interface Running {
  readonly peerServer: SocketPeerServer;
  /** For peers, and for people who open it in a browser. */
  readonly server: ListeningServer;
  /** For who operates it, if wanted. */
  readonly probes: ListeningServer | null;
  /** Has the probes say that it takes nobody any more. */
  drain(): void;
}

/** Runs the command until a signal stops it; returns its exit code. */
export async function main(args: string[]): Promise<number> {
  let command: Command;
  let running: Running;
  try {
    command = parseCommand(
      args,
      (name) => Deno.env.get(name),
      (path) => Deno.readTextFileSync(path),
    );
    if (command.help) {
      console.log(helpText());
      return 0;
    }
    if (command.demoChaos && !mayDie()) return await supervise(command, args);
    running = await start(command);
  } catch (error) {
    const bad = error instanceof TypeError || error instanceof RangeError;
    const { message } = error as Error;
    console.error(`socketpeer: ${message}${bad ? " (see --help)" : ""}`);
    return bad ? 2 : 1;
  }
  const { peerServer, server, probes, drain } = running;
  // Whoever reads the address may send a signal at once.
  const stopped = signal();
  if (command.demoChaos) dieWithParent();
  console.log(`socketpeer listens on ${address(server.addr)}`);
  for (const line of networkLines(server.addr)) console.log(line);
  if (probes) console.log(`metrics are at ${address(probes.addr)}metrics`);
  await stopped;
  drain();
  await peerServer.close({ drainTimeout: command.drainTimeout });
  await server.shutdown();
  await probes?.shutdown();
  return 0;
}

/** Runs the command in a process that its page may kill. */
function supervise(command: Command, args: string[]): Promise<number> {
  const { host, port } = resolveServerOptions(command.options);
  // The last one counts.
  return superviseCommand([...args, `--port=${port || freePort(host)}`]);
}

/** How long a server may be cut off before it is sent nobody, in milliseconds. */
const CUT_OFF_MS = 5000;

async function start(command: Command): Promise<Running> {
  const { logs, metrics } = command;
  const broker = command.broker === undefined
    ? undefined
    : await brokerAt(command.broker);
  const options = { ...command.options, broker };
  const log = logEvents({
    ...logs,
    write: (line) => console.error(line),
  });
  let count: Metrics | null = null;
  const peerServer: SocketPeerServer = new SocketPeerServer({
    ...options,
    listen: false,
    observer(event: ServerEvent) {
      log(event);
      count?.observe(event);
    },
  });
  const { host, port, path } = resolveServerOptions(options);
  // Nothing listens yet that would have to stop.
  await peerServer.joined;
  let draining = false;
  let probes: ListeningServer | null = null;
  if (metrics.port !== undefined) {
    // Only who wants metrics needs prom-client.
    const { Metrics } = await import("./metrics.ts");
    count = new Metrics(() => peerServer.stats);
    const numbers = count;
    probes = serve(
      metrics.host,
      metrics.port,
      (request) =>
        probe(request, numbers, () => {
          if (draining) return "draining";
          const { downMs = 0 } = peerServer.stats.sharing ?? {};
          return downMs > CUT_OFF_MS ? "cut off from the broker" : undefined;
        }),
    );
  }
  const page = { peersPath: path, chaos: command.demoChaos };
  try {
    const server = serve(
      host,
      port,
      async (request: Request, info?: ConnectionInfo) =>
        answerDemo(request, page) ?? await serveFile(request, page) ??
          peerServer.handler(request, info),
    );
    return { peerServer, server, probes, drain: () => draining = true };
  } catch (error) {
    await probes?.shutdown();
    throw error;
  }
}

/** Answers those who watch over the server. */
async function probe(
  request: Request,
  metrics: Metrics,
  unready: () => string | undefined,
): Promise<Response> {
  switch (requestPath(request)) {
    case "/metrics":
      return new Response(await metrics.text(), {
        headers: { "content-type": metrics.contentType },
      });
    case "/healthz": // To answer at all is what it takes, broker or not.
      return new Response("alive\n");
    case "/readyz": {
      const reason = unready();
      return reason
        ? new Response(`${reason}\n`, { status: 503 })
        : new Response("ready\n");
    }
    default:
      return new Response("Here are /metrics, /healthz and /readyz\n", {
        status: 404,
      });
  }
}

/** Answers what the demo page asks for, if it may ask. */
function answerDemo(
  request: Request,
  { chaos }: PageSettings,
): Response | undefined {
  const asked = chaos && requestPath(request) === CHAOS_PATH &&
    !request.headers.has("upgrade");
  return asked ? answerChaos(request) : undefined;
}

/** Where others find a server that listens on every address. */
function networkLines(addr: { hostname: string; port: number }): string[] {
  if (!isWildcard(addr.hostname)) return [];
  const lines = networkAddresses()
    .map((hostname) => `in the network: ${address({ ...addr, hostname })}`);
  if (lines.length === 0) return [];
  return [
    ...lines,
    "The demo page takes https there, as on a phone: put a proxy with TLS " +
    "before it, such as\n  caddy reverse-proxy --internal-certs " +
    `--from https://${networkAddresses()[0]}:8443 --to localhost:${addr.port}`,
  ];
}

function isWildcard(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::";
}

/** What to open to see a server that listens there. */
function address({ hostname, port }: { hostname: string; port: number }) {
  if (isWildcard(hostname)) hostname = "localhost";
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
