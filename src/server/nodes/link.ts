/**
 * What passes between two nodes: a stream each way, that counts what it
 * carries.
 *
 * @module
 */

import type { LinkLoss } from "../server_event.ts";
import {
  encodeMessage,
  type Head,
  HEAD_BYTES,
  type Item,
  NOTE,
  sizeOf,
} from "./message.ts";

/**
 * How much may be under way to a node that has not said that it has taken it,
 * in bytes: what an engine has to hold at most for one that is slow. At a
 * millisecond from node to node it carries 500 MB/s.
 */
export const LINK_WINDOW_BYTES = 512 * 1024;
/** For how long a node that was asked may say nothing, in milliseconds. */
export const SILENCE_MS = 3000;

/** What a {@linkcode Link} needs. */
export interface LinkOptions {
  /** The name of this node. */
  readonly node: string;
  /** Larger messages are not sent, unless a single item is. */
  readonly maxMessageBytes: number;
  /** Counters of what is forwarded; this link adds to them. */
  readonly forwarded: Forwarded;
  /** A number larger than all before; the node's links share it. */
  nextGeneration(): number;
  /** Sends a message to the other node: at most once, in order. */
  send(message: Uint8Array<ArrayBuffer>): void;
  /** Takes what has come, in order. */
  take(item: Item): void;
  /**
   * What was under way may be lost, in both directions. Called before anything
   * of what follows is taken.
   */
  lost(reason: LinkLoss): void;
  /** Calls back once what this turn of the event loop has to send is known. */
  soon(callback: () => void): void;
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
}

/** What a node has sent to others. */
export interface Forwarded {
  /** Messages that have brought something. */
  forwardedMessages: number;
  /** Packets and signaling in them. */
  forwardedPackets: number;
  /** Bytes of all messages. */
  forwardedBytes: number;
}

/** On whose account it is that bytes wait. */
export interface Account {
  waitingBytes: number;
}

interface Waiting {
  readonly item: Item;
  readonly account: Account | undefined;
}

/**
 * The streams between this node and another.
 *
 * An engine carries a message at most once, so both ends count. Whoever finds
 * that something is missing gives up the other's stream and begins a new one of
 * its own, which says so: then the other does the same. So both know that the
 * link was lost, and neither takes anything of before for something of after.
 */
export class Link {
  readonly #options: LinkOptions;
  /** This node's stream. */
  #mine: number;
  #sequence = 0;
  #sentBytes = 0;
  /** How much of that the other has taken. */
  #takenBytes = 0;
  /** The other's stream that is heard; 0 for none. */
  #theirs = 0;
  #expected = 0;
  #heardBytes = 0;
  /** How much of that the other was told. */
  #toldBytes = 0;
  #givenUp = 0;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #flushing = false;
  /** Whether to send something, be there items or not. */
  #owes = false;
  /** Whether to ask in it. */
  #asks = false;
  /** Since when an answer is due. */
  #askedAt: number | null = null;

  /** Begins with nothing sent and nothing heard. */
  constructor(options: LinkOptions) {
    this.#options = options;
    this.#mine = options.nextGeneration();
  }

  /** For how long an answer has been due, in milliseconds. */
  get silentMs(): number {
    return this.#askedAt === null ? 0 : this.#options.now() - this.#askedAt;
  }

  /** Bytes of items that wait for the other to take what is under way. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Sends an item, soon, after all others. */
  push(item: Item, account?: Account): void {
    const size = sizeOf(item);
    this.#waiting.push({ item, account });
    this.#waitingBytes += size;
    if (account) account.waitingBytes += size;
    this.#flushSoon();
  }

  /** Wants a sign of life; called now and then while there is a use for it. */
  ask(): void {
    if (this.silentMs > SILENCE_MS) this.lose("silent");
    this.#askedAt ??= this.#options.now();
    this.#asks = true;
    this.#oweSoon();
  }

