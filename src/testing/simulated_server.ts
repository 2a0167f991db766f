/**
 * A simulated server: the registry and the connections are the real ones.
 *
 * @module
 */

import { Exchange } from "../server/exchange.ts";
import { resolveServerOptions } from "../server/options.ts";
import type { ServerSocket } from "../server/server_socket.ts";
import {
  type Dialed,
  type SimulatedSocket,
  unsentBytes,
} from "./simulated_socket.ts";
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
  #exchange: Exchange | null = null;

  /** Runs. */
  constructor(clock: VirtualClock, peerTimeoutMs: number) {
    this.#clock = clock;
    this.#peerTimeoutMs = peerTimeoutMs;
    this.start();
  }

  /** How many pair codes are in use. */
  get places(): number {
    return this.#exchange?.registry.size ?? 0;
  }

  /** Runs, if it does not. */
  start(): void {
    const { now, after } = this.#clock;
    // No honest client meets a limit.
    const settings = resolveServerOptions({ peerTimeout: this.#peerTimeoutMs });
    this.#exchange ??= new Exchange({ settings, now, after });
  }

  /** Dies. Whose socket stalls does not notice before it is healed. */
  kill(): void {
    const registry = this.#exchange?.registry;
    this.#exchange = null;
    for (const socket of [...this.sockets]) {
      socket.loseServer(1006);
      socket.up.cut = true;
      socket.down.carry(() => socket.closed(1006));
    }
    registry?.clear();
  }

  /** Ends the conversation behind a code, as `SocketPeerServer.leave()` does. */
  leave(pairCode: string): boolean {
    return this.#exchange?.registry.end(pairCode) ?? false;
  }

  /** Takes a dial, refuses it, or lets it hang. */
  dialed(socket: SimulatedSocket): void {
    if (this.dials === "swallow") return;
    const exchange = this.#exchange;
    if (!exchange || this.dials === "refuse") {
      socket.down.carry(() => socket.closed(1006));
      return;
    }
    // The client may have thought better of it meanwhile.
    if (socket.readyState !== 0) return;
    this.sockets.add(socket);
    let open = true;
    const end: ServerSocket = {
      get bufferedAmount() {
        const { down } = socket;
        return down.linked ? unsentBytes(down) : down.bytes;
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
    const connection = exchange.connect(end);
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
