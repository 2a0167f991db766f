/**
 * Deno's own server: listening, and WebSockets of its requests.
 *
 * @module
 */

import { answersHeartbeats, type Gate, type Welcome } from "../admission.ts";
import type {
  Bytes,
  ServerSocket,
  ServerSocketHandlers,
} from "../server_socket.ts";
import { answerFetch, PROTOCOL_HEADER } from "./fetch.ts";

/** A server that listens: the part of `Deno.HttpServer` that is used here. */
export interface ListeningServer {
  /** The address that the server listens on. */
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
 * Listens with `Deno.serve`, which compresses texts for who can read that.
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
  return Deno.serve(
    { hostname, port, automaticCompression: true, onListen() {} },
    handler,
  );
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
): Response | Promise<Response> {
  if (!isDeno()) {
    throw new TypeError(
      `Cannot answer a Request without Deno: give the constructor of ` +
        `SocketPeerServer a node:http server or a ws server`,
    );
  }
  const { hostname } = (info?.remoteAddr ?? {}) as { hostname?: string };
  return answerFetch(request, hostname, gate, upgrade);
}

function upgrade(
  request: Request,
  welcome: Welcome,
  gate: Gate,
): Response {
  // Deno sets a timer anew for each message of one that it pings, and each of
  // their sockets holds one: a tenth of what a packet costs, and 4 KiB.
  const answers = answersHeartbeats(request.url);
  const protocol = gate.protocol(request.headers.get(PROTOCOL_HEADER));
  const offer = protocol === undefined ? request : offering(request, protocol);
  const { socket, response } = Deno.upgradeWebSocket(offer, {
    protocol,
    idleTimeout: answers ? 0 : IDLE_TIMEOUT,
  });
  socket.binaryType = "arraybuffer";
  new DenoSocket(socket, answers, welcome, gate);
  return response;
}

/**
 * The request, as if its client offered one subprotocol alone: in a list, Deno
 * finds those that a comma and a space part, and `ws` writes no space.
 */
function offering(request: Request, protocol: string): Request {
  const headers = new Headers(request.headers);
  headers.set(PROTOCOL_HEADER, protocol);
  return Object.create(request, { headers: { value: headers } });
}

/** An accepted WebSocket of Deno, and the one listener of its events. */
class DenoSocket implements ServerSocket {
  readonly answersHeartbeats: boolean;
  readonly #socket: WebSocket;
  readonly #welcome: Welcome;
  readonly #gate: Gate;
  #handlers: ServerSocketHandlers | null = null;
  #closed = false;

  /** Takes a socket that may not be open yet. */
  constructor(
    socket: WebSocket,
    answersHeartbeats: boolean,
    welcome: Welcome,
    gate: Gate,
  ) {
    this.#socket = socket;
    this.answersHeartbeats = answersHeartbeats;
    this.#welcome = welcome;
    this.#gate = gate;
    for (const type of ["open", "message", "close", "error"]) {
      // A function for each would take more memory than all else of it.
      socket.addEventListener(type, this);
    }
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  send(data: string | Bytes): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(data);
  }

  close(code: number, reason: string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.close(code, reason);
  }

  /** Takes an event, as listeners do that are no functions. */
  handleEvent(event: Event): void {
    switch (event.type) {
      case "open":
        this.#handlers = this.#gate.open(this, this.#welcome);
        break;
      case "message": {
        const { data } = event as MessageEvent;
        if (typeof data === "string") this.#handlers?.onText(data);
        else this.#handlers?.onBinary(data);
        break;
      }
      case "close": {
        const { code, reason } = event as CloseEvent;
        // It may come twice, or for one that the client let go before it
        // opened.
        if (this.#handlers) this.#handlers.onClose(code, reason);
        else if (!this.#closed) this.#gate.release(this.#welcome);
        this.#closed = true;
        break;
      }
      case "error":
        // `close` always follows.
        event.preventDefault();
        break;
    }
  }
}
