/**
 * A WebSocket whose server can neither read nor alter what two peers say: what
 * the client gives it for the other peer is sealed, and what comes is opened.
 *
 * @module
 */

import {
  ENDED_BY_SERVER,
  LEAVE,
  PEER_LEFT,
  POLICY,
  REPLACED,
} from "../protocol/close_code.ts";
import type { Hello, PrivateStart } from "../protocol/control.ts";
import { MAX_CONTROL_BYTES } from "../protocol/limits.ts";
import { asBytes } from "../protocol/message.ts";
import { isNumber } from "../protocol/pair_code.ts";
import type { Cancel, OwnBytes, WebSocketLike } from "../runtime.ts";
import type { Agreement, Refusal } from "./agreement.ts";

/** What a {@linkcode SealedSocket} asks of who keeps the secret. */
export interface Custodian {
  /** What the server knows of the pair code; empty: it is to give a number. */
  readonly code: string;
  /** Whether messages leave on a data channel, where the server has no part. */
  readonly direct: boolean;
  /** Whether the page is just being left. */
  readonly hiding: boolean;
  /** How long a conversation with no path left may take to go on. */
  readonly resumeTimeoutMs: number;
  /**
   * The agreement of a conversation.
   *
   * @throws {SocketPeerError} If there is to be none.
   */
  agree(id: string, hello: Hello): Promise<Agreement>;
  /** The server has given a number. */
  onNumber(code: string): void;
  /**
   * What came is not taken, for this reason or with this error.
   *
   * @param tell Ends the socket for the client.
   */
  refuse(
    why: Exclude<Refusal, "REPLACED"> | Error,
    agreement: Agreement | undefined,
    tell: () => void,
  ): void;
  /** Calls back once after `delayMs` milliseconds, but those of sleep. */
  after(delayMs: number, callback: () => void): Cancel;
  /** Throws in a turn of its own. */
  throwSoon(error: unknown): void;
}

/**
 * How long one waits for the other peer's proof before it counts as away, in
 * milliseconds: less than a client waits for the server to accept it.
 */
const PROOF_MS = 1000;
/**
 * Least time after which it counts as one that has broken off: longer than it
 * takes to find that a socket is dead, on which the proof may have been.
 */
const LAST_PROOF_MS = 60_000;
/** Ends of a conversation that only the server speaks of. */
const ENDS = [PEER_LEFT, ENDED_BY_SERVER, REPLACED];
/** What JSON begins with, and no packet: so many acknowledgements are none. */
const BRACE = 0x7b;

type Handler = ((event: never) => void) | null;

/** A message of the server, before anybody has checked it. */
interface Unchecked {
  readonly type?: unknown;
  readonly data: Record<string, unknown>;
}

/** A WebSocket that seals. */
export class SealedSocket implements WebSocketLike {
  onopen: Handler = null;
  onmessage: Handler = null;
  onclose: Handler = null;
  onerror: Handler = null;

  readonly #socket: WebSocketLike;
  readonly #custodian: Custodian;
  #agreement?: Agreement;
  /** The counter of what comes next, once the other has proven itself here. */
  #next?: number;
  /** The other peer, as the server says, until it has proven itself. */
  #found?: Record<string, unknown>;
  #late?: Cancel;
  #tooLate?: Cancel;
  /** What has come is looked at in its order, and what leaves, leaves so. */
  #in: Promise<void> = Promise.resolve();
  #out: Promise<void> = Promise.resolve();
  /** Bytes that are being sealed. */
  #sealingBytes = 0;
  /** Whether the client has said that it does not hear the other at all. */
  #deaf = false;
  /** Whether nobody hears of it any more. */
  #over = false;

  /** Seals what passes a socket, on which nothing has happened yet. */
  constructor(socket: WebSocketLike, custodian: Custodian) {
    this.#socket = socket;
    this.#custodian = custodian;
    socket.onopen = (event) => this.onopen?.(event);
    socket.onerror = (event) => this.onerror?.(event);
    socket.onmessage = ({ data }: { data: unknown }) =>
      this.#inOrder(() => this.#receive(data));
    socket.onclose = (event: { code: number; reason: string }) =>
      this.#inOrder(() => this.#closed(event));
  }

