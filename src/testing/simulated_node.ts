/**
 * One simulated server process: the registry and the connections are the real
 * ones.
 *
 * @module
 */

import type { Connection } from "../server/connection.ts";
import { Exchange } from "../server/exchange.ts";
import type { Names } from "../server/nodes/names.ts";
import { resolveServerOptions } from "../server/options.ts";
import { sendAway } from "../server/retry_delay.ts";
import type { ServerSocket } from "../server/server_socket.ts";
import { Host } from "./host.ts";
import type { Network } from "./network.ts";
import type { SimulatedBroker, SimulatedEngine } from "./simulated_engine.ts";
import { type SimulatedSocket, unsentBytes } from "./simulated_socket.ts";

/** No secret is kept from a simulated engine, and a run can be read. */
const NAMES: Names = {
  slot: (pairCode) => `slot of ${pairCode}`,
  key: (key) => `key ${key}`,
};

/** A process that can die and come back, having forgotten everything. */
export class SimulatedNode {
  /** How many packets it got. */
  relayed = 0;
  /** The sockets of which it has an end. */
  readonly sockets = new Set<SimulatedSocket>();
  readonly #network: Network;
  readonly #peerTimeoutMs: number;
  readonly #engine: SimulatedEngine | null;
  #host: Host;
  #broker: SimulatedBroker | null = null;
  #exchange: Exchange | null = null;
  #draining = false;
  readonly #connections = new Map<Connection, SimulatedSocket>();

  /** Starts the node. */
  constructor(
    network: Network,
    peerTimeoutMs: number,
    engine: SimulatedEngine | null,
  ) {
    this.#network = network;
    this.#peerTimeoutMs = peerTimeoutMs;
    this.#engine = engine;
    this.#host = new Host(network);
    this.start();
  }

  /** Whether a balancer sends anybody there. */
  get ready(): boolean {
    return this.#exchange !== null && !this.#draining;
  }

  /** How many pair codes it knows of. */
  get places(): number {
    return this.#exchange?.registry.size ?? 0;
  }

  /** How many peers it keeps in mind for the sake of other nodes. */
  get pending(): number {
    return this.#exchange?.shared?.size ?? 0;
  }

  /** Whether the node is among its fellows. */
  get joined(): boolean {
    const shared = this.#exchange?.shared;
    return shared ? shared.node !== null : this.#exchange !== null;
  }

  /** Runs, if it does not; one that is about to end does so at once. */
  start(): void {
    if (this.#draining) this.kill();
    if (this.#exchange) return;
    const host = this.#host = new Host(this.#network);
    const { clock, random } = this.#network;
    // No honest client meets a limit.
    const settings = resolveServerOptions({ peerTimeout: this.#peerTimeoutMs });
    this.#broker = this.#engine?.broker(host) ?? null;
    this.#exchange = new Exchange({
      settings,
      now: clock.now,
      after: host.after,
      random,
      sharing: this.#broker
        ? {
          broker: this.#broker,
          names: NAMES,
          soon: (callback) => host.after(0, callback),
        }
        : undefined,
      ended: (connection) => this.#connections.delete(connection),
    });
    this.#exchange.shared?.open();
  }

  /** Dies. Whose socket stalls does not notice before it is healed. */
  kill(): void {
    const registry = this.#exchange?.registry;
    this.#exchange = null;
    this.#draining = false;
    this.#connections.clear();
    // Whoever has lost it does not hear of it from itself.
    this.#host.dead = this.#broker !== null;
    this.#broker?.die();
    for (const socket of [...this.sockets]) {
      socket.loseServer(1006);
      socket.up.cut = true;
      socket.down.carry(() => socket.closed(1006));
    }
    registry?.clear();
  }

  /** Sends everybody elsewhere, as `SocketPeerServer.close()` does, and ends. */
  async drain(): Promise<void> {
    const exchange = this.#exchange;
    if (!exchange || this.#draining) return;
    this.#draining = true;
    exchange.drain();
    const connections = [...this.#connections.keys()];
    sendAway(connections, "the server restarts", this.#network.random);
    await exchange.shared?.close();
    if (this.#exchange === exchange) this.kill();
  }

  /** Stands still for `ms`, as its sockets and timers do. */
  stall(ms: number): void {
    this.#host.freeze(ms);
  }

  /** Whether it is cut off from the engine, which others reach. */
  get partitioned(): boolean {
    return this.#broker?.partitioned ?? false;
  }

  set partitioned(partitioned: boolean) {
    if (this.#broker) this.#broker.partitioned = partitioned;
  }

  /** Ends the conversation behind a code, as `SocketPeerServer.leave()` does. */
  leave(pairCode: string): Promise<boolean> {
    const { shared, registry } = this.#exchange ?? {};
    return shared?.end(pairCode) ??
      Promise.resolve(registry?.end(pairCode) ?? false);
  }

  /** Takes a socket. */
  accept(socket: SimulatedSocket): void {
    this.sockets.add(socket);
    const host = this.#host;
    let open = true;
    const end: ServerSocket = {
      get bufferedAmount() {
        const { down } = socket;
        return down.linked ? unsentBytes(down) : down.bytes;
      },
      send: (data) => {
        if (!open) return;
        socket.receive(
          data instanceof Uint8Array ? data.slice().buffer : data,
        );
      },
      close: (code, reason) => {
        if (!open) return;
        open = false;
        socket.server = null;
        this.sockets.delete(socket);
        socket.down.carry(() => socket.closed(code, reason));
      },
    };
    const connection = this.#exchange!.connect(end);
    this.#connections.set(connection, socket);
    socket.server = {
      onText: (text) => host.run(() => connection.onText(text)),
      onBinary: (bytes) =>
        host.run(() => {
          this.relayed++;
          connection.onBinary(bytes);
        }),
      onClose: (code) => {
        open = false;
        this.sockets.delete(socket);
        host.run(() => connection.onClose(code));
      },
    };
    socket.opened();
  }
}
