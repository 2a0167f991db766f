/**
 * The lives of a node: each as long as it is known that it has its lease and
 * is heard.
 *
 * @module
 */

import type { Cancel } from "../../runtime.ts";
import type { Broker } from "../brokers/broker.ts";
import type { Bytes } from "../server_socket.ts";
import {
  decodeMessage,
  encodeMessage,
  type Head,
  type Message,
} from "./message.ts";

/** How often a node renews its lease and listens to itself, in milliseconds. */
const BEAT_MS = 1000;
/**
 * A lease is over for its own node so long after its last renewal was sent, in
 * milliseconds: before it is for any other.
 */
const FENCE_MS = 4000;
/** For how long a node may not hear itself, in milliseconds. */
const DEAF_MS = 3000;
/** For how long the engine may leave a call unanswered, in milliseconds. */
const ANSWER_MS = 2000;

/** What a {@linkcode Membership} needs. */
export interface MembershipOptions {
  readonly broker: Broker;
  /** A name that no node has had. */
  nextNode(): string;
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
  /** The node lives from now on, as another than before. */
  born(): void;
  /** The node has lost its name; it will be born again under another. */
  died(node: string, reason: Error): void;
  /** The engine is not reached, and was not before. */
  away(reason: Error): void;
  /** Something has come from another node. */
  message(message: Message): void;
  /** Nobody listens to the inbox of a node. */
  unheard(node: string): void;
  /** The node still lives, and so many nodes with it. */
  beat(nodes: number): void;
}

/**
 * A node's part among the nodes of an engine.
 *
 * Whatever goes wrong with the engine ends its life, and it is born again under
 * another name: a connection that broke, a lease that ran out, messages that do
 * not come, a call that is not answered, and a program that stood still. So
 * there is one way to recover, and nothing that was sent to the one it was can
 * be taken for something new.
 */
export class Membership {
  readonly #options: MembershipOptions;
  #node: string | null = null;
  /** Counts attempts to be born, so that what is late is known to be. */
  #life = 0;
  #up = false;
  #renewedAt = 0;
  #heardAt = 0;
  #nodes = 1;
  #timer: Cancel = () => {};

  /** Creates a node that does not live yet. */
  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** The name of the node; `null` while it does not live. */
  get node(): string | null {
    return this.#node;
  }

  /**
   * Begins: it lives as soon as the engine is reached.
   *
   * @throws {Error} As {@linkcode Broker.open}.
   */
  async open(): Promise<void> {
    await this.#options.broker.open({
      onUp: () => {
        this.#up = true;
        this.#enter();
      },
      onDown: (reason) => {
        this.#up = false;
        if (this.#node === null) this.#options.away(reason);
        this.#die(reason);
      },
      onMessage: (message) => this.#receive(message),
      onUnheard: (node) => this.#options.unheard(node),
    });
  }

  /**
   * Whether it lives, looked at now: one that stood still finds out here that
   * it does not.
   */
  alive(): boolean {
    if (this.#node === null) return false;
    const now = this.#options.now();
    if (now - this.#renewedAt > FENCE_MS) {
      this.#dieAndEnter(new Error("its lease was not renewed in time"));
    } else if (now - this.#heardAt > DEAF_MS) {
      this.#dieAndEnter(new Error("the engine brings it no messages"));
    }
    return this.#node !== null;
  }

  /**
   * Asks the engine something.
   *
   * @throws {Error} If the engine refuses, does not answer, or this life ends
   * meanwhile.
   */
  ask<Answer>(call: (broker: Broker) => Promise<Answer>): Promise<Answer> {
    if (!this.alive()) return Promise.reject(new Error("the engine is away"));
    const life = this.#life;
    return this.#limit(call(this.#options.broker), (reason) => {
      if (life === this.#life) this.#dieAndEnter(reason);
    }).then((answer) => {
      if (life === this.#life) return answer;
      throw new Error("the engine was lost meanwhile");
    });
  }

  /** Lives no more, nor again. */
  async close(): Promise<void> {
    this.#up = false;
    this.#node = null;
    this.#life++;
    this.#timer();
    await this.#limit(this.#options.broker.close(), () => {}).catch(() => {});
  }

  /** Rejects a call that is not answered in time, and says so before. */
  #limit<Answer>(
    call: Promise<Answer>,
    late: (reason: Error) => void,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const cancel = this.#options.after(ANSWER_MS, () => {
        const reason = new Error(
          `the engine has not answered for ${ANSWER_MS} ms`,
        );
        late(reason);
        reject(reason);
      });
      call.then(resolve, reject).finally(cancel);
    });
  }

  async #enter(): Promise<void> {
    this.#timer();
    const { broker, now, after, nextNode, born } = this.#options;
    const life = ++this.#life;
    const node = nextNode();
    const enteredAt = now();
    try {
      await this.#limit(broker.enter(node), () => {});
    } catch {
      if (life === this.#life && this.#up) {
        this.#timer = after(BEAT_MS, () => this.#enter());
      }
      return;
    }
    if (life !== this.#life) return;
    this.#node = node;
    this.#renewedAt = enteredAt;
    this.#heardAt = now();
    born();
    this.#beat();
  }

  #beat(): void {
    this.#timer();
    if (!this.alive()) return;
    const { broker, now, after, beat } = this.#options;
    const renewedAt = now();
    this.ask((broker) => broker.renew()).then((nodes) => {
      this.#nodes = nodes;
      if (nodes > 0) this.#renewedAt = renewedAt;
      else this.#dieAndEnter(new Error("its lease had run out"));
    }).catch(() => {
      // Where it does not get better the lease runs out.
    });
    broker.send(this.#node!, encodeMessage(toOneself(this.#node!), []));
    beat(this.#nodes);
    this.#timer = after(BEAT_MS, () => this.#beat());
  }

  #receive(message: Bytes): void {
    if (!this.alive()) return;
    const bytes = message instanceof ArrayBuffer
      ? new Uint8Array(message)
      : message;
    const decoded = decodeMessage(bytes);
    if (!decoded) return;
    if (decoded.head.node !== this.#node) this.#options.message(decoded);
    else this.#heardAt = this.#options.now();
  }

  /** Dies, and is born again where the engine is not known to be away. */
  #dieAndEnter(reason: Error): void {
    this.#die(reason);
    if (this.#up) this.#timer = this.#options.after(0, () => this.#enter());
  }

  #die(reason: Error): void {
    this.#timer();
    this.#life++;
    const node = this.#node;
    if (node === null) return;
    this.#node = null;
    this.#options.died(node, reason);
  }
}

function toOneself(node: string): Head {
  return {
    node,
    generation: 0,
    givenUp: 0,
    heard: 0,
    sequence: 0,
    taken: 0,
    asks: false,
  };
}
