/**
 * One connection to Redis, over whichever client an app has: clients are known
 * by what is used of them, so none of their packages is imported.
 *
 * @module
 */

import type { Bytes } from "../server_socket.ts";

/**
 * A client of the package `redis` or `@redis/client`, from version 5 on: the
 * part that is used here.
 */
export interface NodeRedisClient {
  /** The options that the client was made with. */
  readonly options?: { readonly socket?: object };
  /** Makes another that differs in some options. */
  // deno-lint-ignore no-explicit-any -- versions differ in their types
  duplicate(options?: any): NodeRedisClient;
  /** Connects. */
  connect(): Promise<unknown>;
  /** Sends a command. */
  // deno-lint-ignore no-explicit-any -- texts, and Node's Buffer
  sendCommand(args: any[]): Promise<unknown>;
  /** Subscribes to a channel, whose messages come as bytes. */
  subscribe(
    channel: string,
    // deno-lint-ignore no-explicit-any -- Node's Buffer
    listener: (message: any, channel: any) => void,
    asBuffers: true,
  ): Promise<unknown>;
  /** Ends the subscription to a channel. */
  unsubscribe(channel: string): Promise<unknown>;
  /**
   * Adds a listener. It is there always: but it comes with EventEmitter, whose
   * types Deno lacks in a program that imports nothing of Node's by itself.
   */
  // deno-lint-ignore no-explicit-any -- as EventEmitter has it
  on?(event: string, listener: (...args: any[]) => void): unknown;
  /** Cuts the connection. */
  destroy(): void;
}

/** A client of the package `ioredis` or `iovalkey`: the part that is used here. */
export interface IoRedisClient {
  /** Makes another that differs in some options. */
  // deno-lint-ignore no-explicit-any -- versions differ in their types
  duplicate(options?: any): IoRedisClient;
  /** Connects. */
  connect(): Promise<unknown>;
  /** Sends a command. */
  // deno-lint-ignore no-explicit-any -- texts, and Node's Buffer
  call(command: string, ...args: any[]): Promise<unknown>;
  /** Subscribes to a channel. */
  subscribe(channel: string): Promise<unknown>;
  /** Ends the subscription to a channel. */
  unsubscribe(channel: string): Promise<unknown>;
  /** Adds a listener. */
  // deno-lint-ignore no-explicit-any -- as EventEmitter has it
  on(event: string, listener: (...args: any[]) => void): unknown;
  /** Ends the connection. */
  disconnect(): void;
}

/** A client of one of the packages for Redis. */
export type RedisClient = NodeRedisClient | IoRedisClient;

/** A connection, from when it is made until it breaks: it is not made again. */
export interface RedisConnection {
  /** Connects and logs in; may never settle if it is closed meanwhile. */
  open(): Promise<unknown>;
  /** Sends a command, at once and once. */
  call(command: string, ...args: (string | Uint8Array)[]): Promise<unknown>;
  /** Subscribes to a channel. */
  subscribe(channel: string): Promise<unknown>;
  /** Ends the subscription to a channel. */
  unsubscribe(channel: string): Promise<unknown>;
  /** Ends it, with all that was not answered, and leaves no socket. */
  close(): Promise<void>;
}

/** What a {@linkcode RedisConnection} reports. */
export interface RedisConnectionHandlers {
  /** A message has come. */
  onMessage(channel: string, message: Bytes): void;
  /** The connection is of no use any more; may be told more than once. */
  onBroken(reason: unknown): void;
}

/** A connection of its own for a client: that of the app is not touched. */
export function redisConnection(
  client: RedisClient,
  handlers: RedisConnectionHandlers,
): RedisConnection {
  return "call" in client
    ? new IoRedisConnection(client, handlers)
    : new NodeRedisConnection(client, handlers);
}

/** How long a connection may take to be made, in milliseconds. */
export const CONNECT_MS = 5000;

/** How long one may take to end, in milliseconds. */
const DISCONNECT_MS = 500;

/*
 * Both packages connect again by themselves, and then differ, by version and
 * by settings of the app: in what they send once more, in what they send that
 * was asked meanwhile, in whether they subscribe again. So neither may, and
 * each connection has a client of its own.
 */

class NodeRedisConnection implements RedisConnection {
  readonly #client: NodeRedisClient;
  readonly #onMessage: (message: Uint8Array, channel: Uint8Array) => void;
  #opened: Promise<unknown> | null = null;

