/**
 * All that the server has for programs, without the command: so it can be in
 * a bundle for browsers, which has nothing that the command needs.
 *
 * @module
 */

export { type CloseOptions, SocketPeerServer } from "./socket_peer_server.ts";
export { logEvents, type LogLevel, type LogOptions } from "./logs.ts";
export type { Rate, SocketPeerServerOptions, TurnOptions } from "./options.ts";
export type { AuthorizeRequest, Visitor } from "./authorization.ts";
export type { TrustProxyOptions } from "./trusted_proxy.ts";
export type { Broker, BrokerHandlers } from "./brokers/broker.ts";
export type {
  LinkLoss,
  RefusalReason,
  ServerEvent,
  ServerObserver,
  ServerStats,
  SharingStats,
} from "./server_event.ts";
export type { ConnectionInfo, ListeningServer } from "./adapters/deno.ts";
export type { IceServer } from "../runtime.ts";
export type { ListeningAddress } from "./adapters/host.ts";
export type { EventSource, HttpServer, WsServer } from "./adapters/ws.ts";
