/**
 * What a server stands on: Deno's own server, or one of `node:http` or `ws`,
 * given to it or made by it.
 *
 * @module
 */

import type { Gate } from "../admission.ts";
import type { ResolvedServerOptions } from "../options.ts";
import { isBun, serveBun } from "./bun.ts";
import {
  type ConnectionInfo,
  isDeno,
  type ListeningServer,
  serve,
} from "./deno.ts";
import { createWsServer, listen } from "./node.ts";
import { attach, type HttpServer, take, type WsServer } from "./ws.ts";

/** Where a server listens. */
export interface ListeningAddress {
  /** An IP address; the path of a Unix socket, where it is one. */
  readonly hostname: string;
  /** A port; 0 for a Unix socket. */
  readonly port: number;
}

/** What is beneath a server. */
export interface Host {
  /** What listens; `null` where nothing does. */
  readonly server: ListeningServer | HttpServer | null;
  /** The server of `ws`; `null` where there is none, or it is not loaded. */
  readonly socket: WsServer | null;
  /** Resolves once it listens; rejects if it can't, or has nothing to. */
  readonly ready: Promise<ListeningAddress>;
  /** Stops what this has made, and lets go of what it was given. */
  close(): Promise<void>;
}

/** What a {@linkcode Host} needs. */
export interface HostOptions extends
  Pick<
    ResolvedServerOptions,
    "listen" | "host" | "port" | "maxControlLength" | "maxPacketBytes"
  > {
  readonly gate: Gate;
  /** Answers a request of `Deno.serve`. */
  handler(
    request: Request,
    info: ConnectionInfo,
  ): Response | Promise<Response>;
}

/** Starts on a server that is given, or by itself. */
export function createHost(
  given: HttpServer | WsServer | null,
  options: HostOptions,
): Host {
  if (given) {
    return isWsServer(given)
      ? wsHost(given, options)
      : httpHost(given, options);
  }
  if (!options.listen) return mounted();
  if (isDeno()) return denoHost(options);
  return isBun() ? bunHost(options) : nodeHost(options);
}

/**
 * The server that the first argument is, or `null` if it is options.
 *
 * @throws {TypeError} If it is neither.
 */
export function recognizeServer<Options extends object>(
  first: HttpServer | WsServer | Options,
): HttpServer | WsServer | null {
  const server = first as HttpServer & WsServer;
  const has = (name: string) =>
    typeof (first as Record<string, unknown>)?.[name] === "function";
  if (has("on") && has("off")) {
    if (isWsServer(server)) return server;
    if (has("address") && has("listen")) return server;
  }
  const plain = typeof first === "object" && first !== null &&
    !Array.isArray(first) && !has("on") && !has("shutdown");
  if (plain) return null;
  const why = has("shutdown")
    ? `what Deno.serve returns: mount "handler" in it`
    : has("listen")
    ? `an app: give the server that http.createServer() makes of it`
    : `no server: give options, a node:http server or a ws server`;
  throw new TypeError(`Cannot make a SocketPeerServer of this as it is ${why}`);
}

function isWsServer(server: HttpServer | WsServer): server is WsServer {
  return "handleUpgrade" in server;
}

/** On no server of its own: someone else's calls the handler. */
function mounted(ready: Host["ready"] = nothingListens()): Host {
  return {
    server: null,
    socket: null,
    ready,
    close: () => Promise.resolve(),
  };
}

function denoHost({ host, port, handler }: HostOptions): Host {
  const server = serve(host, port, handler);
  return {
    server,
    socket: null,
    ready: Promise.resolve({
      hostname: server.addr.hostname,
      port: server.addr.port,
    }),
    close: () => server.shutdown(),
  };
}

