/**
 * Servers of `node:http` and of the package `ws`, on Node, Bun and Deno. Both
 * are described by what is used of them here, and made in `node.ts`.
 *
 * @module
 */

import { closeReason, SERVICE_RESTART } from "../../protocol/close_code.ts";
import { WINDOW_BYTES } from "../../protocol/limits.ts";
import { after } from "../../runtime.ts";
import {
  type AdmissionRequest,
  answersHeartbeats,
  type Gate,
  type Refusal,
  refusal,
} from "../admission.ts";
import type { Bytes, ServerSocket } from "../server_socket.ts";
import { pathOf, takeUpgrades } from "./upgrades.ts";

/** The part of Node's EventEmitter that is used here. */
export interface EventSource {
  /** Adds a listener. */
  // deno-lint-ignore no-explicit-any -- as EventEmitter has it
  on(event: string, listener: (...args: any[]) => void): unknown;
  /** Removes a listener. */
  // deno-lint-ignore no-explicit-any -- as EventEmitter has it
  off(event: string, listener: (...args: any[]) => void): unknown;
}

/** A server of `node:http` or `node:https`: the part that is used here. */
export interface HttpServer extends EventSource {
  /** Whether it listens. */
  readonly listening: boolean;
  /** Where it listens: `{ address, port }` for TCP. */
  address(): unknown;
  /** How many listeners an event has. */
  listenerCount(event: string): number;
  /** Calls the listeners of an event. */
  // deno-lint-ignore no-explicit-any -- as EventEmitter has it
  emit(event: string, ...args: any[]): boolean;
}

/** A server of the package `ws`: the part that is used here. */
export interface WsServer extends EventSource {
  /** Turns a request into a WebSocket. */
  handleUpgrade(
    // deno-lint-ignore no-explicit-any -- node:http's IncomingMessage
    request: any,
    // deno-lint-ignore no-explicit-any -- node:stream's Duplex
    socket: any,
    // deno-lint-ignore no-explicit-any -- node:buffer's Buffer
    head: any,
    // deno-lint-ignore no-explicit-any -- ws's WebSocket
    callback: (client: any) => void,
  ): void;
  /** Calls the listeners of an event. */
  emit(event: string, ...args: unknown[]): boolean;
  /** Takes no more. */
  close(): void;
}

/** An accepted WebSocket of `ws`. */
export interface WsClient extends EventSource {
  readonly bufferedAmount: number;
  readonly readyState: number;
  binaryType: string;
  send(data: string | ArrayBuffer | Uint8Array, options?: object): void;
  ping(): void;
  close(code: number, reason: string): void;
  terminate(): void;
}

/** A request, as `node:http` has it. */
export interface IncomingRequest {
  readonly method?: string;
  readonly url?: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly socket: { readonly remoteAddress?: string };
}

/** What a request came in on. */
export interface RequestSocket extends EventSource {
  readonly writable: boolean;
  readonly bytesWritten: number;
  listenerCount(event: string): number;
  end(data: string): unknown;
  destroy(): unknown;
}

/** An answer, as `node:http` has it. */
interface OutgoingResponse {
  writeHead(status: number, headers: Readonly<Record<string, string>>): unknown;
  end(body: string): unknown;
}

const OPEN = 1;
const AS_BINARY = { binary: true };
/** How long a client has to answer a close, before it is cut off. */
const CLOSE_TIMEOUT_MS = 5000;
/**
 * How often a client is asked whether it is there: it is cut off after two
 * without a word. One of the first socketpeer answers no other heartbeat, but
 * a WebSocket answers these by itself.
 */
export const PING_INTERVAL_MS = 60_000;

/** Close codes for who is refused after the upgrade, by the status before it. */
const REFUSED_CODE: Readonly<Record<number, number>> = {
  // A violation of a policy, which stays one.
  403: 1008,
};
/** RFC 6455's registry: try again later. */
const TRY_AGAIN_LATER = 1013;

/**
 * Lets peers in to a server of `node:http`, and leaves alone what is not for
 * them, unless nobody else is there to answer it.
 *
 * @returns Ends that.
 * @throws {TypeError} If another server takes the upgrades of its path.
 */
export function attach(
  server: HttpServer,
  wsServer: WsServer | Promise<WsServer>,
  gate: Gate,
): () => void {
  const take = async (
    request: IncomingRequest,
    socket: RequestSocket,
    head: unknown,
  ) => {
    // What breaks is closed; without a listener it would end the process.
    socket.on("error", ignore);
    const admission = gate.admit(describe(request, pathOf(request.url)));
    if (!admission.accepted) {
      refuse(socket, admission);
      return;
    }
    const { address } = admission;
    const left = () => gate.release(address);
    socket.on("close", left);
    try {
      const server = await wsServer;
      server.handleUpgrade(request, socket, head, (client: WsClient) => {
        // It would keep the request for as long as the connection lasts.
        socket.off("close", left);
        open(client, request.url, address, gate);
        server.emit("connection", client, request);
      });
    } catch {
      // There is no such package, which the server's `ready` has said.
      socket.destroy();
    }
  };

  const answer = (request: IncomingRequest, response: OutgoingResponse) => {
    if (server.listenerCount("request") > 1) return;
    let admission = gate.admit(describe(request, pathOf(request.url)));
    if (admission.accepted) {
      gate.release(admission.address);
      admission = refusal(400, "The request for a WebSocket is incomplete");
    }
    const { status, message, headers } = admission;
    response.writeHead(status, headers);
    response.end(message);
  };

  const detach = takeUpgrades(server, gate.path, {
    closing: gate.closing,
    take,
    refuse(request, socket) {
      const admission = gate.admit(describe(request, pathOf(request.url)));
      if (!admission.accepted) refuse(socket, admission);
    },
  });
  server.on("request", answer);
  return () => {
    detach();
    server.off("request", answer);
  };
}

