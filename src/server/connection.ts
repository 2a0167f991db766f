/**
 * One accepted socket: its control messages, its deadlines, its limits, and
 * the packets that pass through it.
 *
 * @module
 */

import type { SocketPeerError } from "../errors.ts";
import {
  BUSY,
  closeReason,
  ENDED_BY_SERVER,
  GOING_AWAY,
  LEAVE,
  MALFORMED,
  PAIR_CODE_REFUSED,
  PAIR_TIMEOUT,
  PEER_LEFT,
  PEER_TIMEOUT,
  RATE_LIMITED,
  REPLACED,
  SERVICE_RESTART,
  TAKEN_OVER,
  TRY_AGAIN_LATER,
  UNRESPONSIVE,
} from "../protocol/close_code.ts";
import {
  type ControlMessage,
  encodeControl,
  type Heartbeat,
  type Hello,
  type LegacyPairCode,
  type PairRequest,
  parseControl,
} from "../protocol/control.ts";
import { MAX_HELLO_LENGTH } from "../protocol/limits.ts";
import { canonicalCode } from "../protocol/pair_code.ts";
import type { Cancel } from "../runtime.ts";
import type { Addresses } from "./addresses.ts";
import type { Visitor } from "./authorization.ts";
import { type Dialect, VERSION_2 } from "./dialect.ts";
import type { Numbers } from "./numbers.ts";
import type { ResolvedServerOptions } from "./options.ts";
import type { Member, PlaceRequest, Registry } from "./pair_registry.ts";
import type { Partner } from "./partner.ts";
import type { RefusalReason } from "./server_event.ts";
import type {
  Bytes,
  ServerSocket,
  ServerSocketHandlers,
} from "./server_socket.ts";
import { TokenBucket } from "./token_bucket.ts";
import { HELLO_1, Version1 } from "./version_1.ts";

/** RFC 6455: a message is larger than it may be. */
const MESSAGE_TOO_BIG = 1009;

/** After so many heartbeats without a sign of life, a connection is dead. */
const MISSED_HEARTBEATS = 2;

/** With these the server ends what its peer may not be blamed for. */
const BLAMELESS: ReadonlySet<number> = new Set([
  GOING_AWAY,
  SERVICE_RESTART,
  TAKEN_OVER,
  PEER_LEFT,
  ENDED_BY_SERVER,
  REPLACED,
]);

/** About when a number may be free again, in milliseconds. */
const NO_NUMBER_MS = 10_000;

/** Whoever waits alone for so long is no guesser, where `peerTimeout` is 0. */
const LONG_WAIT_MS = 60_000;

/** Stands for a socket that was let go of. */
const GONE: ServerSocket = { bufferedAmount: 0, send() {}, close() {} };

/** Where STUN and TURN servers come from. */
export interface IceServerSource {
  /** How often peers need fresh ones, in milliseconds; 0 for never. */
  readonly renewMs: number;
  /** Resolves with the ICE servers to use now. */
  get(): Promise<readonly object[]>;
}

/** What has passed from peer to peer since the start. */
export interface Traffic {
  relayedPackets: number;
  relayedBytes: number;
}

/** What {@linkcode Connection}s need: one object for all of a server's. */
export interface ConnectionOptions {
  readonly registry: Registry;
  readonly numbers: Numbers;
  readonly addresses: Addresses;
  /** The server's limits, validator and observer. */
  readonly settings: Pick<
    ResolvedServerOptions,
    | "pairCodeValidator"
    | "pairTimeout"
    | "peerTimeout"
    | "heartbeatInterval"
    | "maxControlLength"
    | "maxPairCodeLength"
    | "maxPacketBytes"
    | "maxBufferedBytes"
    | "controlRate"
    | "observer"
  >;
  readonly iceServers: IceServerSource;
  /** Counters of what is relayed; this connection adds to them. */
  readonly traffic: Traffic;
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
  /** A number from 0 up to 1. */
  random(): number;
  /** The connection has ended, by its own decision or not; called once. */
  onEnd(connection: Connection, code: number, reason: string): void;
  /**
   * Its socket is closed, with what it was told to close with, if it was;
   * called once, maybe long after, maybe never.
   */
  onClose(connection: Connection, code: number, reason: string): void;
}

