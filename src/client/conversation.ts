/**
 * One conversation with one other peer, from dialing the server until it has
 * ended for good: joins session, path and links.
 *
 * A conversation has an `id` of its own, and one partner at most: whoever has
 * both ids has the same conversation, over however many sockets.
 *
 * @module
 */

import { ConversationEndedError, SocketPeerError } from "../errors.ts";
import {
  BUSY,
  ENDED_BY_SERVER,
  PEER_LEFT,
  PEER_TIMEOUT,
  REPLACED,
} from "../protocol/close_code.ts";
import type {
  ControlData,
  ControlMessage,
  Ticket,
} from "../protocol/control.ts";
import { PROTOCOL_VERSION } from "../protocol/limits.ts";
import type { Cancel, RtcConfiguration, Runtime } from "../runtime.ts";
import { afterAwake } from "./awake.ts";
import {
  type ConnectionState,
  type Phase,
  PHASES,
  type PhaseTimer,
} from "./connection_state.ts";
import { DirectLink } from "./direct_link.ts";
import type { CloseInfo, CloseReason, SocketPeerEvents } from "./events.ts";
import { randomCode, type ResolvedOptions } from "./options.ts";
import { Path, type PathKind } from "./path.ts";
import { SendQueue } from "./send_queue.ts";
import { type LinkEnd, ServerLink } from "./server_link.ts";
import { Session } from "../protocol/session.ts";

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
  onEnd(info: CloseInfo): void;
}

/** One conversation. */
export class Conversation {
  readonly #options: ResolvedOptions;
  readonly #runtime: Runtime;
  readonly #handlers: ConversationHandlers;
  /** What its place at the server is taken by, since `connect()`. */
  ticket?: Ticket;
  /** Bytes of the message that is being reported. */
  lastMessageBytes = 0;
  readonly #session: Session;
  readonly #queue: SendQueue;
  readonly #path: Path;
  readonly #server: ServerLink;
  #direct?: DirectLink;
  /** The ticket of the same peer's conversation before. */
  #before?: Ticket;
  /** The `id` of the other peer; empty where that one speaks version 1. */
  #partner: string | undefined;
  #iceServers: readonly object[] | undefined;
  /** Callbacks that look again whether what they wait for has become true. */
  readonly #waiters: (() => void)[] = [];
  /** How the conversation ended. */
  #info?: CloseInfo;
  /** Why the last attempt to connect failed. */
  #lastError: SocketPeerError | undefined;
  /** Whether the server will not have this peer again. */
  #refused = false;
  #phase: Phase = "idle";
  #state: ConnectionState = "idle";
  readonly #timers: Partial<Record<PhaseTimer, Cancel>> = {};
  /** What is to be told when the step that is under way is done. */
  readonly #news: (() => void)[] = [];
  #steps = 0;

