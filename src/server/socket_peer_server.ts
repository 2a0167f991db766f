/**
 * SocketPeerServer: pairs peers by code, carries their signaling, and relays
 * their packets while they have no data channel.
 *
 * @module
 */

import { after, systemRuntime } from "../runtime.ts";
import {
  type ListeningServer,
  requestPath,
  serve,
  upgrade,
} from "./adapters/deno.ts";
import { Addresses } from "./addresses.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import {
  type ResolvedServerOptions,
  resolveServerOptions,
  type SocketPeerServerOptions,
} from "./options.ts";
import { PairRegistry } from "./pair_registry.ts";
import type { ServerSocket } from "./server_socket.ts";

/** RFC 6455: the server goes away; peers dial again. */
const GOING_AWAY = 1001;
/** How long clients have to answer that, in milliseconds. */
const GOODBYE_MS = 1000;

/**
 * Brings the two peers of each pair code together.
 *
 * All its state is in its sockets and in memory: peers that were connected
 * when it stops go on where they were when it, or another, is there again.
 *
 * @example Listen
 * ```ts ignore
 * import { SocketPeerServer } from "@socketpeer/socketpeer/server";
 *
 * const peerServer = new SocketPeerServer({ port: 3000 });
 * ```
 *
 * @example Mount it beside other routes
 * ```ts
 * import { SocketPeerServer } from "@socketpeer/socketpeer/server";
 *
 * const peerServer = new SocketPeerServer({ listen: false });
 * const server = Deno.serve({ port: 0 }, (request) => {
 *   const { pathname } = new URL(request.url);
 *   if (pathname === "/socketpeer/") return peerServer.handler(request);
 *   return new Response("Hello");
 * });
 *
 * await peerServer.close();
 * await server.shutdown();
 * ```
 */
export class SocketPeerServer {
  /** The server that listens; `null` with `listen: false`. */
  readonly server: ListeningServer | null;
  /** Deno's WebSockets need no server object of their own. */
  readonly socket: null = null;

  readonly #options: ResolvedServerOptions;
  readonly #registry: PairRegistry;
  readonly #connections = new Set<Connection>();
  /** What all connections share. */
  #shared: ConnectionOptions | undefined;
  #closed = false;
  #openSockets = 0;
  #allClosed: (() => void) | null = null;

  /**
   * Creates a server, which listens unless `listen` is `false`.
   *
   * @throws {TypeError | RangeError} If an option is not what it must be.
   * @throws {Deno.errors.AddrInUse} If the port is taken.
   */
  constructor(options: SocketPeerServerOptions = {}) {
    this.#options = resolveServerOptions(options);
    const { listen, host, port, peerTimeout } = this.#options;
    this.#registry = new PairRegistry({ peerTimeoutMs: peerTimeout, after });
    this.server = listen ? serve(host, port, this.handler) : null;
  }

  /**
   * Answers a request: an upgrade of a WebSocket on `path`, or an error that
   * says what is wrong with it. It is bound, so it can be passed on as it is.
   */
  readonly handler = (request: Request): Response => {
    const { path, allowedOrigins } = this.#options;
    const requested = requestPath(request);
    if (requested === undefined) {
      return refuse(400, "The address of the request cannot be read");
    }
    if (requested !== path) {
      return refuse(404, `Nothing is here: peers connect to ${path}`);
    }
    const { headers } = request;
    if (headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return refuse(426, "This address takes WebSockets only", {
        upgrade: "websocket",
      });
    }
    const origin = headers.get("origin");
    if (origin !== null && allowedOrigins?.has(origin) === false) {
      return refuse(403, `Pages of ${origin} may not connect here`);
    }
    if (this.#closed) return refuse(503, "This server is closing");
    try {
      return upgrade(request, (socket) => this.#connect(socket));
    } catch (error) {
      return refuse(400, `Not a request for a WebSocket: ${error}`);
    }
  };

  /**
   * Ends the conversation behind a pair code, over WebSocket and WebRTC: both
   * peers get `close` with the reason `server`, and do not come back by
   * themselves.
   *
   * @returns Whether there was a conversation, or a peer waiting for one.
   */
  leave(pairCode: string): boolean {
    return this.#registry.end(pairCode);
  }

  /**
   * Closes all connections and stops listening. Conversations on data
   * channels go on; those over the relay go on when a server is back.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#registry.clear();
    for (const connection of this.#connections) {
      connection.dismiss(GOING_AWAY, "the server is closing");
    }
    // To stop at once would cut them off before they are told.
    if (this.#openSockets > 0) {
      await new Promise<void>((resolve) => {
        const cancel = after(GOODBYE_MS, resolve);
        this.#allClosed = () => {
          cancel();
          resolve();
        };
      });
    }
    await this.server?.shutdown();
  }

  #connect(socket: ServerSocket): Connection {
    this.#openSockets++;
    const { now } = systemRuntime();
    const connection = new Connection(
      socket,
      undefined,
      this.#shared ??= {
        registry: this.#registry,
        addresses: new Addresses(this.#options, now),
        settings: this.#options,
        iceServers: { renewMs: 0, get: () => Promise.resolve([]) },
        traffic: { relayedPackets: 0, relayedBytes: 0 },
        now,
        after,
        ended: (connection) => this.#connections.delete(connection),
        closed: () => {
          if (--this.#openSockets === 0) this.#allClosed?.();
        },
      },
    );
    this.#connections.add(connection);
    // It was accepted just before.
    if (this.#closed) connection.dismiss(GOING_AWAY, "the server is closing");
    return connection;
  }
}

function refuse(
  status: number,
  message: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${message}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  });
}
