/**
 * The WebSocket to the server: dials it, pairs, answers heartbeats, and dials
 * again when told to. Packets on the same socket are handed to and from the
 * relay transport.
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
import type { Cancel, Runtime, WebSocketLike } from "../runtime.ts";
import { afterAwake } from "./awake.ts";
import { backoffDelay } from "./backoff.ts";
import type { ResolvedOptions } from "./options.ts";

/** How a connection, or an attempt at one, ended. */
export interface SignalingEnd {
  /** The close code, or undefined where the attempt took too long. */
  readonly closeCode: number | undefined;
  readonly error: SocketPeerError;
  /** Whether the server had accepted this peer on it. */
  readonly accepted: boolean;
  /** Whether dialing again may help. */
  readonly retryable: boolean;
}

/** What a {@linkcode Signaling} needs and reports. */
export interface SignalingOptions
  extends Pick<ResolvedOptions, "openSocket" | "timeout" | "reconnectDelay"> {
  readonly runtime: Runtime;
  /** What to ask the server for, at each attempt. */
  pairRequest(): PairRequest;
  /** A message from the server, or through it from the other peer. */
  message(message: ControlMessage): void;
  /** A packet of the other peer. */
  packet(packet: Uint8Array): void;
  /** Something that is not a control message arrived; it was dropped. */
  malformed(error: SocketPeerError): void;
  /** The connection, or the attempt, is over. */
  ended(end: SignalingEnd): void;
}

/** A heartbeat that is late by more than this many intervals is missed. */
const MISSED_INTERVALS = 2;

/** Keeps one peer joined at the server. */
export class Signaling {
  readonly #options: SignalingOptions;
  #socket?: WebSocketLike;
  /** Counts the dials: what an older one brings is dropped. */
  #dials = 0;
  #attempt = 0;
  #dialing = false;
  #accepted = false;
  #heardAt = 0;
  /** How long the server has asked to wait, in milliseconds. */
  #retryMs: string | undefined;
  #deadline?: Cancel;
  #heartbeat?: Cancel;
  #redial?: Cancel;

  /** Dials when told to. */
  constructor(options: SignalingOptions) {
    this.#options = options;
  }

  /** Whether the server has accepted this peer on a socket that is open. */
  get accepted(): boolean {
    return this.#accepted;
  }

  /** Whether an attempt is under way. */
  get dialing(): boolean {
    return this.#dialing;
  }

  /** Dials now. */
  async dial(): Promise<void> {
    this.#drop();
    this.#dialing = true;
    const { runtime, timeout, openSocket } = this.#options;
    const dial = ++this.#dials;
    if (timeout > 0) {
      this.#deadline = runtime.after(timeout, () => {
        this.#end(undefined, `it did not accept within ${timeout} ms`);
      });
    }
    let socket: WebSocketLike;
    try {
      socket = await openSocket();
      // npm's ws throws where nobody listens.
      socket.onerror = ignore;
    } catch (cause) {
      if (dial === this.#dials) this.#end(0, String(cause), { cause });
      return;
    }
    if (dial !== this.#dials) {
      socket.close();
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = this.#pair;
    socket.onmessage = this.#onMessage;
    socket.onclose = this.#onClose;
    if (socket.readyState === 1) this.#pair();
    else if (socket.readyState > 1) this.#onClose({ code: 0, reason: "" });
  }

  /** Gives up the present attempt, and dials after the backoff's delay. */
  dialLater(): void {
    const { runtime, reconnectDelay } = this.#options;
    this.#dials++;
    this.#drop();
    const random = runtime.random();
    const delayMs = backoffDelay(this.#attempt++, reconnectDelay, random);
    const waitMs = Number(this.#retryMs ?? delayMs);
    this.#redial = runtime.after(waitMs, () => this.dial());
  }

  /** Sends a control message, if the server has accepted this peer. */
  send(message: ControlMessage): void {
    if (this.#accepted) this.#socket?.send(encodeControl(message));
  }

  /** Sends a packet, if the socket is open. */
  sendPacket(packet: Uint8Array): void {
    if (this.#socket?.readyState === 1) this.#socket.send(packet);
  }

  /** Closes the socket, telling the server that the conversation is over. */
  leave(): void {
    this.#dials++;
    this.#drop(LEAVE);
  }

  readonly #pair = (): void => {
    const data = this.#options.pairRequest();
    this.#socket?.send(encodeControl({ type: "pair", data }));
  };

  readonly #onMessage = ({ data }: { data: unknown }): void => {
    this.#heardAt = this.#options.runtime.now();
    if (data instanceof ArrayBuffer) this.#options.packet(new Uint8Array(data));
    if (typeof data !== "string") return;
    let message: ControlMessage;
    try {
      message = parseControl(data, FROM_SERVER);
    } catch (error) {
      this.#options.malformed(error as SocketPeerError);
      return;
    }
    switch (message.type) {
      case "ping":
        this.#expectHeartbeat(message.data.interval);
        this.#socket?.send(encodeControl({ type: "pong" }));
        return;
      case "peer.waiting":
      case "peer.found":
        this.#expectHeartbeat(message.data.interval);
        this.#accepted = true;
        this.#dialing = false;
        this.#attempt = 0;
        this.#deadline?.();
    }
    this.#options.message(message);
  };

  readonly #onClose = (
    { code, reason }: { code: number; reason: string },
  ): void => {
    const why = reason ||
      (this.#accepted
        ? "the connection broke"
        : "it could not be reached, or refused");
    this.#end(code, why);
  };

  #end(
    closeCode: number | undefined,
    why: string,
    options?: ErrorOptions,
  ): void {
    const accepted = this.#accepted;
    this.#retryMs = /retry in (\d{1,5}) ms/.exec(why)?.[1];
    this.#drop();
    this.#dials++;
    const { code, retryable } = closeRule(closeCode ?? 0);
    const error = new SocketPeerError(
      code,
      `Cannot reach the server as ${why} (close code ${closeCode ?? "none"})`,
      options,
    );
    this.#options.ended({ closeCode, error, accepted, retryable });
  }

  #expectHeartbeat(intervalMs: number): void {
    const { runtime } = this.#options;
    const allowedMs = MISSED_INTERVALS * intervalMs;
    this.#heartbeat?.();
    this.#heartbeat = afterAwake(runtime, allowedMs, () => {
      const silentMs = runtime.now() - this.#heardAt;
      // Packets are a sign of life too.
      if (silentMs < allowedMs) this.#expectHeartbeat(intervalMs);
      else this.#end(0, `it was silent for ${silentMs} ms`);
    });
  }

  /** Lets go of the socket, whose closing may take minutes on a dead path. */
  #drop(code?: number): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#accepted = false;
    this.#dialing = false;
    this.#deadline?.();
    this.#heartbeat?.();
    this.#redial?.();
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (socket.readyState < 2) socket.close(code);
  }
}

function ignore(): void {}
