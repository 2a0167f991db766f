/**
 * SocketPeer: what the user sees of a peer.
 *
 * @module
 */

import { PeerClosedError } from "../errors.ts";
import type { Message } from "../protocol/message.ts";
import type { Ticket } from "../protocol/control.ts";
import { type Cancel, type Runtime, systemRuntime } from "../runtime.ts";
import { Conversation } from "./conversation.ts";
import { Emitter } from "./emitter.ts";
import type { CloseInfo, SocketPeerEvents } from "./events.ts";
import {
  type ResolvedOptions,
  resolveOptions,
  type SocketPeerOptions,
} from "./options.ts";
import type { PathKind } from "./path.ts";
import type { Carried, Sendable } from "./sendable.ts";
import { readableOf, writableOf } from "./streams.ts";

/**
 * A message pipe to exactly one other peer: whoever else knows the same pair
 * code.
 *
 * It begins over the server's relay, is upgraded to a WebRTC data channel in
 * the background, goes back to the relay where that breaks, and reconnects by
 * itself. Every message that {@linkcode SocketPeer.send} accepts reaches the
 * other peer's `data` event once and in order for as long as the conversation
 * lasts; when it ends, `close` tells how many were not acknowledged.
 *
 * @example Say hello
 * ```ts ignore
 * import { SocketPeer } from "@socketpeer/socketpeer/client";
 *
 * const peer = new SocketPeer({ pairCode: "yolo", url: "http://localhost:3000" });
 * peer.on("connect", () => peer.send("hello"));
 * peer.on("data", (message) => console.log(message));
 * ```
 *
 * @typeParam Sent What this peer sends: by default all that can be sent.
 * @typeParam Received What the other peer sends. It is taken for that as it
 * comes, and not checked.
 */
