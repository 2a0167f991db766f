/**
 * NATS at an address, with its package for Node.
 *
 * @module
 */

import { connect, headers } from "@nats-io/transport-node";
import type { Broker } from "./broker.ts";
import { natsBroker } from "./nats.ts";

/**
 * Makes the broker for an address of `nats:` or `tls:`, with a user and a
 * password in it, or with a token.
 */
export function natsAt(url: string): Broker {
  const { protocol, host, username, password } = new URL(url);
  const [user, pass] = [username, password].map(decodeURIComponent);
  return natsBroker({
    connect,
    headers,
    options: {
      servers: host,
      ...protocol === "tls:" ? { tls: {} } : {},
      // The package passes over what stands in an address.
      ...pass !== "" ? { user, pass } : user !== "" ? { token: user } : {},
    },
  });
}
