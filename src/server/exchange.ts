/**
 * The core of a server: who is connected, from where, and with whom.
 *
 * @module
 */

import type { Cancel } from "../runtime.ts";
import { Addresses } from "./addresses.ts";
import type { Visitor } from "./authorization.ts";
import {
  Connection,
  type ConnectionOptions,
  type IceServerSource,
  type Traffic,
} from "./connection.ts";
import type { ResolvedServerOptions } from "./options.ts";
import { PairRegistry } from "./pair_registry.ts";
import type { ServerSocket } from "./server_socket.ts";

/** What an {@linkcode Exchange} needs. */
export interface ExchangeOptions {
  readonly settings: ResolvedServerOptions;
  /** None are named without it. */
  readonly iceServers?: IceServerSource;
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
  /** As {@linkcode ConnectionOptions.ended}. */
  ended?(connection: Connection, code: number, reason: string): void;
  /** As {@linkcode ConnectionOptions.closed}. */
  closed?(connection: Connection, code: number, reason: string): void;
}

/** Wires what all connections of a server share. */
export class Exchange {
  readonly addresses: Addresses;
  readonly registry: PairRegistry;
  /** What has passed from peer to peer since the start. */
  readonly traffic: Traffic = { relayedPackets: 0, relayedBytes: 0 };
  readonly #shared: ConnectionOptions;

  /** Knows nobody yet. */
  constructor(options: ExchangeOptions) {
    const { settings, now, after } = options;
    this.addresses = new Addresses(settings, now);
    this.registry = new PairRegistry({
      peerTimeoutMs: settings.peerTimeout,
      now,
      after,
      paired: (waitedMs, pairingMs) =>
        settings.observer({ type: "pair", waitedMs, pairingMs }),
    });
    this.#shared = {
      registry: this.registry,
      addresses: this.addresses,
      traffic: this.traffic,
      settings,
      iceServers: options.iceServers ??
        { renewMs: 0, get: () => Promise.resolve([]) },
      now,
      after,
      ended: (...end) => options.ended?.(...end),
      closed: (...end) => options.closed?.(...end),
    };
  }

  /** Takes an open socket, whose handlers the connection is. */
  connect(
    socket: ServerSocket,
    address?: string,
    visitor?: Visitor,
  ): Connection {
    return new Connection(socket, address, this.#shared, visitor);
  }
}
