/**
 * The direct link: one negotiation after another until a data channel opens,
 * and again when it breaks.
 *
 * @module
 */

import { SocketPeerError } from "../errors.ts";
import type { ControlMessage } from "../protocol/control.ts";
import type {
  Cancel,
  DataChannelLike,
  PeerConnectionLike,
  RtcConfiguration,
  Runtime,
  WebRtc,
} from "../runtime.ts";
import { backoffDelay } from "./backoff.ts";
import { Negotiation } from "./negotiation.ts";
import { DataChannel } from "./transports/data_channel.ts";
import type { Transport } from "./transports/transport.ts";

/** How long an attempt, or an ICE restart, may take. */
const UPGRADE_TIMEOUT_MS = 15_000;
/** Base of the backoff between attempts. */
const RETRY_DELAY_MS = 1000;

/** How often an open channel is greeted, until the other end answers. */
const GREETING_INTERVAL_MS = 500;

/** What a {@linkcode DirectLink} needs and reports. */
export interface DirectLinkOptions {
  readonly runtime: Runtime;
  readonly webrtc: WebRtc;
  /** The settings of a connection, as they are now. */
  config(): RtcConfiguration;
  /** Whether this side yields where two offers cross. */
  polite(): boolean;
  /** Takes a message to the other peer. */
  signal(message: ControlMessage): void;
  /** An attempt begins. */
  onAttempt(): void;
  /** A data channel is open. */
  onOpen(channel: Transport): void;
  /** An attempt failed; another will follow. */
  onError(error: SocketPeerError): void;
}

/** Opens data channels for one conversation. */
export class DirectLink {
  readonly #options: DirectLinkOptions;
  /**
   * For the first attempt. A page that has none takes as long to make one as
   * for half of the rest, so it is made while the server is dialed.
   */
  #spare?: PeerConnectionLike;
  #negotiation?: Negotiation;
  #channel?: DataChannel;
  /** Whether this side makes the offers; undefined where signals reach nobody. */
  #initiator?: boolean;
  #deadline?: Cancel;
  #retry?: Cancel;
  #generation = 0;
  #attempts = 0;
  #closed = false;

  /** Waits for {@linkcode DirectLink.signalingReady}. */
  constructor(options: DirectLinkOptions) {
    this.#options = options;
    try {
      this.#spare = this.#connect();
    } catch {
      // The first attempt will say why.
    }
  }

  /**
   * Signals reach the other peer from now on, at first or again.
   *
   * @param initiator Whether this side makes the offers. Another server may
   * see that the other way round, and then both sides are told.
   */
  signalingReady(initiator: boolean): void {
    this.#initiator = initiator;
    // What was sent before may not have arrived.
    if (!this.#channel) this.#askForOffer();
  }

  /** Signals reach nobody for now, maybe for long. */
  signalingLost(): void {
    this.#initiator = undefined;
    // A page may have 500 connections, and not many at a time elsewhere.
    this.#spare?.close();
    this.#spare = undefined;
  }

  /** The ICE servers have changed: a path through one of those before may end. */
  renew(): void {
    this.#negotiation?.restartIce();
  }

  /** Takes a message of the other peer. */
  receive(
    message: Extract<ControlMessage, { type: "rtc.connect" | "rtc.signal" }>,
  ): void {
    if (this.#closed) return;
    if (message.type === "rtc.connect") {
      // The other peer lost a connection that this side may think is open.
      const stale = message.data.generation < this.#generation;
      if (this.#initiator && !stale) this.#start(this.#generation + 1);
    } else {
      const { generation, description } = message.data;
      if (generation < this.#generation) return;
      if (generation > this.#generation) {
        // Only an offer can begin a connection; a candidate that comes without
        // one belongs to an offer that was lost.
        if (description?.type !== "offer") return;
        this.#start(generation, true);
      }
      this.#negotiation?.receive(message.data);
    }
  }

  /** Ends all attempts and closes the connection. */
  close(): void {
    this.#closed = true;
    this.#discard();
    this.#retry?.();
    this.signalingLost();
  }

  #connect(): PeerConnectionLike {
    const { webrtc, config } = this.#options;
    return new webrtc.RTCPeerConnection(config());
  }

  /** Makes the initiator offer, whichever side notices that it should. */
  #askForOffer(): void {
    const generation = this.#generation;
    if (this.#initiator) this.#start(generation + 1);
    // Without signaling it waits for `signalingReady()`.
    else if (this.#initiator === false && generation > 0) {
      this.#options.signal({ type: "rtc.connect", data: { generation } });
    }
  }

  #start(generation: number, answer = false): void {
    this.#discard();
    this.#retry?.();
    this.#generation = generation;
    this.#options.onAttempt();
    if (this.#closed) return;
    this.#deadline = this.#options.runtime.after(
      UPGRADE_TIMEOUT_MS,
      () =>
        this.#fail(`no data channel opened within ${UPGRADE_TIMEOUT_MS} ms`),
    );
    let connection = this.#spare;
    this.#spare = undefined;
    try {
      connection ??= this.#connect();
      this.#negotiation = new Negotiation({
        ...this.#options,
        connection,
        answer,
        generation,
        signal: (data) => this.#options.signal({ type: "rtc.signal", data }),
        onOpen: (channel) => this.#opened(channel),
        onError: (cause) => this.#fail(String(cause), { cause }),
        onState: (state) => this.#stateChanged(state),
      });
    } catch (cause) {
      connection?.close();
      this.#fail(String(cause), { cause });
    }
  }

  #opened(channel: DataChannelLike): void {
    const { runtime, onOpen } = this.#options;
    const transport = new DataChannel(channel, {
      now: () => runtime.now(),
      ready: () => {
        this.#deadline?.();
        this.#channel = transport;
        this.#attempts = 0;
        onOpen(transport);
      },
      ended: () => {
        if (this.#channel !== transport) return;
        this.#discard();
        this.#retryLater();
      },
    });
    const negotiation = this.#negotiation;
    const greet = () => {
      if (this.#channel || this.#negotiation !== negotiation) return;
      transport.greet();
      runtime.after(GREETING_INTERVAL_MS, greet);
    };
    greet();
  }

  #stateChanged(state: string): void {
    if (state === "connected") {
      if (this.#channel) this.#deadline?.();
    } else if (state === "failed") {
      const fail = () => this.#fail("no network path was found");
      this.#deadline?.();
      if (this.#channel) {
        this.#deadline = this.#options.runtime.after(UPGRADE_TIMEOUT_MS, fail);
        this.#negotiation?.restartIce();
      } else fail();
    }
  }

  #fail(why: string, options?: ErrorOptions): void {
    this.#discard();
    this.#options.onError(
      new SocketPeerError(
        "UPGRADE",
        `Cannot open a data channel as ${why}: it is tried again`,
        options,
      ),
    );
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#closed) return;
    const { runtime } = this.#options;
    this.#retry?.();
    this.#retry = runtime.after(
      backoffDelay(this.#attempts++, RETRY_DELAY_MS, runtime.random()),
      () => this.#askForOffer(),
    );
  }

  #discard(): void {
    this.#deadline?.();
    const channel = this.#channel;
    this.#channel = undefined;
    channel?.close();
    this.#negotiation?.close();
    this.#negotiation = undefined;
  }
}
