/**
 * One connection to NATS, over the client that an app has: that is known by
 * what is used of it, so its package is not imported.
 *
 * @module
 */

import { after, type Cancel, systemRuntime } from "../../runtime.ts";
import type { Bytes } from "../server_socket.ts";
import type { Link } from "./dialer.ts";

/** A message of NATS: the part that is used here. */
export interface NatsMessage {
  /** The subject that the message was sent to. */
  readonly subject: string;
  /** What was sent. */
  readonly data: Uint8Array;
  /** What goes with it, with a code where the server itself has sent it. */
  readonly headers?: { readonly code: number };
}

/** Headers of a message: the part that is used here. */
export interface NatsHeaders {
  /** Sets a header. */
  set(name: string, value: string): void;
}

/**
 * A connection of the package `@nats-io/transport-node`, or of another that has
 * `@nats-io/nats-core`: the part that is used here.
 */
export interface NatsConnection {
  /** What the server says of itself. */
  readonly info?: {
    readonly version: string;
    readonly max_payload: number;
    readonly jetstream?: boolean;
  };
  /** Sends a message. */
  publish(
    subject: string,
    data?: Uint8Array | string,
    options?: { reply?: string; headers?: NatsHeaders },
  ): void;
  /** Listens to a subject. */
  subscribe(
    subject: string,
    options: {
      callback(error: Error | null, message: NatsMessage): void;
    },
  ): { unsubscribe(): void };
  /** Tells what happens to it. */
  status(): AsyncIterable<{ readonly type: string; readonly error?: unknown }>;
  /** Resolves when it is closed, with why. */
  closed(): Promise<void | Error>;
  /** Closes it. */
  close(): Promise<void>;
}

/** What a {@linkcode NatsLink} needs. */
export interface NatsLinkOptions {
  /** Connects, once. */
  connect(): Promise<NatsConnection>;
  /** Makes headers. */
  headers(): NatsHeaders;
  /** What the names of subjects and of buckets begin with. */
  readonly prefix: string;
  /** How long each bucket keeps a value, in milliseconds. */
  readonly buckets: Readonly<Record<string, number>>;
  /** How many servers keep the buckets. */
  readonly replicas: number;
  /** The longest message. */
  readonly maxMessageBytes: number;
  /** A message has come to the inbox. */
  message(message: Bytes): void;
  /** Nobody listens to the inbox of a node. */
  unheard(node: string): void;
  /** The link is of no use any more; may be told more than once. */
  broken(reason: Error): void;
}

/** A value in a bucket. */
interface Entry {
  readonly value: string;
  /** The number of the value among all that the bucket was given. */
  readonly sequence: number;
  /** When the value came, by the clock of the engine. */
  readonly atMs: number;
}

/** How long an engine may not answer before it is dialled again, in milliseconds. */
const ANSWER_MS = 5000;

/** So many calls at once: an engine drops what it has too much of. */
const MAX_CALLS = 256;

/** A key that is no other's. */
const CLOCK = "\0clock";

/** Errors of JetStream that are answers, by their codes. */
const NO_BUCKET = 10059;
const NO_MESSAGE = 10037;
const NO_SUCH: readonly unknown[] = [NO_MESSAGE, 10043];
const NOT_REMOVED = 10057;
const NAME_IN_USE = 10058;
const WRONG_SEQUENCE: readonly unknown[] = [10071, 10164];

/** Limits of a bucket that nodes rely on. */
const LIMITS = [
  ...["max_age", "max_msgs_per_subject", "discard", "deny_delete"] as const,
];

interface Refusal {
  readonly err_code?: number;
  readonly description: string;
}

interface Answer {
  readonly error?: Refusal;
  readonly message?: { seq: number; data?: string; time: string };
  readonly config?: BucketConfig;
  readonly state?: { readonly messages: number };
}

type BucketConfig = Readonly<Record<typeof LIMITS[number], unknown>>;

