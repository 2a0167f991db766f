/**
 * NATS, with JetStream, as what joins several nodes to one.
 *
 * @module
 */

import {
  type Broker,
  type BrokerHandlers,
  CLAIM_MS,
  LEASE_MS,
} from "./broker.ts";
import { Dialer } from "./dialer.ts";
import {
  type NatsConnection,
  type NatsHeaders,
  NatsLink,
  whyHopeless,
  wordsOf,
} from "./nats_link.ts";

export type { NatsConnection, NatsHeaders, NatsMessage } from "./nats_link.ts";

/** What {@linkcode natsBroker} is made of. */
export interface NatsBrokerOptions<Options> {
  /**
   * `connect()` of `@nats-io/transport-node`, or of another package for NATS
   * that has `@nats-io/nats-core`. The broker connects by itself, whenever that
   * is needed, and has a connection of its own.
   */
  connect(options?: Options): Promise<NatsConnection>;
  /** `headers()` of the same package. */
  headers(): NatsHeaders;
  /**
   * What `connect()` is given: where the engine is, and how to log in. Here
   * belong `user` and `pass`, as `servers` do not have them. The broker itself
   * says when to connect, whatever stands here of that.
   */
  options?: NoInfer<Options>;
  /**
   * What the name of each subject and bucket begins with: letters, digits, `-`
   * and `_`. Servers that have the same one at the same engine are nodes of
   * one.
   *
   * @default {"sp"}
   */
  prefix?: string;
  /**
   * How many servers of a cluster keep each bucket that is made. With one,
   * codes that are in use can't be joined from other nodes while it is away.
   *
   * @default {1}
   */
  replicas?: number;
}

/**
 * Joins the nodes that use the same NATS, from version 2.9 on, with JetStream.
 *
 * The engine has a subject for each node, and two buckets, as they are known to
 * its tools for key-value: `sp_nodes` with a key for each node, and `sp_slots`
 * with one for each pair code that is in use. They are made if they are
 * missing, in memory. You may make them yourself, to have them elsewhere: but
 * for 5 and 900 seconds, with one value for a key, new values refused where
 * there is no room, and the right to delete them. Where several servers keep
 * them, the clocks of these should agree.
 *
 * It sees all that the nodes say to each other, so let it be reached by TLS,
 * and as a user that may do no more than is needed:
 *
 * ```text
 * permissions: {
 *   publish: ["sp.i.*", "$KV.sp_slots.*", "$KV.sp_nodes.*",
 *     "$JS.API.STREAM.CREATE.KV_sp_slots", "$JS.API.STREAM.CREATE.KV_sp_nodes",
 *     "$JS.API.STREAM.INFO.KV_sp_slots", "$JS.API.STREAM.INFO.KV_sp_nodes",
 *     "$JS.API.STREAM.MSG.GET.KV_sp_slots", "$JS.API.STREAM.MSG.GET.KV_sp_nodes",
 *     "$JS.API.STREAM.MSG.DELETE.KV_sp_slots",
 *     "$JS.API.STREAM.MSG.DELETE.KV_sp_nodes"]
 *   subscribe: ["sp.i.*", "sp.r.*.>"]
 * }
 * ```
 *
 * In Deno take `connect()` of `jsr:@nats-io/transport-deno`: with the package for
 * Node a login that is refused, also one that was right before, may end the
 * program, as a socket is reset that it does not listen to any more.
 *
 * @example
 * ```ts
 * import { connect, headers } from "@nats-io/transport-node";
 *
 * const servers = "nats://localhost:4222";
 * const broker = natsBroker({ connect, headers, options: { servers } });
 * ```
 *
 * @returns A broker, for one server. Its `open()` resolves once it was tried to
 * reach NATS, and throws an `Error` if that refuses the login or a permission,
 * has no JetStream, is too old, takes no messages of 1 MiB, has buckets with
 * other limits, or has a certificate that is not trusted. As long as NATS is
 * out of reach it is tried again, at most 2 seconds later each time.
 * @throws {TypeError} If the prefix has other characters.
 */
export function natsBroker<Options>(
  options: NatsBrokerOptions<Options>,
): Broker {
  return new NatsBroker(options);
}

/** How long a connection to one server may take to be made, in milliseconds. */
const CONNECT_MS = 5000;

/**
 * What the app has no say in. A package that connects again by itself sends
 * late what was sent meanwhile, and once more what was not answered.
 */
const OPTIONS = {
  timeout: CONNECT_MS,
  reconnect: false,
  waitOnFirstConnect: false,
  noEcho: false,
};

class NatsBroker<Options> implements Broker {
  // What a server takes that is not told otherwise.
  readonly maxMessageBytes = 1 << 20;
  readonly #slots: string;
  readonly #nodes: string;
  readonly #dialer: Dialer<NatsLink>;
  #handlers!: BrokerHandlers;
  #node = "";

  constructor({
    connect,
    headers,
    options,
    prefix = "sp",
    replicas = 1,
  }: NatsBrokerOptions<Options>) {
    if (!/^[\w-]+$/.test(prefix)) {
      throw new TypeError(
        `Cannot join nodes over NATS as the prefix is "${prefix}": ` +
          `take letters, digits, "-" and "_" alone`,
      );
    }
    this.#slots = `${prefix}_slots`;
    this.#nodes = `${prefix}_nodes`;
    this.#dialer = new Dialer({
      engine: "NATS",
      make: (broken) =>
        new NatsLink({
          connect: () => connect({ ...options, ...OPTIONS } as Options),
          headers,
          prefix,
          buckets: { [this.#slots]: CLAIM_MS, [this.#nodes]: LEASE_MS },
          replicas,
          maxMessageBytes: this.maxMessageBytes,
          message: (message) => this.#handlers.onMessage(message),
          unheard: (node) => this.#handlers.onUnheard(node),
          broken,
        }),
      whyHopeless,
    });
  }

