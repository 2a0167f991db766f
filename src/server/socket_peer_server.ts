/**
 * The server: joins an adapter, which accepts sockets, to the registry, which
 * pairs them.
 *
 * @module
 */

import { type Runtime, systemRuntime } from "../runtime.ts";
import {
  answer,
  type ConnectionInfo,
  type ListeningServer,
} from "./adapters/deno.ts";
import { hmacSha256, soon } from "./adapters/node.ts";
import {
  createHost,
  type Host,
  type ListeningAddress,
  recognizeServer,
} from "./adapters/host.ts";
import type { HttpServer, WsServer } from "./adapters/ws.ts";
import {
  type AdmissionRequest,
  admit,
  answersHeartbeats,
  type Gate,
  type Refusal,
  type Welcome,
} from "./admission.ts";
import { authorized } from "./authorization.ts";
import type { Connection } from "./connection.ts";
import { Exchange, type ExchangeOptions } from "./exchange.ts";
import { IceServers } from "./ice_servers.ts";
import { secretNames } from "./nodes/names.ts";
import { OpenSockets } from "./open_sockets.ts";
import {
  type ResolvedServerOptions,
  resolveServerOptions,
  type SocketPeerServerOptions,
} from "./options.ts";
import { sendAway } from "./retry_delay.ts";
import type { ServerStats } from "./server_event.ts";
import type { ServerSocket } from "./server_socket.ts";
import { chooseSubprotocol } from "./subprotocol.ts";
import { Timers } from "./timers.ts";
import { ToldRefusals } from "./told_refusals.ts";

/** Options of {@linkcode SocketPeerServer.close}. */
export interface CloseOptions {
  /**
   * How long clients have to close their sockets after they were told, in
   * milliseconds, before they are cut off.
   *
   * @default {1000}
   */
  drainTimeout?: number;
}

/**
 * Brings the two peers of each pair code together.
 *
 * All its state is in its sockets and in memory: peers that were connected
 * when it stops go on where they were when it, or another, is there again.
 *
 * It runs on Deno, Node and Bun.
 *
 * @example Listen
 * ```ts
 * import { SocketPeerServer } from "@socketpeer/socketpeer/server";
 *
 * const peerServer = new SocketPeerServer({ port: 0 });
 * const { port } = await peerServer.ready;
 * console.log(`Peers connect to http://localhost:${port}`);
 *
 * await peerServer.close();
 * ```
 *
 * @example Mount it beside other routes of Deno.serve
 * ```ts
 * import { SocketPeerServer } from "@socketpeer/socketpeer/server";
 *
 * const peerServer = new SocketPeerServer({ listen: false });
 * const server = Deno.serve({ port: 0 }, (request, info) => {
 *   const { pathname } = new URL(request.url);
 *   if (pathname === "/socketpeer/") return peerServer.handler(request, info);
 *   return new Response("Hello");
 * });
 *
 * await peerServer.close();
 * await server.shutdown();
 * ```
 *
 * @example Attach it to a server of node:http, such as Express's
 * ```ts
 * import { SocketPeerServer } from "@socketpeer/socketpeer/server";
 * import { createServer } from "node:http";
 *
 * const server = createServer((_request, response) => response.end("Hello"));
 * const peerServer = new SocketPeerServer(server);
 * server.listen(0);
 * const { port } = await peerServer.ready;
 * console.log(`Peers connect to http://localhost:${port}`);
 *
 * await peerServer.close();
 * server.close();
 * ```
 */
export class SocketPeerServer {
  /**
   * Resolves with where it listens, once it does. It rejects if it can't
   * listen, if it is closed first, if it has no server that could, as with
   * `listen: false`, and if its broker refuses it; one that is out of reach is
   * not waited for.
   */
  readonly ready: Promise<ListeningAddress>;
  /**
   * Resolves when the broker was tried to reach: what it says then is in
   * `stats`, and in events. It rejects if the broker refuses this server for
   * good, as it does for a wrong password. Without a broker it resolves.
   */
  readonly joined: Promise<void>;

  readonly #options: ResolvedServerOptions;
  readonly #exchange: Exchange;
  readonly #connections = new Set<Connection>();
  readonly #sockets: OpenSockets;
  readonly #told: ToldRefusals;
  readonly #gate: Gate;
  readonly #after: Runtime["after"];
  readonly #random: () => number;
  readonly #host: Host;
  #closing: Promise<void> | null = null;
  #closed = false;