interface Call {
  readonly subject: string;
  readonly data: string;
  readonly headers?: NatsHeaders;
  askedAt: number;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/**
 * A connection from when it is made until it breaks. It speaks to JetStream as
 * the packages for it do: with a message to a subject, answered by another.
 */
export class NatsLink implements Link {
  readonly #options: NatsLinkOptions;
  readonly #runtime = systemRuntime();
  /** Rejects when it breaks. */
  readonly #broken: Promise<never>;
  #rejectBroken!: (reason: Error) => void;
  #connecting: Promise<NatsConnection> | null = null;
  #connection!: NatsConnection;
  #closed = false;
  /** What nobody else knows: where it is answered. */
  readonly #replies: string;
  /** Calls that wait to be asked, and those that were, both in that order. */
  readonly #waiting: Call[] = [];
  readonly #asked = new Map<string, Call>();
  /** Counts what is asked. */
  #count = 0;
  #cancelWatch: Cancel | null = null;
  /** Knocks that nobody has heard. */
  readonly #unheard = new Set<string>();
  #knock!: NatsHeaders;
  #inbox: { subject: string; subscription: { unsubscribe(): void } } | null =
    null;
  /** The engine's time, while it is being asked. */
  #asksTime: Promise<number> | null = null;
  /** What is asked last about each thing. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(options: NatsLinkOptions) {
    this.#options = options;
    const secret = this.#runtime.randomBytes(10);
    const token = Array.from(secret, (byte) => byte.toString(36)).join("");
    this.#replies = `${options.prefix}.r.${token}`;
    this.#broken = new Promise((_, reject) => this.#rejectBroken = reject);
    // Nobody may wait for it.
    this.#broken.catch(() => {});
  }

  async open(): Promise<void> {
    try {
      await Promise.race([this.#open(), this.#broken]);
    } catch (error) {
      throw plainError(error);
    }
  }

  async #open(): Promise<void> {
    const { connect, headers, buckets } = this.#options;
    this.#connecting = connect();
    const connection = await this.#connecting;
    // It was closed meanwhile.
    if (this.#closed) return;
    this.#connection = connection;
    this.#watch(connection);
    this.#checkServer(connection);
    connection.subscribe(`${this.#replies}.>`, {
      callback: (error, message) => {
        if (error) this.break(error);
        else if (!this.#closed) this.#receive(message);
      },
    });
    this.#knock = headers();
    this.#knock.set("Sp-Knock", "1");
    const names = Object.keys(buckets);
    await Promise.all(names.map((bucket) => this.#makeBucket(bucket)));
    // They change nothing, but fail where that is not allowed.
    this.listen(this.#replies);
    await Promise.all(names.flatMap((bucket) => [
      this.knock(this.#replies, () => this.get(bucket, CLOCK)),
      this.put(bucket, CLOCK, "", Number.MAX_SAFE_INTEGER),
      this.remove(bucket, 0),
      this.count(bucket),
    ]));
    this.deafen();
  }

  /** Sends to the inbox of a node. */
  send(node: string, message: Uint8Array): void {
    const token = tokenOf(node);
    const reply = `${this.#replies}.u.${token}`;
    try {
      this.#connection.publish(this.#inboxOf(token), message, { reply });
    } catch (error) {
      this.break(error);
    }
  }

