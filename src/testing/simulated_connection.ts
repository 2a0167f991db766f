/**
 * A simulated RTCPeerConnection, and the ground between the peers on which it
 * finds a path.
 *
 * @module
 */

import type { Cancel, PeerConnectionLike } from "../runtime.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";
import { SimulatedChannel } from "./simulated_channel.ts";

/** How long a path may be dead before WebRTC says so: 5 to 30 s in browsers. */
const FAILURE_MS = 20_000;
/** The two ends of a channel open up to so many ms apart. */
const OPENING_MS = 50;

/** Where connections find each other by their descriptions. */
export class Ground {
  /** Whether there is a path from peer to peer for a new connection. */
  passable = true;
  /** The ends that are joined and not dead, whatever became of their channels. */
  readonly connections = new Set<SimulatedConnection>();
  readonly network: Network;
  readonly #described: SimulatedConnection[] = [];

  /** Creates the ground of a network. */
  constructor(network: Network) {
    this.network = network;
  }

  /** A name for a connection's description. */
  describe(connection: SimulatedConnection): string {
    return String(this.#described.push(connection) - 1);
  }

  /** Finds the connection that a description is of. */
  find(sdp: string): SimulatedConnection {
    return this.#described[Number(sdp)];
  }
}

/** A peer connection that connects when an answer arrives. */
export class SimulatedConnection implements PeerConnectionLike {
  signalingState = "stable";
  connectionState = "new";
  localDescription: { type: string; sdp: string } | null = null;
  onnegotiationneeded: (() => void) | null = null;
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  readonly channel: SimulatedChannel;
  /** Whether its data channel was taken from it; it outlives that. */
  lost = false;
  readonly #ground: Ground;
  readonly #host: Host;
  #other: SimulatedConnection | null = null;
  #failure: Cancel | null = null;
  #dead = false;
  /** When its path is there again, if something of its host made it silent. */
  #silentUntil = 0;

  /** Creates a connection of a peer. */
  constructor(ground: Ground, host: Host) {
    this.#ground = ground;
    this.#host = host;
    this.channel = new SimulatedChannel(ground.network, host);
  }

  createDataChannel(): SimulatedChannel {
    this.#host.after(0, () => {
      // An offer of the other side has made it needless.
      if (this.localDescription === null) this.onnegotiationneeded?.();
    });
    return this.channel;
  }

  createOffer(): Promise<unknown> {
    return Promise.resolve();
  }

  createAnswer(): Promise<unknown> {
    return Promise.resolve();
  }

  // deno-lint-ignore require-await -- a promise by its interface
  async setLocalDescription(): Promise<void> {
    const answering = this.signalingState === "have-remote-offer";
    this.signalingState = answering ? "stable" : "have-local-offer";
    const type = answering ? "answer" : "offer";
    this.localDescription = { type, sdp: this.#ground.describe(this) };
    // A real one gathers for a while.
    this.#host.after(1, () => this.onicecandidate?.({ candidate: null }));
  }

  // deno-lint-ignore require-await -- a promise by its interface
  async setRemoteDescription(
    { type, sdp }: { type: string; sdp: string },
  ): Promise<void> {
    if (type === "offer") {
      // The offer of this side, if there is one, is taken back.
      if (this.signalingState === "have-local-offer") {
        this.localDescription = null;
      }
      this.signalingState = "have-remote-offer";
      return;
    }
    if (this.signalingState !== "have-local-offer") {
      throw new Error(
        `Cannot take an answer as the state is "${this.signalingState}"`,
      );
    }
    this.signalingState = "stable";
    this.#join(this.#ground.find(sdp));
  }

  async addIceCandidate(): Promise<void> {}

  restartIce(): void {
    this.#host.after(0, () => this.onnegotiationneeded?.());
  }

  close(): void {
    this.signalingState = "closed";
    this.channel.close();
    this.die();
  }

  /** Its path is dead, which it notices after a while. */
  stall(): void {
    this.channel.wire.stall();
    this.#failLater();
    // Whoever gets nothing notices as well.
    if (this.#other) this.#other.#failLater();
  }

  /** Its path is there again, unless nobody is at its end any more. */
  heal(): void {
    if (this.#other && this.#other.#dead) return;
    this.channel.wire.heal();
    this.#failure?.();
    this.#failure = null;
  }

  /**
   * Its path is dead both ways, which both ends notice after a while; if they
   * do not, it is there again by itself after so long.
   */
  silence(ms: number): void {
    const { clock } = this.#ground.network;
    this.#silentUntil = Math.max(this.#silentUntil, clock.now() + ms);
    for (const end of this.#ends()) {
      end.channel.wire.stall(this);
      end.#failLater();
    }
    if (ms === Infinity) return;
    clock.after(ms, () => {
      // ICE that has failed looks for no path, unless it is restarted.
      if (this.connectionState === "failed") return;
      if (clock.now() >= this.#silentUntil) this.speak();
    });
  }

  /** Its path is there again, unless another reason keeps it dead. */
  speak(): void {
    if (this.#silentUntil === 0) return;
    this.#silentUntil = 0;
    const ends = this.#ends();
    for (const { channel } of ends) channel.wire.heal(this);
    const dead = ends.some((end) => end.#dead || end.channel.wire.stalled);
    if (dead) return;
    for (const end of ends) {
      end.#failure?.();
      end.#failure = null;
    }
  }

  /** Kills the connection; the other end notices, if it is not told before. */
  die(): void {
    this.#dead = true;
    this.#failure?.();
    this.#ground.connections.delete(this);
    if (this.#other) this.#other.#failLater();
  }

  /** The data channel closes here; `silently`, the other end is not told. */
  lose(silently: boolean): void {
    const { wire, other } = this.channel;
    if (silently) wire.cut = true;
    else wire.carry(() => other?.ended());
    this.lost = true;
    this.channel.ended();
  }

  #join(other: SimulatedConnection): void {
    const ends = [this, other];
    const closed = ends.some(({ signalingState }) =>
      signalingState === "closed"
    );
    if (closed || !this.#ground.passable) return;
    if (this.#other) {
      // Negotiated anew, over the path of old or another.
      for (const end of ends) {
        end.heal();
        if (end.#host.gapMs === 0) end.speak();
      }
      for (const end of ends) end.#enter("connected");
      return;
    }
    this.#other = other;
    other.#other = this;
    const { clock, latencyMs, random } = this.#ground.network;
    for (const end of ends) {
      end.channel.other = end.#other!.channel;
      this.#ground.connections.add(end);
      const oneWay = latencyMs + end.#host.up.delayMs +
        end.#other!.#host.down.delayMs;
      const open = () => {
        if (end.signalingState === "closed") return;
        const gapMs = Math.max(...ends.map((each) => each.#host.gapMs));
        if (gapMs > 0) {
          if (gapMs < Infinity) clock.after(gapMs, open);
          return;
        }
        end.#enter("connected");
        end.channel.opened();
      };
      clock.after(oneWay + random() * OPENING_MS, open);
    }
  }

  #ends(): SimulatedConnection[] {
    return this.#other ? [this, this.#other] : [this];
  }

  #failLater(): void {
    if (this.#dead) return;
    this.#failure ??= this.#ground.network.clock.after(
      FAILURE_MS,
      () => {
        this.#failure = null;
        this.#enter("failed");
      },
    );
  }

  #enter(state: string): void {
    this.#host.run(() => {
      if (this.signalingState === "closed") return;
      this.connectionState = state;
      this.onconnectionstatechange?.();
    });
  }
}
