/**
 * Bun's own server: listening, and WebSockets of its requests.
 *
 * @module
 */

import { answersHeartbeats, type Gate, type Welcome } from "../admission.ts";
import type {
  Bytes,
  ServerSocket,
  ServerSocketHandlers,
} from "../server_socket.ts";
import type { ListeningServer } from "./deno.ts";
import { answerFetch, PROTOCOL_HEADER } from "./fetch.ts";

/** A server of Bun's: what is used of it. */
interface BunServer {
  readonly hostname: string;
  readonly port: number;
  requestIP(request: Request): { readonly address: string } | null;
  upgrade(
    request: Request,
    options: { data: BunSocket; headers?: Record<string, string> },
  ): boolean;
  stop(closeActiveConnections: boolean): Promise<void>;
}

/** An accepted WebSocket of Bun's: what is used of it. */
interface BunWebSocket {
  readonly data: BunSocket;
  readonly readyState: number;
  getBufferedAmount(): number;
  send(data: string | Bytes): number;
  close(code: number, reason: string): void;
  terminate(): void;
}

interface BunOptions {
  hostname: string;
  port: number;
  fetch(
    request: Request,
    server: BunServer,
  ): Response | undefined | Promise<Response | undefined>;
  websocket: object;
}

/** How long a client without heartbeats may be silent, in seconds. */
const IDLE_TIMEOUT = 120;

/** Far more than ever waits: Bun drops in silence what is beyond it. */
const BACKPRESSURE_LIMIT = 2 ** 30;

/** Whether this is Bun, with a server of its own. */
export function isBun(): boolean {
  return typeof bun()?.serve === "function";
}

function bun(): { serve(options: BunOptions): BunServer } | undefined {
  return (globalThis as unknown as { Bun?: ReturnType<typeof bun> }).Bun;
}

/**
 * Listens with `Bun.serve`.
 *
 * @param maxPayload The largest message that is read, in bytes.
 * @throws {Error} If the port is taken.
 */
export function serveBun(
  hostname: string,
  port: number,
  maxPayload: number,
  gate: Gate,
): ListeningServer {
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  const server = bun()!.serve({
    hostname,
    port,
    fetch: (request, server) =>
      answerFetch(
        request,
        server.requestIP(request)?.address,
        gate,
        (request, welcome) => upgrade(server, request, welcome, gate),
      ),
    websocket: {
      maxPayloadLength: maxPayload,
      backpressureLimit: BACKPRESSURE_LIMIT,
      // Only those who are silent are pinged: the server's own heartbeats keep
      // this from happening to all others.
      idleTimeout: IDLE_TIMEOUT,
      perMessageDeflate: false,
      open: (socket: BunWebSocket) => socket.data.opened(socket),
      message: (socket: BunWebSocket, data: string | Bytes) =>
        socket.data.received(data),
      close: (socket: BunWebSocket, code: number, reason: string) =>
        socket.data.closed(code, reason),
    },
  });
  return {
    addr: { hostname: server.hostname, port: server.port },
    finished,
    async shutdown() {
      await server.stop(true);
      resolve();
    },
  };
}

/** Upgrades a request; undefined where that succeeds, as Bun wants it. */
function upgrade(
  server: BunServer,
  request: Request,
  welcome: Welcome,
  gate: Gate,
): undefined {
  const protocol = gate.protocol(request.headers.get(PROTOCOL_HEADER));
  // Bun takes the first that is offered where it is told of none.
  request.headers.delete(PROTOCOL_HEADER);
  const upgraded = server.upgrade(request, {
    data: new BunSocket(answersHeartbeats(request.url), welcome, gate),
    headers: protocol === undefined ? {} : { [PROTOCOL_HEADER]: protocol },
  });
  if (!upgraded) throw new Error("its headers are not those of one");
}

/** An accepted WebSocket of Bun's. */
class BunSocket implements ServerSocket {
  readonly answersHeartbeats: boolean;
  readonly #welcome: Welcome;
  readonly #gate: Gate;
  #socket: BunWebSocket | null = null;
  #handlers: ServerSocketHandlers | null = null;
  #closing = false;

  /** Takes a socket that Bun has not opened yet. */
  constructor(answersHeartbeats: boolean, welcome: Welcome, gate: Gate) {
    this.answersHeartbeats = answersHeartbeats;
    this.#welcome = welcome;
    this.#gate = gate;
  }

  get bufferedAmount(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  send(data: string | Bytes): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(data);
  }

  close(code: number, reason: string): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#closing = true;
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket?.terminate();
  }

  /** Bun has opened the socket. */
  opened(socket: BunWebSocket): void {
    this.#socket = socket;
    this.#handlers = this.#gate.open(this, this.#welcome);
  }

  /** A message has come. */
  received(data: string | Bytes): void {
    if (typeof data === "string") this.#handlers?.onText(data);
    else this.#handlers?.onBinary(data);
  }

  /** The socket is closed, which Bun says before `close()` returns. */
  closed(code: number, reason: string): void {
    this.#socket = null;
    const report = () => this.#handlers?.onClose(code, reason);
    if (this.#closing) queueMicrotask(report);
    else report();
  }
}