  /** Listens to the inbox of a node, and to none besides. */
  listen(node: string): void {
    const subject = this.#inboxOf(tokenOf(node));
    if (this.#inbox?.subject === subject) return;
    const previous = this.#inbox;
    const subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) this.break(error);
        // A knock has headers.
        else if (!this.#closed && !message.headers) {
          this.#options.message(bytesOf(message.data));
        }
      },
    });
    this.#inbox = { subject, subscription };
    previous?.subscription.unsubscribe();
  }

  /** Listens to no inbox. */
  deafen(): void {
    this.#inbox?.subscription.unsubscribe();
    this.#inbox = null;
  }

  /**
   * Knocks at the inbox of a node, then asks something. The server says at once
   * that nobody listens: so that has come when the other answer does.
   *
   * @returns That answer; `undefined` where nobody listens.
   */
  async knock<Result>(
    node: string,
    ask: () => Promise<Result>,
  ): Promise<Result | undefined> {
    const id = `k${++this.#count}`;
    this.#connection.publish(this.#inboxOf(tokenOf(node)), "", {
      reply: `${this.#replies}.${id}`,
      headers: this.#knock,
    });
    try {
      const result = await ask();
      return this.#unheard.has(id) ? undefined : result;
    } finally {
      this.#unheard.delete(id);
    }
  }

  /** What a bucket has for a key. */
  async get(bucket: string, key: string): Promise<Entry | undefined> {
    const subject = this.#subjectOf(bucket, key);
    const { error, message } = await this.#call(
      api("STREAM.MSG.GET", bucket),
      // It is the leader that answers, so that is never an older value.
      JSON.stringify({ last_by_subj: subject }),
    );
    if (error?.err_code === NO_MESSAGE) return undefined;
    if (!message) throw this.#refused(error);
    const bytes = Uint8Array.from(
      atob(message.data ?? ""),
      (character) => character.charCodeAt(0),
    );
    return {
      value: new TextDecoder().decode(bytes),
      sequence: message.seq,
      atMs: Date.parse(message.time),
    };
  }

  /**
   * Gives a bucket a value for a key, where the present one is that of such a
   * sequence; 0 means none, `undefined` any.
   *
   * @returns Whether it was.
   */
  async put(
    bucket: string,
    key: string,
    value: string,
    sequence?: number,
  ): Promise<boolean> {
    let headers;
    if (sequence !== undefined) {
      headers = this.#options.headers();
      headers.set("Nats-Expected-Last-Subject-Sequence", String(sequence));
    }
    const subject = this.#subjectOf(bucket, key);
    const { error } = await this.#call(subject, value, headers);
    if (!error) return true;
    if (WRONG_SEQUENCE.includes(error.err_code)) return false;
    throw this.#refused(error);
  }

  /**
   * Removes the value of such a sequence from a bucket, if the bucket has it.
   */
  async remove(bucket: string, sequence: number): Promise<void> {
    const { error } = await this.#call(
      api("STREAM.MSG.DELETE", bucket),
      JSON.stringify({ seq: sequence, no_erase: true }),
    );
    if (!error || NO_SUCH.includes(error.err_code)) return;
    // It is another code, too, that says so.
    const { err_code, description } = error;
    const missing = err_code === NOT_REMOVED && /found/.test(description);
    if (!missing) throw this.#refused(error);
  }

  /** How many values a bucket has. */
  async count(bucket: string): Promise<number> {
    const { error, state } = await this.#call(api("STREAM.INFO", bucket), "");
    if (!state) throw this.#refused(error);
    return state.messages;
  }

  /**
   * What the clock of a bucket says: when it was given what it was given last.
   * Where that is being asked already it may be a moment ago.
   */
  now(bucket: string): Promise<number> {
    return this.#asksTime ??= this.#now(bucket)
      .finally(() => this.#asksTime = null);
  }

  async #now(bucket: string): Promise<number> {
    await this.put(bucket, CLOCK, "");
    const entry = await this.get(bucket, CLOCK);
    return entry?.atMs ?? 0;
  }

  /** Does it when all is done that was asked about the same before. */
  inOrder<Result>(
    about: string,
    run: () => Promise<Result>,
  ): Promise<Result> {
    const previous = this.#last.get(about);
    const result = previous ? previous.then(run, run) : run();
    this.#last.set(about, result);
    const done = () => {
      if (this.#last.get(about) === result) this.#last.delete(about);
    };
    result.then(done, done);
    return result;
  }

  /** Gives the link up, for a reason that all who wait for it are told. */
  break(reason: unknown): void {
    const error = plainError(reason);
    this.#rejectBroken(error);
    this.#options.broken(error);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelWatch?.();
    const error = new Error(CLOSED);
    // One that is being made need not say that it was ended.
    this.#rejectBroken(error);
    for (const call of [...this.#asked.values(), ...this.#waiting]) {
      call.reject(error);
    }
    this.#asked.clear();
    this.#waiting.length = 0;
    await this.#connecting?.then((connection) => connection.close(), () => {});
  }

  async #watch(connection: NatsConnection): Promise<void> {
    let last: unknown = null;
    connection.closed().then((error) => this.break(last ?? error));
    for await (const { type, error } of connection.status()) {
      if (type !== "error") continue;
      // With any other the server closes it. It must not be closed before: in
      // Deno the package for Node ends the program if that is then reset.
      if (/permissions violation/i.test(wordsOf(error))) this.break(error);
      else last = error;
    }
  }

  #checkServer({ info }: NatsConnection): void {
    const { maxMessageBytes } = this.#options;
    const { version, max_payload } = info!;
    const [major, minor] = version.split(".").map(Number);
    if (major < 2 || major === 2 && minor < 9) {
      throw hopeless(
        `it is of version ${version}`,
        "take NATS from version 2.9 on",
      );
    }
    if (max_payload < maxMessageBytes) {
      throw hopeless(
        `it takes messages of up to ${max_payload} bytes`,
        `set its "max_payload" to ${maxMessageBytes} or more`,
      );
    }
  }

  async #makeBucket(bucket: string): Promise<void> {
    const max_age = this.#options.buckets[bucket] * 1_000_000;
    const wanted = {
      name: `KV_${bucket}`,
      subjects: [`$KV.${bucket}.>`],
      retention: "limits",
      storage: "memory",
      num_replicas: this.#options.replicas,
      allow_rollup_hdrs: true,
      max_age,
      max_msgs_per_subject: 1,
      discard: "new",
      deny_delete: false,
    };
    const created = await this.#call(
      api("STREAM.CREATE", bucket),
      JSON.stringify(wanted),
    );
    if (created.config) return;
    if (created.error?.err_code !== NAME_IN_USE) {
      throw this.#refused(created.error);
    }
    // Where it is kept, and how many times, is for whoever has made it to say.
    const { error, config } = await this.#call(api("STREAM.INFO", bucket), "");
    if (!config) throw this.#refused(error);
    for (const limit of LIMITS) {
      if ((config[limit] ?? false) === wanted[limit]) continue;
      throw hopeless(
        `its bucket "${bucket}" has "${limit}" at ${config[limit]}, not at ` +
          `${wanted[limit]}`,
        "delete it, so that it is made anew, or choose another prefix",
      );
    }
  }

  #call(
    subject: string,
    data: string,
    headers?: NatsHeaders,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Error(CLOSED));
      this.#waiting.push({
        subject,
        data,
        headers,
        askedAt: 0,
        resolve,
        reject,
      });
      this.#ask();
    });
  }

  #ask(): void {
    while (this.#asked.size < MAX_CALLS && this.#waiting.length > 0) {
      const call = this.#waiting.shift()!;
      const { subject, data, headers } = call;
      const id = String(++this.#count);
      call.askedAt = this.#runtime.now();
      this.#asked.set(id, call);
      this.#expect(ANSWER_MS);
      try {
        const reply = `${this.#replies}.${id}`;
        this.#connection.publish(subject, data, { reply, headers });
      } catch (error) {
        this.#asked.delete(id);
        call.reject(plainError(error));
      }
    }
  }

  /** Looks whether the first call is answered in time, then the next. */
  #expect(delayMs: number): void {
    if (this.#cancelWatch || this.#closed) return;
    this.#cancelWatch = after(delayMs, () => {
      this.#cancelWatch = null;
      for (const { askedAt } of this.#asked.values()) {
        const leftMs = askedAt + ANSWER_MS - this.#runtime.now();
        if (leftMs > 0) this.#expect(leftMs);
        else this.break(new Error("it does not answer"));
        break;
      }
    });
  }

  #receive({ subject, data, headers }: NatsMessage): void {
    const id = subject.slice(this.#replies.length + 1);
    const unheard = headers?.code === 503;
    if (id.startsWith("u.")) {
      if (unheard) this.#options.unheard(nameOf(id.slice(2)));
    } else if (id.startsWith("k")) {
      if (unheard) this.#unheard.add(id);
    } else this.#answered(id, unheard ? null : data);
  }

  #answered(id: string, data: Uint8Array | null): void {
    const call = this.#asked.get(id);
    if (!call) return;
    this.#asked.delete(id);
    if (data) call.resolve(JSON.parse(new TextDecoder().decode(data)));
    else {
      const error = this.#connection.info?.jetstream
        // deno-lint-ignore sentences/cannot -- a reason that starts with a name
        ? new Error("JetStream does not answer")
        : hopeless("it has no JetStream", 'start it with "-js"');
      this.break(error);
      call.reject(error);
    }
    this.#ask();
  }

  #refused(refusal?: Refusal): Error {
    const reason = new Error(refusal?.description ?? "it answers otherwise");
    // It is made anew with the next connection.
    if (refusal?.err_code === NO_BUCKET) this.break(reason);
    return reason;
  }

  #inboxOf(token: string): string {
    return `${this.#options.prefix}.i.${token}`;
  }

  #subjectOf(bucket: string, key: string): string {
    return `$KV.${bucket}.${tokenOf(key)}`;
  }
}