/**
 * Takes the connections of a server of `ws`, which has chosen by path already.
 *
 * @returns Ends that.
 */
export function take(wsServer: WsServer, gate: Gate): () => void {
  const connection = (client: WsClient, request: IncomingRequest) => {
    const admission = gate.admit(describe(request, gate.path));
    if (admission.accepted) {
      open(client, request.url, admission.address, gate);
      return;
    }
    const { status, reason, message } = admission;
    const code = reason === "closing"
      ? SERVICE_RESTART
      : REFUSED_CODE[status] ?? TRY_AGAIN_LATER;
    client.on("error", ignore);
    closeSoon(client, code, closeReason(message.trim()));
  };
  wsServer.on("connection", connection);
  return () => wsServer.off("connection", connection);
}

/** Hands an accepted WebSocket over, which was asked for at `url`. */
export function open(
  client: WsClient,
  url: string | undefined,
  address: string | undefined,
  gate: Gate,
  later: typeof after = after,
): void {
  let failure: { code?: string } | undefined;
  const answers = answersHeartbeats(url ?? "");
  const handlers = gate.open(new WsSocket(client, answers, later), address);
  client.binaryType = "nodebuffer";
  client.on("message", (data: Uint8Array<ArrayBuffer>, isBinary: boolean) => {
    if (isBinary) handlers.binary(data);
    else handlers.text(data.toString());
  });
  // `close` always follows.
  client.on("error", (error) => failure = error);
  client.on("close", (code: number, reason: unknown) => {
    // What it says itself is that the connection broke.
    const tooBig = failure?.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
    handlers.close(tooBig ? 1009 : code, String(reason));
  });
  if (!answers) askForLife(client, later);
}

/** An accepted WebSocket of `ws`. */
class WsSocket implements ServerSocket {
  readonly answersHeartbeats: boolean;
  readonly #client: WsClient;
  readonly #later: typeof after;

  constructor(
    client: WsClient,
    answersHeartbeats: boolean,
    later: typeof after,
  ) {
    this.#client = client;
    this.answersHeartbeats = answersHeartbeats;
    this.#later = later;
  }

  get bufferedAmount(): number {
    return this.#client.bufferedAmount;
  }

  send(data: string | Bytes): void {
    if (this.#client.readyState !== OPEN) return;
    if (typeof data === "string") this.#client.send(data);
    else this.#client.send(data, AS_BINARY);
  }

  close(code: number, reason: string): void {
    if (this.#client.readyState !== OPEN) return;
    closeSoon(this.#client, code, reason, this.#later);
  }

  terminate(): void {
    this.#client.terminate();
  }
}

/** Sends pings, and cuts off who gives no sign of life. */
function askForLife(client: WsClient, later: typeof after): void {
  let alive = true;
  const hears = () => alive = true;
  const beat = () => {
    if (!alive) return client.terminate();
    alive = false;
    if (client.readyState === OPEN) client.ping();
    cancel = later(PING_INTERVAL_MS, beat);
  };
  let cancel = later(PING_INTERVAL_MS, beat);
  for (const event of ["message", "pong", "ping"]) client.on(event, hears);
  client.on("close", () => cancel());
}

/** Closes, and frees what it holds even if the client does not answer. */
function closeSoon(
  client: WsClient,
  code: number,
  reason: string,
  later: typeof after = after,
): void {
  client.close(code, reason);
  // More than a client ever leaves unread: the close frame can't reach it.
  if (client.bufferedAmount > WINDOW_BYTES) {
    client.terminate();
    return;
  }
  const cancel = later(CLOSE_TIMEOUT_MS, () => client.terminate());
  client.on("close", cancel);
}

function ignore(): void {}

function describe(
  { method = "", headers, socket }: IncomingRequest,
  path: string | undefined,
): AdmissionRequest {
  return {
    method,
    path,
    remoteAddress: socket.remoteAddress,
    header: (name) => headers[name]?.toString(),
  };
}

/** Answers a request whose connection was to become a WebSocket. */
function refuse(socket: RequestSocket, { status, message, headers }: Refusal) {
  const lines = Object.entries({
    ...headers,
    connection: "close",
    "content-length": new TextEncoder().encode(message).length,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  // It stays half open otherwise, for as long as the client likes.
  socket.on("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} \r\n${lines.join("")}\r\n${message}`);
}
