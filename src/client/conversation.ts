/**
 * One conversation with one other peer, from dialing the server until it has
 * ended for good: joins signaling, session, path and upgrades.
 *
 * A conversation has an `id` of its own, and one partner at most: whoever has
 * both ids has the same conversation, over however many sockets.
 *
 * @module
 */

import { ConversationEndedError, SocketPeerError } from "../errors.ts";
import { BUSY, ENDED_BY_SERVER, PEER_LEFT } from "../protocol/close_code.ts";
import type { ControlMessage, Hello, Ticket } from "../protocol/control.ts";
import { PROTOCOL_VERSION } from "../protocol/limits.ts";
import type { Cancel, RtcConfiguration, Runtime } from "../runtime.ts";
import { afterAwake } from "./awake.ts";
import type { ConnectionState } from "./connection_state.ts";
import { LEGACY_HELLO, LegacyRelay } from "./legacy_relay.ts";
import type { CloseInfo, CloseReason, SocketPeerEvents } from "./events.ts";
import { randomCode, type ResolvedOptions } from "./options.ts";
import { Path, type PathKind } from "./path.ts";
import { SendQueue } from "./send_queue.ts";
import { Session } from "./session.ts";
import { Signaling, type SignalingEnd } from "./signaling.ts";
import { WebSocketRelay } from "./transports/websocket_relay.ts";
import { Upgrader } from "./upgrader.ts";

/** How long `close()` waits for what was sent to be acknowledged. */
const LINGER_MS = 5000;
/** How long a data channel stays open for what is said last. */
const LAST_WORDS_MS = 1000;

/** What a {@linkcode Conversation} reports. */
export interface ConversationHandlers {
  /** An event of the peer, except `close`. */
  emit<Name extends keyof SocketPeerEvents>(
    event: Name,
    ...args: SocketPeerEvents[Name]
  ): void;
  /** The last call that it makes; not made while it lingers. */
  ended(info: CloseInfo): void;
}

/** One conversation. */
export class Conversation {
  readonly #options: ResolvedOptions;
  readonly #runtime: Runtime;
  readonly #handlers: ConversationHandlers;
  /** What its place at the server is taken by. */
  readonly ticket: Ticket;
  readonly #session: Session;
  readonly #queue: SendQueue;
  readonly #path: Path;
  readonly #signaling: Signaling;
  #upgrader?: Upgrader;
  #partner: string | undefined;
  /** Where the other peer speaks version 1. */
  #legacy?: LegacyRelay;
  #relay?: WebSocketRelay;
  #iceServers: readonly object[] | undefined;
  /** Who waits for something to have become true, and looks again. */
  readonly #waiters: (() => void)[] = [];
  /** How it ended. */
  #info?: CloseInfo;
  #begun = false;
  #lingering = false;
  #ended = false;
  /** Why the last attempt to connect failed. */
  #lastError: SocketPeerError | undefined;
  #state: ConnectionState = "idle";
  #connectTimer?: Cancel;
  #resumeTimer?: Cancel;
  #lingerTimer?: Cancel;
  /** What is left to do once it has ended. */
  #closePath = () => {};

