/**
 * Puts a server on each thing that it can stand on, on whatever runs this:
 * Deno, Node or Bun.
 */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import {
  type CloseOptions,
  type ServerEvent,
  SocketPeerServer,
  type SocketPeerServerOptions,
} from "../../server.ts";

/**
 * What the server stands on: nothing of ours, a server of node:http, one that
 * has listeners of its own, or one of ws.
 */
export type HostKind = "alone" | "http" | "busy http" | "ws";

/** Options that can be written as JSON, for another process. */
export type HostOptions =
  & Omit<
    SocketPeerServerOptions,
    "authorize" | "pairCodeValidator" | "iceServers" | "observer"
  >
  & {
    /** What the address of a request must have, for {@linkcode doorkeeper}. */
    ticket?: string;
  };

/** A server, and what it stands on. */
export interface AdapterHost {
  readonly port: number;
  /** Sockets that are open, as the server counts. */
  connections(): Promise<number>;
  /** Closes the server of peers. */
  close(options?: CloseOptions): Promise<void>;
  /** Closes all there is. */
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";

/** What others than the server answer on a busy one. */
export const OTHERS = { path: "/mine", body: "Mine", upgradeStatus: 418 };

/** Starts a server, and passes on what it tells. */
export async function hostServer(
  kind: HostKind,
  options: HostOptions,
  told: (event: ServerEvent) => void,
): Promise<AdapterHost> {
  const { ticket, ...rest } = options;
  const all: SocketPeerServerOptions = {
    host: HOST,
    port: 0,
    ...rest,
    ...ticket === undefined ? {} : doorkeeper(ticket),
    observer(event) {
      told(event);
      // Whatever it throws, nobody may notice.
      throw new Error("This observer is broken");
    },
  };
  const { peerServer, beneath } = create(kind, all);
  const { port } = await peerServer.ready;
  return {
    port,
    connections: () => Promise.resolve(peerServer.stats.connections),
    close: (options) => peerServer.close(options),
    async stop() {
      await peerServer.close({ drainTimeout: 0 });
      await new Promise<void>((resolve) => {
        if (!beneath) return resolve();
        beneath.close(() => resolve());
        if (beneath instanceof WebSocketServer) return;
        beneath.closeAllConnections();
      });
    },
  };
}

/**
 * Lets in whoever has a ticket, and gives the pair code "for guests" to nobody
 * but those with a cookie that says so.
 */
function doorkeeper(ticket: string): SocketPeerServerOptions {
  const later = (delayMs: number) =>
    new Promise((resolve) => setTimeout(resolve, delayMs));
  return {
    async authorize({ url, headers, address, origin }) {
      const given = new URL(url).searchParams.get("ticket");
      // What is sent meanwhile must be kept, where it can be.
      await later(20);
      switch (given) {
        case "late":
          await later(200);
          return true;
        case "never":
          return await new Promise(() => {});
        case "broken":
          throw new Error("No such ticket: broken");
        case "expired":
          return new Response("Your ticket has expired", {
            status: 401,
            headers: { "www-authenticate": "Ticket" },
          });
      }
      return given === ticket &&
        { cookie: headers.get("cookie"), address, origin };
    },
    pairCodeValidator(pairCode, { auth, origin }) {
      const { cookie } = (auth ?? {}) as { cookie?: string };
      return pairCode !== "for guests" ||
        cookie === "guest=1" && origin === "https://example.org";
    },
  };
}

interface Beneath {
  close(closed: () => void): void;
  closeAllConnections(): void;
}

function create(
  kind: HostKind,
  options: SocketPeerServerOptions,
): { peerServer: SocketPeerServer; beneath?: Beneath } {
  switch (kind) {
    case "alone":
      return { peerServer: new SocketPeerServer(options) };
    case "http":
    case "busy http": {
      const server = createServer();
      if (kind === "busy http") occupy(server);
      const peerServer = new SocketPeerServer(server, options);
      server.listen(0, options.host);
      return { peerServer, beneath: server };
    }
    case "ws": {
      const server = new WebSocketServer({ port: 0, host: options.host });
      return {
        peerServer: new SocketPeerServer(server, options),
        beneath: server,
      };
    }
  }
}

/** Gives a server listeners of somebody else, who answers on one path. */
function occupy(server: Server): void {
  server.on("request", (request, response) => {
    const { path, body } = OTHERS;
    response.statusCode = request.url === path ? 200 : 404;
    response.end(body);
  });
  server.on("upgrade", (request, socket: Duplex) => {
    if (request.url !== OTHERS.path) return;
    // Later, so that whoever else answers is first.
    setTimeout(() => {
      const { upgradeStatus } = OTHERS;
      socket.end(`HTTP/1.1 ${upgradeStatus} \r\nconnection: close\r\n\r\n`);
    });
  });
}

/** Where a server of node:http listens. */
export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
