/**
 * The link to the server: dials a WebSocket, pairs, answers heartbeats, looks
 * whether the server still answers, and dials again, beside a socket that has
 * gone silent or after one that broke. It opens the relay.
 *
 * @module
 */

import { SocketPeerError } from "../errors.ts";
import { closeRule, LEAVE } from "../protocol/close_code.ts";
import {
  type ControlMessage,
  encodeControl,
  FROM_SERVER,
  type PairRequest,
  parseControl,
} from "../protocol/control.ts";
import { asBytes } from "../protocol/message.ts";
import type { Cancel, Runtime, WebSocketLike } from "../runtime.ts";
import { afterAwake } from "./awake.ts";
import { backoffDelay } from "./backoff.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Transport } from "./transports/transport.ts";
import { WebSocketRelay } from "./transports/websocket_relay.ts";

/** How a connection, or an attempt at one, ended. */
export interface LinkEnd {
  /** The close code, or undefined where the attempt took too long. */
  readonly closeCode: number | undefined;
  readonly error: SocketPeerError;
  /** Whether the server had accepted this peer on it. */
  readonly accepted: boolean;
  /** Whether dialing again may help. */
  readonly retryable: boolean;
}

/** What a {@linkcode ServerLink} needs and reports. */
export interface ServerLinkOptions extends
  Pick<
    ResolvedOptions,
    "openSocket" | "timeout" | "reconnect" | "reconnectDelay"
  > {
  readonly runtime: Runtime;
  /** What to ask the server for, at each attempt. */
  pairRequest(): PairRequest;
  /** A message from the server, or through it from the other peer. */
  onMessage(message: ControlMessage): void;
  /** Something that is not a control message arrived; it was dropped. */
  onMalformed(error: SocketPeerError): void;
  /** The connection, or the attempt, is over. */
  onEnd(end: LinkEnd): void;
}

/** A socket that was silent for so many intervals is given up. */
const MISSED_INTERVALS = 2;
/** After so many one asks. */
const LATE_INTERVALS = 1.2;
/** How often one who doubts asks the server, in milliseconds. */
const PROBE_INTERVAL_MS = 2000;
/** Least that one waits for an answer of the server, in milliseconds. */
const ANSWER_MS = 1500;
/**
 * Least that one waits for a dial that is not answered before the next, in
 * milliseconds. Where the network is away, what the system sends to connect is
 * lost, and sent again after 1, 3 and 7 seconds: a new dial finds the network
 * sooner when it is back.
 */
const DIAL_MS = 2000;
/**
 * How long one waits for a dial, as a part of the time that the network was
 * away: it may have become slower meanwhile.
 */
const DIAL_SHARE = 1 / 6;

/** Keeps one peer joined at the server. */
export class ServerLink {
  readonly #options: ServerLinkOptions;
  /** The server has accepted this peer on it. */
  #socket?: WebSocketLike;
  /** What an attempt is being made with. */
  #dialed?: WebSocketLike;
  /** The attempt under way: what an older one brings is dropped. */
  #dial?: object;
  /** How long the last dial took that the server accepted. */
  #dialMs?: number;
  /** How long the server has asked to wait, in milliseconds. */
  #retryMs: string | undefined;
  #relay?: WebSocketRelay;
  #deadline?: Cancel;
  #heartbeat?: Cancel;
  #answer?: Cancel;
  #redial?: Cancel;
  #attempt = 0;
  #attemptedAt = 0;
  #dialedAt = 0;
  #pairedAt = 0;
  /** How long the server took to accept. */
  #answerMs = 0;
  #probedAt = -Infinity;
  #heardAt = 0;
  #intervalMs = 0;

  /** Creates a link that waits for {@linkcode ServerLink.dial}. */
  constructor(options: ServerLinkOptions) {
    this.#options = options;
  }

  /** Whether the server has accepted this peer on a socket that is open. */
  get accepted(): boolean {
    return !!this.#socket;
  }

  /** Whether an attempt is under way. */
  get dialing(): boolean {
    return !!this.#dial;
  }

  /** Dials now; the socket that is there stays until the server accepts. */
  dial(): void {
    this.#attemptedAt = this.#options.runtime.now();
    this.#dialNow();
  }

