/**
 * Redis, and what speaks as it does, as what joins several nodes to one.
 *
 * @module
 */

import { after } from "../../runtime.ts";
import type { Bytes } from "../server_socket.ts";
import {
  type Broker,
  type BrokerHandlers,
  CLAIM_MS,
  LEASE_MS,
} from "./broker.ts";
import { Dialer, type Link } from "./dialer.ts";
import {
  CONNECT_MS,
  type RedisClient,
  type RedisConnection,
  redisConnection,
} from "./redis_client.ts";

export type {
  IoRedisClient,
  NodeRedisClient,
  RedisClient,
} from "./redis_client.ts";

/** What {@linkcode redisBroker} is made of. */
export interface RedisBrokerOptions {
  /**
   * A client of `redis`, `@redis/client`, `ioredis` or `iovalkey`. It says
   * where the engine is and how to log in, and need not be connected: the
   * broker has two connections of its own, made by `duplicate()`.
   */
  client: RedisClient;
  /**
   * What the name of each key and channel begins with. Servers that have the
   * same one at the same engine are nodes of one.
   *
   * @default {"sp:"}
   */
  prefix?: string;
}

/**
 * Joins the nodes that use the same Redis, from version 6 on, or Valkey.
 *
 * Redis Cluster is not for it: keys are kept and freed many at a time, which a
 * cluster refuses where they lie at several of its members.
 *
 * The engine has one key for each pair code that is in use, one for all nodes,
 * and a channel for each node; nothing on its disk is needed. If it may evict
 * keys, with any `maxmemory-policy` but `noeviction`, codes get lost that are
 * in use. It sees all that the nodes say to each other, so let it be reached by
 * TLS, with `rediss://`, and as a user that may do no more than is needed:
 *
 * ```text
 * ACL SETUSER socketpeer on >password resetkeys ~sp:* resetchannels &sp:* -@all
 *   +publish +subscribe +unsubscribe +pubsub|numsub +script|load +evalsha +time
 *   +get +set +del +pexpire +zadd +zrem +zscore +zcard +zremrangebyscore
 * ```
 *
 * and `+select` where the client has chosen another database than 0. Redis 6.0
 * knows no rights to channels: leave `resetchannels &sp:*` out there.
 *
 * @example With the package of Redis
 * ```ts
 * import { createClient } from "@redis/client";
 *
 * const client = createClient({ url: "redis://localhost:6379" });
 * const broker = redisBroker({ client });
 * ```
 *
 * @example With ioredis
 * ```ts
 * import { Redis } from "ioredis";
 *
 * const client = new Redis("redis://localhost:6379", { lazyConnect: true });
 * const broker = redisBroker({ client, prefix: "staging:" });
 * ```
 *
 * @returns A broker, for one server. Its `open()` resolves once it was tried to
 * reach Redis, and throws an `Error` if that refuses the login, the database or
 * a command, is too old, or has a certificate that is not trusted. As long as
 * Redis is out of reach it is tried again, at most 2 seconds later each time.
 */
export function redisBroker({ client, prefix }: RedisBrokerOptions): Broker {
  return new RedisBroker(client, prefix);
}

/** How long an engine may not answer before it is dialled again, in milliseconds. */
const ANSWER_MS = 5000;

/** So many keys at once: the engine does nothing else meanwhile. */
const BATCH_KEYS = 500;

class RedisBroker implements Broker {
  // Redis would take 512 MiB, but cut off whoever has 32 to read.
  readonly maxMessageBytes = 1 << 20;
  readonly #prefix: string;
  readonly #leases: string;
  readonly #dialer: Dialer<RedisLink>;
  #handlers!: BrokerHandlers;
  #node = "";

