/**
 * A world in one process: peers and a server on a virtual clock, and a
 * network that breaks when it is told to.
 *
 * @module
 */

import type { SocketPeerOptions } from "../client/options.ts";
import { SocketPeer } from "../client/socket_peer.ts";
import type { Runtime, WebSocketLike } from "../runtime.ts";
import { Host } from "./host.ts";
import type { LinkOptions } from "./link.ts";
import type { Network, Traffic } from "./network.ts";
import { seededRandom } from "./seeded_random.ts";
import { Ground, SimulatedConnection } from "./simulated_connection.ts";
import { type DialFate, SimulatedServer } from "./simulated_server.ts";
import { SimulatedSocket } from "./simulated_socket.ts";
import { SYNCHRONOUS_SUBTLE } from "./synchronous_subtle.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** How long a server takes to miss two pings, in milliseconds. */
const PINGS_MS = 30_000;

/** Options of a {@linkcode Simulation}. Times are in milliseconds. */
export interface SimulationOptions {
  /**
   * What everything that is left to chance is drawn from: ids, delays of the
   * backoff, which packet is replayed. The same seed gives the same run.
   *
   * @default {1}
   */
  seed?: number;
  /**
   * How long anything travels, one way.
   *
   * @default {5}
   */
  latency?: number;
  /**
   * The server's option of this name.
   *
   * @default {60_000}
   */
  peerTimeout?: number;
  /**
   * How many processes the server is, with an engine between them. Who dials
   * gets any of them.
   *
   * @default {1}
   */
  nodes?: number;
}

/** Options of a peer in a {@linkcode Simulation}. */
export interface SimulatedPeerOptions extends SocketPeerOptions {
  /**
   * Whether the peer's platform has WebRTC.
   *
   * @default {true}
   */
  webrtc?: boolean;
}

/** A peer's link, whose directions differ; one that is left out stays. */
export interface LinkDirections {
  /** From the peer to the network. */
  up?: LinkOptions;
  /** From the network to the peer. */
  down?: LinkOptions;
}

/** One process of a simulated server, and what may happen to it. */
export interface ServerNode {
  /** Whether the server lives, and takes peers that dial. */
  readonly ready: boolean;
  /** Whether the server reaches the other nodes. */
  readonly joined: boolean;
  /** How many pair codes it decides about. */
  readonly places: number;
  /** How many peers it keeps in mind for the sake of other nodes. */
  readonly pending: number;
  /** Whether it is cut off from what joins the nodes. */
  partitioned: boolean;
  /** Kills the server, which forgets everything. */
  kill(): void;
  /** Starts another server in its place, if it has died. */
  start(): void;
  /**
   * Ends the server as its `close()` does: it sends its peers elsewhere first.
   */
  drain(): Promise<void>;
  /** Makes the server stand still for `ms`. */
  stall(ms: number): void;
}

/** What joins the processes of a simulated server, and what may happen to it. */
export interface ServerEngine {
  /** How many pair codes belong to a node that lives. */
  readonly claims: number;
  /** Which share of the messages between nodes it loses, from 0 to 1. */
  loss: number;
  /** Which share of the messages between nodes it brings twice. */
  doubling: number;
  /** Takes the engine away. */
  stop(): void;
  /** Brings the engine back, with what it knew or `empty`. */
  start(empty?: boolean): void;
}

/** What becomes of a peer that gets another address. Times are milliseconds. */
export interface MoveOptions {
  /**
   * After how long its data channels have found a path again by themselves.
   * With `Infinity`, or more than 20 seconds, they never do: both ends are told
   * after 20 seconds that they have failed, and only an ICE restart or new ones
   * help.
   *
   * @default {5000}
   */
  channelAfter?: number;
  /**
   * Whether its platform says that the network has changed, as
   * {@linkcode Simulation.wake} does.
   *
   * @default {true}
   */
  online?: boolean;
}

/**
 * A server, a network, and as many peers as are made, in one process and on a
 * virtual clock: minutes pass in milliseconds, nothing touches a real network,
 * and the same seed gives the same run.
 *
 * The peers are real ones, and so is the server's part that pairs and relays.
 * Simulated are the sockets, WebRTC, time and chance. Nothing moves until
 * `clock.pass()` is called. Each fault strikes every peer, or the one that it
 * is given; sockets and channels that are opened afterwards work.
 *
 * @example A message survives a server that dies
 * ```ts
 * import { assert } from "@std/assert";
 * import { Simulation } from "@socketpeer/socketpeer/testing";
 *
 * const simulation = new Simulation({ seed: 1, latency: 20 });
 * const alice = simulation.peer();
 * const bob = simulation.peer();
 * const got: unknown[] = [];
 * bob.on("data", (message) => got.push(message));
 * await simulation.clock.pass(1000);
 * assert(alice.path === "direct");
 *
 * simulation.killServer();
 * simulation.closeChannels();
 * alice.send("are you there?");
 * await simulation.clock.pass(10_000);
 * assert(got.length === 0 && !alice.connected);
 *
 * simulation.startServer();
 * await simulation.clock.pass(60_000);
 * assert(got[0] === "are you there?" && alice.connected);
 * ```
 */
