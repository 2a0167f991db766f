/**
 * Servers of `node:http` and of the package `ws`, on Node, Bun and Deno. Both
 * are described by what is used of them here, and made in `node.ts`.
 *
 * @module
 */

import {
  closeReason,
  MALFORMED,
  TRY_AGAIN_LATER,
} from "../../protocol/close_code.ts";
import { WINDOW_BYTES } from "../../protocol/limits.ts";
import { after } from "../../runtime.ts";
import {
  type AdmissionRequest,
  answersHeartbeats,
  type Gate,
  type Refusal,
  refusal,
  type Welcome,
} from "../admission.ts";
import type {
  Bytes,
  ServerSocket,
  ServerSocketHandlers,
} from "../server_socket.ts";
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
  /** Whether the server listens. */
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

/**
 * Most that a client may send before it is authorized: more than the one
 * message with which it asks for a place.
 */
const MAX_KEPT = { messages: 16, bytes: 262_144 };

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
    const asked = describe(request, pathOf(request.url));
    const admission = gate.admit(asked);
    if (!admission.accepted) {
      refuse(socket, admission);
      return;
    }
    if (!gate.authorize || admission.dismissal) {
      await complete(request, socket, head, admission);
      return;
    }
    const stopWatching = watchWaiting(socket);
    const onLeft = (callback: () => void) => socket.on("close", callback);
    const decision = await gate.authorize({ ...asked, onLeft }, admission);
    stopWatching();
    if (decision.accepted) await complete(request, socket, head, decision);
    else refuse(socket, decision);
  };

  const complete = async (
    request: IncomingRequest,
    socket: RequestSocket,
    head: unknown,
    welcome: Welcome,
  ) => {
    const left = () => gate.release(welcome);
    socket.on("close", left);
    try {
      const server = await wsServer;
      server.handleUpgrade(request, socket, head, (client: WsClient) => {
        // It would keep the request for as long as the connection lasts.
        socket.off("close", left);
        open(client, request.url, welcome, gate);
        if (!welcome.dismissal) server.emit("connection", client, request);
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
      gate.release(admission);
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
  const connection = async (client: WsClient, request: IncomingRequest) => {
    const { url } = request;
    const asked = { ...describe(request, gate.path), upgraded: true };
    const admission = gate.admit(asked);
    if (!admission.accepted || !gate.authorize) {
      settle(client, url, admission);
      return;
    }
    const kept = keepMessages(client);
    const onLeft = (callback: () => void) => client.on("close", callback);
    const decision = await gate.authorize({ ...asked, onLeft }, admission);
    kept.stop();
    const handlers = settle(client, url, decision);
    for (const [data, isBinary] of handlers ? kept.messages : []) {
      hand(handlers!, data, isBinary);
    }
  };
  const settle = (
    client: WsClient,
    url: string | undefined,
    admission: Welcome | Refusal,
  ): ServerSocketHandlers | undefined => {
    if (admission.accepted) return open(client, url, admission, gate);
    const { dismissal, message } = admission;
    const { code, reason } = dismissal ??
      { code: TRY_AGAIN_LATER, reason: message.trim() };
    client.on("error", ignore);
    if (client.readyState !== OPEN) return;
    closeSoon(client, code, closeReason(reason));
  };
  wsServer.on("connection", connection);
  return () => wsServer.off("connection", connection);
}

/** Hands an accepted WebSocket over, which was asked for at `url`. */
export function open(
  client: WsClient,
  url: string | undefined,
  welcome: Welcome,
  gate: Gate,
  later: typeof after = after,
): ServerSocketHandlers {
  let failure: { code?: string } | undefined;
  const answers = answersHeartbeats(url ?? "");
  const handlers = gate.open(new WsSocket(client, answers, later), welcome);
  client.binaryType = "nodebuffer";
  client.on(
    "message",
    (data: Uint8Array<ArrayBuffer>, isBinary: boolean) =>
      hand(handlers, data, isBinary),
  );
  // `close` always follows.
  client.on("error", (error) => failure = error);
  client.on("close", (code: number, reason: unknown) => {
    // What it says itself is that the connection broke.
    const tooBig = failure?.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
    handlers.onClose(tooBig ? 1009 : code, String(reason));
  });
  if (!answers) askForLife(client, later);
  return handlers;
}

function hand(
  handlers: ServerSocketHandlers,
  data: Uint8Array<ArrayBuffer>,
  isBinary: boolean,
): void {
  if (isBinary) handlers.onBinary(data);
  else handlers.onText(data.toString());
}

/** Keeps what a client sends until it is known whether it may. */
function keepMessages(client: WsClient) {
  const messages: [data: Uint8Array<ArrayBuffer>, isBinary: boolean][] = [];
  let bytes = 0;
  const keep = (data: Uint8Array<ArrayBuffer>, isBinary: boolean) => {
    bytes += data.length;
    if (messages.length < MAX_KEPT.messages && bytes <= MAX_KEPT.bytes) {
      messages.push([data, isBinary]);
      return;
    }
    stop();
    messages.length = 0;
    closeSoon(client, MALFORMED, "too much comes before the decision");
  };
  const stop = () => client.off("message", keep);
  client.on("error", ignore);
  client.on("message", keep);
  return { messages, stop };
}

/**
 * Notices that a client goes before it is answered, which takes reading from
 * its connection. One that sends anything before the answer is no WebSocket's.
 *
 * @returns Ends that.
 */
function watchWaiting(socket: RequestSocket): () => void {
  // It stays half open otherwise.
  const cutOff = () => socket.destroy();
  socket.on("data", cutOff);
  socket.on("end", cutOff);
  return () => {
    socket.off("data", cutOff);
    socket.off("end", cutOff);
  };
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
  { method = "", url = "", headers, socket }: IncomingRequest,
  path: string | undefined,
): AdmissionRequest {
  return {
    method,
    path,
    remoteAddress: socket.remoteAddress,
    url,
    headers() {
      const copy = new Headers();
      for (const [name, value] of Object.entries(headers)) {
        if (value !== undefined) copy.set(name, value.toString());
      }
      return copy;
    },
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