  /** Takes a message that has come. */
  receive(head: Head, items: readonly Item[]): void {
    if (head.generation <= this.#givenUp) return;
    if (head.generation < this.#theirs) return;
    if (head.generation > this.#theirs) {
      if (this.#theirs > 0) this.lose("reset");
      if (head.sequence > 0) {
        this.#theirs = head.generation;
        this.lose("gap");
        return;
      }
      this.#theirs = head.generation;
      this.#expected = this.#heardBytes = this.#toldBytes = 0;
    }
    // One that came twice.
    if (head.sequence < this.#expected) return;
    if (head.sequence > this.#expected) {
      this.lose("gap");
      return;
    }
    this.#expected++;
    this.#askedAt = null;
    if (head.givenUp >= this.#mine) {
      // It hears nothing of what was sent; what it sends is still whole.
      this.#renew();
      this.#options.lost("reset");
    } else if (head.heard === this.#mine) {
      this.#takenBytes = Math.max(this.#takenBytes, head.taken);
      if (this.#waiting.length > 0) this.#flushSoon();
    }
    const mine = this.#mine;
    for (const item of items) {
      // What one of them said may have been the end of it.
      if (this.#mine !== mine) return;
      this.#heardBytes += sizeOf(item);
      this.#options.take(item);
    }
    const untold = this.#heardBytes - this.#toldBytes;
    if (head.asks || untold >= LINK_WINDOW_BYTES / 4) this.#oweSoon();
  }

  /** Gives up the other's stream, and begins a new one. */
  lose(reason: LinkLoss): void {
    this.#givenUp = Math.max(this.#givenUp, this.#theirs);
    this.#theirs = 0;
    this.#renew();
    // The other has to know.
    this.#oweSoon();
    this.#options.lost(reason);
  }

  /** Sends at once what waits for the end of this turn. */
  flush(): void {
    const { maxMessageBytes } = this.#options;
    while (
      this.#waiting.length > 0 &&
      this.#sentBytes - this.#takenBytes < LINK_WINDOW_BYTES
    ) {
      let size = HEAD_BYTES;
      let count = 0;
      for (const { item } of this.#waiting) {
        const grown = size + sizeOf(item);
        if (count > 0 && grown > maxMessageBytes) break;
        size = grown;
        count++;
        if (size >= LINK_WINDOW_BYTES / 4) break;
      }
      const sent = this.#waiting.splice(0, count);
      for (const { item, account } of sent) {
        if (account) account.waitingBytes -= sizeOf(item);
      }
      const bytes = size - HEAD_BYTES;
      this.#waitingBytes -= bytes;
      this.#sentBytes += bytes;
      this.#send(sent.map(({ item }) => item));
    }
    if (this.#owes) this.#send([]);
  }

  #send(items: readonly Item[]): void {
    const message = encodeMessage({
      node: this.#options.node,
      generation: this.#mine,
      givenUp: this.#givenUp,
      heard: this.#theirs,
      sequence: this.#sequence++,
      taken: this.#heardBytes,
      asks: this.#asks,
    }, items);
    this.#owes = this.#asks = false;
    this.#toldBytes = this.#heardBytes;
    const { forwarded } = this.#options;
    if (items.length > 0) forwarded.forwardedMessages++;
    for (const { kind } of items) {
      if (kind !== NOTE) forwarded.forwardedPackets++;
    }
    forwarded.forwardedBytes += message.byteLength;
    this.#options.send(message);
  }

  /** What this node had to say in its stream so far is not heard. */
  #renew(): void {
    this.#mine = this.#options.nextGeneration();
    this.#sequence = this.#sentBytes = this.#takenBytes = 0;
    this.#askedAt = null;
    for (const { account, item } of this.#waiting) {
      if (account) account.waitingBytes -= sizeOf(item);
    }
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #oweSoon(): void {
    this.#owes = true;
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#options.soon(() => {
      this.#flushing = false;
      this.flush();
    });
  }
}