  /**
   * Creates a server that listens by itself unless `listen` is `false`: with
   * `Deno.serve` on Deno, `Bun.serve` on Bun, `node:http` and `ws` on Node.
   *
   * @throws {TypeError | RangeError} If an option is not what it must be.
   * @throws {Deno.errors.AddrInUse} If the port is taken, on Deno; elsewhere
   * `ready` rejects.
   * @throws {Error} If it is to listen on Node before 20.16, or in a browser.
   */
  constructor(options?: SocketPeerServerOptions);
  /**
   * Creates a server on one of yours, which listens when you let it: of
   * `node:http` or `node:https`, to which it attaches a server of `ws` on
   * `path`, which no other listener sees then, and leaves all other requests
   * alone, but for upgrades that nobody answers within a second: those get 404.
   * Or of `ws`, whose connections it takes.
   *
   * The options `listen`, `host` and `port` mean nothing here; nor does `path`
   * with a server of `ws`, which has its own. Such a server has upgraded a
   * connection before it is judged here, so who is refused always gets a close
   * code.
   *
   * @throws {TypeError | RangeError} If the first argument is no such server,
   * another `SocketPeerServer` that is not closing has the same path of it, or
   * an option is not what it must be.
   */
  constructor(
    server: HttpServer | WsServer,
    options?: SocketPeerServerOptions,
  );
  constructor(
    first: HttpServer | WsServer | SocketPeerServerOptions = {},
    second: SocketPeerServerOptions = {},
  ) {
    const given = recognizeServer(first);
    this.#options = resolveServerOptions(
      given ? second : first as SocketPeerServerOptions,
    );
    const platform = systemRuntime();
    const { now, random } = platform;
    const { after } = new Timers(platform);
    this.#after = after;
    this.#random = random;
    this.#exchange = new Exchange({
      settings: this.#options,
      iceServers: new IceServers(this.#options),
      sharing: this.#sharing(),
      now,
      after,
      random,
      ended: (connection) => this.#connections.delete(connection),
      closed: (...end) => this.#sockets.closed(...end),
    });
    this.#told = new ToldRefusals(now);
    this.#sockets = new OpenSockets({
      addresses: this.#exchange.addresses,
      observe: this.#options.observer,
      now,
      after,
    });
    this.#gate = this.#createGate();
    const { handler } = this;
    const gate = this.#gate;
    this.#host = createHost(given, { ...this.#options, handler, gate });
    this.joined = this.#exchange.shared?.open() ?? Promise.resolve();
    this.ready = this.#host.ready.then(async (address) => {
      await this.joined;
      return address;
    });
    // Whoever does not look at them has nothing to be told.
    this.joined.catch(() => {});
    this.ready.catch(() => {});
  }

  /**
   * The server beneath: the one that was given, or that listens; of
   * `Deno.serve` or `node:http`, or what stands for that of `Bun.serve`. `null`
   * where there is none.
   */
  get server(): ListeningServer | HttpServer | null {
    return this.#host.server;
  }

  /**
   * The server of `ws` beneath, given or made, from the start: listen to its
   * `connection` event for every socket that is let in. `null` with
   * `Deno.serve` and `Bun.serve`, whose WebSockets need no server object; and in a
   * bundle that has `ws` inside it, with none beside it in `node_modules`, until
   * {@linkcode SocketPeerServer.ready}.
   */
  get socket(): WsServer | null {
    return this.#host.socket;
  }

  /** Counts of what the server has now and has done until now. */
  get stats(): ServerStats {
    const { addresses, registry, shared, traffic } = this.#exchange;
    const { connections } = addresses;
    const { waiting, pairs } = registry;
    const sharing = shared?.stats;
    return { connections, waiting, pairs, ...traffic, sharing };
  }

  /**
   * Answers a request of `Deno.serve`: an upgrade of a WebSocket on `path`, or
   * an error that says what is wrong with it. It is bound, so it can be passed
   * on as it is. Without `info`, which `Deno.serve` gives it, a connection has
   * no address that limits could go by. With the option `authorize` it returns
   * a promise.
   *
   * @throws {TypeError} On Node and Bun: give the constructor a server there.
   */
  readonly handler = (
    request: Request,
    info?: ConnectionInfo,
  ): Response | Promise<Response> => answer(request, info, this.#gate);

  /**
   * Ends the conversation behind a pair code, over WebSocket and WebRTC: both
   * peers get `close` with the reason `server`, and do not come back by
   * themselves. With a broker it does not matter at which node they are.
   *
   * @returns Whether there was a conversation, or a peer waiting for one.
   * @throws {Error} If the node that knows does not answer within 10 seconds.
   */
  leave(pairCode: string): Promise<boolean> {
    const { shared, registry } = this.#exchange;
    return shared?.end(pairCode) ?? Promise.resolve(registry.end(pairCode));
  }

  /**
   * Closes all connections, and stops listening where it listens by itself; a
   * server that it was given goes on without it. Who asks for a connection
   * meanwhile gets 503. Every peer is told to dial again, after a wait that is
   * not the same for all. Conversations on data channels go on; those over the
   * relay go on when a server is back. Of other nodes, if there are any, those
   * take over at once. To call it again changes nothing.
   *
   * @throws {RangeError} If `drainTimeout` is no number of milliseconds.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const { drainTimeout = 1000 } = options;
    if (!(drainTimeout >= 0 && drainTimeout <= 0x7fffffff)) {
      throw new RangeError(
        `Cannot use ${drainTimeout} as "drainTimeout": it must be a number ` +
          `of milliseconds from 0 to ${0x7fffffff}`,
      );
    }
    await (this.#closing ??= this.#close(drainTimeout));
  }

  async #close(drainTimeout: number): Promise<void> {
    this.#closed = true;
    // Nobody is to be told first that the other is lost.
    this.#exchange.drain();
    const connections = [...this.#connections];
    const { length } = connections;
    this.#options.observer({ type: "drain", connections: length });
    this.#sendAway(connections);
    await this.#exchange.shared?.close();
    // To stop at once would cut them off before they are told.
    await this.#sockets.emptied(drainTimeout);
    this.#sockets.terminate();
    await this.#host.close();
  }

  /** What joins it to other nodes, where it has a broker. */
  #sharing(): ExchangeOptions["sharing"] {
    const { broker, brokerSecret } = this.#options;
    if (!broker) return undefined;
    const names = secretNames(hmacSha256(brokerSecret!));
    return { broker, names, soon };
  }

  /** What adapters get of this. */
  #createGate(): Gate {
    const { path, allowedOrigins, trustProxy, authorize, protocols } =
      this.#options;
    const { addresses } = this.#exchange;
    return {
      path,
      closing: () => this.#closed,
      protocol: (offered) => chooseSubprotocol(offered, protocols),
      admit: (request) => {
        const admission = admit(request, {
          path,
          allowedOrigins,
          trustProxy,
          closing: this.#closed,
          addresses,
          random: this.#random,
        });
        return admission.accepted
          ? admission
          : this.#refuse(request, admission);
      },
      authorize: authorize && (async (request, welcome) => {
        const { observer: observe, pairTimeout: timeoutMs } = this.#options;
        const after = this.#after;
        const options = { authorize, timeoutMs, observe, after };
        const decision = await authorized(request, welcome, options);
        if (decision.accepted) return decision;
        addresses.release(welcome.address);
        return this.#refuse(request, decision);
      }),
      release: ({ dismissal, address }) => {
        if (dismissal) this.#told.release();
        else addresses.release(address);
      },
      open: (socket, welcome) =>
        welcome.dismissal
          ? this.#told.tell(socket, welcome.dismissal)
          : this.#accept(socket, welcome),
    };
  }

  /** Lets one in to be told why it is refused, where that is of use to it. */
  #refuse(request: AdmissionRequest, refused: Refusal): Welcome | Refusal {
    const { observer, refuseBeforeUpgrade } = this.#options;
    const { reason, address, dismissal } = refused;
    if (!reason) return refused;
    observer({ type: "refuse", address, reason });
    // Version 1 dials again whatever it is told; and so, it may be, does what
    // does not say that it is version 2.
    const told = dismissal && !refuseBeforeUpgrade && !request.upgraded &&
      answersHeartbeats(request.url) && this.#told.take();
    return told ? { accepted: true, address, dismissal } : refused;
  }

  #accept(socket: ServerSocket, welcome: Welcome): Connection {
    const { address, origin, auth } = welcome;
    const visitor = { auth, address, origin };
    const connection = this.#exchange.connect(socket, address, visitor);
    this.#sockets.opened(connection, socket);
    this.#connections.add(connection);
    // It was admitted just before.
    if (this.#closed) this.#sendAway([connection]);
    return connection;
  }

  #sendAway(connections: readonly Connection[]): void {
    sendAway(connections, "the server restarts", this.#random);
  }
}
