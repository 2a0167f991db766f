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
    const loading = import("./redis_at.ts");
    const { redisAt } = await orMissing("@redis/client", loading);
    return redisAt(address);
  }
  const loading = import("./nats_at.ts");
  const { natsAt } = await orMissing("@nats-io/transport-node", loading);
  return natsAt(address);
}

/** On npm both are optional, as few need one and both are large. */
async function orMissing<Module>(
  name: string,
  loading: Promise<Module>,
): Promise<Module> {
  try {
    return await loading;
  } catch (cause) {
    throw new Error(
      `Cannot use the broker as ${name} cannot be loaded: install it beside ` +
        `socketpeer`,
      { cause },
    );
  }
}
