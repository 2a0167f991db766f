/**
 * A simulated WebSocket.
 *
 * @module
 */

import type { WebSocketLike } from "../runtime.ts";
import type { ServerSocketHandlers } from "../server/server_socket.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";
import { Wire } from "./wire.ts";

type Listener = ((event: never) => void) | null;

/** What becomes of a dial when it reaches the server. */
export interface Dialed {
  /** Takes it, refuses it, or lets it hang. */
  dialed(socket: SimulatedSocket): void;
}

/** What the system takes from the program before the network does. */
const SEND_BUFFER_BYTES = 65_536;

/**
 * What a program has given to a socket and the system has not taken: it takes
 * so much, until a link takes it, or for a way that stalls.
 */
export function unsentBytes(
  { linked, stalled, waitingBytes, bytes }: Wire,
): number {
  const held = linked ? waitingBytes : stalled ? bytes : 0;
  return Math.max(0, held - SEND_BUFFER_BYTES);
}

/** The client's end of a WebSocket, and its two ways. */
export class SimulatedSocket implements WebSocketLike {
  readyState = 0;
  binaryType = "blob";
  onopen: Listener = null;
  onmessage: Listener = null;
  onclose: Listener = null;
  onerror: Listener = null;
  readonly host: Host;
  /** To the server. */
  readonly up: Wire;
  /** From the server. */
  readonly down: Wire;
  /** The server's end, while it has one. */
  server: ServerSocketHandlers | null = null;
  readonly #network: Network;

  /** Dials. */
  constructor(network: Network, host: Host, server: Dialed) {
    this.#network = network;
    this.host = host;
    this.up = new Wire(network, () => [host.up]);
    this.down = new Wire(network, () => [host.down]);
    this.up.carry(() => server.dialed(this));
  }

  get bufferedAmount(): number {
    return unsentBytes(this.up);
  }

  send(data: string | Uint8Array): void {
    if (this.readyState !== 1) return;
    const isText = typeof data === "string";
    const copy = isText ? data : data.slice().buffer;
    this.#watch("out", copy);
    const bytes = isText ? data.length : data.byteLength;
    const arrive = () => {
      if (typeof copy === "string") this.server?.text(copy);
      else this.server?.binary(copy);
    };
    this.up.carry(arrive, bytes, !isText);
  }

  close(code = 1005): void {
    if (this.readyState > 1) return;
    this.readyState = 2;
    this.up.carry(() => {
      this.loseServer(code);
      this.down.carry(() => this.closed(code));
    });
  }

  /** The server has taken it. */
  opened(): void {
    this.down.carry(() =>
      this.host.run(() => {
        if (this.readyState !== 0) return;
        this.readyState = 1;
        this.onopen?.({} as never);
      })
    );
  }

  /** The server sends something. */
  receive(data: string | ArrayBuffer): void {
    const isText = typeof data === "string";
    const copy = isText ? data : data.slice(0);
    const bytes = isText ? data.length : data.byteLength;
    const arrive = () =>
      this.host.run(() => {
        if (this.readyState !== 1) return;
        this.#watch("in", copy);
        this.onmessage?.({ data: copy } as never);
      });
    this.down.carry(arrive, bytes, !isText);
  }

  /** The client's end is closed. */
  closed(code: number, reason = ""): void {
    this.host.run(() => {
      if (this.readyState === 3) return;
      this.readyState = 3;
      this.onclose?.({ code, reason } as never);
    });
  }

  /** The server's end is closed, and tells. */
  loseServer(code: number): void {
    const { server } = this;
    this.server = null;
    server?.close(code, "");
  }

  /** Nothing passes any more; who notices is for the caller to say. */
  cut(): void {
    this.up.cut = this.down.cut = true;
  }

  #watch(direction: "out" | "in", data: string | ArrayBuffer): void {
    const { peer } = this.host;
    this.#network.watch({ peer, direction, via: "relay", data });
  }
}
