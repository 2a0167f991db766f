/**
 * A program in TypeScript that imports every entry; it is compiled and never
 * run.
 *
 * @module
 */

import { SocketPeer, SocketPeerServer } from "@socketpeer/socketpeer";
import { redisBroker, type RedisClient } from "@socketpeer/socketpeer/brokers";
import { Metrics } from "@socketpeer/socketpeer/metrics";
import {
  completeCode,
  SocketPeer as PrivatePeer,
} from "@socketpeer/socketpeer/private";
import type { ServerStats } from "@socketpeer/socketpeer/server";
import { Simulation } from "@socketpeer/socketpeer/testing";

declare const redis: RedisClient;

const broker = redisBroker({ client: redis });
const peerServer = new SocketPeerServer({ broker });
const stats: ServerStats = peerServer.stats;
const metrics: Metrics = new Metrics(() => peerServer.stats);
const peer: SocketPeer = new SocketPeer({ autoconnect: false });
const privatePeer: PrivatePeer = new PrivatePeer({ autoconnect: false });
const words: string[] = [...completeCode("7-ot")];
const simulated: SocketPeer = new Simulation({ seed: 1 }).peer();

export { metrics, peer, privatePeer, simulated, stats, words };
