/**
 * Redis at an address, with the package of Redis.
 *
 * @module
 */

import { createClient } from "@redis/client";
import type { Broker } from "./broker.ts";
import { redisBroker } from "./redis.ts";

/** Makes the broker for an address of `redis:` or `rediss:`. */
export function redisAt(url: string): Broker {
  return redisBroker({ client: createClient({ url }) });
}