  constructor(client: NodeRedisClient, handlers: RedisConnectionHandlers) {
    this.#client = client.duplicate({
      socket: {
        ...client.options?.socket,
        connectTimeout: CONNECT_MS,
        reconnectStrategy: false,
        // One that listens may have nothing to hear.
        socketTimeout: undefined,
      },
      disableOfflineQueue: true,
      // A message that is not taken would be lost.
      commandsQueueMaxLength: undefined,
      // It bounds how long a command waits to be written, with a timer each;
      // and what types replies are of is not the app's to say here.
      commandOptions: { timeout: 0 },
      pingInterval: undefined,
      // It would swap the socket beneath.
      maintNotifications: "disabled",
      // It would be the app's own, emptied whenever this one ends.
      clientSideCache: undefined,
      emitInvalidate: false,
    });
    // An `error` that nobody listens to would end the process.
    this.#client.on!("error", (error) => handlers.onBroken(error));
    this.#onMessage = (message, channel) =>
      handlers.onMessage(String(channel), bytesOf(message));
  }

  open(): Promise<unknown> {
    return this.#opened = this.#client.connect();
  }

  call(...command: [string, ...(string | Uint8Array)[]]): Promise<unknown> {
    return this.#client.sendCommand(command.map(asBuffer));
  }

  subscribe(channel: string): Promise<unknown> {
    // It is the same function each time, so it is called once a message.
    return this.#client.subscribe(channel, this.#onMessage, true);
  }

  unsubscribe(channel: string): Promise<unknown> {
    return this.#client.unsubscribe(channel);
  }

  async close(): Promise<void> {
    this.#destroy();
    // One that is being made is not known to the client yet: it would live on.
    await this.#opened?.then(() => this.#destroy(), () => {});
  }

  #destroy(): void {
    try {
      this.#client.destroy();
    } catch {
      // Version 5 does not want it twice.
    }
  }
}

class IoRedisConnection implements RedisConnection {
  readonly #client: IoRedisClient;
  /** Resolves when the connection's socket is closed. */
  readonly #ended: Promise<void>;
  #closed = false;

  constructor(client: IoRedisClient, handlers: RedisConnectionHandlers) {
    this.#client = client.duplicate({
      lazyConnect: true,
      connectTimeout: CONNECT_MS,
      disconnectTimeout: DISCONNECT_MS,
      retryStrategy: null,
      reconnectOnError: null,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      // It asks for INFO, which a user may be forbidden.
      enableReadyCheck: false,
      enableAutoPipelining: false,
      // Keys have their prefix, channels would have none.
      keyPrefix: "",
      // One that listens may have nothing to hear.
      socketTimeout: undefined,
      commandTimeout: undefined,
      stringNumbers: false,
      replyMapping: "legacy",
      monitor: false,
      readOnly: false,
    });
    // An `error` that nobody listens to would be printed.
    this.#client.on("error", (error) => handlers.onBroken(error));
    this.#ended = new Promise((resolve) =>
      this.#client.on("end", () => {
        this.#closed = true;
        handlers.onBroken(new Error("the connection is closed"));
        resolve();
      })
    );
    this.#client.on(
      "messageBuffer",
      (channel: Uint8Array, message: Uint8Array) =>
        handlers.onMessage(String(channel), bytesOf(message)),
    );
  }

  open(): Promise<unknown> {
    return this.#client.connect();
  }

  call(
    command: string,
    ...args: (string | Uint8Array)[]
  ): Promise<unknown> {
    return this.#client.call(command, ...args.map(asBuffer));
  }

  subscribe(channel: string): Promise<unknown> {
    return this.#client.subscribe(channel);
  }

  unsubscribe(channel: string): Promise<unknown> {
    return this.#client.unsubscribe(channel);
  }

  close(): Promise<void> {
    // A second time, or late, it would leave a timer behind.
    if (!this.#closed) this.#client.disconnect();
    this.#closed = true;
    return this.#ended;
  }
}

/** Node's, a global wherever these clients run. */
declare const Buffer: {
  from(memory: ArrayBufferLike, offset: number, length: number): Uint8Array;
};

/**
 * The same bytes, not copied, as clients want them: one throws at a Uint8Array
 * that is no Buffer, the other sends it as the text `1,2,3`.
 */
function asBuffer(value: string | Uint8Array): string | Uint8Array {
  if (typeof value === "string") return value;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** The same bytes, not copied, whose `slice()` is not that of a Buffer. */
function bytesOf(buffer: Uint8Array): Bytes {
  const { byteOffset, byteLength } = buffer;
  return new Uint8Array(buffer.buffer as ArrayBuffer, byteOffset, byteLength);
}
