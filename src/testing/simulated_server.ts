/**
 * A simulated server: one process, or several behind a balancer.
 *
 * @module
 */

import type { Network } from "./network.ts";
import { SimulatedEngine } from "./simulated_engine.ts";
import { SimulatedNode } from "./simulated_node.ts";
import type { Dialed, SimulatedSocket } from "./simulated_socket.ts";

/** What becomes of attempts to connect to the server. */
export type DialFate = "accept" | "refuse" | "swallow";

/** A server that can die and come back, having forgotten everything. */
export class SimulatedServer implements Dialed {
  /** What becomes of those who dial. */
  dials: DialFate = "accept";
  /** The processes of the server. */
  readonly nodes: readonly SimulatedNode[];
  /** What joins them, where there are several. */
  readonly engine: SimulatedEngine | null;
  readonly #network: Network;

  /** Starts the server's processes. */
  constructor(network: Network, peerTimeoutMs: number, nodes: number) {
    this.#network = network;
    const engine = nodes > 1 ? new SimulatedEngine(network) : null;
    this.engine = engine;
    this.nodes = Array.from(
      { length: nodes },
      () => new SimulatedNode(network, peerTimeoutMs, engine),
    );
  }

  /** How many packets it got; each counts at every node that it passes. */
  get relayed(): number {
    return this.#sum(({ relayed }) => relayed);
  }

  /** The sockets of which it has an end. */
  get sockets(): ReadonlySet<SimulatedSocket> {
    const [first, ...others] = this.nodes;
    if (others.length === 0) return first.sockets;
    return new Set(this.nodes.flatMap(({ sockets }) => [...sockets]));
  }

  /** How many pair codes are in use. */
  get places(): number {
    return this.#sum(({ places }) => places);
  }

  /** Runs, if it does not. */
  start(): void {
    for (const node of this.nodes) node.start();
  }

  /** All of it runs, and its processes reach each other. */
  repair(): void {
    const { engine } = this;
    if (engine) {
      engine.loss = engine.doubling = 0;
      engine.start();
    }
    for (const node of this.nodes) {
      node.start();
      node.partitioned = false;
    }
  }

  /** All of it dies. Whose socket stalls does not notice before it is healed. */
  kill(): void {
    for (const node of this.nodes) node.kill();
  }

  /** Ends the conversation behind a code, as `SocketPeerServer.leave()` does. */
  leave(pairCode: string): Promise<boolean> {
    return this.#drawReady()?.leave(pairCode) ?? Promise.resolve(false);
  }

  /** Takes a dial, refuses it, or lets it hang. */
  dialed(socket: SimulatedSocket): void {
    if (this.dials === "swallow") return;
    const node = this.dials === "refuse" ? undefined : this.#drawReady();
    if (!node) {
      socket.down.carry(() => socket.closed(1006));
      return;
    }
    // The client may have thought better of it meanwhile.
    if (socket.readyState !== 0) return;
    node.accept(socket);
  }

  /** What a balancer does: any node that takes somebody. */
  #drawReady(): SimulatedNode | undefined {
    const ready = this.nodes.filter((node) => node.ready);
    const { random } = this.#network;
    return ready[ready.length > 1 ? Math.floor(random() * ready.length) : 0];
  }

  #sum(of: (node: SimulatedNode) => number): number {
    return this.nodes.reduce((sum, node) => sum + of(node), 0);
  }
}