/** One peer's connection to the server. */
export class Connection implements Member, ServerSocketHandlers {
  /** Where the peer connects from, if that is known. */
  readonly address: string | undefined;
  /** When the socket was opened, by the clock of the options. */
  readonly openedAt: number;
  /** The visitor who has connected. */
  readonly visitor: Visitor;
  readonly #options: ConnectionOptions;
  readonly #control: TokenBucket;
  #socket: ServerSocket;
  #stage: "new" | "validating" | "joined" | "ended" = "new";
  #request: PlaceRequest | null = null;
  /** Whether the server has to find a code for it. */
  #draws = false;
  #dialect: Dialect = VERSION_2;
  #partner: Partner | null = null;
  #iceServers: readonly object[] = [];
  #askedAt = Infinity;
  /** Whether the attempt to pair counts as failed when it ends now. */
  #attempting = false;
  /** Whether it has reported its data channel, since it has its partner. */
  #upgraded = false;
  #deadline: Cancel;
  #renewal: Cancel | null = null;
  #heartbeats = 0;
  /** What its socket was told to close with, which may not be known later. */
  #told: { readonly code: number; readonly reason: string } | null = null;
  #closed = false;

  /** Takes an open socket, whose handlers this becomes. */
  constructor(
    socket: ServerSocket,
    address: string | undefined,
    options: ConnectionOptions,
    visitor: Visitor = { address },
  ) {
    const { pairTimeout, controlRate } = options.settings;
    this.address = address;
    this.openedAt = options.now();
    this.visitor = visitor;
    this.#socket = socket;
    this.#options = options;
    this.#control = new TokenBucket(controlRate, this.openedAt);
    this.#deadline = options.after(pairTimeout, () => {
      this.#attempting = true;
      this.dismiss(PAIR_TIMEOUT, `no "pair" came in ${pairTimeout} ms`);
    });
  }

  /** What it asked for; there is nothing before it did. */
  get request(): PlaceRequest {
    return this.#request!;
  }

  /** When it asked for a place, by the clock of the options. */
  get askedAt(): number {
    return this.#askedAt;
  }

  /** Whether its code is a number of which nobody was told yet. */
  get isDrawn(): boolean {
    return this.#draws && this.#stage === "validating";
  }

  /** The version of the protocol that the peer speaks. */
  get version(): 1 | 2 {
    return this.#dialect.version;
  }

  /** The `id` of the peer in this conversation. */
  get id(): string | undefined {
    return this.#request!.id;
  }

  /** What its partner is told of it. */
  get hello(): Hello {
    return this.#request!.hello ?? HELLO_1;
  }

  /** Takes a control message. Nothing that a client sends makes it throw. */
  onText(text: string): void {
    if (this.#stage === "ended") return;
    this.#heartbeats = 0;
    const { maxControlLength } = this.#options.settings;
    let message: ControlMessage | undefined;
    let wrong = "";
    const tooLong = text.length > maxControlLength;
    if (tooLong) {
      wrong = `Cannot take a message of ${text.length} characters: it may ` +
        `have at most ${maxControlLength}`;
    } else {
      try {
        message = parseControl(text, this.#dialect.schemas);
      } catch (error) {
        wrong = (error as SocketPeerError).message;
      }
    }
    // A user's message, like a packet: how many there are is the user's affair.
    if (message?.type === "data") {
      this.#dialect.data?.(text, message.data);
    } else if (this.#takeControl()) {
      if (message) this.#handle(message, text);
      else this.#complain(tooLong ? "size" : "malformed", wrong);
    }
  }

  /** Passes a packet to the other peer, unread. */
  onBinary(bytes: Bytes): void {
    const { byteLength } = bytes;
    this.#heartbeats = 0;
    const { maxPacketBytes } = this.#options.settings;
    if (byteLength > maxPacketBytes) {
      const text =
        `a packet has ${byteLength} bytes of at most ${maxPacketBytes}`;
      this.refuse("size", MALFORMED, text);
    } else if (this.#dialect.version === 2) this.#partner?.packet(bytes);
  }

  /** The socket is closed. */
  onClose(code: number, reason = ""): void {
    // Deno reports it twice where a socket did not answer.
    if (this.#closed) return;
    this.#closed = true;
    // A limit of what is beneath: the message never got as far as here.
    if (code === MESSAGE_TOO_BIG && !this.#told) this.#observeRefusal("size");
    this.#end(code, reason, code === LEAVE);
    const end = this.#told ?? { code, reason };
    this.#options.onClose(this, end.code, end.reason);
  }

  /**
   * Another peer has taken the number that was drawn for this one: draws again.
   */
  outrun(): void {
    if (this.#stage === "validating") this.#enter();
  }

  /** The peer has its place, alone. */
  waiting(): void {
    if (!this.#accept()) return;
    this.#observe({ type: "wait" });
    const code = this.#draws ? this.request.code : undefined;
    this.#say(this.#dialect.waiting(this.#heartbeat, code));
  }

  /** The other peer is here. */
  found(partner: Partner, initiator: boolean): void {
    if (!this.#accept()) return;
    this.#partner = partner;
    this.#attempting = false;
    this.#upgraded = false;
    const { interval } = this.#heartbeat;
    const iceServers = this.#iceServers;
    const introduction = { interval, initiator, iceServers };
    this.#send(this.#dialect.found(partner, introduction));
  }

  /** The other peer's socket broke. */
  lost(): void {
    this.#part();
    this.#say(this.#dialect.lost);
  }

  /** Hands it a control message of its partner, as it came. */
  signal(text: string): void {
    this.#send(text);
  }

  /** Hands it a packet of its partner, as it came. */
  packet(data: string | Bytes): void {
    if (this.#dialect.packet) this.#dialect.packet(data);
    else this.#relay(data);
  }

  /** Somebody asks for the other peer's place. */
  knocked(): void {
    this.#sendControl({ type: "peer.knock" });
  }

  /** Ends the connection for what its peer has done, saying why. */
  refuse(reason: RefusalReason, code: number, text: string): void {
    if (this.#stage === "ended") return;
    this.#observeRefusal(reason);
    this.dismiss(code, text);
  }

  /** Ends the connection, saying why. */
  dismiss(code: number, reason: string): void {
    if (this.#stage === "ended") return;
    const socket = this.#socket;
    if (code === BUSY) {
      this.#observeRefusal("busy");
      if (this.#dialect.busy) socket.send(this.#dialect.busy);
    }
    if (BLAMELESS.has(code)) this.#attempting = false;
    this.#told = { code, reason };
    this.#end(code, reason, false);
    socket.close(code, closeReason(reason));
  }

  #part(): void {
    this.#partner = null;
    this.#dialect.part?.();
  }

  #handle(message: ControlMessage, text: string): void {
    switch (message.type) {
      case "pair":
        if (this.#stage === "new") this.#pair(message.data);
        else {
          const message =
            "Cannot pair as this socket has asked before: open another";
          this.#complain("malformed", message);
        }
        break;
      case "rtc.connect":
      case "rtc.signal":
        // Where the other peer is away, it starts again when it is back. The
        // two versions do not understand each other's.
        if (this.#partner?.version === this.version) this.#partner.signal(text);
        break;
      case "private.start":
        // Who has not said that it talks in private does not know this message.
        if (this.#partner?.hello.private) this.#partner.signal(text);
        break;
      case "ping":
        this.#sendControl({ type: "pong" });
        break;
      case "peer.knock":
        this.#options.registry.letIn(this);
        break;
      case "leaving":
        this.#options.registry.leaveSoon(this);
        break;
      case "upgrade":
        if (this.#partner && !this.#upgraded) {
          this.#upgraded = true;
          this.#observe({ type: "upgrade" });
        }
        break;
    }
  }

  #pair(data: PairRequest | LegacyPairCode): void {
    const { addresses, settings } = this.#options;
    // A page of version 1 may have a number for its code, or have none.
    const request: PlaceRequest = data instanceof Object
      ? { ...data, code: canonicalCode(data.code) }
      : { code: data === null ? "" : String(data) };
    const { maxBufferedBytes, maxPairCodeLength, pairTimeout } = settings;
    if (!(data instanceof Object)) {
      this.#dialect = new Version1({
        maxBufferedBytes,
        relay: (data) => this.#relay(data),
      });
    }
    if (!this.#dialect.heartbeats && this.#socket.answersHeartbeats) {
      // Nobody would notice that it is dead.
      const text = "a client of version 1 must not say v=2 in its address";
      this.refuse("malformed", MALFORMED, text);
      return;
    }
    // Blanks ask for nothing: somebody has forgotten to type a code.
    this.#draws = data instanceof Object && data.code === "";
    const { length } = request.code;
    if (length < 1 && !this.#draws || length > maxPairCodeLength) {
      this.#complain(
        "pair_code",
        `Cannot take a pair code of ${length} characters: it must have 1 to ` +
          `${maxPairCodeLength}`,
      );
      return;
    }
    // Fields that are not known are passed on; that must not swell.
    const helloLength = JSON.stringify(request.hello ?? 0).length;
    if (helloLength > MAX_HELLO_LENGTH) {
      this.#complain(
        "size",
        `Cannot take a "hello" of ${helloLength} characters: it may have at ` +
          `most ${MAX_HELLO_LENGTH}`,
      );
      return;
    }
    if (!addresses.takePair(this.address)) {
      this.refuse("pair_rate", RATE_LIMITED, "too many attempts to pair");
      return;
    }
    this.#attempting = true;
    this.#askedAt = this.#options.now();
    this.#request = request;
    this.#stage = "validating";
    this.#deadline();
    // Without a place it is asked for no sign of life.
    this.#deadline = this.#options.after(pairTimeout, () => {
      this.#attempting = false;
      this.dismiss(PAIR_TIMEOUT, `no decision was made in ${pairTimeout} ms`);
    });
    this.#enter();
  }

  /** Asks for its place, once its code is known and accepted. */
  async #enter(): Promise<void> {
    if (this.#draws && !await this.#draw()) return;
    if (!await this.#isValid(this.request.code)) {
      const what = this.#draws ? "number drawn as pair code" : "pair code";
      const text = `the ${what} is not accepted`;
      this.refuse("pair_code", PAIR_CODE_REFUSED, text);
      return;
    }
    // Not before, so that who guesses at codes gets no credentials made.
    if (this.#stage === "validating" && this.#dialect.heartbeats) {
      await this.#getIceServers();
    }
    if (this.#stage === "validating") this.#options.registry.join(this);
  }

  /**
   * Draws a number for the code; resolves with false where the connection has
   * ended.
   */
  async #draw(): Promise<boolean> {
    const { numbers, random } = this.#options;
    const code = await numbers.draw();
    if (this.#stage !== "validating") return false;
    if (code === undefined) {
      // That is not its fault.
      this.#attempting = false;
      const retryMs = Math.round(NO_NUMBER_MS * (0.5 + random()));
      const text = `no number is free: retry in ${retryMs} ms`;
      this.refuse("pair_code", TRY_AGAIN_LATER, text);
      return false;
    }
    this.#request = { ...this.request, code };
    return true;
  }

  async #isValid(pairCode: string): Promise<boolean> {
    try {
      const { pairCodeValidator } = this.#options.settings;
      return await pairCodeValidator(pairCode, this.visitor) !== false;
    } catch (error) {
      this.#observe({ type: "error", option: "pairCodeValidator", error });
      return false;
    }
  }

  async #getIceServers(): Promise<boolean> {
    try {
      this.#iceServers = await this.#options.iceServers.get();
      return true;
    } catch (error) {
      // Most peers find each other without.
      this.#observe({ type: "error", option: "iceServers", error });
      return false;
    }
  }

  /**
   * Marks the peer as joined; false where the connection has ended, maybe just
   * now.
   */
  #accept(): boolean {
    if (this.#stage === "validating") {
      this.#stage = "joined";
      this.#deadline();
      if (this.#dialect.heartbeats) {
        // What tells it so is as good as a ping.
        this.#heartbeats = 1;
        this.#beatLater();
        this.#renewLater();
      }
    }
    return this.#stage === "joined";
  }

  get #heartbeat(): Heartbeat {
    return { interval: this.#options.settings.heartbeatInterval };
  }

  #beatLater(): void {
    const { after, settings: { heartbeatInterval } } = this.#options;
    this.#deadline = after(heartbeatInterval, () => {
      if (this.#heartbeats++ >= MISSED_HEARTBEATS) {
        this.dismiss(UNRESPONSIVE, "no answer to a heartbeat");
      } else this.#sendControl({ type: "ping", data: this.#heartbeat });
      if (this.#stage !== "ended") this.#beatLater();
    });
  }

  #renewLater(): void {
    const { after, iceServers: { renewMs } } = this.#options;
    if (renewMs <= 0 || this.#stage === "ended") return;
    this.#renewal = after(renewMs, async () => {
      this.#renewLater();
      if (!await this.#getIceServers()) return;
      const data = { iceServers: this.#iceServers };
      this.#sendControl({ type: "ice.servers", data });
    });
  }

  #takeControl(): boolean {
    const { addresses, now, settings } = this.#options;
    const taken = this.#control.take(1, settings.controlRate, now()) &&
      addresses.takeControl(this.address);
    if (!taken) {
      this.refuse("control_rate", RATE_LIMITED, "too many control messages");
    }
    return taken;
  }

  /** Says what can't be handled. Without a place nothing is left to go on with. */
  #complain(reason: RefusalReason, message: string): void {
    this.#observeRefusal(reason);
    this.#say(this.#dialect.complaint(message));
    // In version 1 nobody is told of a place, so nobody waits for it.
    const waits = this.version === 1 && this.#stage === "validating";
    if (this.#stage !== "joined" && !waits) this.dismiss(MALFORMED, message);
  }

  #observeRefusal(reason: RefusalReason): void {
    this.#observe({ type: "refuse", address: this.address, reason });
  }

  get #observe() {
    return this.#options.settings.observer;
  }

  #sendControl(message: ControlMessage): void {
    this.#send(encodeControl(message));
  }

  /** Sends a text, unless its version has no words for it. */
  #say(text: string | undefined): void {
    if (text !== undefined) this.#send(text);
  }

  #relay(data: string | Bytes): void {
    const { traffic } = this.#options;
    traffic.relayedPackets++;
    traffic.relayedBytes += typeof data === "string"
      ? data.length
      : data.byteLength;
    this.#send(data);
  }

  #send(data: string | Bytes): void {
    if (this.#stage === "ended") return;
    this.#socket.send(data);
    // On Deno a socket that does not read can't be closed, and what waits for
    // it stays: it must not be given more.
    if (this.#socket.bufferedAmount > this.#options.settings.maxBufferedBytes) {
      this.refuse("unread", UNRESPONSIVE, "it does not read what it is sent");
    }
  }

  /** No partner was found: by who guesses at codes, or who waited in vain. */
  #endAttempt(code: number): void {
    const { addresses, now, settings } = this.#options;
    const aloneMs = now() - this.#askedAt;
    // A guesser has no time to wait, and not many sockets to wait with.
    const waited = code === PEER_TIMEOUT || this.#stage === "joined" &&
        aloneMs >= (settings.peerTimeout || LONG_WAIT_MS);
    if (waited) addresses.pairForgiven(this.address);
    else addresses.pairFailed(this.address);
  }

  #end(code: number, reason: string, forGood: boolean): void {
    if (this.#stage === "ended") return;
    if (this.#attempting) this.#endAttempt(code);
    if (this.#stage === "joined") {
      this.#options.numbers.left(this.request.code);
    }
    this.#stage = "ended";
    // Its socket may never be reported closed: nothing may hang on it.
    this.#socket = GONE;
    this.#part();
    this.#deadline();
    this.#renewal?.();
    if (this.#request) this.#options.registry.leave(this, forGood);
    this.#options.onEnd(this, code, reason);
  }
}
