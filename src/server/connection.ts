/**
 * One accepted socket: its control messages, its deadlines, and the packets
 * that pass through it.
 *
 * @module
 */

import type { SocketPeerError } from "../errors.ts";
import {
  closeReason,
  LEAVE,
  MALFORMED,
  PAIR_CODE_REFUSED,
  PAIR_TIMEOUT,
  UNRESPONSIVE,
} from "../protocol/close_code.ts";
import {
  type ControlMessage,
  encodeControl,
  fromClient,
  type PairRequest,
  parseControl,
} from "../protocol/control.ts";
import {
  MAX_HELLO_LENGTH,
  MAX_PACKET_BYTES,
  WINDOW_BYTES,
} from "../protocol/limits.ts";
import type { Cancel } from "../runtime.ts";
import type { Member, PairRegistry } from "./pair_registry.ts";
import type {
  Bytes,
  ServerSocket,
  ServerSocketHandlers,
} from "./server_socket.ts";

const FROM_CLIENT = fromClient();

/** How long a socket may be open before it asks for a place. */
const PAIR_TIMEOUT_MS = 10_000;
/** How often a socket is asked for a sign of life. */
const HEARTBEAT_MS = 15_000;
/** It is dead when it gives none for so many heartbeats. */
const MISSED_HEARTBEATS = 2;
/**
 * Most bytes that may wait for one socket: the other peer's window, sent
 * again once where the path changed, and control messages. On Deno a socket
 * that does not read can't be closed, so it must not be given more.
 */
const MAX_WAITING_BYTES = 4 * WINDOW_BYTES;

/** What a {@linkcode Connection} needs. */
export interface ConnectionOptions {
  readonly registry: PairRegistry;
  /** Whether a pair code may be used; a throw is a no. */
  readonly pairCodeValidator: (pairCode: string) => boolean | Promise<boolean>;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
  /** It has ended, by its own decision or not; called once. */
  ended(connection: Connection): void;
  /** Its socket is closed; called once, and maybe long after. */
  closed(): void;
}

/** One peer's connection to the server. */
export class Connection implements Member, ServerSocketHandlers {
  readonly #options: ConnectionOptions;
  readonly #socket: ServerSocket;
  #stage: "new" | "validating" | "joined" | "ended" = "new";
  #request: PairRequest | null = null;
  #partner: Connection | null = null;
  #deadline: Cancel;
  #heartbeats = 0;
  #closed = false;

  /** Takes an open socket, whose handlers this becomes. */
  constructor(socket: ServerSocket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#deadline = options.after(PAIR_TIMEOUT_MS, () => {
      this.dismiss(PAIR_TIMEOUT, `no "pair" came in ${PAIR_TIMEOUT_MS} ms`);
    });
  }

  /** What it asked for; there is nothing before it did. */
  get request(): PairRequest {
    return this.#request!;
  }

  /** Takes a control message. Nothing that a client sends makes it throw. */
  text(text: string): void {
    this.#heartbeats = 0;
    let message: ControlMessage;
    try {
      message = parseControl(text, FROM_CLIENT);
    } catch (error) {
      this.#refuse((error as SocketPeerError).message);
      return;
    }
    switch (message.type) {
      case "pair":
        if (this.#stage === "new") this.#pair(message.data);
        else this.#refuse(`Cannot pair twice on one socket`);
        break;
      case "pong":
        break;
      case "rtc.connect":
      case "rtc.signal":
        // Where the other peer is away, it starts again when it is back.
        if (this.#partner) this.#partner.#send(text);
        break;
    }
  }

  /** Passes a packet to the other peer, unread. */
  binary(bytes: Bytes): void {
    this.#heartbeats = 0;
    if (bytes.byteLength > MAX_PACKET_BYTES) {
      this.dismiss(
        MALFORMED,
        `a packet has ${bytes.byteLength} bytes of at most ${MAX_PACKET_BYTES}`,
      );
    } else if (this.#partner) {
      this.#partner.#send(bytes);
    }
  }

  /** The socket is closed. */
  close(code: number): void {
    this.#end(code === LEAVE);
    // Deno reports it twice where a socket did not answer.
    if (!this.#closed) this.#options.closed();
    this.#closed = true;
  }

  /** It has its place, alone. */
  waiting(): void {
    this.#accepted();
    this.#sendControl({ type: "peer.waiting" });
  }

  /** The other peer is here. */
  found(partner: Member, initiator: boolean): void {
    this.#partner = partner as Connection;
    this.#accepted();
    const { id, hello } = partner.request;
    const data = { initiator, id, hello };
    this.#sendControl({ type: "peer.found", data });
  }

  /** The other peer's socket broke. */
  lost(): void {
    this.#partner = null;
    this.#sendControl({ type: "peer.lost" });
  }

  /** Ends the connection, saying why. */
  dismiss(code: number, reason: string): void {
    if (this.#stage === "ended") return;
    this.#end(false);
    this.#socket.close(code, closeReason(reason));
  }

  async #pair(request: PairRequest): Promise<void> {
    // Fields that are not known are passed on; that must not swell.
    if (JSON.stringify(request.hello).length > MAX_HELLO_LENGTH) {
      this.#refuse(`Cannot take a "hello" over ${MAX_HELLO_LENGTH} characters`);
      return;
    }
    this.#request = request;
    this.#stage = "validating";
    this.#deadline();
    let valid = false;
    try {
      valid = await this.#options.pairCodeValidator(request.code) !== false;
    } catch {
      // A validator that throws refuses.
    }
    if (this.#stage !== "validating") return;
    if (valid) this.#options.registry.join(this);
    else this.dismiss(PAIR_CODE_REFUSED, "the pair code is not accepted");
  }

  #accepted(): void {
    if (this.#stage === "joined") return;
    this.#stage = "joined";
    this.#deadline();
    this.#beat();
  }

  #beat(): void {
    if (this.#heartbeats++ >= MISSED_HEARTBEATS) {
      this.dismiss(UNRESPONSIVE, "no answer to a heartbeat");
    } else {
      this.#sendControl({ type: "ping", data: { interval: HEARTBEAT_MS } });
    }
    if (this.#stage === "ended") return;
    this.#deadline = this.#options.after(HEARTBEAT_MS, () => this.#beat());
  }

  #refuse(message: string): void {
    this.#sendControl({ type: "error", data: { message } });
    // Without a place there is nothing to go on with.
    if (this.#stage !== "joined") this.dismiss(MALFORMED, message);
  }

  #sendControl(message: ControlMessage): void {
    this.#send(encodeControl(message));
  }

  #send(data: string | Bytes): void {
    if (this.#stage === "ended") return;
    this.#socket.send(data);
    if (this.#socket.bufferedAmount > MAX_WAITING_BYTES) {
      this.dismiss(UNRESPONSIVE, "it does not read what it is sent");
    }
  }

  #end(forGood: boolean): void {
    if (this.#stage === "ended") return;
    this.#stage = "ended";
    this.#partner = null;
    this.#deadline();
    if (this.#request) this.#options.registry.leave(this, forGood);
    this.#options.ended(this);
  }
}
