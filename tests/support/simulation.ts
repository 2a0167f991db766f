/**
 * A world in one process: peers and a server on a virtual clock, over
 * simulated sockets and data channels that can be cut, stalled and refused.
 * Sessions, paths, conversations, registry and connections are the real ones.
 *
 * @module
 */

import { SocketPeer, type SocketPeerOptions } from "../../client.ts";
import type { Runtime, WebSocketLike } from "../../src/runtime.ts";
import { Connection } from "../../src/server/connection.ts";
import { PairRegistry } from "../../src/server/pair_registry.ts";
import type {
  ServerSocket,
  ServerSocketHandlers,
} from "../../src/server/server_socket.ts";
import { FakeClock } from "./fake_clock.ts";
import { seededRandom } from "./random.ts";

/** What travels between two ends, in order, each after the latency. */
class Wire {
  stalled = false;
  cut = false;
  readonly #clock: FakeClock;
  readonly #latencyMs: number;
  readonly #stalled: (() => void)[] = [];

  constructor(clock: FakeClock, latencyMs: number) {
    this.#clock = clock;
    this.#latencyMs = latencyMs;
  }

  carry(arrive: () => void): void {
    this.#clock.after(this.#latencyMs, () => {
      if (this.cut) return;
      if (this.stalled) this.#stalled.push(arrive);
      else arrive();
    });
  }

  heal(): void {
    this.stalled = false;
    for (const arrive of this.#stalled.splice(0)) {
      if (!this.cut) arrive();
    }
  }
}

type Listener = (event: unknown) => void;

/** The client's end of a simulated WebSocket, and its way to the server. */
export class SimulatedSocket implements WebSocketLike {
  readyState = 0;
  binaryType = "blob";
  readonly wire: Wire;
  /** The server's end, once it has one. */
  server: ServerSocketHandlers | null = null;
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor(world: World) {
    this.wire = new Wire(world.clock, world.latencyMs);
    this.wire.carry(() => {
      if (!world.accept(this)) this.fail();
    });
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener as Listener));
  }

  removeEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.get(type)?.delete(listener as Listener);
  }

  send(data: string | Uint8Array): void {
    if (this.readyState !== 1) return;
    const copy = typeof data === "string" ? data : data.slice().buffer;
    this.wire.carry(() => {
      if (typeof copy === "string") this.server?.text(copy);
      else this.server?.binary(copy);
    });
  }

  close(code = 1005): void {
    if (this.readyState > 1) return;
    this.readyState = 2;
    this.wire.carry(() => {
      this.server?.close(code);
      this.server = null;
      this.wire.carry(() => this.closed(code));
    });
  }

  /** The connection breaks, as both ends notice at once. */
  fail(): void {
    this.wire.cut = true;
    this.server?.close(1006);
    this.server = null;
    this.closed(1006);
  }

  open(): void {
    if (this.readyState !== 0) return;
    this.readyState = 1;
    this.dispatch("open", {});
  }

  closed(code: number, reason = ""): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.dispatch("close", { code, reason });
  }

  dispatch(type: string, event: unknown): void {
    for (const listener of [...this.#listeners.get(type) ?? []]) {
      listener(event);
    }
  }
}

/** Both ends of a simulated data channel. */
class SimulatedChannel {
  readyState = "connecting";
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  binaryType = "arraybuffer";
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onbufferedamountlow: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  other: SimulatedChannel | null = null;
  wire: Wire | null = null;

  send(data: string | Uint8Array): void {
    const copy = typeof data === "string" ? data : data.slice().buffer;
    this.wire?.carry(() => {
      if (this.other?.readyState === "open") {
        this.other.onmessage?.({ data: copy });
      }
    });
  }

  close(): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    this.wire?.carry(() => this.other?.ended());
  }

  ended(): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    this.onclose?.();
  }
}

