/**
 * Makes servers of `node:http` and of the package `ws`. Loading both takes
 * Deno 0.1 s, so this module is imported where one of them is needed.
 *
 * @module
 */

import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import type { HttpServer, WsServer } from "./ws.ts";

/** Makes a server of `ws` that listens nowhere by itself. */
export function createWsServer(maxPayload: number): WsServer {
  return new WebSocketServer({
    noServer: true,
    maxPayload,
    // Packets are small and often encrypted or compressed by the user: it
    // would cost much memory for each socket, and gain little.
    perMessageDeflate: false,
    skipUTF8Validation: false,
  });
}

/** A server of `node:http` that this has made. */
export interface NodeServer {
  readonly server: HttpServer;
  /** Resolves when it listens; rejects if it can't. */
  readonly listening: Promise<void>;
  /** Stops, and cuts off what is still open. */
  close(): Promise<void>;
}

/** Listens with `node:http`. */
export function listen(hostname: string, port: number): NodeServer {
  const server = createServer();
  const listening = new Promise<void>((resolve, reject) => {
    // Later ones are of a connection that it could not accept: without a
    // listener, too many open files would end the process.
    server.on("error", reject);
    server.listen(port, hostname, () => resolve());
  });
  return {
    server,
    listening,
    close: () =>
      new Promise((resolve) => {
        // It is no failure that it has not listened.
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