  get url(): string | undefined {
    return this.#socket.url;
  }

  get readyState(): number {
    return this.#socket.readyState;
  }

  /** Whether the other peer can speak for itself. */
  get #direct(): boolean {
    return this.#custodian.direct && !this.#deaf;
  }

  get bufferedAmount(): number {
    return (this.#socket.bufferedAmount ?? 0) + this.#sealingBytes;
  }

  get binaryType(): string {
    return this.#socket.binaryType;
  }

  set binaryType(type: string) {
    this.#socket.binaryType = type;
  }

  send(data: string | Uint8Array): void {
    if (typeof data !== "string") {
      this.#seal(data);
      return;
    }
    const message = JSON.parse(data);
    this.#deaf ||= message.type === "peer.knock";
    if (message.type === "pair") this.#pair(message);
    else if (ofWebRtc(message.type)) this.#seal(new TextEncoder().encode(data));
    else this.#socket.send(data);
  }

  close(code?: number): void {
    // The client lets go of what has just been closed with a word.
    if (this.#over) return;
    this.#end();
    const { hiding } = this.#custodian;
    // What was sealed last is to leave first: a start record, above all, from
    // which the other sees what is wrong. A page that is left has no time.
    if (code !== LEAVE || hiding) this.#socket.close(code);
    else this.#out = this.#out.then(() => this.#socket.close(code));
  }

  async #pair(message: { data: Record<string, unknown> }): Promise<void> {
    const { id, hello } = message.data;
    try {
      const agreement = await this.#custodian
        .agree(id as string, hello as Hello);
      if (this.#over) return;
      this.#agreement = agreement;
      const { code } = this.#custodian;
      const data = { ...message.data, code, hello: agreement.hello };
      this.#socket.send(JSON.stringify({ ...message, data }));
    } catch (error) {
      if (!this.#over) this.#refuse(error as Error);
    }
  }

  /** Seals bytes, and sends them in their turn. */
  #seal(bytes: Uint8Array): void {
    const agreement = this.#agreement;
    if (agreement?.socket !== this) return;
    this.#sealingBytes += bytes.length;
    this.#send(agreement.seal(bytes as OwnBytes), bytes.length);
  }

  #send(making: Promise<string | Uint8Array>, bytes = 0): void {
    const before = this.#out;
    this.#out = (async () => {
      await before;
      const data = await making;
      this.#sealingBytes -= bytes;
      // Another socket's start record says what the other peer opens next.
      if (this.#agreement!.socket === this && this.readyState === 1) {
        this.#socket.send(data);
      }
    })().catch((error) => this.#custodian.throwSoon(error));
  }

  /** Takes a step when those before it are done, unless all is over then. */
  #inOrder(step: () => void | Promise<void>): void {
    this.#in = this.#in
      .then(() => this.#over ? undefined : step())
      .catch((error) => this.#custodian.throwSoon(error));
  }

  async #receive(data: unknown): Promise<void> {
    if (typeof data === "string") {
      await this.#receiveText(data);
      return;
    }
    const bytes = asBytes(data);
    const agreement = this.#agreement;
    // It was sealed before the other peer has begun on this socket, or for one
    // that another has taken the place of.
    if (!bytes || this.#next === undefined) return;
    if (agreement!.socket !== this) return;
    let opened: OwnBytes;
    try {
      opened = await agreement!.open(this.#next++, bytes as OwnBytes);
    } catch {
      if (!this.#over) this.#refuse("TAMPERED");
      return;
    }
    if (opened[0] !== BRACE) this.#handOn(opened.buffer);
    else {
      const text = new TextDecoder().decode(opened);
      // The other peer speaks for itself, and not for the server.
      if (ofWebRtc(parse(text)?.type)) this.#handOn(text);
    }
  }

  async #receiveText(text: string): Promise<void> {
    const message = parse(text);
    switch (message?.type) {
      case "peer.found":
        await this.#meet(message.data);
        return;
      case "private.start":
        await this.#prove(message.data as unknown as PrivateStart);
        return;
      case "peer.waiting": {
        const code = String(message.data.code);
        if (!this.#custodian.code && isNumber(code)) {
          this.#custodian.onNumber(code);
        }
        this.#forget();
        break;
      }
      case "peer.lost":
        this.#forget();
        break;
    }
    // The other peer seals it.
    if (ofWebRtc(message?.type)) this.#refuse("TAMPERED");
    else this.#handOn(text);
  }

  /** The server says that the other peer is here, and who it is. */
  async #meet(data: Record<string, unknown>): Promise<void> {
    const agreement = this.#agreement;
    if (!agreement) return;
    this.#forget();
    const { code } = this.#custodian;
    const refusal = await agreement.meet(code, data.id, data.hello);
    if (this.#over) return;
    if (refusal) {
      this.#refuse(refusal);
      return;
    }
    this.#found = data;
    agreement.socket = this;
    this.#send(
      agreement.start().then((data) =>
        JSON.stringify({ type: "private.start", data })
      ),
    );
    // The server has accepted this peer, whatever became of the other.
    this.#late = this.#custodian.after(PROOF_MS, () => {
      const { interval } = data;
      this.#handOn(
        JSON.stringify({ type: "peer.waiting", data: { interval } }),
      );
    });
    // Also where it is lost meanwhile: its place here is nobody else's.
    if (agreement.proven) return;
    this.#tooLate ??= this.#custodian.after(
      Math.max(LAST_PROOF_MS, this.#custodian.resumeTimeoutMs),
      () => this.#refuse("WRONG_SECRET"),
    );
  }

  /** The other peer says what proves that it knows the secret. */
  async #prove(start: PrivateStart): Promise<void> {
    const agreement = this.#agreement;
    if (!agreement?.met || agreement.socket !== this) return;
    const next = await agreement.prove(start);
    if (this.#over) return;
    if (next === undefined) {
      this.#refuse(agreement.proven ? "TAMPERED" : "WRONG_SECRET");
      return;
    }
    this.#next = next;
    this.#tooLate?.();
    const found = this.#found;
    if (!found) return;
    this.#late?.();
    this.#found = undefined;
    const data = { ...found, hello: agreement.partnerHello };
    this.#handOn(JSON.stringify({ type: "peer.found", data }));
  }

  #closed({ code, reason }: { code: number; reason: string }): void {
    const agreement = this.#agreement;
    if (code === PEER_LEFT && agreement?.met && !agreement.proven) {
      // It is what a peer does that finds that this one does not know it.
      this.#refuse("WRONG_SECRET");
      return;
    }
    const event = this.#direct && ENDS.includes(code)
      ? { code: 0, reason: "it says what the other peer does not" }
      : { code, reason };
    const tell = this.onclose;
    this.#end();
    tell?.(event as never);
  }

  #refuse(why: Refusal | Error): void {
    const { onclose } = this;
    const tell = (code: number) => onclose?.({ code, reason: "" } as never);
    if (why === "REPLACED") {
      if (!this.#direct) {
        this.close(LEAVE);
        // Its name is all that is believed of the new one.
        tell(REPLACED);
        return;
      }
      why = "TAMPERED";
    }
    const code = why === "TAMPERED" ? 0 : POLICY;
    // Without a word the conversation goes on, on another socket.
    this.close(code ? LEAVE : undefined);
    this.#custodian.refuse(why, this.#agreement, () => tell(code));
  }

  /** Nothing of before belongs to the peer that is found next. */
  #forget(): void {
    this.#late?.();
    this.#next = this.#found = undefined;
  }

  #end(): void {
    this.#over = true;
    this.#late?.();
    this.#tooLate?.();
  }

  #handOn(data: string | ArrayBuffer): void {
    this.onmessage?.({ data } as never);
  }
}

const ofWebRtc = (type: unknown): boolean =>
  type === "rtc.connect" || type === "rtc.signal";

/** Reads what may be a control message. */
function parse(text: string): Unchecked | undefined {
  if (text.length > MAX_CONTROL_BYTES) return;
  try {
    const message = JSON.parse(text);
    return { type: message.type, data: Object(message.data) };
  } catch {
    // The client complains of it.
    return;
  }
}