/** A peer connection that connects when an answer arrives. */
class SimulatedConnection {
  signalingState = "stable";
  connectionState = "new";
  localDescription: { type: string; sdp: string } | null = null;
  onnegotiationneeded: (() => void) | null = null;
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  readonly channel = new SimulatedChannel();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  createDataChannel(): SimulatedChannel {
    this.#world.clock.after(0, () => {
      // An offer of the other side has made it needless.
      if (this.localDescription === null) this.onnegotiationneeded?.();
    });
    return this.channel;
  }

  // deno-lint-ignore require-await -- a promise by its interface
  async setLocalDescription(): Promise<void> {
    const type = this.signalingState === "have-remote-offer"
      ? "answer"
      : "offer";
    this.signalingState = type === "offer" ? "have-local-offer" : "stable";
    this.localDescription = { type, sdp: this.#world.describe(this) };
    // A real one gathers for a while.
    this.#world.clock.after(
      1,
      () => this.onicecandidate?.({ candidate: null }),
    );
  }

  // deno-lint-ignore require-await
  async setRemoteDescription(
    { type, sdp }: { type: string; sdp: string },
  ): Promise<void> {
    if (type === "offer") {
      if (this.signalingState === "have-local-offer") {
        this.localDescription = null;
      }
      this.signalingState = "have-remote-offer";
      return;
    }
    if (this.signalingState !== "have-local-offer") {
      throw new Error(`An answer in state ${this.signalingState}`);
    }
    this.signalingState = "stable";
    this.#world.join(this, sdp);
  }

  async addIceCandidate(): Promise<void> {}

  restartIce(): void {
    this.#world.clock.after(0, () => this.onnegotiationneeded?.());
  }

  close(): void {
    this.signalingState = "closed";
    this.channel.close();
  }

  setState(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

/** Options of a {@linkcode World}. */
export interface WorldOptions {
  /** What delays and backoffs are drawn from. */
  readonly seed?: number;
  /** One way, in milliseconds. */
  readonly latencyMs?: number;
  /** As the server's option; default 60 seconds. */
  readonly peerTimeout?: number;
}

/** A server, a network, and as many peers as are made. */
export class World {
  readonly clock = new FakeClock();
  readonly latencyMs: number;
  readonly random: () => number;
  /** The sockets that the server has accepted and not lost. */
  readonly sockets = new Set<SimulatedSocket>();
  /** The data channels that are open, by either end. */
  readonly channels = new Set<SimulatedChannel>();
  registry!: PairRegistry;
  /** Whether sockets are accepted. */
  listening = true;
  /** Every binary message that the server got, for tests of who uses it. */
  relayed = 0;
  /** Whether attempts to connect hang, neither accepted nor refused. */
  swallowing = false;
  readonly #peerTimeoutMs: number;
  readonly #described: SimulatedConnection[] = [];

  constructor(
    { seed = 1, latencyMs = 5, peerTimeout = 60_000 }: WorldOptions = {},
  ) {
    this.latencyMs = latencyMs;
    this.random = seededRandom(seed);
    this.#peerTimeoutMs = peerTimeout;
    this.#start();
  }

  /** A peer in this world, with WebRTC unless told otherwise. */
  peer(
    options: SocketPeerOptions & { webrtc?: boolean } = {},
  ): SocketPeer {
    const { webrtc = true, ...rest } = options;
    return new SocketPeer(
      { pairCode: "code", url: "http://server", ...rest },
      this.runtime(webrtc),
    );
  }

  /** The platform, as this world has it. */
  runtime(webrtc: boolean): Runtime {
    // deno-lint-ignore no-this-alias -- the constructor below is the world's
    const world = this;
    return {
      now: this.clock.now,
      after: this.clock.after,
      soon: (callback) => queueMicrotask(callback),
      random: this.random,
      randomBytes: (length) =>
        Uint8Array.from({ length }, () => this.random() * 256),
      openWebSocket: () => new SimulatedSocket(this),
      webrtc: webrtc
        ? {
          RTCPeerConnection: class extends SimulatedConnection {
            constructor() {
              super(world);
            }
          },
        }
        : undefined,
      onPageHide: () => () => {},
      onPageShow: () => () => {},
    };
  }

  /** Every socket breaks. */
  cutSockets(): void {
    for (const socket of [...this.sockets]) {
      this.sockets.delete(socket);
      socket.fail();
    }
  }

  /** One of the sockets breaks. */
  cutOneSocket(): void {
    const sockets = [...this.sockets];
    const socket = sockets[Math.floor(this.random() * sockets.length)];
    if (!socket) return;
    this.sockets.delete(socket);
    socket.fail();
  }

  /** Every socket goes silent, and neither end is told. */
  stallSockets(): void {
    for (const socket of this.sockets) socket.wire.stalled = true;
  }

  /** Every data channel goes silent, and neither end is told. */
  stallChannels(): void {
    for (const channel of this.channels) channel.wire!.stalled = true;
  }

  /** Every data channel that was silent brings what it held back. */
  healChannels(): void {
    for (const channel of this.channels) channel.wire!.heal();
  }

  /** Every data channel closes, as both ends are told. */
  closeChannels(): void {
    for (const channel of [...this.channels]) {
      channel.wire!.cut = true;
      channel.ended();
    }
    this.channels.clear();
  }

  /** The server dies, and forgets everything. */
  killServer(): void {
    this.listening = false;
    this.cutSockets();
    this.registry.clear();
  }

  /** Another server takes its place. */
  startServer(): void {
    this.#start();
    this.listening = true;
  }

  /** Called for a new socket; false refuses it. */
  accept(socket: SimulatedSocket): boolean {
    if (this.swallowing) return true;
    if (!this.listening) return false;
    this.sockets.add(socket);
    const carry = (arrive: () => void) => socket.wire.carry(arrive);
    let open = true;
    const end: ServerSocket = {
      bufferedAmount: 0,
      send: (data) => {
        const copy = typeof data === "string" ? data : data.slice(0);
        if (open) carry(() => socket.dispatch("message", { data: copy }));
      },
      close: (code, reason) => {
        if (!open) return;
        open = false;
        this.sockets.delete(socket);
        socket.server = null;
        carry(() => socket.closed(code, reason));
      },
    };
    const connection = new Connection(end, {
      registry: this.registry,
      pairCodeValidator: () => true,
      after: this.clock.after,
      ended: () => this.sockets.delete(socket),
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
        connection.close(code);
      },
    };
    carry(() => socket.open());
    return true;
  }

  /** A name for a connection's description. */
  describe(connection: SimulatedConnection): string {
    this.#described.push(connection);
    return String(this.#described.length - 1);
  }

  /** Connects whom an answer came to with whom it came from. */
  join(one: SimulatedConnection, sdp: string): void {
    const two = this.#described[Number(sdp)];
    const ends = [one, two];
    if (one.channel.readyState !== "connecting") {
      // Negotiated anew, over the channel's own path or another.
      for (const end of ends) end.channel.wire?.heal();
      for (const end of ends) end.setState("connected");
      return;
    }
    for (const [end, other] of [[one, two], [two, one]]) {
      const { channel } = end;
      channel.other = other.channel;
      channel.wire = new Wire(this.clock, this.latencyMs);
      this.channels.add(channel);
    }
    this.clock.after(this.latencyMs, () => {
      for (const { channel } of ends) {
        if (channel.readyState === "connecting") channel.readyState = "open";
      }
      for (const end of ends) {
        end.setState("connected");
        if (end.channel.readyState === "open") end.channel.onopen?.();
      }
    });
  }

  #start(): void {
    this.registry = new PairRegistry({
      peerTimeoutMs: this.#peerTimeoutMs,
      after: this.clock.after,
    });
  }
}
