/**
 * An engine in this process: what joins several servers in it, for tests and
 * for a world of virtual time.
 *
 * @module
 */

import type { Cancel } from "../../runtime.ts";
import {
  type Broker,
  type BrokerHandlers,
  CLAIM_MS,
  LEASE_MS,
} from "./broker.ts";

/** What a {@linkcode MemoryEngine} needs. */
export interface MemoryEngineOptions {
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Calls back once, later; in order, where it is to be equally late. */
  after(delayMs: number, callback: () => void): Cancel;
}

interface Claim {
  readonly node: string;
  readonly until: number;
}

/** Keeps claims and leases, and brings messages to whoever listens. */
export class MemoryEngine {
  /** How long anything travels to it, and from it, in milliseconds. */
  latencyMs = 0;
  /** Which node each key belongs to. */
  readonly claims = new Map<string, Claim>();
  /** Until when each node has its lease. */
  readonly leases = new Map<string, number>();
  /** The broker that listens to the inbox of each node. */
  readonly inboxes = new Map<string, MemoryBroker>();
  readonly now: () => number;
  readonly after: MemoryEngineOptions["after"];

  /** Begins as an engine that nobody has joined. */
  constructor({ now, after }: MemoryEngineOptions) {
    this.now = now;
    this.after = after;
  }

  /** Makes a node's way to it. */
  broker(): MemoryBroker {
    return new MemoryBroker(this);
  }

  /** The node that a key belongs to at this moment. */
  ownerOf(key: string): string | undefined {
    const claim = this.claims.get(key);
    return claim && claim.until > this.now() ? claim.node : undefined;
  }

  /** Whether a node holds its lease at this moment. */
  holdsLease(node: string): boolean {
    return (this.leases.get(node) ?? -Infinity) > this.now();
  }

  /** Forgets what it knows, as one that starts again with nothing on disk. */
  forget(): void {
    this.claims.clear();
    this.leases.clear();
  }
}

const AWAY = new Error("the engine is away");

/** A node's way to a {@linkcode MemoryEngine}. */
export class MemoryBroker implements Broker {
  readonly maxMessageBytes = 1 << 20;
  readonly #engine: MemoryEngine;
  #handlers: BrokerHandlers | null = null;
  #node = "";
  /** Whether the engine is in reach. */
  #connected = true;
  #closed = false;
  /** Counts the connections, so that nothing outlives its own. */
  #connection = 0;

  /** Joins an engine by `open()`, not before. */
  constructor(engine: MemoryEngine) {
    this.#engine = engine;
  }

  /** Begins, with the engine in reach or not. */
  open(handlers: BrokerHandlers): Promise<void> {
    this.#handlers = handlers;
    if (this.#connected) this.#travel(() => handlers.onUp());
    else handlers.onDown(AWAY);
    return Promise.resolve();
  }

  /** Loses the engine, with all that is under way. */
  disconnect(reason: Error = AWAY): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#hangUp();
    this.#handlers?.onDown(reason);
  }

  /** Reaches the engine again. */
  connect(): void {
    if (this.#connected || this.#closed) return;
    this.#connected = true;
    this.#travel(() => this.#handlers?.onUp());
  }

  enter(node: string): Promise<void> {
    const { inboxes, leases } = this.#engine;
    return this.#call(() => {
      if (inboxes.get(this.#node) === this) inboxes.delete(this.#node);
      leases.delete(this.#node);
      this.#node = node;
      inboxes.set(node, this);
      this.#takeLease();
    });
  }

  renew(): Promise<number> {
    const engine = this.#engine;
    return this.#call(() => {
      if (!engine.holdsLease(this.#node)) return 0;
      this.#takeLease();
      for (const node of engine.leases.keys()) {
        if (!engine.holdsLease(node)) engine.leases.delete(node);
      }
      return engine.leases.size;
    });
  }

  send(node: string, message: Uint8Array<ArrayBuffer>): void {
    this.#travel(() => {
      const listener = this.#engine.inboxes.get(node);
      if (listener) listener.#receive(message);
      else this.#travel(() => this.#handlers!.onUnheard(node));
    });
  }

  claim(key: string, instead?: string): Promise<string> {
    const node = this.#node;
    return this.#call(() => {
      const owner = this.#engine.ownerOf(key);
      const taken = owner !== undefined && owner !== node && owner !== instead;
      if (taken) return owner;
      this.#hold(key, node, CLAIM_MS);
      return node;
    });
  }

  find(key: string): Promise<string | undefined> {
    return this.#call(() => this.#engine.ownerOf(key));
  }

  keep(keys: readonly string[], forMs: number): Promise<readonly string[]> {
    const node = this.#node;
    return this.#call(() =>
      keys.filter((key) => {
        if (this.#engine.ownerOf(key) !== node) return true;
        this.#hold(key, node, forMs);
        return false;
      })
    );
  }

  free(keys: readonly string[]): Promise<void> {
    const node = this.#node;
    return this.#call(() => {
      for (const key of keys) {
        if (this.#engine.ownerOf(key) === node) this.#engine.claims.delete(key);
      }
    });
  }

  isAlive(node: string): Promise<boolean> {
    const { inboxes } = this.#engine;
    return this.#call(() => this.#engine.holdsLease(node) && inboxes.has(node));
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#connected) return;
    // What was sent before goes out.
    await this.#call(() => {
      this.#engine.leases.delete(this.#node);
    });
    this.#connected = false;
    this.#hangUp();
  }

  #receive(message: Uint8Array<ArrayBuffer>): void {
    this.#travel(() => this.#handlers!.onMessage(message));
  }

  #hold(key: string, node: string, forMs: number): void {
    const until = this.#engine.now() + forMs;
    this.#engine.claims.set(key, { node, until });
  }

  #takeLease(): void {
    this.#engine.leases.set(this.#node, this.#engine.now() + LEASE_MS);
  }

  #hangUp(): void {
    this.#connection++;
    const { inboxes } = this.#engine;
    if (inboxes.get(this.#node) === this) inboxes.delete(this.#node);
  }

  /** Asks the engine; there is no answer once the connection is gone. */
  #call<Answer>(ask: () => Answer): Promise<Answer> {
    return new Promise((resolve) =>
      this.#travel(() => {
        const answer = ask();
        this.#travel(() => resolve(answer));
      })
    );
  }

  /** Calls back after one way to the engine, if this connection still lives. */
  #travel(arrive: () => void): void {
    if (!this.#connected) return;
    const connection = this.#connection;
    this.#engine.after(this.#engine.latencyMs, () => {
      if (connection === this.#connection) arrive();
    });
  }
}
