/**
 * Deno's own server: listening, and WebSockets of its requests.
 *
 * @module
 */

import { type Gate, type Refusal, refusal } from "../admission.ts";
import type { ServerSocketHandlers } from "../server_socket.ts";

/** A server that listens: the part of `Deno.HttpServer` that is used here. */
export interface ListeningServer {
  /** Where it listens. */
  readonly addr: { readonly hostname: string; readonly port: number };
  /** Resolves when it has stopped. */
  readonly finished: Promise<void>;
  /** Stops, after what is under way. */
  shutdown(): Promise<void>;
}

/** What `Deno.serve` tells a handler beside the request. */
export interface ConnectionInfo {
  /** Where the request comes from: a `Deno.NetAddr`, if it is over TCP. */
  readonly remoteAddr: object;
}

/**
 * A client that answers no heartbeat may be one of the first socketpeer; a
 * WebSocket answers these pings by itself. In seconds, as Deno counts.
 */
const IDLE_TIMEOUT = 120;

/** Whether this is Deno. */
export function isDeno(): boolean {
  return "Deno" in globalThis;
}

/**
 * Listens with `Deno.serve`.
 *
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 */
export function serve(
  hostname: string,
  port: number,
  handler: (
    request: Request,
    info: ConnectionInfo,
  ) => Response | Promise<Response>,
): ListeningServer {
  return Deno.serve({ hostname, port, onListen() {} }, handler);
}

/** The path that a request asks for, if its address can be read. */
export function requestPath(request: Request): string | undefined {
  try {
    return new URL(request.url).pathname;
  } catch {
    // Deno makes the address of a header that a client may fill with anything.
    return undefined;
  }
}

/**
 * Answers a request: an upgrade of a WebSocket, or what is wrong with it.
 *
 * @throws {TypeError} Where there is no Deno.
 */
export function answer(
  request: Request,
  info: ConnectionInfo | undefined,
  gate: Gate,
): Response {
  if (!isDeno()) {
    throw new TypeError(
      `Cannot answer a Request without Deno: give the constructor of ` +
        `SocketPeerServer a node:http server or a ws server`,
    );
  }
  const { method, headers } = request;
  const { hostname } = (info?.remoteAddr ?? {}) as { hostname?: string };
  // All is read before the upgrade: afterwards Deno has closed the request.
  const admission = gate.admit({
    method,
    path: requestPath(request),
    remoteAddress: hostname,
    header: (name) => headers.get(name),
  });
  if (!admission.accepted) return respond(admission);
  try {
    return upgrade(request, admission.address, gate);
  } catch (error) {
    gate.release(admission.address);
    return respond(refusal(400, `Not a request for a WebSocket: ${error}`));
  }
}

function respond({ status, message, headers }: Refusal): Response {
  return new Response(message, { status, headers: { ...headers } });
}

function upgrade(
  request: Request,
  address: string | undefined,
  gate: Gate,
): Response {
  const { socket, response } = Deno.upgradeWebSocket(request, {
    idleTimeout: IDLE_TIMEOUT,
  });
  socket.binaryType = "arraybuffer";
  let handlers: ServerSocketHandlers | undefined;
  socket.onopen = () => {
    handlers = gate.open({
      get bufferedAmount() {
        return socket.bufferedAmount;
      },
      send(data) {
        if (socket.readyState === WebSocket.OPEN) socket.send(data);
      },
      close(code, reason) {
        if (socket.readyState === WebSocket.OPEN) socket.close(code, reason);
      },
    }, address);
  };
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") handlers?.text(data);
    else handlers?.binary(data);
  };
  let closed = false;
  socket.onclose = ({ code, reason }) => {
    // It may come twice, or for one that the client let go before it opened.
    if (handlers) handlers.close(code, reason);
    else if (!closed) gate.release(address);
    closed = true;
  };
  // `close` always follows.
  socket.onerror = (event) => event.preventDefault();
  return response;
}
