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

/** TCP sends again what nobody acknowledges, and waits twice as long each time. */
const RETRANSMISSION_MS = 200;
/** The longest wait before sending again; real ones wait up to two minutes. */
const MAX_RETRANSMISSION_MS = 8000;
/** The same for what opens a connection: after 1, 3, 7 s and so on. */
const DIAL_RETRANSMISSION_MS = 1000;

/** The client's end of a WebSocket, and its two ways. */
export class SimulatedSocket implements WebSocketLike {
  readyState = 0;
  binaryType = "blob";
  onopen: Listener = null;
  onmessage: Listener = null;
  onclose: Listener = null;
  onerror: Listener = null;
  readonly host: Host;
  /** The wire to the server. */
  readonly up: Wire;
  /** From the server. */
  readonly down: Wire;
  /** The server's end, while it has one. */
  server: ServerSocketHandlers | null = null;
  readonly #network: Network;
  readonly #dialedAt: number;

  /** Dials the server. */
  constructor(network: Network, host: Host, server: Dialed) {
    this.#network = network;
    this.host = host;
    this.up = new Wire(network, () => [host.up]);
    this.down = new Wire(network, () => [host.down]);
    this.#dialedAt = network.clock.now();
    if (host.gapMs > 0) this.pause();
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
      if (typeof copy === "string") this.server?.onText(copy);
      else this.server?.onBinary(copy);
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
    server?.onClose(code, "");
  }

  /** Nothing passes any more; who notices is for the caller to say. */
  cut(): void {
    this.up.cut = this.down.cut = true;
  }

  /** Nothing passes any more, for its host has another address. */
  strand(): void {
    this.up.stall("stranded");
    this.down.stall("stranded");
  }

  /** Nothing passes for now, for its host's link is broken. */
  pause(): void {
    this.up.stall("gap");
    this.down.stall("gap");
  }

  /** The link is there again: each way goes on when TCP tries the next time. */
  resume(): void {
    for (const wire of [this.up, this.down]) {
      const waitMs = this.#nextTryMs(wire);
      const goOn = () => {
        if (this.host.gapMs === 0) wire.heal("gap");
      };
      if (waitMs > 0) this.#network.clock.after(waitMs, goOn);
      else goOn();
    }
  }

  /** The link is there again, and nobody waits for anything. */
  resumeAtOnce(): void {
    this.up.heal("gap");
    this.down.heal("gap");
  }

  /** In how long TCP sends again what is stuck. */
  #nextTryMs({ stuckSince }: Wire): number {
    if (stuckSince === undefined) return 0;
    const now = this.#network.clock.now();
    if (this.readyState === 0) {
      const age = now - this.#dialedAt;
      let step = DIAL_RETRANSMISSION_MS;
      let tryMs = step;
      while (tryMs < age) tryMs += step *= 2;
      return tryMs - age;
    }
    const age = now - stuckSince;
    let tryMs = RETRANSMISSION_MS;
    while (tryMs < age) tryMs *= 2;
    return Math.min(tryMs - age, MAX_RETRANSMISSION_MS);
  }

  #watch(direction: "out" | "in", data: string | ArrayBuffer): void {
    const { peer } = this.host;
    if (peer) this.#network.watch({ peer, direction, via: "relay", data });
  }
}
