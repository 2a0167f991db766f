/**
 * The bounded queue behind `send()`: what is accepted, in which order, and
 * when there is room again.
 *
 * @module
 */

import {
  MessageTooLargeError,
  SendQueueFullError,
  SocketPeerError,
} from "../errors.ts";
import {
  type EncodedMessage,
  encodeMessage,
  isBlob,
  payloadBytes,
} from "../protocol/message.ts";
import type { Session } from "../protocol/session.ts";

/** The limits of a {@linkcode SendQueue}, in bytes. */
export interface SendQueueLimits {
  /** Above this `send()` returns false. */
  readonly highWaterMark: number;
  /** Above this `send()` throws. */
  readonly maxBufferedBytes: number;
  /** The largest message that may be sent. */
  maxMessageBytes: number;
}

/** What a {@linkcode SendQueue} reports. */
export interface SendQueueHandlers {
  /** The session has something to send. */
  onReady(): void;
  /** A message that was accepted could not be read. */
  onUnreadable(error: SocketPeerError): void;
}

/** Accepts messages and hands them to the session in order. */
export class SendQueue {
  readonly #session: Session;
  readonly #limits: SendQueueLimits;
  readonly #handlers: SendQueueHandlers;
  // A Blob is read asynchronously: it and what comes after it wait here.
  readonly #waiting: (Blob | EncodedMessage)[] = [];
  #waitingBytes = 0;
  #accepted = 0;
  #needsDrain = false;
  #onceEmpty?: () => void;

  /** Creates the queue of one session. */
  constructor(
    session: Session,
    limits: SendQueueLimits,
    handlers: SendQueueHandlers,
  ) {
    this.#session = session;
    this.#limits = { ...limits };
    this.#handlers = handlers;
  }

  /** Bytes accepted and not yet acknowledged by the other peer. */
  get bufferedBytes(): number {
    return this.#waitingBytes + this.#session.bufferedBytes;
  }

  /** Messages accepted and not yet acknowledged by the other peer. */
  get unacknowledged(): number {
    return this.#waiting.length + this.#session.unacknowledged;
  }

  /** Messages accepted so far that the other peer has acknowledged. */
  get acknowledged(): number {
    return this.#accepted - this.unacknowledged;
  }

  /** Whether no more than the high-water mark waits. */
  get hasRoom(): boolean {
    return this.bufferedBytes <= this.#limits.highWaterMark;
  }

  /** Learns what the other peer takes. */
  limitMessages(maxMessageBytes: number): void {
    this.#limits.maxMessageBytes = Math.min(
      this.#limits.maxMessageBytes,
      maxMessageBytes,
    );
  }

  /**
   * Accepts a message.
   *
   * @returns Whether to go on; `false` means to wait for a drain.
   * @throws {TypeError | MessageTooLargeError | SendQueueFullError} If the
   * message cannot be accepted; nothing was taken.
   */
  send(data: unknown): boolean {
    if (isBlob(data)) {
      this.#checkSize(data.size);
      this.#wait(data, data.size);
      if (this.#waiting.length === 1) this.#readFirst();
    } else {
      this.#sendEncoded(encodeMessage(data));
    }
    this.#accepted++;
    if (!this.hasRoom) this.#needsDrain = true;
    return this.hasRoom;
  }

  /** Calls back once when everything accepted is with the session. */
  onceEmpty(callback: () => void): void {
    if (this.#waiting.length === 0) callback();
    else this.#onceEmpty = callback;
  }

  /** Whether `drain` is due: there was no room, and now there is. */
  takeDrain(): boolean {
    const due = this.#needsDrain &&
      this.bufferedBytes <= this.#limits.highWaterMark / 2;
    if (due) this.#needsDrain = false;
    return due;
  }

  #sendEncoded(message: EncodedMessage): void {
    const { kind } = message;
    let { payload } = message;
    // A UTF-16 unit takes at most three bytes of UTF-8: text is measured only
    // where that could be too much.
    let most = payload.length;
    if (typeof payload === "string") {
      most *= 3;
      if (!this.#fits(most)) {
        payload = payloadBytes(payload);
        most = payload.length;
      }
    }
    this.#checkSize(most);
    if (this.#waiting.length === 0) {
      this.#session.queue({ kind, payload });
      this.#handlers.onReady();
      return;
    }
    // The caller may change its bytes before the session copies them.
    const bytes = payloadBytes(payload);
    const own = bytes === payload ? bytes.slice() : bytes;
    this.#wait({ kind, payload: own }, own.length);
  }

  #fits(bytes: number): boolean {
    return bytes <= this.#limits.maxMessageBytes &&
      this.bufferedBytes + bytes <= this.#limits.maxBufferedBytes;
  }

  #checkSize(bytes: number): void {
    if (this.#fits(bytes)) return;
    const { maxMessageBytes, maxBufferedBytes } = this.#limits;
    if (bytes > maxMessageBytes) {
      throw new MessageTooLargeError(bytes, maxMessageBytes);
    }
    throw new SendQueueFullError(bytes, this.bufferedBytes, maxBufferedBytes);
  }

  #wait(item: Blob | EncodedMessage, bytes: number): void {
    this.#waiting.push(item);
    this.#waitingBytes += bytes;
  }

  async #readFirst(): Promise<void> {
    for (let first; (first = this.#waiting[0]);) {
      if (isBlob(first)) {
        try {
          const payload = await first.arrayBuffer();
          this.#session.queue(encodeMessage(payload));
        } catch (cause) {
          this.#handlers.onUnreadable(
            new SocketPeerError(
              "MESSAGE_UNREADABLE",
              `Cannot read a Blob of ${first.size} bytes: it is left out`,
              { cause },
            ),
          );
        }
        this.#waitingBytes -= first.size;
      } else {
        this.#session.queue(first);
        this.#waitingBytes -= first.payload.length;
      }
      this.#waiting.shift();
      this.#handlers.onReady();
    }
    this.#onceEmpty?.();
  }
}