  /** Gives up the present attempt, and dials after the backoff's delay. */
  dialLater(): void {
    const { runtime, reconnectDelay } = this.#options;
    this.#stopDialing();
    const random = runtime.random();
    const delayMs = backoffDelay(this.#attempt++, reconnectDelay, random);
    const waitMs = Number(this.#retryMs ?? delayMs);
    this.#retryMs = undefined;
    this.#redial = runtime.after(waitMs, () => {
      if (this.#socket) this.#dialNow();
      else this.dial();
    });
  }

  /**
   * Asks the server for a sign of life, and dials another socket where none
   * comes; where none is open, dials without waiting any longer.
   *
   * @param patienceMs How long an answer may take at least, where it is asked
   * again and again.
   */
  probe(patienceMs = 0): void {
    const { runtime, reconnect } = this.#options;
    const now = runtime.now();
    if (this.#dial || this.#answer) return;
    if (!this.#socket) {
      if (this.#redial) this.dial();
      return;
    }
    // It may be the other peer that is away.
    if (patienceMs && now - this.#probedAt < PROBE_INTERVAL_MS) return;
    this.#probedAt = now;
    this.send({ type: "ping" });
    const waitMs = Math.max(ANSWER_MS, patienceMs, 2 * (this.#dialMs ?? 0));
    this.#answer = afterAwake(runtime, waitMs, () => {
      this.#answer = undefined;
      if (reconnect && !this.#dial) this.dial();
    });
  }

  /** Sends a control message, if the server has accepted this peer. */
  send(message: ControlMessage): void {
    // Chromium complains where the server has just closed it.
    if (this.#socket?.readyState === 1) {
      this.#socket.send(encodeControl(message));
    }
  }

  /** The relay over the present socket. */
  openRelay(): Transport {
    return this.#relay = new WebSocketRelay(this.#socket!, this.#answerMs);
  }

  /** The other peer is not behind the socket any more. */
  closeRelay(): void {
    this.#relay?.close();
  }

  /** Closes the socket, telling the server that the conversation is over. */
  leave(): void {
    this.#stopDialing(LEAVE);
    this.#drop(LEAVE);
  }

  async #dialNow(): Promise<void> {
    this.#stopDialing();
    // The socket that was silent has come back.
    if (this.#socket && this.#heardAt > this.#attemptedAt) return;
    const { runtime, openSocket } = this.#options;
    const dial = this.#dial = {};
    this.#dialedAt = runtime.now();
    const waitMs = this.#dialPatienceMs;
    if (waitMs > 0) {
      this.#deadline = runtime.after(waitMs, () => this.#dialTimedOut());
    }
    let socket: WebSocketLike;
    let opened = false;
    try {
      socket = await openSocket();
      // npm's ws throws where nobody listens. Where a dial fails on Node 20 and
      // 22, nothing follows.
      socket.onerror = () => opened || this.#onClose(socket);
    } catch (cause) {
      if (dial === this.#dial) this.#end(0, String(cause), false, { cause });
      return;
    }
    if (dial !== this.#dial) {
      socket.close();
      return;
    }
    this.#dialed = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      opened = true;
      this.#pair();
    };
    socket.onmessage = ({ data }: { data: unknown }) =>
      this.#onMessage(socket, data);
    socket.onclose = (event: { code: number; reason: string }) =>
      this.#onClose(socket, event);
    if (socket.readyState === 1) this.#pair();
    else if (socket.readyState > 1) this.#onClose(socket);
  }

  /** How long a dial may take: measured, where one has succeeded before. */
  get #dialPatienceMs(): number {
    const { runtime, timeout } = this.#options;
    if (this.#dialMs === undefined) return timeout;
    const awayMs = runtime.now() - this.#heardAt;
    const waitMs = Math.max(DIAL_MS, 2 * this.#dialMs, awayMs * DIAL_SHARE);
    return timeout > 0 ? Math.min(timeout, waitMs) : waitMs;
  }

  #dialTimedOut(): void {
    const { runtime, timeout } = this.#options;
    const again = this.#dialMs !== undefined &&
      (timeout === 0 || runtime.now() - this.#attemptedAt < timeout);
    if (this.#socket || again) this.#dialNow();
    else this.#end(undefined, `it did not accept within ${timeout} ms`, false);
  }

  #pair(): void {
    this.#pairedAt = this.#options.runtime.now();
    const data = this.#options.pairRequest();
    this.#dialed?.send(encodeControl({ type: "pair", data }));
  }

  #onMessage(socket: WebSocketLike, data: unknown): void {
    const { runtime, onMessage, onMalformed } = this.#options;
    const now = runtime.now();
    if (socket === this.#socket) {
      this.#heardAt = now;
      this.#answer?.();
      this.#answer = undefined;
      const packet = asBytes(data);
      if (packet) this.#relay?.receive(packet);
    }
    if (typeof data !== "string") return;
    let message: ControlMessage;
    try {
      message = parseControl(data, FROM_SERVER);
    } catch (error) {
      onMalformed(error as SocketPeerError);
      return;
    }
    switch (message.type) {
      case "ping":
        this.#intervalMs = message.data!.interval;
        this.send({ type: "pong" });
        return;
      case "pong":
        return;
      case "peer.waiting":
      case "peer.found":
        this.#intervalMs = message.data.interval;
        if (socket === this.#dialed) this.#accept(socket, now);
    }
    onMessage(message);
  }

  #onClose(
    socket: WebSocketLike,
    { code, reason } = { code: 0, reason: "" },
  ): void {
    const accepted = socket === this.#socket;
    const why = reason ||
      (accepted
        ? "the connection broke"
        // What follows in an address may be secret.
        : `${socket.url?.split("?", 1) ?? "the server"} is away, or refuses`);
    this.#end(code, why, accepted);
  }

  #accept(socket: WebSocketLike, now: number): void {
    // The server has closed the socket before, or will.
    this.#drop();
    this.#dialed = undefined;
    this.#stopDialing();
    this.#socket = socket;
    this.#dialMs = now - this.#dialedAt;
    this.#answerMs = now - this.#pairedAt;
    this.#heardAt = now;
    this.#attempt = 0;
    this.#heartbeat = this.#expectHeartbeat();
  }

  #end(
    closeCode: number | undefined,
    why: string,
    accepted: boolean,
    options?: ErrorOptions,
  ): void {
    const { code, retryable } = closeRule(closeCode ?? 0);
    this.#retryMs = /retry in (\d{1,5}) ms/.exec(why)?.[1];
    if (!accepted) {
      this.#stopDialing();
      // It was to replace a socket that may still be alive.
      if (this.#socket && retryable) {
        this.dialLater();
        return;
      }
      // Where the network is away nobody is spared by a longer wait.
      if (closeCode === undefined && this.#dialMs) this.#attempt = 0;
    }
    this.#drop();
    const error = new SocketPeerError(
      code,
      `Cannot connect as ${why} (close code ${closeCode || "none"})`,
      options,
    );
    this.#options.onEnd({ closeCode, error, accepted, retryable });
  }

  /** Asks when the server is late, and gives the socket up when it is dead. */
  #expectHeartbeat(): Cancel {
    const { runtime } = this.#options;
    const lateMs = LATE_INTERVALS * this.#intervalMs;
    const deadMs = MISSED_INTERVALS * this.#intervalMs;
    const silentMs = () => runtime.now() - this.#heardAt;
    return afterAwake(
      runtime,
      // Longer than that, a timer rings at once.
      Math.min(
        Math.ceil((silentMs() < lateMs ? lateMs : deadMs) - silentMs()),
        0x7fffffff,
      ),
      () => {
        const ms = silentMs();
        if (ms >= deadMs) this.#end(0, `it was silent for ${ms} ms`, true);
        else {
          this.#heartbeat = this.#expectHeartbeat();
          if (ms >= lateMs) this.probe();
        }
      },
      () => this.probe(),
    );
  }

  #stopDialing(code?: number): void {
    this.#dial = undefined;
    this.#deadline?.();
    this.#redial?.();
    this.#redial = undefined;
    letGo(this.#dialed, code);
    this.#dialed = undefined;
  }

  #drop(code?: number): void {
    this.#heartbeat?.();
    this.#answer?.();
    this.#answer = undefined;
    letGo(this.#socket, code);
    this.#socket = undefined;
  }
}

/** Hears no more of a socket, whose closing may take minutes on a dead path. */
function letGo(socket?: WebSocketLike, code?: number): void {
  if (!socket) return;
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.onerror = () => {};
  if (socket.readyState < 2) socket.close(code);
}
