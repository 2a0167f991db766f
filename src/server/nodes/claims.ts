/**
 * Which slots are this node's.
 *
 * @module
 */

import type { Cancel } from "../../runtime.ts";
import { type Broker, CLAIM_MS } from "../brokers/broker.ts";
import { REMEMBER_MS } from "../pair_registry.ts";

/** How often what is in use is kept, in milliseconds. */
const KEEP_MS = CLAIM_MS / 3;
/** How much longer than its ending a slot is kept, in milliseconds. */
const MARGIN_MS = 30_000;
/** How many keys go into one call. */
const BATCH = 500;
/** How many names that this node has had are known. */
const MAX_FORMER = 100;

/** What {@linkcode Claims} need. */
export interface ClaimsOptions {
  /** Asks the engine, as `Membership.ask()` does. */
  ask<Answer>(call: (broker: Broker) => Promise<Answer>): Promise<Answer>;
  /** The name of this node now. */
  node(): string | null;
  /** Whether anything is behind a slot. */
  inUse(slot: string): boolean;
  /** A slot that was this node's is another's. */
  moved(slot: string): void;
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
}

/** The slots that are this node's, over all its lives. */
export class Claims {
  readonly #options: ClaimsOptions;
  readonly #slots = new Set<string>();
  /** Until when those are kept behind which nothing is, in that order. */
  readonly #released = new Map<string, number>();
  /** The names that this node had before. */
  readonly #former = new Set<string>();
  #keepAt = 0;

  /** Begins without a claim. */
  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** How many there are. */
  get size(): number {
    return this.#slots.size;
  }

  /** Whether a slot is this node's, as far as it knows. */
  has(slot: string): boolean {
    return this.#slots.has(slot);
  }

  /**
   * Makes a slot this node's, if it is nobody's, or that of `instead`.
   *
   * @returns Whose it is then.
   */
  async claim(slot: string, instead?: string): Promise<string> {
    const node = this.#options.node();
    let owner: string;
    do {
      owner = await this.#options.ask((broker) => broker.claim(slot, instead));
      // Whose it was in a life before may be taken over at once.
      instead = owner;
    } while (this.#former.has(owner) && owner !== node);
    if (owner === node) this.#slots.add(slot);
    return owner;
  }

  /** Nothing is behind a slot any more; an ending may be remembered. */
  release(slot: string, met: boolean): void {
    if (!this.#slots.has(slot)) return;
    const { now, after } = this.#options;
    if (met) {
      this.#released.delete(slot);
      this.#released.set(slot, now() + REMEMBER_MS + MARGIN_MS);
    } else if (!this.#released.has(slot)) after(0, () => this.#free([slot]));
  }

  /** Gives a slot up again that nobody has come into. */
  settle(slot: string): void {
    if (!this.#options.inUse(slot)) this.release(slot, false);
  }

  /** This node is born again: what was its own becomes so again. */
  async reclaim(): Promise<void> {
    const instead = [...this.#former].at(-1);
    for (const batch of batchesOf(this.#slots)) {
      await Promise.all(batch.map((slot) => this.#claimAgain(slot, instead)));
    }
  }

  /** This node has lost the name that it had. */
  died(node: string): void {
    this.#former.add(node);
    const [oldest] = this.#former;
    if (this.#former.size > MAX_FORMER) this.#former.delete(oldest);
  }

  /** Frees what is not kept any longer, and keeps the rest; called now and then. */
  tend(): void {
    const now = this.#options.now();
    const over: string[] = [];
    for (const [slot, until] of this.#released) {
      if (until > now) break;
      over.push(slot);
    }
    this.#free(over);
    if (now < this.#keepAt) return;
    this.#keepAt = now + KEEP_MS;
    this.#keep().catch(() => {
      // It is tried again, long before they run out.
      this.#keepAt = 0;
    });
  }

  /** Gives all of them up. */
  async freeAll(): Promise<void> {
    const batches = batchesOf(this.#slots);
    this.#slots.clear();
    this.#released.clear();
    for (const batch of batches) {
      await this.#options.ask((broker) => broker.free(batch));
    }
  }

  #free(slots: readonly string[]): void {
    const unused = slots.filter((slot) => {
      this.#released.delete(slot);
      return this.#slots.has(slot) && !this.#options.inUse(slot);
    });
    if (unused.length === 0) return;
    for (const slot of unused) this.#slots.delete(slot);
    this.#options.ask((broker) => broker.free(unused)).catch(() => {
      // It runs out by itself.
    });
  }

  async #keep(): Promise<void> {
    for (const batch of batchesOf(this.#slots)) {
      const held = batch.filter((slot) => this.#slots.has(slot));
      const lost = await this.#options.ask((broker) =>
        broker.keep(held, CLAIM_MS)
      );
      await Promise.all(lost.map((slot) => this.#claimAgain(slot)));
    }
  }

  async #claimAgain(slot: string, instead?: string): Promise<void> {
    if (!this.#slots.has(slot)) return;
    const owner = await this.claim(slot, instead);
    if (owner === this.#options.node()) {
      // It may have been given up meanwhile.
      this.settle(slot);
      return;
    }
    if (!this.#slots.delete(slot)) return;
    this.#released.delete(slot);
    this.#options.moved(slot);
  }
}

/** Slots as they are now, so many to a call. */
function batchesOf(slots: Iterable<string>): readonly string[][] {
  const all = [...slots];
  const batches: string[][] = [];
  for (let at = 0; at < all.length; at += BATCH) {
    batches.push(all.slice(at, at + BATCH));
  }
  return batches;
}