function bunHost(options: HostOptions): Host {
  const { host, port, gate } = options;
  let server: ListeningServer;
  try {
    server = serveBun(host, port, maxPayload(options), gate);
  } catch (error) {
    // As on Node, from where one may come.
    return mounted(Promise.reject(error));
  }
  return {
    server,
    socket: null,
    ready: Promise.resolve(server.addr),
    close: () => server.shutdown(),
  };
}

/** On a server of `node:http` that this makes. */
function nodeHost(options: HostOptions): Host {
  const { server, listening, close } = listen(options.host, options.port);
  const attached = attachWs(server, options);
  const ready = async () => {
    await listening;
    await attached.loaded;
    return addressOf(server);
  };
  return {
    server,
    get socket() {
      return attached.socket;
    },
    ready: ready(),
    close,
  };
}

/** On a server of `node:http` that is given. */
function httpHost(server: HttpServer, options: HostOptions): Host {
  const attached = attachWs(server, options);
  const address = addressOnce(server);
  const ready = async () => {
    await attached.loaded;
    return await address.known;
  };
  return {
    server,
    get socket() {
      return attached.socket;
    },
    ready: ready(),
    close() {
      attached.detach();
      address.forget();
      return Promise.resolve();
    },
  };
}

/** Lets peers in to a server of `node:http` through one of `ws`. */
function attachWs(server: HttpServer, options: HostOptions) {
  const made = createWsServer(maxPayload(options), options.gate);
  const attached = {
    socket: made instanceof Promise ? null : made,
    loaded: Promise.resolve(made),
    // Requests may come before it is there.
    detach: attach(server, made, options.gate),
  };
  attached.loaded.then((socket) => attached.socket = socket, () => {});
  return attached;
}

/** On a server of `ws` that is given. */
function wsHost(socket: WsServer, { gate }: HostOptions): Host {
  const detach = take(socket, gate);
  // It tells only of one that was given to it in turn.
  const { options, _server } = socket as unknown as {
    options?: { server?: HttpServer | null };
    _server?: HttpServer | null;
  };
  const server = options?.server ?? _server ?? null;
  const address = server && addressOnce(server);
  return {
    server,
    socket,
    ready: address?.known ?? nothingListens(),
    close() {
      detach();
      address?.forget();
      return Promise.resolve();
    },
  };
}

/**
 * Largest message that is read. A UTF-16 code unit takes at most 3 bytes of
 * UTF-8; what is too long for a text or a packet alone, the connection says.
 */
function maxPayload({ maxControlLength, maxPacketBytes }: HostOptions): number {
  return Math.max(maxPacketBytes, 3 * maxControlLength);
}

/** Where a server listens, once it does, unless that is forgotten before. */
function addressOnce(
  server: HttpServer,
): { readonly known: Promise<ListeningAddress>; forget(): void } {
  if (server.listening) {
    return { known: Promise.resolve(addressOf(server)), forget() {} };
  }
  let forget = () => {};
  const known = new Promise<ListeningAddress>((resolve, reject) => {
    const settle = (settled: () => void) => {
      server.off("listening", listening);
      server.off("error", failed);
      settled();
    };
    const listening = () => settle(() => resolve(addressOf(server)));
    const failed = (error: unknown) => settle(() => reject(error));
    server.on("listening", listening);
    server.on("error", failed);
    forget = () => failed(closedFirst());
  });
  // Nobody may be waiting for it yet.
  known.catch(() => {});
  return { known, forget };
}

function addressOf(server: HttpServer): ListeningAddress {
  const address = server.address() as
    | { address: string; port: number }
    | string
    | null;
  if (address === null) return { hostname: "", port: 0 };
  return typeof address === "string"
    ? { hostname: address, port: 0 }
    : { hostname: address.address, port: address.port };
}

function closedFirst(): Error {
  return new Error(`Cannot listen as the server was closed first`);
}

function nothingListens(): Promise<never> {
  return Promise.reject(
    new Error(
      `Cannot say where peers connect to, as this server listens nowhere ` +
        `itself: ask the one that it is mounted in`,
    ),
  );
}