  /** Waits for {@linkcode Conversation.connect}; messages may be queued. */
  constructor(
    options: ResolvedOptions,
    runtime: Runtime,
    handlers: ConversationHandlers,
  ) {
    this.#options = options;
    this.#runtime = runtime;
    this.#handlers = handlers;
    this.#session = new Session({
      // At once, as its reader may call for a pause in the middle of a packet.
      onMessage: (message, bytes) => {
        this.lastMessageBytes = bytes;
        handlers.emit("data", message);
      },
      onEnd: (clean) => this.#step(() => this.#remoteEnded(clean)),
      onAcknowledged: (...packet) => this.#path.acknowledged(...packet),
    }, options.maxMessageBytes);
    this.#queue = new SendQueue(this.#session, options, {
      onReady: () => {
        this.#path.sendSoon();
        this.#step(() => this.#progress());
      },
      onUnreadable: (error) => this.#step(() => this.#emit("error", error)),
    });
    this.#path = new Path(this.#session, runtime, {
      onChange: (to, from) => this.#step(() => this.#pathChanged(to, from)),
      onProgress: () => this.#step(() => this.#progress()),
      // What is beneath may be dead, or what a new channel needs.
      onDoubt: (patienceMs) => this.#server.probe(patienceMs),
      onError: (error) => this.#step(() => this.#fail(error)),
    });
    this.#server = new ServerLink({
      ...options,
      runtime,
      pairRequest: () => ({
        code: options.pairCode,
        version: PROTOCOL_VERSION,
        ...this.ticket!,
        partner: this.#partner || undefined,
        // It may have ended while it had no socket.
        leaves: this.#before,
        // Who does not dial again needs no place meanwhile.
        resumeTimeout: options.reconnect ? options.resumeTimeout : 0,
        hello: {
          received: this.#session.received,
          webrtc: !!options.webrtc,
          relay: options.socketFallback,
          maxMessageBytes: options.maxMessageBytes,
        },
      }),
      onMessage: (message) => this.#step(() => this.#control(message)),
      onMalformed: (error) => this.#step(() => this.#emit("error", error)),
      onEnd: (end) => this.#step(() => this.#serverLost(end)),
    });
  }

  /** Where the conversation stands. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** Which way messages leave. */
  get path(): PathKind {
    return this.#phase === "joined" ? this.#path.kind : null;
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

  /**
   * Begins to connect; later it is as good as a probe.
   *
   * @param before The ticket of the same peer's conversation before.
   */
  connect(before?: Ticket): void {
    this.#step(() => {
      if (!this.#enter("seeking")) {
        this.probe();
        return;
      }
      // The server, and the other peer, may know the last attempt as one that
      // has left.
      this.#before = this.ticket ?? before;
      const runtime = this.#runtime;
      this.ticket = { id: randomCode(runtime), key: randomCode(runtime) };
      this.#show("connecting");
      this.#server.dial();
      const { webrtc, rtcConfig } = this.#options;
      // Where no socket can be made it has ended already.
      if (!webrtc || this.#phase !== "seeking") return;
      this.#direct = new DirectLink({
        runtime: this.#runtime,
        webrtc,
        config: () => ({
          ...rtcConfig,
          iceServers: rtcConfig?.iceServers ??
            this.#iceServers as RtcConfiguration["iceServers"],
        }),
        // Both know both ids, so they agree.
        polite: () => this.ticket!.id < this.#partner!,
        signal: (message) => this.#server.send(message),
        onAttempt: () => this.#step(() => this.#emit("upgrade_attempt")),
        onOpen: (channel) => this.#path.add(channel),
        onError: (error) =>
          this.#step(() => this.#report("upgrade_error", error)),
      });
    });
  }

  /**
   * Looks at once whether what there is still works, and waits no longer for
   * the next attempt.
   */
  probe(): void {
    this.#path.probe();
    this.#server.probe();
  }

  /**
   * Ends the conversation; what was accepted is delivered first, as far as
   * that takes no longer than the linger time.
   */
  close(): void {
    this.#step(() => {
      const pointless = this.#path.kind === null &&
        this.#queue.unacknowledged === 0;
      if (this.#phase === "lingering") return;
      if (pointless || !this.#enter("lingering")) {
        this.destroy();
        return;
      }
      this.#session.stopReceiving();
      this.#server.send({ type: "leaving" });
      this.#queue.onceEmpty(() => {
        this.#session.end();
        this.#path.end();
      });
    });
  }

  /** Ends the conversation at once. */
  destroy(): void {
    this.#step(() => {
      this.#end("local");
      this.#enter("over");
    });
  }

  #control(message: ControlMessage): void {
    switch (message.type) {
      case "peer.waiting":
      case "peer.lost":
        this.#alone();
        if (this.#path.kind === null) this.#show("waiting");
        break;
      case "peer.knock":
        this.#path.whenDead(() => this.#server.send(message));
        break;
      case "peer.found":
        this.#found(message.data);
        break;
      case "rtc.connect":
      case "rtc.signal":
        this.#direct?.receive(message);
        break;
      case "ice.servers":
        this.#iceServers = message.data.iceServers;
        this.#direct?.renew();
        break;
      case "error":
        this.#emit(
          "error",
          new SocketPeerError(
            "PROTOCOL",
            `Cannot send a message that the server refuses: ${message.data.message}`,
          ),
        );
        break;
    }
  }

  #found(
    { initiator, id = "", hello, iceServers }: ControlData<"peer.found">,
  ): void {
    // One of version 1 has no name, so it may be another each time.
    if (this.#partner !== undefined && (!id || this.#partner !== id)) {
      this.#end("replaced");
      return;
    }
    this.#partner = id;
    this.#iceServers = iceServers ?? this.#iceServers;
    try {
      this.#session.acknowledge(hello.received);
    } catch (error) {
      this.#fail(error as SocketPeerError);
      return;
    }
    // It may have made room.
    this.#path.sendSoon();
    this.#queue.limitMessages(hello.maxMessageBytes);
    const { webrtc, socketFallback } = this.#options;
    const relayed = socketFallback && hello.relay;
    if (!hello.webrtc) this.#dropDirect();
    if (!this.#direct && !relayed) {
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
    this.#enter("met");
    if (relayed) {
      this.#path.add(this.#server.openRelay());
    }
    this.#direct?.signalingReady(initiator);
    this.#progress();
  }

  /** Signals and packets reach nobody by the server for now. */
  #alone(): void {
    this.#direct?.signalingLost();
    this.#server.closeRelay();
  }

  #pathChanged(to: PathKind, from: PathKind): void {
    if (to === null) {
      this.#pathLost();
      return;
    }
    const begins = !PHASES[this.#phase].begun;
    this.#enter("joined");
    if (begins) this.#emit("connect");
    else if (from === null) this.#emit("reconnect");
    if (to === "direct") {
      this.#server.send({ type: "upgrade" });
      this.#emit("upgrade");
    } else if (from === "direct") this.#emit("downgrade");
  }

  #pathLost(): void {
    const { accepted } = this.#server;
    // In version 1 nobody knows who it is that comes back.
    if (!this.#partner) this.#end("away");
    // What was to be said last can't be said any more.
    else if (this.#info) this.#enter("over");
    else if (this.#enter("apart")) {
      const over = !this.#options.reconnect || this.#refused;
      if (over && !accepted) this.#end("lost");
      else this.#show(accepted ? "waiting" : "reconnecting");
    }
  }

  #serverLost({ closeCode, error, accepted, retryable }: LinkEnd): void {
    if (closeCode === PEER_LEFT) this.#end("remote");
    else if (closeCode === REPLACED) this.#end("replaced");
    else if (closeCode === ENDED_BY_SERVER) this.#end("server");
    this.#refused = !retryable;
    // It is about to end, and nothing else says why.
    if (!retryable && this.#path.kind === "relay") this.#emit("error", error);
    this.#alone();
    if (this.#info) return;
    const { begun } = PHASES[this.#phase];
    const again = retryable && this.#options.reconnect;
    if (closeCode === undefined && !begun) this.#reportTimeout();
    // To wait for another peer is no error.
    else if (closeCode !== PEER_TIMEOUT || !again) {
      this.#reportAttempt(closeCode, error, accepted);
    }
    if (again) this.#dialLater();
    else if (!begun) this.#stop();
    else if (this.#path.kind === null) this.#end("lost");
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
    if (!PHASES[this.#phase].begun) this.#report("connect_error", error);
    else if (!accepted) {
      if (closeCode === undefined) {
        error = new SocketPeerError("RECONNECT_TIMEOUT", error.message);
        this.#emit("reconnect_timeout", error);
      }
      this.#report("reconnect_error", error);
    }
  }

  #dialLater(): void {
    if (!this.#server.dialing) this.#server.dialLater();
    if (this.#path.kind === null) this.#show("reconnecting");
  }

  #reportTimeout(): void {
    // Once, whatever becomes of later attempts.
    this.#timers.connect?.();
    const { timeout, reconnect } = this.#options;
    const { accepted } = this.#server;
    const error = new SocketPeerError(
      "CONNECT_TIMEOUT",
      `Cannot begin a conversation within ${timeout} ms as ` +
        (accepted ? "no other peer has come" : "no server has let it in"),
      { cause: this.#lastError },
    );
    this.#emit("connect_timeout", error);
    // It can still be found.
    if (!accepted || !reconnect) this.#report("connect_error", error);
  }

  #remoteEnded(clean: boolean): void {
    if (this.#phase === "lingering") {
      this.destroy();
      return;
    }
    // Its sender waits for this acknowledgement, of the end itself.
    if (clean) this.#path.acknowledgeNow();
    this.#end("remote", clean);
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
      this.#phase === "lingering" && !this.bufferedBytes &&
      !this.#queue.unacknowledged
    ) this.destroy();
    else if (this.#queue.takeDrain()) this.#emit("drain");
  }

  #fail(error: SocketPeerError): void {
    this.#emit("error", error);
    this.#end("error");
  }

  /** Gives up connecting; what was queued waits for the next `connect()`. */
  #stop(): void {
    if (!this.#enter("idle")) return;
    this.#dropDirect();
    this.#partner = undefined;
    this.#server.leave();
  }

  #dropDirect(): void {
    this.#direct?.close();
    this.#direct = undefined;
  }

  #end(reason: CloseReason, clean = false): void {
    if (this.#info) return;
    const { unacknowledged } = this.#queue;
    const info = this.#info = { reason, unacknowledged, clean };
    this.#session.close();
    // Not before the last acknowledgement has left the data channel, or the
    // server has told the other peer too: to that, an abort that came first
    // would read as "remote".
    const wait = this.#path.kind === "direct" &&
      (reason === "remote" || reason === "server");
    this.#enter(wait ? "parting" : "over");
    this.#server.leave();
    this.#wake();
    this.#news.push(() => this.#handlers.onEnd(info));
  }

  /** Moves on to a phase, if it may follow. */
  #enter(phase: Phase): boolean {
    if (!PHASES[this.#phase].next.includes(phase)) return false;
    this.#phase = phase;
    const { timers, state } = PHASES[phase];
    const running = this.#timers;
    for (const timer of Object.keys(running) as PhaseTimer[]) {
      if (timers.includes(timer)) continue;
      running[timer]!();
      delete running[timer];
    }
    for (const timer of timers) running[timer] ??= this.#start(timer);
    if (state) this.#show(state);
    if (phase === "over") {
      if (this.#info?.reason !== "remote") this.#path.abandon();
      this.#path.close();
      this.#dropDirect();
    }
    return true;
  }

  #start(timer: PhaseTimer): Cancel {
    const { timeout, resumeTimeout, reconnect } = this.#options;
    const runtime = this.#runtime;
    const after = (delayMs: number, then: () => void) =>
      runtime.after(delayMs, () => this.#step(then));
    switch (timer) {
      case "connect":
        return timeout > 0
          ? after(timeout, () => {
            this.#reportTimeout();
            if (!reconnect) this.#stop();
            else if (this.#server.dialing) {
              this.#server.dialLater();
              this.#show("reconnecting");
            }
          })
          : () => {};
      case "resume":
        // The time that this page slept is not the other peer's absence.
        return afterAwake(
          runtime,
          resumeTimeout,
          () => this.#step(() => this.#end("away")),
        );
      case "linger":
        return after(LINGER_MS, () => this.destroy());
      case "lastWords":
        return after(LAST_WORDS_MS, () => this.#enter("over"));
    }
  }

  /**
   * Takes a step, and tells what came of it when it is done: a listener may do
   * anything, and must not find things half done.
   */
  #step(step: () => void): void {
    this.#steps++;
    try {
      step();
    } finally {
      this.#steps--;
    }
    if (this.#steps > 0) return;
    for (let tell; (tell = this.#news.shift());) tell();
  }

  #show(to: ConnectionState): void {
    const from = this.#state;
    if (from === to) return;
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
    const quiet =
      (this.#info || this.#phase === "lingering" && event !== "error") &&
      event !== "statechange";
    if (!quiet) this.#news.push(() => this.#handlers.emit(event, ...args));
  }
}
