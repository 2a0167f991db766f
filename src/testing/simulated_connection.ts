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

  /** Lies in a network. */
  constructor(network: Network) {
    this.network = network;
  }

  /** A name for a connection's description. */
  describe(connection: SimulatedConnection): string {
    return String(this.#described.push(connection) - 1);
  }

  /** Whose description that is. */
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

  /** Belongs to a peer. */
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
      throw new Error(`An answer in state ${this.signalingState}`);
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

  /** It is gone; the other end notices, if it is not told before. */
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
      for (const end of ends) end.heal();
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
      clock.after(oneWay + random() * OPENING_MS, () => {
        if (end.signalingState === "closed") return;
        end.#enter("connected");
        end.channel.opened();
      });
    }
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
