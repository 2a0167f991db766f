/**
 * The server of socketpeer: pairs two peers by code, carries their signaling,
 * and relays their messages while they have no data channel.
 *
 * Run directly, it is the command:
 *
 * ```sh
 * deno run -A server.ts --port 3000
 * ```
 *
 * @example Listen on any free port
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
 * @module
 */

export {
  type CloseOptions,
  SocketPeerServer,
} from "./src/server/socket_peer_server.ts";
export {
  logEvents,
  type LogLevel,
  type LogOptions,
} from "./src/server/logs.ts";
export type {
  Rate,
  SocketPeerServerOptions,
  TurnOptions,
} from "./src/server/options.ts";
export type { TrustProxyOptions } from "./src/server/trusted_proxy.ts";
export type {
  RefusalReason,
  ServerEvent,
  ServerObserver,
  ServerStats,
} from "./src/server/server_event.ts";
export type {
  ConnectionInfo,
  ListeningServer,
} from "./src/server/adapters/deno.ts";
export type { IceServer } from "./src/runtime.ts";
export type { ListeningAddress } from "./src/server/adapters/host.ts";
export type {
  EventSource,
  HttpServer,
  WsServer,
} from "./src/server/adapters/ws.ts";

// Node and Bun call a bundle that has this in it their main module, too.
if (import.meta.main && "Deno" in globalThis) {
  const { main } = await import("./src/server/cli.ts");
  Deno.exit(await main(Deno.args));
}
