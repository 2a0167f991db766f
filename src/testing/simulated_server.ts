/**
 * A simulated server: the registry and the connections are the real ones.
 *
 * @module
 */

import { Connection } from "../server/connection.ts";
import { PairRegistry } from "../server/pair_registry.ts";
import type { ServerSocket } from "../server/server_socket.ts";
import type { Dialed, SimulatedSocket } from "./simulated_socket.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** What becomes of attempts to connect to the server. */
export type DialFate = "accept" | "refuse" | "swallow";

/** A server that can die and come back, having forgotten everything. */
export class SimulatedServer implements Dialed {
  /** What becomes of those who dial. */
  dials: DialFate = "accept";
  /** How many packets it got. */
  relayed = 0;
  /** The sockets of which it has an end. */
  readonly sockets = new Set<SimulatedSocket>();
  readonly #clock: VirtualClock;
  readonly #peerTimeoutMs: number;
  #registry: PairRegistry | null = null;

  /** Runs. */
  constructor(clock: VirtualClock, peerTimeoutMs: number) {
    this.#clock = clock;
    this.#peerTimeoutMs = peerTimeoutMs;
    this.start();
  }

  /** How many pair codes are in use. */
  get places(): number {
    return this.#registry?.size ?? 0;
  }

  /** Runs, if it does not. */
  start(): void {
    this.#registry ??= new PairRegistry({
      peerTimeoutMs: this.#peerTimeoutMs,
      after: this.#clock.after,
    });
  }

  /** Dies. Whose socket stalls does not notice before it is healed. */
  kill(): void {
    const registry = this.#registry;
    this.#registry = null;
    for (const socket of [...this.sockets]) {
      socket.loseServer(1006);
      socket.up.cut = true;
      socket.down.carry(() => socket.closed(1006));
    }
    registry?.clear();
  }

  /** Ends the conversation behind a code, as `SocketPeerServer.leave()` does. */
  leave(pairCode: string): boolean {
    return this.#registry?.end(pairCode) ?? false;
  }

  /** Takes a dial, refuses it, or lets it hang. */
  dialed(socket: SimulatedSocket): void {
    if (this.dials === "swallow") return;
    const registry = this.#registry;
    if (!registry || this.dials === "refuse") {
      socket.down.carry(() => socket.closed(1006));
      return;
    }
    // The client may have thought better of it meanwhile.
    if (socket.readyState !== 0) return;
    this.sockets.add(socket);
    let open = true;
    const end: ServerSocket = {
      get bufferedAmount() {
        return socket.down.bytes;
      },
      send: (data) => {
        if (open) socket.receive(data as string | ArrayBuffer);
      },
      close: (code, reason) => {
        if (!open) return;
        open = false;
        socket.server = null;
        this.sockets.delete(socket);
        socket.down.carry(() => socket.closed(code, reason));
      },
    };
    const connection = new Connection(end, {
      registry,
      pairCodeValidator: () => true,
      after: this.#clock.after,
      ended: () => {},
      closed: () => {},
    });
    socket.server = {
      text: (text) => connection.text(text),
      binary: (bytes) => {
        this.relayed++;
        connection.binary(bytes);
      },
      close: (code) => {
        open = false;
        this.sockets.delete(socket);
        connection.close(code);
      },
    };
    socket.opened();
  }
}
