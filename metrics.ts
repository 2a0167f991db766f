/**
 * The numbers of a socketpeer server for Prometheus. It is apart from the
 * server, which so needs no `prom-client`.
 *
 * @example Count what a server does
 * ```ts
 * import { Metrics } from "@socketpeer/socketpeer/metrics";
 * import { SocketPeerServer } from "@socketpeer/socketpeer/server";
 *
 * const metrics: Metrics = new Metrics(() => peerServer.stats);
 * const peerServer: SocketPeerServer = new SocketPeerServer({
 *   port: 0,
 *   observer: metrics.observe,
 * });
 * console.log(await metrics.text());
 * await peerServer.close();
 * ```
 *
 * @module
 */

export { Metrics, type MetricsOptions } from "./src/server/metrics.ts";
export type {
  RefusalReason,
  ServerEvent,
  ServerObserver,
  ServerStats,
} from "./src/server/server_event.ts";
