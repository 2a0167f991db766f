/**
 * What joins several servers to one: the brokers, each on an engine that you
 * run. None of them loads a package: you give them the client that you have.
 *
 * @example Two servers as one
 * ```ts
 * import { redisBroker } from "@socketpeer/socketpeer/brokers";
 * import { SocketPeerServer } from "@socketpeer/socketpeer/server";
 * import { createClient } from "@redis/client";
 *
 * const brokerSecret = "the same 32 characters or more at both";
 * const servers = [1, 2].map(() => {
 *   const client = createClient({ url: "redis://localhost:6379" });
 *   const broker = redisBroker({ client });
 *   return new SocketPeerServer({ port: 0, broker, brokerSecret });
 * });
 *
 * for (const server of servers) await server.close();
 * ```
 *
 * @module
 */

export {
  type Broker,
  type BrokerHandlers,
  CLAIM_MS,
  ENVELOPE_BYTES,
  LEASE_MS,
} from "./src/server/brokers/broker.ts";
export {
  natsBroker,
  type NatsBrokerOptions,
  type NatsConnection,
  type NatsHeaders,
  type NatsMessage,
} from "./src/server/brokers/nats.ts";
export {
  type IoRedisClient,
  type NodeRedisClient,
  redisBroker,
  type RedisBrokerOptions,
  type RedisClient,
} from "./src/server/brokers/redis.ts";
