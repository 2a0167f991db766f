/**
 * Deno's own server: listening, and WebSockets of its requests.
 *
 * @module
 */

import type { ServerSocket, ServerSocketHandlers } from "../server_socket.ts";

/** A server that listens: the part of `Deno.HttpServer` that is used here. */
export interface ListeningServer {
  /** Where it listens. */
  readonly addr: { readonly hostname: string; readonly port: number };
  /** Resolves when it has stopped. */
  readonly finished: Promise<void>;
  /** Stops, after what is under way. */
  shutdown(): Promise<void>;
}

/**
 * Listens with `Deno.serve`.
 *
 * @throws {TypeError} Where there is no Deno.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 */
export function serve(
  hostname: string,
  port: number,
  handler: (request: Request) => Response | Promise<Response>,
): ListeningServer {
  if (!("Deno" in globalThis)) {
    throw new TypeError(
      `Cannot listen without Deno: run the server with Deno 2`,
    );
  }
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
 * Answers a request for a WebSocket, and hands over the socket once open.
 *
 * @throws {TypeError} If it is not a whole request for a WebSocket.
 */
export function upgrade(
  request: Request,
  opened: (socket: ServerSocket) => ServerSocketHandlers,
): Response {
  // The heartbeats are the connection's own, the same over every adapter.
  const { socket, response } = Deno.upgradeWebSocket(request, {
    idleTimeout: 0,
  });
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    const handlers = opened({
      get bufferedAmount() {
        return socket.bufferedAmount;
      },
      send(data) {
        if (socket.readyState === WebSocket.OPEN) socket.send(data);
      },
      close(code, reason) {
        if (socket.readyState === WebSocket.OPEN) socket.close(code, reason);
      },
    });
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") handlers.text(data);
      else handlers.binary(data);
    };
    socket.onclose = ({ code }) => handlers.close(code);
    // `close` always follows.
    socket.onerror = (event) => event.preventDefault();
  };
  return response;
}
