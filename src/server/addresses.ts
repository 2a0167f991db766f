/**
 * What each address has open and may still do.
 *
 * @module
 */

import type { Rate, ResolvedServerOptions } from "./options.ts";
import { TokenBucket } from "./token_bucket.ts";

/** What one address has and may. */
interface Entry {
  connections: number;
  readonly control: TokenBucket;
  readonly pairs: TokenBucket;
}

/** The options that count here. */
export type AddressLimits = Pick<
  ResolvedServerOptions,
  | "observer"
  | "maxConnections"
  | "maxConnectionsPerAddress"
  | "addressControlRate"
  | "pairRate"
>;

/** What an attempt to pair costs that finds no partner, over a found one's 1. */
export const FAILED_PAIR_COST = 10;
/** So many of so many connections of one address look like a proxy's. */
const CROWD = { least: 100, share: 0.9 };
/** Addresses that are kept before those are looked for that need not be. */
const SWEEP_AT = 1024;

/**
 * Counts connections, control messages and attempts to pair by address. What
 * has no address, as it comes from a proxy on this machine, is not counted by
 * address.
 */
export class Addresses {
  readonly #limits: AddressLimits;
  readonly #now: () => number;
  /** What this server lets an address do. */
  #pairRate: Rate;
  readonly #entries = new Map<string, Entry>();
  #connections = 0;
  /** How many connections have no known address. */
  #unknown = 0;
  #crowdTold = false;
  #sweepAt = SWEEP_AT;

  /** Begins without a connection. */
  constructor(limits: AddressLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#pairRate = limits.pairRate;
  }

  /**
   * So many servers are one: each takes its share of what an address may try,
   * so that guessing at all of them is no quicker than at one.
   */
  share(servers: number): void {
    const { burst, perSecond } = this.#limits.pairRate;
    this.#pairRate = {
      burst: Math.max(1, Math.floor(burst / servers)),
      perSecond: perSecond / servers,
    };
  }

  /** How many addresses are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /** Connections in all. */
  get connections(): number {
    return this.#connections;
  }

  /** Counts a connection in, or says which limit it meets. */
  admit(address: string | undefined): "connections" | "address" | undefined {
    const { maxConnections, maxConnectionsPerAddress } = this.#limits;
    if (maxConnections > 0 && this.#connections >= maxConnections) {
      return "connections";
    }
    if (address !== undefined) {
      const entry = this.#entry(address);
      const full = maxConnectionsPerAddress > 0 &&
        entry.connections >= maxConnectionsPerAddress;
      if (full) return "address";
      entry.connections++;
    } else {
      this.#unknown++;
    }
    this.#connections++;
    this.#lookForCrowd(address);
    return undefined;
  }

  /** Counts a connection out that was admitted. */
  release(address: string | undefined): void {
    this.#connections--;
    if (address === undefined) this.#unknown--;
    const entry = address === undefined
      ? undefined
      : this.#entries.get(address);
    if (entry) entry.connections--;
  }

  /** Whether the address may send one more control message now. */
  takeControl(address: string | undefined): boolean {
    if (address === undefined) return true;
    const { addressControlRate } = this.#limits;
    return this.#entry(address)
      .control.take(1, addressControlRate, this.#now());
  }

  /** Whether the address may try to pair now. */
  takePair(address: string | undefined): boolean {
    if (address === undefined) return true;
    return this.#entry(address)
      .pairs.take(1, this.#pairRate, this.#now());
  }

  /** An attempt to pair has found no partner. */
  pairFailed(address: string | undefined): void {
    if (address === undefined) return;
    this.#entry(address).pairs.charge(
      FAILED_PAIR_COST - 1,
      this.#pairRate,
      this.#now(),
    );
  }

  /** An attempt to pair was no guess: it is as if it had not been made. */
  pairForgiven(address: string | undefined): void {
    if (address === undefined) return;
    this.#entry(address).pairs.charge(-1, this.#pairRate, this.#now());
  }

  /** Tells, once, when nearly all come from one address. */
  #lookForCrowd(address: string | undefined): void {
    const total = this.#connections;
    if (this.#crowdTold || total < CROWD.least) return;
    const connections = address === undefined
      ? this.#unknown
      : this.#entry(address).connections;
    if (connections < CROWD.share * total) return;
    this.#crowdTold = true;
    this.#limits.observer({ type: "crowd", address, connections, total });
  }

  #entry(address: string): Entry {
    const known = this.#entries.get(address);
    if (known) return known;
    if (this.#entries.size >= this.#sweepAt) this.#sweep();
    const now = this.#now();
    const entry = {
      connections: 0,
      control: new TokenBucket(this.#limits.addressControlRate, now),
      pairs: new TokenBucket(this.#pairRate, now),
    };
    this.#entries.set(address, entry);
    return entry;
  }

  /** Forgets who has nothing open and has waited out what it did. */
  #sweep(): void {
    const { addressControlRate } = this.#limits;
    const pairRate = this.#pairRate;
    const now = this.#now();
    for (const [address, { connections, control, pairs }] of this.#entries) {
      const idle = connections === 0 &&
        control.isFull(addressControlRate, now) && pairs.isFull(pairRate, now);
      if (idle) this.#entries.delete(address);
    }
    // So that a sweep costs each new address no more than a few steps.
    this.#sweepAt = Math.max(SWEEP_AT, 2 * this.#entries.size);
  }
}
