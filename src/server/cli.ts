/**
 * The command: a server with the demo page, logs, metrics and probes, and
 * signals that become `close()`.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- a command talks to its terminal

import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import process from "node:process";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import type { ListeningServer } from "./adapters/deno.ts";
import {
  createFront,
  type PageAnswer,
  type PageRequest,
  textAnswer,
} from "./adapters/front.ts";
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
import {
  resolveServerOptions,
  type SocketPeerServerOptions,
} from "./options.ts";
import type { ServerEvent } from "./server_event.ts";
import { SocketPeerServer } from "./socket_peer_server.ts";

/**
 * What the page may load: what came with it. Nothing that gets into it could
 * send what is said in it elsewhere.
 */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; " +
  "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

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
  "client",
  "complete_field",
  "demo",
  "dom",
  "files",
  "hooks",
  "meter",
  "pings",
  "plain_code",
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

/** Where everything lies that the command serves: no module imports it. */
export const SERVED_FILES: readonly URL[] = Object.values(FILES)
  .map(({ file }) => new URL(file, import.meta.url));

/** How a text may be packed, best first, by the name that clients have for it. */
const PACKERS = [
  { encoding: "br", pack: promisify<Uint8Array, Uint8Array>(brotliCompress) },
  { encoding: "gzip", pack: promisify<Uint8Array, Uint8Array>(gzip) },
];