export class Simulation {
  /** What all timers of this world are on; nothing happens unless it moves. */
  readonly clock: VirtualClock = new VirtualClock();
  /** What is drawn from the seed; draw from it too, to repeat a whole test. */
  readonly random: () => number;
  /** How long anything travels from now on, one way, in milliseconds. */
  latency: number;
  /** Called for everything that a peer sends or gets. */
  ontraffic: ((traffic: Traffic) => void) | null = null;
  readonly #network: Network;
  readonly #ground: Ground;
  readonly #server: SimulatedServer;
  readonly #hosts = new Map<SocketPeer, Host>();
  /** Sockets of which an end is left. */
  readonly #sockets = new Set<SimulatedSocket>();

  /** Starts the server. */
  constructor(
    { seed = 1, latency = 5, peerTimeout = 60_000, nodes = 1 }:
      SimulationOptions = {},
  ) {
    this.latency = latency;
    const random = seededRandom(seed);
    const { clock } = this;
    const latencyMs = () => this.latency;
    this.random = random;
    this.#network = {
      clock,
      get latencyMs() {
        return latencyMs();
      },
      random,
      watch: (traffic) => this.ontraffic?.(traffic),
    };
    this.#ground = new Ground(this.#network);
    this.#server = new SimulatedServer(this.#network, peerTimeout, nodes);
  }

  /**
   * Makes a peer. Without other options it has the pair code `code`, so any
   * two find each other.
   */
  peer(options?: SimulatedPeerOptions): SocketPeer;
  /** The same, of a class of your own, or of `socketpeer/private`. */
  peer<Peer extends SocketPeer, Options extends SocketPeerOptions>(
    options: Options & SimulatedPeerOptions,
    PeerClass: new (options: Options, runtime: Runtime) => Peer,
  ): Peer;
  peer(
    options: SimulatedPeerOptions = {},
    PeerClass: new (
      options: SocketPeerOptions,
      runtime: Runtime,
    ) => SocketPeer = SocketPeer,
  ): SocketPeer {
    const { webrtc = true, ...rest } = options;
    const host = new Host(this.#network);
    host.peer = new PeerClass(
      { pairCode: "code", url: "http://server", ...rest },
      this.#runtime(host, webrtc),
    );
    this.#hosts.set(host.peer, host);
    return host.peer;
  }

  /**
   * Opens a WebSocket to the server, for a client that is no
   * {@linkcode SocketPeer}: one of version 1, or one by hand. What strikes every
   * peer strikes it, too; it is not seen by `ontraffic`.
   */
  dial(): WebSocketLike {
    return this.#dial(new Host(this.#network));
  }

  // What can be seen.

  /** The sockets of which the server has an open end, by the client's end. */
  get sockets(): ReadonlySet<WebSocketLike> {
    return this.#server.sockets;
  }

  /** How many ends of data channels are open. */
  get openChannels(): number {
    let open = 0;
    for (const { channel } of this.#ground.connections) {
      if (channel.readyState === "open") open++;
    }
    return open;
  }

  /** How many pair codes are in use at the server. */
  get places(): number {
    return this.#server.places;
  }

  /** The server's processes. */
  get nodes(): readonly ServerNode[] {
    return this.#server.nodes;
  }

  /** What joins them; `null` where there is one. */
  get engine(): ServerEngine | null {
    return this.#server.engine;
  }

  /** How many packets the server got so far. */
  get relayed(): number {
    return this.#server.relayed;
  }

  // Sockets.

  /** Sockets break, as both ends are told at once. */
  cutSockets(of?: SocketPeer): void {
    for (const socket of this.#socketsOf(of)) {
      socket.cut();
      socket.loseServer(1006);
      socket.closed(1006);
    }
  }

  /** Sockets break, as only the clients are told: the server keeps its ends. */
  halfOpenSockets(of?: SocketPeer): void {
    for (const socket of this.#socketsOf(of)) {
      socket.cut();
      socket.closed(1006);
      if (socket.host.peer) continue;
      // Of a client that answers no heartbeat the server finds it out by the
      // pings of WebSocket itself.
      this.clock.after(PINGS_MS, () => socket.loseServer(1006));
    }
  }

  /** Sockets go silent, and neither end is told. */
  stallSockets(of?: SocketPeer): void {
    for (const socket of this.#socketsOf(of)) {
      socket.up.stall();
      socket.down.stall();
    }
  }

  /** Sockets that were silent bring what they held back. */
  healSockets(of?: SocketPeer): void {
    for (const socket of this.#socketsOf(of)) {
      socket.up.heal();
      socket.down.heal();
    }
  }

  /** What becomes of attempts to connect to the server from now on. */
  get dials(): DialFate {
    return this.#server.dials;
  }

  set dials(fate: DialFate) {
    this.#server.dials = fate;
  }

  // Links.

  /**
   * Makes a peer reach the network over such a link from now on, in both
   * directions or in each of them. All its sockets and data channels share it:
   * what one of them queues delays the others. On a data channel, what a peer
   * sends passes its own link up and then the other's link down.
   *
   * A socket has a buffer of 64 KiB in the system that counts as handed over,
   * at both ends, so its `bufferedAmount` is what lies before that.
   *
   * @example A slow way up, with much room in front of it
   * ```ts
   * import { assert } from "@std/assert";
   * import { Simulation } from "@socketpeer/socketpeer/testing";
   *
   * const simulation = new Simulation();
   * const [alice, bob] = [simulation.peer(), simulation.peer()];
   * simulation.link(alice, {
   *   up: { rate: 100_000, queue: 256 * 1024 },
   *   down: { rate: 1_000_000, delay: 20, jitter: 10, loss: 0.01 },
   * });
   * let gotAt = 0;
   * bob.on("data", () => gotAt = simulation.clock.now());
   * alice.send(new Uint8Array(500_000));
   * await simulation.clock.pass(60_000);
   * assert(gotAt > 5000 && gotAt < 7000);
   * ```
   *
   * @throws {RangeError} If a value is out of its range.
   */
  link(peer: SocketPeer, options: LinkOptions | LinkDirections): void {
    const host = this.#hostOf(peer);
    const differ = "up" in options || "down" in options;
    const { up, down }: LinkDirections = differ
      ? options
      : { up: options as LinkOptions, down: options as LinkOptions };
    if (up) host.up.set(up);
    if (down) host.down.set(down);
  }

  /**
   * A peer's link is broken for `ms`: nothing passes on any of its sockets and
   * data channels, nor do dials, and neither end is told.
   *
   * Afterwards new sockets and all data channels work at once. A socket that
   * held something back goes on when TCP tries again, which it does 0.2, 0.4,
   * 0.8 s and so on after it could not send: up to as long again as the gap
   * was, and at most 8 s. A dial goes on 1, 3, 7 s and so on after it began.
   */
  breakLink(peer: SocketPeer, ms: number): void {
    const host = this.#hostOf(peer);
    host.brokenUntil = Math.max(host.brokenUntil, this.clock.now() + ms);
    for (const socket of this.#socketsOf(peer)) socket.pause();
    for (const connection of this.#connectionsOf(peer)) connection.silence(ms);
    if (ms === Infinity) return;
    this.clock.after(ms, () => {
      if (host.gapMs > 0) return;
      for (const socket of this.#socketsOf(peer)) socket.resume();
    });
  }

  /**
   * A peer gets another address, as a phone does that leaves its Wi-Fi. Nothing
   * passes on its sockets any more, and neither end is told, not even by
   * {@linkcode Simulation.repair}; new ones work at once. Its data channels are
   * silent both ways, until they have found a path again.
   */
  move(
    peer: SocketPeer,
    { channelAfter = 5000, online = true }: MoveOptions = {},
  ): void {
    for (const socket of this.#socketsOf(peer)) socket.strand();
    for (const connection of this.#connectionsOf(peer)) {
      connection.silence(channelAfter);
    }
    if (online) this.wake(peer);
  }

  // Data channels.

  /**
   * Data channels close, as both ends are told at once; or the given peer's
   * end does, and the other is told when that arrives.
   */
  closeChannels(of?: SocketPeer): void {
    for (const connection of this.#connectionsOf(of)) connection.lose(!of);
  }

  /** A peer's ends of data channels close, and the others are never told. */
  halfOpenChannels(of: SocketPeer): void {
    for (const connection of this.#connectionsOf(of)) connection.lose(true);
  }

  /**
   * Data channels go silent, or what the given peer sends on them does; for
   * 20 seconds, neither end is told.
   */
  stallChannels(of?: SocketPeer): void {
    for (const connection of this.#connectionsOf(of)) connection.stall();
  }

  /** Data channels that were silent bring what they held back. */
  healChannels(of?: SocketPeer): void {
    for (const connection of this.#connectionsOf(of)) connection.heal();
  }

  /** Whether new data channels find a path from peer to peer. */
  get directPossible(): boolean {
    return this.#ground.passable;
  }

  set directPossible(possible: boolean) {
    this.#ground.passable = possible;
  }

  /** Every way that is open carries one of its last packets a second time. */
  replayPackets(): void {
    for (const { up, down } of this.#socketsOf()) {
      up.replay();
      down.replay();
    }
    for (const { channel } of this.#connectionsOf()) channel.wire.replay();
  }

  /** Gives a peer on its WebSocket what nobody has sent. */
  inject(to: SocketPeer, data: string | ArrayBuffer): void {
    for (const socket of this.#socketsOf(to)) socket.receive(data);
  }

  // The server.

  /** The server dies, and forgets everything. */
  killServer(): void {
    this.#server.kill();
  }

  /** Another server takes its place, if it has died. */
  startServer(): void {
    this.#server.start();
  }

  /**
   * Ends the conversation behind a code, as the server's `leave()` does. Where
   * the server has several nodes, let time pass before you wait for the answer.
   */
  leave(pairCode: string): Promise<boolean> {
    return this.#server.leave(pairCode);
  }

  // The peers' programs.

  /**
   * Makes a peer's program stand still for `ms`: a tab in the background, a
   * laptop asleep. Its timers and all that comes for it wait; then its clock
   * has jumped, and everything happens in a rush. Do not call the peer
   * meanwhile: a program that stands still does not.
   */
  freeze(peer: SocketPeer, ms: number): void {
    this.#hostOf(peer).freeze(ms);
  }

  /** Whether a peer's program stands still. */
  isFrozen(peer: SocketPeer): boolean {
    return this.#hostOf(peer).frozen;
  }

  /** A peer's program dies without a word; its system closes its sockets. */
  crash(peer: SocketPeer): void {
    for (const socket of this.#socketsOf(peer)) {
      socket.up.carry(() => {
        socket.loseServer(1006);
        socket.cut();
      });
    }
    const { connections } = this.#ground;
    for (const connection of [...connections]) {
      if (connection.channel.host === this.#hostOf(peer)) connection.die();
    }
    this.#hostOf(peer).dead = true;
  }

  /** A peer's page is left, or goes into the back-forward cache. */
  hidePage(peer: SocketPeer): void {
    const host = this.#hostOf(peer);
    host.tell(host.pageHide);
  }

  /** A peer's page comes back from that cache. */
  showPage(peer: SocketPeer): void {
    const host = this.#hostOf(peer);
    host.tell(host.pageShow);
  }

  /** A peer's platform says that the network may have changed. */
  wake(peer: SocketPeer): void {
    const host = this.#hostOf(peer);
    host.tell(host.wake);
  }

  /**
   * All works again: the server, its nodes and what joins them, dials, what stalls, and links that are broken.
   * Cuts and limits stay.
   */
  repair(): void {
    this.#server.repair();
    this.dials = "accept";
    this.directPossible = true;
    this.healSockets();
    this.healChannels();
    for (const host of this.#hosts.values()) host.brokenUntil = 0;
    for (const socket of this.#socketsOf()) socket.resumeAtOnce();
    for (const connection of this.#connectionsOf()) connection.speak();
  }

  #runtime(host: Host, webrtc: boolean): Runtime {
    const { clock, random } = this;
    const ground = this.#ground;
    const listen = (listeners: Set<() => void>) => (callback: () => void) => {
      listeners.add(callback);
      return () => void listeners.delete(callback);
    };
    class RTCPeerConnection extends SimulatedConnection {
      constructor() {
        super(ground, host);
      }
    }
    return {
      now: clock.now,
      after: host.after,
      soon: host.soon,
      random,
      randomBytes: (length) =>
        Uint8Array.from({ length }, () => random() * 256),
      openWebSocket: () => this.#dial(host),
      webrtc: webrtc ? { RTCPeerConnection } : undefined,
      subtle: SYNCHRONOUS_SUBTLE,
      onPageHide: listen(host.pageHide),
      onPageShow: listen(host.pageShow),
      onWake: listen(host.wake),
    };
  }

  #dial(host: Host): SimulatedSocket {
    for (const socket of this.#sockets) {
      if (socket.readyState === 3 && !socket.server) {
        this.#sockets.delete(socket);
      }
    }
    const socket = new SimulatedSocket(this.#network, host, this.#server);
    this.#sockets.add(socket);
    return socket;
  }

  #hostOf(peer: SocketPeer): Host {
    const host = this.#hosts.get(peer);
    if (host) return host;
    throw new TypeError(
      "Cannot find this peer as it is of no or another simulation: make it " +
        "with peer() of this one",
    );
  }

  #socketsOf(peer?: SocketPeer): SimulatedSocket[] {
    const host = peer && this.#hostOf(peer);
    return [...this.#sockets].filter((socket) => !host || socket.host === host);
  }

  /** The connections whose data channels faults have left alone so far. */
  #connectionsOf(peer?: SocketPeer): SimulatedConnection[] {
    const host = peer && this.#hostOf(peer);
    return [...this.#ground.connections].filter(({ channel, lost }) =>
      !lost && (!host || channel.host === host)
    );
  }
}
