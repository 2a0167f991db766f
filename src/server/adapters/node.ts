/**
 * Makes servers of `node:http` and of the package `ws`. Both are loaded when
 * one is made, and at once: on Deno they take 40 ms and are seldom needed, a
 * bundler for browsers has neither, and nobody wants to wait.
 *
 * @module
 */

import type { Gate } from "../admission.ts";
import type { HttpServer, WsServer } from "./ws.ts";

/** What is used of the package `ws`. */
interface WsModule {
  readonly WebSocketServer: new (options: object) => WsServer;
}

/**
 * Makes a server of `ws` that listens nowhere by itself. It takes a promise
 * only where `ws` is inside a bundle, from which nothing can be required.
 */
export function createWsServer(
  maxPayload: number,
  { protocol }: Pick<Gate, "protocol">,
): WsServer | Promise<WsServer> {
  const make = ({ WebSocketServer }: WsModule) =>
    new WebSocketServer({
      noServer: true,
      maxPayload,
      handleProtocols: (offered: ReadonlySet<string>) =>
        protocol([...offered].join()) ?? false,
      // Packets are small and often encrypted or compressed by the user: it
      // would cost much memory for each socket, and gain little.
      perMessageDeflate: false,
      skipUTF8Validation: false,
    });
  const ws = requireWs();
  // This import is also what makes `ws` a dependency of the package.
  return ws ? make(ws) : import("ws").then(make);
}

function requireWs(): WsModule | undefined {
  try {
    const { createRequire } = builtIn<{
      createRequire(from: string): (name: string) => WsModule;
    }>("node:module");
    const { url } = import.meta;
    // A module that Deno has from a registry lies in no folder, and reads no
    // deno.json: this is the `ws` that stands there.
    const from = url.startsWith("file:")
      ? url
      : import.meta.resolve("npm:ws@^8.23.0");
    const ws = createRequire(from)("ws");
    // Beside a bundle there may be one of a version before 8.
    return ws.WebSocketServer && ws;
  } catch {
    return undefined;
  }
}

/** A module of Node's own, which bundlers would look for if it was imported. */
function builtIn<Module>(name: string): Module {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): unknown };
  };
  const module = process?.getBuiltinModule?.(name);
  if (module) return module as Module;
  throw new Error(
    `Cannot load ${name} as process.getBuiltinModule() is missing here: use ` +
      `Deno, Bun, or Node from 20.16 on`,
  );
}

/** A server of `node:http` that this has made. */
export interface NodeServer {
  readonly server: HttpServer;
  /** Resolves when it listens; rejects if it can't. */
  readonly listening: Promise<void>;
  /** Stops, and cuts off what is still open. */
  close(): Promise<void>;
}

/** What `createServer` of `node:http` returns. */
export type OwnServer = ReturnType<typeof import("node:http").createServer>;

/**
 * Makes a server of `node:http`.
 *
 * @throws {Error} If there is none, or this is an older Node.
 */
export function createServer(): OwnServer {
  return builtIn<typeof import("node:http")>("node:http").createServer();
}

/**
 * Listens with `node:http`.
 *
 * @throws {Error} If there is none, or this is an older Node.
 */
export function listen(hostname: string, port: number): NodeServer {
  return listenOn(createServer(), hostname, port);
}

/** Listens with a server that does not yet. */
export function listenOn(
  server: OwnServer,
  hostname: string,
  port: number,
): NodeServer {
  const listening = new Promise<void>((resolve, reject) => {
    // Later ones are of a connection that it could not accept: without a
    // listener, too many open files would end the process.
    server.on("error", reject);
    server.listen(port, hostname, () => resolve());
  });
  return {
    server,
    listening,
    async close() {
      // One that is stopped before it listens may listen all the same.
      await listening.catch(() => {});
      await new Promise<void>((resolve) => {
        // It is no failure that it has not listened.
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/**
 * Makes MACs of texts: HMAC-SHA-256 (RFC 2104) under a key, all in UTF-8. That
 * of WebCrypto would have each of them wait.
 *
 * @throws {Error} In a browser, and on Node before 20.16.
 */
export function hmacSha256(key: string): (text: string) => Uint8Array {
  const { createHmac } = builtIn<typeof import("node:crypto")>("node:crypto");
  return (text) => createHmac("sha256", key).update(text).digest();
}

/**
 * Calls back when the events that have come already are dealt with.
 *
 * @throws {Error} In a browser, and on Node before 20.16.
 */
export function soon(callback: () => void): void {
  timers ??= builtIn<typeof import("node:timers")>("node:timers");
  timers.setImmediate(callback);
}

let timers: typeof import("node:timers") | undefined;