const CLOSED = "the connection is closed";

/** Trying again is no use. */
class HopelessError extends Error {}

function hopeless(why: string, remedy: string): HopelessError {
  return new HopelessError(`Cannot join nodes over NATS as ${why}: ${remedy}`);
}

/** What trying again does not change: what it says, what it is, what to do. */
const HOPELESS: readonly [RegExp, string, string][] = [
  [
    /authorization violation|authentication (expired|revoked)/i,
    "it refuses the login",
    'check the options; "user" and "pass" are not read from an address',
  ],
  [
    /permissions violation/i,
    "its user may not do all that is needed",
    "give it the permissions that the documentation of natsBroker() has",
  ],
  [
    /JetStream not enabled/i,
    "its account has no JetStream",
    "enable JetStream for it",
  ],
  [
    /replicas > 1 not supported/i,
    "it is no cluster, so there is one to keep buckets",
    'leave "replicas" out',
  ],
  [
    /does not support 'tls'/i,
    "it knows no TLS",
    'leave "tls" out, or give it a certificate',
  ],
  [
    /certificate/i,
    "its certificate is not trusted",
    'give the authority that signed it in "tls", and the name that it is for',
  ],
  [
    /^invalid url/i,
    "an address is none",
    'let "servers" be as nats://localhost:4222 is',
  ],
];