  constructor(client: RedisClient, prefix = "sp:") {
    this.#prefix = prefix;
    this.#leases = `${prefix}nodes`;
    this.#dialer = new Dialer({
      engine: "Redis",
      make: (broken) => {
        const link: RedisLink = new RedisLink(client, {
          channel: this.#inbox(""),
          leases: this.#leases,
          message: (message) => {
            if (link === this.#dialer.link) this.#handlers.onMessage(message);
          },
          broken,
        });
        return link;
      },
      whyHopeless,
    });
  }

  open(handlers: BrokerHandlers): Promise<void> {
    this.#handlers = handlers;
    return this.#dialer.open(handlers);
  }

  async enter(node: string): Promise<void> {
    const link = this.#dialer.reached();
    const previous = this.#node;
    this.#node = node;
    // Nothing else is asked of the connection that listens: so it is here that
    // one is noticed that the network has forgotten.
    const cancel = after(ANSWER_MS, () => link.break(new Error(UNANSWERED)));
    try {
      await link.listen(this.#inbox(node));
      await link.run("enter", [this.#leases], [node, previous]);
    } catch (error) {
      throw this.#failed(link, error);
    } finally {
      cancel();
    }
  }

  async renew(): Promise<number> {
    return Number(await this.#run("renew", [this.#leases], [this.#node]));
  }

  send(node: string, message: Uint8Array<ArrayBuffer>): void {
    const { link } = this.#dialer;
    if (!link) return;
    link.call("PUBLISH", this.#inbox(node), message).then((receivers) => {
      const unheard = receivers === 0 && link === this.#dialer.link;
      if (unheard) this.#handlers.onUnheard(node);
    }, () => {});
  }

  async claim(key: string, instead = ""): Promise<string> {
    const node = this.#node;
    const args = [node, instead || node, String(CLAIM_MS)];
    return String(await this.#run("claim", [this.#key(key)], args));
  }

  async find(key: string): Promise<string | undefined> {
    const link = this.#dialer.reached();
    try {
      return await link.call("GET", this.#key(key)) as string ?? undefined;
    } catch (error) {
      throw this.#failed(link, error);
    }
  }

  async keep(
    keys: readonly string[],
    forMs: number,
  ): Promise<readonly string[]> {
    const args = [this.#node, String(Math.round(forMs))];
    const lost = await this.#runBatches(keys, "keep", args) as number[][];
    return lost.flatMap((indices, batch) =>
      indices.map((index) => keys[batch * BATCH_KEYS + index - 1])
    );
  }

  async free(keys: readonly string[]): Promise<void> {
    await this.#runBatches(keys, "free", [this.#node]);
  }

  async isAlive(node: string): Promise<boolean> {
    const args = [node, this.#inbox(node)];
    return await this.#run("alive", [this.#leases], args) === 1;
  }

  close(): Promise<void> {
    // It comes after all that was sent, so that is not lost either.
    return this.#dialer.close((link) =>
      link.call("ZREM", this.#leases, this.#node)
    );
  }

  #run(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<unknown> {
    return this.#runAll(script, [keys], args).then(([answer]) => answer);
  }

  #runBatches(
    keys: readonly string[],
    script: Script,
    args: readonly string[],
  ): Promise<unknown[]> {
    const batches: string[][] = [];
    for (let start = 0; start < keys.length; start += BATCH_KEYS) {
      const batch = keys.slice(start, start + BATCH_KEYS);
      batches.push(batch.map((key) => this.#key(key)));
    }
    return this.#runAll(script, batches, args);
  }

  /** Asks at once, so that what is asked later takes effect later. */
  async #runAll(
    script: Script,
    batches: readonly (readonly string[])[],
    args: readonly string[],
  ): Promise<unknown[]> {
    const link = this.#dialer.reached();
    try {
      return await Promise.all(
        batches.map((keys) => link.run(script, keys, args)),
      );
    } catch (error) {
      throw this.#failed(link, error);
    }
  }

  #failed(link: RedisLink, cause: unknown): Error {
    const words = wordsOf(cause);
    // It is not, or not any more, what was reached: another took its place, or
    // somebody emptied it of scripts. To run what fails once more, later, would
    // be to change the order.
    if (/\b(NOSCRIPT|READONLY|MASTERDOWN|LOADING)\b/.test(words)) {
      link.break(cause);
    }
    return new Error(`Cannot ask Redis: ${words}`);
  }

  #key(key: string): string {
    return `${this.#prefix}s:${key}`;
  }

  #inbox(node: string): string {
    return `${this.#prefix}i:${node}`;
  }
}

interface RedisLinkOptions {
  /** The channel on which listening and publishing are tried. */
  readonly channel: string;
  readonly leases: string;
  message(message: Bytes): void;
  broken(reason: Error): void;
}

/**
 * Both connections, one that asks and sends and one that listens, from when
 * they are made until the first of them breaks.
 */
class RedisLink implements Link {
  readonly #options: RedisLinkOptions;
  readonly #sender: RedisConnection;
  readonly #listener: RedisConnection;
  /** Rejects when it breaks. */
  readonly #broken: Promise<never>;
  #rejectBroken!: (reason: Error) => void;
  readonly #hashes = new Map<Script, string>();
  #channel: string | null = null;

  constructor(client: RedisClient, options: RedisLinkOptions) {
    this.#options = options;
    this.#broken = new Promise((_, reject) => this.#rejectBroken = reject);
    // Nobody may wait for it.
    this.#broken.catch(() => {});
    const connect = () =>
      redisConnection(client, {
        onMessage: (channel, message) => {
          // One more may come from the inbox before.
          if (channel === this.#channel) options.message(message);
        },
        onBroken: (reason) => this.break(reason),
      });
    this.#sender = connect();
    this.#listener = connect();
  }

  async open(): Promise<void> {
    const limitMs = CONNECT_MS + ANSWER_MS;
    const cancel = after(limitMs, () => this.break(new Error(UNANSWERED)));
    try {
      await Promise.race([this.#open(), this.#broken]);
    } catch (error) {
      throw plainError(error);
    } finally {
      cancel();
    }
  }

  async #open(): Promise<void> {
    const { channel, leases } = this.#options;
    await Promise.all([this.#sender.open(), this.#listener.open()]);
    const scripts = Object.entries(SCRIPTS) as [Script, string][];
    await Promise.all([
      // Redis has it since version 6, and wants an argument up to 6.2.
      this.call("HELLO").catch((error) => {
        if (UNKNOWN_COMMAND.test(wordsOf(error))) throw error;
      }),
      this.call("PUBLISH", channel, ""),
      this.#listener.subscribe(channel)
        .then(() => this.#listener.unsubscribe(channel)),
      ...scripts.map(async ([name, text]) => {
        this.#hashes.set(name, String(await this.call("SCRIPT", "LOAD", text)));
      }),
    ]);
    // They have nobody to find, but fail where nothing can be written.
    await Promise.all([
      this.run("renew", [leases], [""]),
      this.run("alive", [leases], ["", channel]),
    ]);
  }

  call(
    command: string,
    ...args: (string | Uint8Array)[]
  ): Promise<unknown> {
    return this.#sender.call(command, ...args);
  }

  run(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<unknown> {
    const hash = this.#hashes.get(script)!;
    return this.call("EVALSHA", hash, String(keys.length), ...keys, ...args);
  }

  /** Listens to a channel, and to none besides. */
  async listen(channel: string): Promise<void> {
    const previous = this.#channel;
    this.#channel = channel;
    await Promise.all([
      this.#listener.subscribe(channel),
      previous !== null && previous !== channel &&
      this.#listener.unsubscribe(previous),
    ]);
  }

  /** Gives the link up, for a reason that all who wait for it are told. */
  break(reason: unknown): void {
    const error = plainError(reason);
    this.#rejectBroken(error);
    this.#options.broken(error);
  }

  async close(): Promise<void> {
    // One that is being made need not say that it was ended.
    this.#rejectBroken(new Error("the connection is closed"));
    await Promise.all([this.#sender.close(), this.#listener.close()]);
  }
}

const UNANSWERED = "it does not answer";

const NOW = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** What the engine does in one step each; leases are times of renewal. */
const SCRIPTS = {
  enter: `${NOW}redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])`,
  renew:
    `${NOW}redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ${LEASE_MS})
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now, ARGV[1])
return redis.call('ZCARD', KEYS[1])`,
  alive: `${NOW}local renewed = redis.call('ZSCORE', KEYS[1], ARGV[1])
local heard = redis.call('PUBSUB', 'NUMSUB', ARGV[2])[2]
return renewed and renewed + ${LEASE_MS} > now and heard > 0 and 1 or 0`,
  claim: `local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] and owner ~= ARGV[2] then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return ARGV[1]`,
  keep: `local lost = {}
for index, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then
    redis.call('PEXPIRE', key, ARGV[2])
  else
    lost[#lost + 1] = index
  end
end
return lost`,
  free: `for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end`,
};

type Script = keyof typeof SCRIPTS;

const UNKNOWN_COMMAND = /unknown command/i;

/** What trying again does not mend: what Redis says, why it fails, what helps. */
const HOPELESS: readonly (readonly [RegExp, string, string])[] = [
  [
    /^(?:WRONGPASS|NOAUTH)|AUTH.* without any password/,
    "it refuses the login",
    "check the user and the password of the client",
  ],
  [
    /^NOPERM|ACL failure|can't run this command/,
    "its user may not do all that is needed",
    "give it the rules of access in the documentation of redisBroker()",
  ],
  [
    UNKNOWN_COMMAND,
    "it is older than Redis 6, or lacks a command",
    "take Redis from version 6 on, or Valkey",
  ],
  [
    /DB index is out of range/,
    "it has no database of that number",
    "choose another in the options of the client",
  ],
  [
    /certificate/i,
    "its certificate is not trusted",
    "give the client the authority that signed it, and the name that it is for",
  ],
  [
    /^DENIED/,
    "it takes nobody from other machines",
    "set a password, or turn its protected mode off",
  ],
];

function whyHopeless(error: Error): string | undefined {
  const words = wordsOf(error);
  const found = HOPELESS.find(([pattern]) => pattern.test(words));
  return found &&
    `Cannot join nodes over Redis as ${found[1]} ("${words}"): ${found[2]}`;
}

/**
 * What went wrong, without what was asked, of which clients and old engines
 * give some: it may be a password.
 */
function wordsOf(reason: unknown): string {
  const { message, code } = reason as { message?: string; code?: string };
  // A dial to several addresses that fails has a code alone.
  const words = message || code || "the connection is closed";
  return words.replace(/,? with args.*$/s, "");
}

function plainError(reason: unknown): Error {
  return new Error(wordsOf(reason));
}
