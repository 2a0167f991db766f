/**
 * One RTCPeerConnection and its data channel: offers, answers, candidates.
 *
 * This is "perfect negotiation" of the WebRTC specification (webrtc-pc,
 * section 10.7): either side may offer at any time, and where two offers
 * cross, the polite side takes its own back.
 *
 * @module
 */

import { MAX_PACKET_BYTES } from "../protocol/limits.ts";
import type { RtcCandidate, RtcSignal } from "../protocol/control.ts";
import type {
  Cancel,
  DataChannelLike,
  PeerConnectionLike,
  RtcConfiguration,
  Runtime,
} from "../runtime.ts";

/**
 * The pause after candidates were sent, in milliseconds, at first: it doubles
 * up to a second, as a host of many addresses, in or behind many networks,
 * finds hundreds of candidates, and the server takes 20 messages a second.
 */
const CANDIDATE_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1000;
/** So many fit into a control message with room to spare. */
const CANDIDATES_PER_SIGNAL = 100;

/** What a negotiation needs and reports. */
export interface NegotiationOptions {
  readonly runtime: Runtime;
  /** A connection that was not used yet. */
  readonly connection: PeerConnectionLike;
  /** The settings of the connection, as they are now. */
  config(): RtcConfiguration;
  /** Whether this side yields where two offers cross. */
  polite(): boolean;
  /** Whether it begins with an offer of the other side. */
  readonly answer: boolean;
  /** Marks the signals of this connection. */
  readonly generation: number;
  /** Takes a signal to the other peer. */
  signal(signal: RtcSignal): void;
  /** The data channel is open. */
  onOpen(channel: DataChannelLike): void;
  /** The connection cannot be made. */
  onError(cause: unknown): void;
  /** The network path changed state: `connectionState`. */
  onState(state: string): void;
}

/** One attempt to connect the two peers directly. */
export class Negotiation {
  readonly #options: NegotiationOptions;
  readonly #connection: PeerConnectionLike;
  readonly #channel: DataChannelLike;
  /** The other side's offer will do for the channel of this side too. */
  #awaitsOffer: boolean;
  #pause?: Cancel;
  #makingOffer = false;
  #settingRemoteAnswer = false;
  #signals: Promise<void> = Promise.resolve();
  /** Found, and not yet sent. */
  readonly #candidates: RtcCandidate[] = [];
  #pauseMs = CANDIDATE_PAUSE_MS;
  #closed = false;

  /**
   * Starts at once: making the channel is what calls for the first offer.
   *
   * @throws If the implementation refuses the configuration.
   */
  constructor(options: NegotiationOptions) {
    this.#options = options;
    this.#awaitsOffer = options.answer;
    const { connection } = options;
    this.#connection = connection;
    this.#configure();
    // Both sides make the same channel, so neither has to announce it. It
    // exists before any description does, so no message can come too early
    // (https://github.com/w3c/webrtc-pc/issues/1879).
    const channel = connection.createDataChannel("socketpeer", {
      negotiated: true,
      id: 0,
    });
    this.#channel = channel;
    channel.onopen = () => this.#onOpen();
    // As JSON it will be what its `toJSON()` says.
    connection.onicecandidate = ({ candidate }) => {
      this.#candidates.push(candidate as RtcCandidate);
      if (!this.#pause) this.#sendCandidates();
    };
    connection.onconnectionstatechange = () => {
      if (!this.#closed) options.onState(connection.connectionState);
    };
    // One channel needs one offer, and no event that calls for it: that of
    // npm's wrtc and of werift may come so late that the two have agreed by
    // then, and node-datachannel has none. Where werift offers again right
    // after its answer, it starts DTLS twice, and no channel opens.
    this.#offer();
  }

  /** Takes a signal of the other peer. */
  receive(signal: RtcSignal): void {
    this.#signals = this.#signals
      .then(() => this.#handle(signal))
      .catch((cause) => this.#fail(cause));
  }

  /** Looks for a new network path under the connection. */
  restartIce(): void {
    try {
      this.#configure();
      this.#connection.onnegotiationneeded = () => this.#offer();
      this.#connection.restartIce?.();
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** The server may have named others, or renewed their credentials. */
  #configure(): void {
    this.#connection.setConfiguration?.(this.#options.config());
  }

  /** Closes the connection; nothing is reported afterwards. */
  close(): void {
    this.#closed = true;
    this.#pause?.();
    this.#connection.close();
  }

  async #offer(): Promise<void> {
    if (this.#awaitsOffer || this.#makingOffer) return;
    try {
      this.#makingOffer = true;
      await this.#describe("createOffer");
    } catch (cause) {
      this.#fail(cause);
    } finally {
      this.#makingOffer = false;
    }
  }

  /** Sends those that there are, and after a pause those that came meanwhile. */
  #sendCandidates(): void {
    this.#pause = undefined;
    const candidates = this.#candidates.splice(0, CANDIDATES_PER_SIGNAL);
    if (candidates.length === 0) return;
    this.#signal({ candidates });
    this.#pause = this.#options.runtime.after(
      this.#pauseMs,
      () => this.#sendCandidates(),
    );
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
  }

  async #handle({ description, candidates = [] }: RtcSignal): Promise<void> {
    if (this.#closed) return;
    const connection = this.#connection;
    for (const candidate of candidates) {
      try {
        await connection.addIceCandidate(candidate ?? undefined);
      } catch {
        // A candidate of an ignored offer, or one that this side cannot use:
        // the others may do.
      }
    }
    if (!description) return;
    const isOffer = description.type === "offer";
    // node-datachannel makes an offer by itself, which nobody has been sent.
    const ready = this.#awaitsOffer || !this.#makingOffer &&
        (connection.signalingState === "stable" || this.#settingRemoteAnswer);
    // The two offers have crossed, and the other side takes its own back.
    if (isOffer && !ready && !this.#options.polite()) return;
    this.#settingRemoteAnswer = description.type === "answer";
    await connection.setRemoteDescription(description);
    this.#settingRemoteAnswer = false;
    if (!isOffer) return;
    await this.#describe("createAnswer");
    this.#awaitsOffer = false;
  }

  async #describe(create: "createOffer" | "createAnswer"): Promise<void> {
    const connection = this.#connection;
    // Without an argument it describes what the state calls for when its turn
    // comes. npm's wrtc, like browsers before 2020, must be given one.
    const described = connection.setLocalDescription.length === 0
      ? undefined
      : await connection[create]();
    await connection.setLocalDescription(described);
    const description = connection.localDescription;
    if (description) {
      const { type, sdp } = description;
      this.#signal({ description: { type, sdp } });
    }
  }

  #signal(step: Omit<RtcSignal, "generation">): void {
    if (this.#closed) return;
    const { generation } = this.#options;
    this.#options.signal({ generation, ...step });
  }

  #onOpen(): void {
    const most = this.#connection.sctp?.maxMessageSize ?? MAX_PACKET_BYTES;
    if (most < MAX_PACKET_BYTES) {
      this.#fail(`it takes ${most} bytes at most`);
    } else if (!this.#closed) {
      this.#options.onOpen(this.#channel);
    }
  }

  #fail(cause: unknown): void {
    if (!this.#closed) this.#options.onError(cause);
  }
}