async function fileAnswer(
  { path = "", header }: PageRequest,
  page: PageSettings,
): Promise<PageAnswer | undefined> {
  // Peers may connect to the path of a file.
  if (header("upgrade")) return undefined;
  const entry = Object.hasOwn(FILES, path) ? FILES[path] : undefined;
  if (!entry) return undefined;
  const text = await readText(new URL(entry.file, import.meta.url));
  const body = path === "/" ? pageFor(text, page, header("host")) : text;
  // Weak, as it is the same however it is packed.
  const etag = await entityTag(body);
  const headers = {
    "content-type": `${entry.type}; charset=utf-8`,
    "cache-control": "no-cache",
    etag: `W/${etag}`,
    vary: "Accept-Encoding",
    // The pair code stands in the page's address.
    "referrer-policy": "no-referrer",
    ...entry.headers,
  };
  const known = header("if-none-match")?.split(",")
    .some((tag) => tag.trim().replace(/^W\//, "") === etag);
  if (known) return { status: 304, headers, body: null };
  const packed = await pack(body, etag, header("accept-encoding") ?? "");
  return { ...packed, status: 200, headers: { ...headers, ...packed.headers } };
}

/** Reads what lies beside this module, be it on a disk or on the registry. */
async function readText(url: URL): Promise<string> {
  if (url.protocol === "file:") return await readFile(url, "utf8");
  const response = await fetch(url);
  if (response.ok) return await response.text();
  throw new Error(`Cannot read ${url}: it is answered ${response.status}`);
}

/** What was packed, by how and by what of; there are few files. */
const packs = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

async function pack(
  text: string,
  etag: string,
  accepted: string,
): Promise<Pick<PageAnswer, "headers" | "body">> {
  const names = accepted.toLowerCase().split(",")
    .filter((each) => !/;\s*q=0(?:\.0*)?\s*$/.test(each))
    .map((each) => each.split(";")[0].trim());
  const packer = PACKERS.find(({ encoding }) => names.includes(encoding));
  if (!packer) return { headers: {}, body: text };
  const { encoding, pack } = packer;
  const key = `${encoding} ${etag}`;
  const packed = packs.get(key) ??
    pack(new TextEncoder().encode(text)).then((bytes) => new Uint8Array(bytes));
  packs.set(key, packed);
  return { headers: { "content-encoding": encoding }, body: await packed };
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
  /** What it listens on, once it does. */
  addr?: ListeningServer["addr"];
}

/**
 * The page, told where its peers connect to: relative to itself, as a reverse
 * proxy may have put all of this under a path of its own.
 */
function pageFor(
  html: string,
  { peersPath, chaos, addr }: PageSettings,
  host: string | null | undefined,
): string {
  const told: Record<string, string> = { server: `.${peersPath}` };
  if (chaos) told.chaos = `.${CHAOS_PATH}`;
  // Whoever is not on this machine need not know where it is.
  if (addr && isLocal(host ?? "")) told.network = networkUrls(addr).join(" ");
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
function isLocal(host: string): boolean {
  return /^(localhost|127\.[\d.]+|\[::1\])(:|$)/.test(host);
}

/** Where this machine is in its networks, as people type it. */
function networkAddresses(): string[] {
  try {
    return Object.values(networkInterfaces()).flatMap((each) => each ?? [])
      .filter(({ family, address }) =>
        family === "IPv4" && !/^(127|169\.254)\./.test(address)
      )
      .map(({ address }) => address);
  } catch {
    // On Deno it takes a permission that nothing else here does.
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
  /** Makes the probes say that the server takes nobody any more. */
  drain(): void;
}

/** Runs the command with the arguments of this process, and ends that. */
export async function run(): Promise<never> {
  process.exit(await main(process.argv.slice(2)));
}

/** Runs the command until a signal stops it; returns its exit code. */
export async function main(args: string[]): Promise<number> {
  let command: Command;
  let running: Running;
  try {
    command = parseCommand(
      args,
      (name) => process.env[name],
      (path) => readFileSync(path, "utf8"),
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
async function supervise(command: Command, args: string[]): Promise<number> {
  const { host, port } = resolveServerOptions(command.options);
  // The last one counts.
  const withPort = [...args, `--port=${port || await freePort(host)}`];
  return await superviseCommand(withPort, SIGNALS);
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
  const observed: SocketPeerServerOptions = {
    ...options,
    listen: false,
    observer(event: ServerEvent) {
      log(event);
      count?.observe(event);
    },
  };
  const front = createFront();
  const peerServer: SocketPeerServer = front.beneath
    ? new SocketPeerServer(front.beneath, observed)
    : new SocketPeerServer(observed);
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
    const listening = createFront().listen(
      metrics.host,
      metrics.port,
      (request) =>
        probe(request, numbers, () => {
          if (draining) return "draining";
          const { downMs = 0 } = peerServer.stats.sharing ?? {};
          return downMs > CUT_OFF_MS ? "cut off from the broker" : undefined;
        }),
    );
    probes = await orTaken(listening, metrics.port, "--metrics-port");
  }
  const page: PageSettings = { peersPath: path, chaos: command.demoChaos };
  try {
    const listening = front.listen(
      host,
      port,
      async (request) =>
        answerDemo(request, page) ?? await fileAnswer(request, page),
      peerServer.handler,
    );
    const server = await orTaken(listening, port, "--port");
    page.addr = server.addr;
    return { peerServer, server, probes, drain: () => draining = true };
  } catch (error) {
    await probes?.shutdown();
    throw error;
  }
}

/** Says of a port that it is taken, which not every platform names. */
async function orTaken(
  listening: Promise<ListeningServer>,
  port: number,
  flag: string,
): Promise<ListeningServer> {
  try {
    return await listening;
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== "EADDRINUSE") throw cause;
    throw new Error(
      `Cannot listen on port ${port} as another program has it: choose ` +
        `another with ${flag}`,
      { cause },
    );
  }
}

/** Answers those who watch over the server. */
async function probe(
  { path }: PageRequest,
  metrics: Metrics,
  unready: () => string | undefined,
): Promise<PageAnswer> {
  switch (path) {
    case "/metrics":
      return textAnswer(200, await metrics.text(), metrics.contentType);
    case "/healthz": // To answer at all is what it takes, broker or not.
      return textAnswer(200, "alive\n");
    case "/readyz": {
      const reason = unready();
      return reason
        ? textAnswer(503, `${reason}\n`)
        : textAnswer(200, "ready\n");
    }
    default:
      return textAnswer(404, "Here are /metrics, /healthz and /readyz\n");
  }
}

/** Answers what the demo page asks for, if it may ask. */
function answerDemo(
  request: PageRequest,
  { chaos }: PageSettings,
): PageAnswer | undefined {
  const asked = chaos && request.path === CHAOS_PATH &&
    !request.header("upgrade");
  return asked ? answerChaos(request) : undefined;
}

/** What to open in its networks to see a server that listens on all addresses. */
function networkUrls(addr: ListeningServer["addr"]): string[] {
  if (!isWildcard(addr.hostname)) return [];
  return networkAddresses().map((hostname) => address({ ...addr, hostname }));
}

/** Where others find a server, and what its page is there. */
function networkLines(addr: ListeningServer["addr"]): string[] {
  const urls = networkUrls(addr);
  if (urls.length === 0) return [];
  return [
    ...urls.map((url) => `in the network: ${url}`),
    "The demo page is not private there, as it comes without https. To be so " +
    "it takes a proxy with TLS, such as\n  caddy reverse-proxy " +
    `--internal-certs --from https://${new URL(urls[0]).hostname}:8443 ` +
    `--to localhost:${addr.port}`,
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

/** Resolves at the first SIGINT or SIGTERM; the next ends the process. */
function signal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      for (const name of SIGNALS) process.off(name, stop);
      resolve();
    };
    for (const name of SIGNALS) process.on(name, stop);
  });
}

/** Windows has no SIGTERM. */
const SIGNALS: readonly ("SIGINT" | "SIGTERM")[] = process.platform === "win32"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];
