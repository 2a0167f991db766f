/**
 * A simulated engine between the nodes of a simulated server.
 *
 * @module
 */

import type { Broker, BrokerHandlers } from "../server/brokers/broker.ts";
import { type MemoryBroker, MemoryEngine } from "../server/brokers/memory.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";

/** An engine that can stop, forget, and lose messages. */
export class SimulatedEngine {
  /** What the engine keeps in memory. */
  readonly memory: MemoryEngine;
  /** Which share of the messages between nodes it loses, from 0 to 1. */
  loss = 0;
  /** Which share of the messages the engine brings twice. */
  doubling = 0;
  readonly random: () => number;
  #up = true;
  readonly #brokers = new Set<SimulatedBroker>();

  /** Starts the engine. */
  constructor({ clock, random }: Network) {
    this.memory = new MemoryEngine(clock);
    this.memory.latencyMs = 1;
    this.random = random;
  }

  /** Whether the engine runs. */
  get up(): boolean {
    return this.#up;
  }

  /** How many keys belong to a node that has its lease. */
  get claims(): number {
    const { claims } = this.memory;
    return [...claims.values()]
      .filter(({ node }) => this.memory.holdsLease(node)).length;
  }

  /** Stops: all nodes are told at once. */
  stop(): void {
    this.#up = false;
    for (const broker of this.#brokers) broker.reach();
  }

  /** Runs again, with what it knew or with nothing. */
  start(empty = false): void {
    if (empty) this.memory.forget();
    this.#up = true;
    for (const broker of this.#brokers) broker.reach();
  }

  /** Makes the way of a program to it. */
  broker(host: Host): SimulatedBroker {
    const broker = new SimulatedBroker(this, host);
    this.#brokers.add(broker);
    return broker;
  }

  /** The broker is gone. */
  forget(broker: SimulatedBroker): void {
    this.#brokers.delete(broker);
  }
}

/** What a simulated program has for its {@linkcode Broker}. */
export class SimulatedBroker implements Broker {
  readonly maxMessageBytes: number;
  readonly #engine: SimulatedEngine;
  readonly #host: Host;
  readonly #broker: MemoryBroker;
  #partitioned = false;

  /** Joins an engine by `open()`, not before. */
  constructor(engine: SimulatedEngine, host: Host) {
    this.#engine = engine;
    this.#host = host;
    this.#broker = engine.memory.broker();
    this.maxMessageBytes = this.#broker.maxMessageBytes;
    this.reach();
  }

  /** Whether the program is cut off from the engine alone. */
  get partitioned(): boolean {
    return this.#partitioned;
  }

  set partitioned(partitioned: boolean) {
    this.#partitioned = partitioned;
    this.reach();
  }

  /** Reaches the engine, or does not any more. */
  reach(): void {
    if (this.#engine.up && !this.#partitioned) this.#broker.connect();
    else this.#broker.disconnect();
  }

  open(handlers: BrokerHandlers): Promise<void> {
    const host = this.#host;
    return this.#broker.open({
      onMessage: (message) => host.run(() => handlers.onMessage(message)),
      onUp: () => host.run(() => handlers.onUp()),
      onDown: (reason) => host.run(() => handlers.onDown(reason)),
      onUnheard: (node) => host.run(() => handlers.onUnheard(node)),
    });
  }

  enter(node: string): Promise<void> {
    return this.#answered(this.#broker.enter(node));
  }

  renew(): Promise<number> {
    return this.#answered(this.#broker.renew());
  }

  send(node: string, message: Uint8Array<ArrayBuffer>): void {
    const { random, loss, doubling } = this.#engine;
    if (loss > 0 && random() < loss) return;
    if (doubling > 0 && random() < doubling) {
      this.#broker.send(node, message.slice());
    }
    this.#broker.send(node, message);
  }

  claim(key: string, instead?: string): Promise<string> {
    return this.#answered(this.#broker.claim(key, instead));
  }

  find(key: string): Promise<string | undefined> {
    return this.#answered(this.#broker.find(key));
  }

  keep(keys: readonly string[], forMs: number): Promise<readonly string[]> {
    return this.#answered(this.#broker.keep(keys, forMs));
  }

  free(keys: readonly string[]): Promise<void> {
    return this.#answered(this.#broker.free(keys));
  }

  isAlive(node: string): Promise<boolean> {
    return this.#answered(this.#broker.isAlive(node));
  }

  close(): Promise<void> {
    this.#engine.forget(this);
    return this.#answered(this.#broker.close());
  }

  /** The program dies; its lease runs out by itself. */
  die(): void {
    this.#engine.forget(this);
    this.#broker.disconnect();
  }

  /** An answer is heard when the program runs. */
  #answered<Answer>(call: Promise<Answer>): Promise<Answer> {
    return new Promise((resolve) =>
      call.then((answer) => this.#host.run(() => resolve(answer)))
    );
  }
}