/** Why trying again is no use, if it is none. */
export function whyHopeless(error: Error): string | undefined {
  const { message } = error;
  if (error instanceof HopelessError) return message;
  const found = HOPELESS.find(([pattern]) => pattern.test(message));
  return found && hopeless(`${found[1]} ("${message}")`, found[2]).message;
}

function plainError(reason: unknown): Error {
  return reason instanceof HopelessError ? reason : new Error(wordsOf(reason));
}

/** What went wrong, without a password that is in an address. */
export function wordsOf(reason: unknown): string {
  if (typeof reason === "string") return reason;
  const { message, code, cause } = (reason ?? {}) as ErrorWords;
  // A dial that fails says more beneath.
  const words = cause?.message || message || code || CLOSED;
  return words.replaceAll(/\/\/\S*@/g, "//");
}

interface ErrorWords {
  readonly message?: string;
  readonly code?: string;
  readonly cause?: ErrorWords;
}

function api(what: string, bucket: string): string {
  return `$JS.API.${what}.KV_${bucket}`;
}

/** A name as one part of a subject. */
function tokenOf(name: string): string {
  return encodeURIComponent(name)
    .replaceAll(/[.!~*'()]/g, (mark) => `%${mark.charCodeAt(0).toString(16)}`)
    .replaceAll("%", "=");
}

function nameOf(token: string): string {
  return decodeURIComponent(token.replaceAll("=", "%"));
}

/** The same bytes, not copied, whose `slice()` is not that of a Buffer. */
function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array): Bytes {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}