  open(handlers: BrokerHandlers): Promise<void> {
    this.#handlers = handlers;
    return this.#dialer.open(handlers);
  }

  enter(node: string): Promise<void> {
    const previous = this.#node;
    this.#node = node;
    return this.#ask(async (link) => {
      // It is answered after the inbox was opened, which was asked before.
      link.listen(node);
      await link.inOrder(this.#nodes, async () => {
        await link.put(this.#nodes, node, "");
        if (previous !== node) await this.#giveUp(link, previous);
      });
    });
  }

  renew(): Promise<number> {
    const [bucket, node] = [this.#nodes, this.#node];
    return this.#ask((link) =>
      link.inOrder(bucket, async () => {
        const lease = await link.get(bucket, node);
        const renewed = lease &&
          await link.put(bucket, node, "", lease.sequence);
        return renewed ? await link.count(bucket) : 0;
      })
    );
  }

  send(node: string, message: Uint8Array<ArrayBuffer>): void {
    this.#dialer.link?.send(node, message);
  }

  claim(key: string, instead?: string): Promise<string> {
    const node = this.#node;
    return this.#askSlot(key, async (link) => {
      let taken = await this.#hold(link, key, node, CLAIM_MS, 0);
      while (!taken) {
        const slot = await this.#get(link, key);
        const owner = slot?.owner;
        if (owner && owner !== node && owner !== instead) return owner;
        const sequence = slot?.sequence ?? 0;
        taken = await this.#hold(link, key, node, CLAIM_MS, sequence);
      }
      return node;
    });
  }

  find(key: string): Promise<string | undefined> {
    return this.#askSlot(
      key,
      async (link) => (await this.#get(link, key))?.owner,
    );
  }

  async keep(
    keys: readonly string[],
    forMs: number,
  ): Promise<readonly string[]> {
    const node = this.#node;
    const kept = await this.#askSlots(keys, async (link, key) => {
      const slot = await this.#get(link, key);
      // Where it changes meanwhile it is another's.
      return slot?.owner === node &&
        await this.#hold(link, key, node, forMs, slot.sequence);
    });
    return keys.filter((_, index) => !kept[index]);
  }

  async free(keys: readonly string[]): Promise<void> {
    const node = this.#node;
    await this.#askSlots(keys, async (link, key) => {
      const slot = await this.#get(link, key);
      if (slot?.owner === node) await link.remove(this.#slots, slot.sequence);
    });
  }

  isAlive(node: string): Promise<boolean> {
    return this.#ask(async (link) => {
      const ask = () => link.get(this.#nodes, node);
      return await link.knock(node, ask) !== undefined;
    });
  }

  close(): Promise<void> {
    return this.#dialer.close((link) => {
      link.deafen();
      // It comes after all that was sent, so that is not lost either.
      return link.inOrder(this.#nodes, () => this.#giveUp(link, this.#node));
    });
  }

  async #giveUp(link: NatsLink, node: string): Promise<void> {
    const lease = await link.get(this.#nodes, node);
    if (lease) await link.remove(this.#nodes, lease.sequence);
  }

  /**
   * Makes a key a node's if its present value is that one, and says whether it
   * did.
   */
  #hold(
    link: NatsLink,
    key: string,
    node: string,
    forMs: number,
    sequence: number,
  ): Promise<boolean> {
    const value = `${Math.ceil(forMs)} ${node}`;
    return link.put(this.#slots, key, value, sequence);
  }

  /** Whose a key is; nobody's, where there is a value that has run out. */
  async #get(link: NatsLink, key: string): Promise<Slot | undefined> {
    const entry = await link.get(this.#slots, key);
    if (!entry) return undefined;
    const { value, sequence, atMs } = entry;
    const [, forMs, owner] = /^(\d+) (.*)$/s.exec(value) ?? [];
    // The bucket knows one life for all of them.
    const over = Number(forMs) < CLAIM_MS &&
      await link.now(this.#slots) - atMs >= Number(forMs);
    return { owner: over ? undefined : owner, sequence };
  }

  #askSlot<Answer>(
    key: string,
    ask: (link: NatsLink) => Promise<Answer>,
  ): Promise<Answer> {
    return this.#askSlots([key], ask).then(([answer]) => answer);
  }

  /** Asks at once, so that what is asked later takes effect later. */
  #askSlots<Answer>(
    keys: readonly string[],
    ask: (link: NatsLink, key: string) => Promise<Answer>,
  ): Promise<Answer[]> {
    return this.#ask((link) =>
      Promise.all(
        keys.map((key) =>
          link.inOrder(`${this.#slots} ${key}`, () => ask(link, key))
        ),
      )
    );
  }

  async #ask<Answer>(
    ask: (link: NatsLink) => Promise<Answer>,
  ): Promise<Answer> {
    const link = this.#dialer.reached();
    try {
      return await ask(link);
    } catch (error) {
      throw new Error(`Cannot ask NATS: ${wordsOf(error)}`);
    }
  }
}

interface Slot {
  readonly owner: string | undefined;
  readonly sequence: number;
}
