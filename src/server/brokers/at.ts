/**
 * The broker at an address, for the command.
 *
 * @module
 */

import type { Broker } from "./broker.ts";

/**
 * Makes the broker for an address such as `redis://localhost:6379` or
 * `nats://localhost:4222`. The client that it takes is loaded now, and not
 * before.
 */
export async function brokerAt(address: string): Promise<Broker> {
  if (/^rediss?:/.test(address)) {
    const { redisAt } = await import("./redis_at.ts");
    return redisAt(address);
  }
  const { natsAt } = await import("./nats_at.ts");
  return natsAt(address);
}