  /**
   * Waits for {@linkcode Conversation.connect}; messages may be queued.
   *
   * @param before The ticket of the same peer's conversation before.
   */
  constructor(
    options: ResolvedOptions,
    runtime: Runtime,
    handlers: ConversationHandlers,
    before: Ticket | undefined,
  ) {
    this.#options = options;
    this.#runtime = runtime;
    this.#handlers = handlers;
    this.ticket = { id: randomCode(runtime), key: randomCode(runtime) };
    this.#session = new Session({
      message: (message) => this.#emit("data", message),
      ended: (aborted) => this.#remoteEnded(aborted),
    }, options.maxMessageBytes);
    this.#queue = new SendQueue(this.#session, options, {
      ready: () => {
        this.#path.sendSoon();
        this.#progress();
      },
      unreadable: (error) => this.#emit("error", error),
    });
    this.#path = new Path(this.#session, runtime, {
      changed: (to, from) => this.#pathChanged(to, from),
      directLost: () => {
        if (this.#ended) this.#closePath();
        else this.#upgrader?.channelLost();
      },
      progress: () => this.#progress(),
      failed: (error) => this.#fail(error as SocketPeerError),
    });
    this.#signaling = new Signaling({
      ...options,
      runtime,
      pairRequest: () => ({
        code: options.pairCode,
        version: PROTOCOL_VERSION,
        ...this.ticket,
        partner: this.#partner,
        // It may have ended while it had no socket.
        leaves: before,
        // Who does not dial again needs no place meanwhile.
        resumeTimeout: options.reconnect ? options.resumeTimeout : 0,
        hello: this.#hello,
      }),
      message: (message) => this.#control(message),
      packet: (packet) => this.#relay?.receive(packet),
      malformed: (error) => this.#emit("error", error),
      ended: (end) => this.#signalingEnded(end),
    });
  }

  /** Where it stands. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** Which way messages leave. */
  get path(): PathKind {
    return this.#state === "connected" ? this.#path.kind : null;
  }

  /** Bytes accepted and not acknowledged. */
  get bufferedBytes(): number {
    return this.#queue.bufferedBytes;
  }

  /** Accepts a message; see `SocketPeer.send()`. */
  send(data: unknown): boolean {
    return this.#queue.send(data);
  }

  /** Waits for what was sent so far; see `SocketPeer.flush()`. */
  flush(): Promise<void> {
    const queue = this.#queue;
    const accepted = queue.acknowledged + queue.unacknowledged;
    return this.#until(() => queue.acknowledged >= accepted);
  }

  /** Waits for room; see `SocketPeer.drained()`. */
  drained(): Promise<void> {
    return this.#until(() => this.#queue.hasRoom);
  }

  /** Reports no messages for now, or again. */
  pause(paused: boolean): void {
    this.#path.pause(paused);
  }

  /** Begins to connect, or stops waiting out the backoff. */
  connect(): void {
    if (this.#state === "idle") {
      const { timeout, webrtc, rtcConfig } = this.#options;
      if (timeout > 0) {
        this.#connectTimer = this.#runtime.after(
          timeout,
          () => {
            this.#reportTimeout();
            if (this.#ended || this.#begun) return;
            if (!this.#options.reconnect) this.#stop();
            else if (this.#signaling.dialing) this.#dialLater();
          },
        );
      }
      this.#enter("connecting");
      if (!this.#ended) this.#signaling.dial();
      // What was done until here may have been the end of it.
      if (!webrtc || this.#ended || this.#state === "idle") return;
      this.#upgrader ??= new Upgrader({
        runtime: this.#runtime,
        webrtc,
        config: () => ({
          iceServers: this.#iceServers as RtcConfiguration["iceServers"],
          ...rtcConfig,
        }),
        // Both know both ids, so they agree.
        polite: () => this.ticket.id < this.#partner!,
        signal: (message) => this.#signaling.send(message),
        attempt: () => this.#emit("upgrade_attempt"),
        opened: (channel) => this.#path.setDirect(channel),
        lost: (channel) => this.#path.dropDirect(channel),
        failed: (error) => this.#report("upgrade_error", error),
      });
    } else if (this.#state === "reconnecting" && !this.#signaling.dialing) {
      this.#signaling.dial();
    }
  }

  /**
   * Ends the conversation; what was accepted is delivered first, as far as
   * that takes no longer than the linger time.
   */
  close(): void {
    if (this.#ended || this.#lingering) return;
    const pointless = !this.#begun ||
      this.#path.kind === null && this.#queue.unacknowledged === 0;
    if (pointless) {
      this.destroy();
      return;
    }
    this.#lingering = true;
    this.#session.stopReceiving();
    this.#resumeTimer?.();
    this.#lingerTimer = this.#runtime.after(LINGER_MS, () => this.destroy());
    this.#queue.onceEmpty(() => {
      if (this.#ended) return;
      this.#session.end();
      this.#path.sendSoon();
    });
    this.#enter("closed");
  }

  /** Ends the conversation at once. */
  destroy(): void {
    this.#end("local");
    this.#closePath();
  }

  #dropUpgrader(): void {
    this.#upgrader?.close();
    this.#upgrader = undefined;
  }

  get #hello(): Hello {
    const { webrtc, socketFallback, maxMessageBytes } = this.#options;
    return {
      received: this.#session.received,
      webrtc: !!webrtc,
      relay: socketFallback,
      maxMessageBytes,
    };
  }

  #control(message: ControlMessage): void {
    switch (message.type) {
      case "peer.waiting":
        if (this.#path.kind === null) this.#enter("waiting");
        break;
      case "peer.found":
        this.#found(message.data);
        break;
      case "peer.lost":
        this.#upgrader?.signalingLost();
        this.#path.setRelay();
        break;
      case "rtc.connect":
      case "rtc.signal":
        this.#upgrader?.receive(message);
        break;
      case "ice.servers":
        this.#iceServers = message.data.iceServers;
        break;
      case "data":
        this.#legacy?.receive(message.data);
        break;
      case "error":
        this.#emit(
          "error",
          new SocketPeerError(
            "PROTOCOL",
            `The server refuses a message: ${message.data.message}`,
          ),
        );
        break;
    }
  }

  #found(
    { initiator, id = "", hello = LEGACY_HELLO, iceServers }:
      (ControlMessage & {
        type: "peer.found";
      })["data"],
  ): void {
    // One of version 1 has no name, so it may be another each time.
    if (this.#partner !== undefined && (!id || this.#partner !== id)) {
      this.#end("replaced");
      return;
    }
    this.#partner = id;
    this.#iceServers = iceServers ?? this.#iceServers;
    try {
      this.#session.acknowledge(hello.received, this.#runtime.now());
    } catch (error) {
      this.#fail(error as SocketPeerError);
      return;
    }
    this.#queue.limitMessages(hello.maxMessageBytes);
    const { webrtc, socketFallback } = this.#options;
    const relayed = socketFallback && hello.relay;
    if (!hello.webrtc) this.#dropUpgrader();
    if (!this.#upgrader && !relayed) {
      this.#report(
        "connect_error",
        new SocketPeerError(
          "WEBRTC_MISSING",
          `Cannot connect without "socketFallback" as ` +
            (webrtc ? "the other" : "this") +
            ` peer has no WebRTC: give it one as "wrtc"`,
        ),
      );
      this.#stop();
      return;
    }
    if (relayed) {
      if (!id) {
        this.#legacy = new LegacyRelay({
          send: (message) => this.#signaling.send(message),
          failed: (error) => this.#fail(error),
        });
      }
      this.#relay = new WebSocketRelay((packet) =>
        this.#signaling.sendPacket(packet)
      );
      this.#path.setRelay(this.#legacy ?? this.#relay);
    }
    if (this.#ended) return;
    // A partner that is gone before any path opened must not be waited for.
    if (this.#path.kind === null) this.#waitForPath();
    this.#upgrader?.signalingReady(initiator);
    this.#progress();
  }

  #pathChanged(to: PathKind, from: PathKind): void {
    if (this.#ended) return;
    if (to === null) {
      // In version 1 nobody knows who it is that comes back.
      if (this.#legacy) this.#end("away");
      if (this.#ended || this.#lingering) return;
      const { accepted } = this.#signaling;
      if (this.#options.reconnect || accepted) {
        this.#waitForPath();
        this.#enter(accepted ? "waiting" : "reconnecting");
      } else this.#end("lost");
      return;
    }
    this.#resumeTimer?.();
    this.#resumeTimer = undefined;
    if (this.#lingering) return;
    this.#connectTimer?.();
    this.#enter("connected");
    if (!this.#begun) {
      this.#begun = true;
      this.#emit("connect");
    } else if (from === null) this.#emit("reconnect");
    if (to === "direct") {
      this.#signaling.send({ type: "upgrade" });
      this.#emit("upgrade");
    } else if (from === "direct") this.#emit("downgrade");
  }

  #waitForPath(): void {
    // The time that this page slept is not the other peer's absence.
    this.#resumeTimer ??= afterAwake(
      this.#runtime,
      this.#options.resumeTimeout,
      () => this.#end("away"),
    );
  }

  #signalingEnded(end: SignalingEnd): void {
    const { closeCode, error, accepted, retryable } = end;
    if (closeCode === PEER_LEFT) this.#end("remote");
    else if (closeCode === ENDED_BY_SERVER) this.#end("server");
    else {
      this.#upgrader?.signalingLost();
      this.#path.setRelay();
      if (this.#ended) return;
      if (closeCode === undefined && !this.#begun) this.#reportTimeout();
      else this.#reportAttempt(closeCode, error, accepted);
      if (this.#ended) return;
      if (retryable && this.#options.reconnect) this.#dialLater();
      else if (!this.#begun) this.#stop();
      else if (this.#path.kind === null) this.#end("lost");
    }
  }

  #reportAttempt(
    closeCode: number | undefined,
    error: SocketPeerError,
    accepted: boolean,
  ): void {
    this.#lastError = error;
    // Behind a data channel the server is regained in the background.
    if (this.#path.kind !== null) return;
    if (closeCode === BUSY) this.#emit("busy", error);
    if (!this.#begun) this.#report("connect_error", error);
    else if (!accepted) {
      if (closeCode === undefined) {
        this.#emit(
          "reconnect_timeout",
          error = new SocketPeerError("RECONNECT_TIMEOUT", error.message),
        );
      }
      this.#report("reconnect_error", error);
    }
  }

  #dialLater(): void {
    this.#signaling.dialLater();
    if (this.#path.kind === null) this.#enter("reconnecting");
  }

  #reportTimeout(): void {
    this.#connectTimer?.();
    const { timeout } = this.#options;
    const error = new SocketPeerError(
      "CONNECT_TIMEOUT",
      `Cannot begin a conversation within ${timeout} ms as ` +
        (this.#signaling.accepted
          ? "no other peer has come"
          : "the server has given no place"),
      { cause: this.#lastError },
    );
    this.#emit("connect_timeout", error);
    this.#report("connect_error", error);
  }

  #remoteEnded(aborted: boolean): void {
    if (this.#lingering) {
      this.destroy();
      return;
    }
    // Its sender waits for this acknowledgement, of the end itself.
    if (!aborted) this.#path.acknowledgeNow();
    this.#end("remote");
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#info) throw new ConversationEndedError(this.#info);
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  #wake(): void {
    for (const look of this.#waiters.splice(0)) look();
  }

  #progress(): void {
    this.#wake();
    if (
      this.#lingering && !this.bufferedBytes && !this.#queue.unacknowledged
    ) this.destroy();
    else if (this.#queue.takeDrain()) this.#emit("drain");
  }

  #fail(error: SocketPeerError): void {
    if (this.#ended) return;
    this.#emit("error", error);
    this.#end("error");
  }

  /** Gives up connecting; what was queued waits for the next `connect()`. */
  #stop(): void {
    if (this.#ended) return;
    this.#connectTimer?.();
    this.#resumeTimer?.();
    this.#resumeTimer = undefined;
    this.#dropUpgrader();
    this.#partner = undefined;
    this.#signaling.leave();
    this.#enter("idle");
  }

  #end(reason: CloseReason): void {
    if (this.#ended) return;
    this.#ended = true;
    const { unacknowledged } = this.#queue;
    this.#enter("closed");
    this.#connectTimer?.();
    this.#resumeTimer?.();
    this.#lingerTimer?.();
    this.#session.close();
    // Not before the last acknowledgement has left the data channel, or the
    // server has told the other peer too: to that, an abort that came first
    // would read as "remote".
    const wait = this.#path.kind === "direct" &&
      (reason === "remote" || reason === "server");
    const cancel = wait &&
      this.#runtime.after(LAST_WORDS_MS, () => this.#closePath());
    this.#closePath = () => {
      this.#closePath = () => {};
      if (cancel) cancel();
      if (reason !== "remote") this.#path.abandon();
      this.#path.close();
      this.#upgrader?.close();
    };
    if (!wait) this.#closePath();
    this.#signaling.leave();
    const info = this.#info = { reason, unacknowledged };
    this.#wake();
    this.#handlers.ended(info);
  }

  #enter(to: ConnectionState): void {
    const from = this.#state;
    if (from === to || from === "closed") return;
    this.#state = to;
    this.#emit("statechange", to, from);
  }

  /** Emits an error under its own name, and then as `error`. */
  #report(
    event: "connect_error" | "reconnect_error" | "upgrade_error",
    error: SocketPeerError,
  ): void {
    this.#emit(event, error);
    this.#emit("error", error);
  }

  #emit<Name extends keyof SocketPeerEvents>(
    event: Name,
    ...args: SocketPeerEvents[Name]
  ): void {
    // Nobody looks at how a closed peer gets its last messages across.
    const quiet = (this.#ended || this.#lingering && event !== "error") &&
      event !== "statechange";
    if (!quiet) this.#handlers.emit(event, ...args);
  }
}
