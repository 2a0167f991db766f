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
import { Numbers } from "./numbers.ts";
import type { ResolvedServerOptions } from "./options.ts";
import { PairRegistry } from "./pair_registry.ts";
import {
  SharedRegistry,
  type SharedRegistryOptions,
} from "./nodes/shared_registry.ts";
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
  /** A number from 0 up to 1. */
  random(): number;
  /** What joins it to the servers of other nodes. */
  readonly sharing?: Pick<
    SharedRegistryOptions,
    "broker" | "names" | "soon"
  >;
  /** Reports what {@linkcode ConnectionOptions.onEnd} does. */
  ended?(connection: Connection, code: number, reason: string): void;
  /** Reports what {@linkcode ConnectionOptions.onClose} does. */
  closed?(connection: Connection, code: number, reason: string): void;
}

/** Wires what all connections of a server share. */
export class Exchange {
  readonly addresses: Addresses;
  /** The places of this node, and the peers that have them. */
  readonly registry: PairRegistry;
  /** What spans all nodes, where there are others. */
  readonly shared: SharedRegistry | null;
  /** What has passed from peer to peer since the start. */
  readonly traffic: Traffic = { relayedPackets: 0, relayedBytes: 0 };
  readonly #shared: ConnectionOptions;

  /** Creates what all connections share, before there are any. */
  constructor(options: ExchangeOptions) {
    const { settings, sharing, now, after, random } = options;
    this.addresses = new Addresses(settings, now);
    const local = (freed?: (code: string, met: boolean) => void) =>
      new PairRegistry({
        peerTimeoutMs: settings.peerTimeout,
        now,
        after,
        paired: (waitedMs, pairingMs) =>
          settings.observer({ type: "pair", waitedMs, pairingMs }),
        freed,
      });
    this.shared = sharing
      ? new SharedRegistry({
        ...sharing,
        maxBufferedBytes: settings.maxBufferedBytes,
        observer: settings.observer,
        counted: (nodes) => this.addresses.share(nodes),
        local,
        now,
        after,
        random,
      })
      : null;
    this.registry = this.shared?.local ?? local();
    const registry = this.shared ?? this.registry;
    this.#shared = {
      registry,
      numbers: new Numbers({
        maxLength: settings.maxPairCodeLength,
        isTaken: (code) => registry.has(code),
        now,
        random,
      }),
      addresses: this.addresses,
      traffic: this.traffic,
      settings,
      iceServers: options.iceServers ??
        { renewMs: 0, get: () => Promise.resolve([]) },
      now,
      after,
      random,
      onEnd: (...end) => options.ended?.(...end),
      onClose: (...end) => options.closed?.(...end),
    };
  }

  /** Forgets who is here, and takes nobody any more. */
  drain(): void {
    if (this.shared) this.shared.drain();
    else this.registry.clear();
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