export class SocketPeer<Sent = Sendable, Received = Message>
  extends Emitter<SocketPeerEvents<Received>> {
  readonly #options: ResolvedOptions;
  readonly #runtime: Runtime;
  #conversation: Conversation;
  /** A closed conversation that lingers until its messages are delivered. */
  #lingering?: Conversation;
  #readable?: ReadableStream<Received>;
  /** The ticket of the conversation before. */
  #before?: Ticket;
  #writable?: WritableStream<unknown>;
  #unwatchPage?: Cancel;
  /** Whether the page that is left is just being told of it. */
  #leaving = false;
  /** Whether the reader of the stream is behind. */
  #behind = false;
  #closed = false;

  /**
   * Creates a peer, which connects by itself unless `autoconnect` is `false`.
   *
   * @param options Who pairs with whom, where, and how.
   * @param runtime The platform; tests drive the clock and the network here.
   * @throws {TypeError | RangeError} If an option is not what it must be.
   */
  constructor(
    options: SocketPeerOptions = {},
    runtime: Runtime = systemRuntime(),
  ) {
    super();
    this.#options = resolveOptions(options, runtime);
    this.#runtime = runtime;
    this.#conversation = this.#newConversation();
    if (this.#options.autoconnect) {
      runtime.soon(() => {
        if (!this.#closed) this.connect();
      });
    }
  }

  /** The code that the two peers share. */
  get pairCode(): string {
    return this.#options.pairCode;
  }

  /** Whether a path joins the two peers now. */
  get connected(): boolean {
    return this.#conversation.state === "connected";
  }

  /** Which way messages leave now: null where there is none. */
  get path(): PathKind {
    return this.#conversation.path;
  }

  /**
   * Bytes that `send()` accepted and the other peer has not acknowledged,
   * with what it takes to carry them.
   */
  get bufferedAmount(): number {
    return this.#conversation.bufferedBytes;
  }

  /**
   * Connects. After `close()` it begins anew. Where it is connected already it
   * looks at once whether what there is still works, and while a lost
   * connection waits for its next attempt it makes that at once; a browser
   * that comes back online, or a page that is seen again, has it do so too.
   */
  connect(): void {
    // It would be gone again at once. When the page is back it connects.
    if (this.#leaving) return;
    if (this.#closed) {
      this.#closed = false;
      this.#conversation = this.#newConversation();
    }
    this.#unwatchPage?.();
    const unwatch = [
      this.#runtime.onPageHide(() => this.#pageHidden()),
      this.#runtime.onWake(() => this.#conversation.probe()),
    ];
    this.#unwatchPage = () => unwatch.forEach((cancel) => cancel());
    // While the last one lingers the server would take this for a third peer.
    if (!this.#lingering) this.#conversation.connect(this.#before);
  }

  /**
   * Sends one message to the other peer, or keeps it until there is one.
   *
   * It arrives as the kind it was sent as: text as a string; bytes, of an
   * ArrayBuffer, a view of one or a Blob, as a Uint8Array; any other value as
   * what JSON makes of it. Messages sent in one turn travel together.
   *
   * @param data The message. Bytes are copied, so a buffer may be used again.
   * @returns `false` while more than `highWaterMark` bytes wait: pause until
   * `drain`.
   * @throws {TypeError} If it is nothing that can be sent.
   * @throws {MessageTooLargeError} If it is larger than a peer takes.
   * @throws {SendQueueFullError} If the queue has no room for it.
   * @throws {PeerClosedError} After `close()`.
   */
  send(data: Sent): boolean;
  /** The same, for interfaces too, where the peer was not told what it sends. */
  send<Data extends string | number | boolean | null | object>(
    data: Sendable extends Sent ? Carried<Data> : never,
  ): boolean;
  send(data: unknown): boolean {
    if (this.#closed) throw new PeerClosedError();
    return this.#conversation.send(data);
  }

  /**
   * Waits until the other peer has acknowledged everything sent so far: its
   * program was given it.
   *
   * @throws {ConversationEndedError} If the conversation ends first; it says
   * how many messages were not acknowledged.
   */
  flush(): Promise<void> {
    return this.#conversation.flush();
  }

  /**
   * Waits until `send()` would return `true`.
   *
   * @example Send no faster than the other peer takes
   * ```ts ignore
   * for (const chunk of chunks) {
   *   if (!peer.send(chunk)) await peer.drained();
   * }
   * ```
   *
   * @throws {ConversationEndedError} If the conversation ends first.
   */
  drained(): Promise<void> {
    return this.#conversation.drained();
  }

  /**
   * The messages of this conversation as a stream, from now on. While its
   * reader is behind, no more is taken in, by `data` listeners neither, and
   * the other peer's `send()` is held up: read it, or cancel it and listen to
   * `data`. It closes when this side has closed, or the other one has and all
   * that it sent is here; it breaks where the conversation ends otherwise, so
   * that a file that was cut short is not taken for a whole one.
   */
  get readable(): ReadableStream<Received> {
    return this.#readable ??= readableOf(
      this,
      (behind) => {
        this.#behind = behind;
        this.#hear();
      },
      () => this.#conversation.lastMessageBytes,
    );
  }

  /**
   * A stream whose chunks are sent in this conversation, no faster than the
   * other peer takes them. To close it delivers everything, closes the peer,
   * and is done when the conversation has ended; to abort it destroys the peer.
   */
  get writable(): WritableStream<Sendable extends Sent ? unknown : Sent> {
    return this.#writable ??= writableOf(this);
  }

  /**
   * Ends the conversation, or the wait for one. What was sent is delivered
   * first, for at most 5 seconds; then `close` is emitted.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lingering ??= this.#conversation;
    this.#conversation.close();
  }

  /** Ends the conversation at once, and waits for no delivery. */
  destroy(): void {
    const conversation = this.#conversation;
    this.#closed = true;
    // A listener of its end may begin another conversation.
    this.#lingering?.destroy();
    conversation.destroy();
  }

  /** Adds, and removes, listeners of `data`: without one nothing is taken. */
  protected override listening(event: keyof SocketPeerEvents): void {
    if (event === "data") this.#hear();
  }

  /** Whether a conversation that ended so is followed by another. */
  protected again({ reason }: CloseInfo): boolean {
    // "remote", "replaced" and "away".
    return this.#options.reconnect && /^re|away/.test(reason);
  }

  /** Takes messages in, or holds them up. */
  #hear(): void {
    const hears = () => !this.#behind && this.hasListeners("data");
    // In the middle of a packet, if need be. But a listener must not be called
    // before it is known to have been added.
    if (!hears()) this.#conversation.pause(true);
    else this.#runtime.soon(() => this.#conversation.pause(!hears()));
  }

  #newConversation(): Conversation {
    const conversation: Conversation = new Conversation(
      this.#options,
      this.#runtime,
      {
        emit: (event, ...args) => this.#dispatch(event, ...args),
        onEnd: (info) => this.#conversationEnded(conversation, info),
      },
    );
    conversation.pause(!this.hasListeners("data"));
    return conversation;
  }

  #conversationEnded(conversation: Conversation, info: CloseInfo): void {
    this.#before = conversation.ticket ?? this.#before;
    if (conversation === this.#lingering) this.#lingering = undefined;
    if (conversation === this.#conversation && !this.#closed) {
      if (this.again(info)) {
        this.#conversation = this.#newConversation();
      } else {
        this.#closed = true;
      }
    }
    // The next conversation has streams of its own.
    this.#readable = this.#writable = undefined;
    this.#dispatch("close", info);
    // Unless a listener closed it, or `connect()` was not called again.
    if (!this.#closed) this.connect();
    else this.#unwatchPage?.();
  }

  /** A listener that throws must not stop what it was called from. */
  #dispatch<Name extends keyof SocketPeerEvents>(
    event: Name,
    ...args: SocketPeerEvents[Name]
  ): void {
    try {
      this.emit(event, ...args as SocketPeerEvents<Received>[Name]);
    } catch (error) {
      this.#runtime.soon(() => {
        throw error;
      });
    }
  }

  /** A page that is left tells the other peer, rather than going silent. */
  #pageHidden(): void {
    if (this.#closed) return;
    this.#leaving = true;
    this.destroy();
    this.#leaving = false;
    // Kept in the back-forward cache, it may be shown again.
    this.#unwatchPage = this.#runtime.onPageShow(() => this.connect());
  }
}
