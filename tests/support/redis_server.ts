import { deadline } from "@std/async";
import { EngineProcess, LIMIT_MS } from "./engine_process.ts";
import { findFile } from "./find_file.ts";
import { freePort } from "./free_port.ts";

/** Where a Redis server is, if this machine has one. */
export const redisServerPath: string | undefined = await findFile([
  "redis-server",
]);

if (redisServerPath === undefined) {
  // deno-lint-ignore no-console -- a test that is not run has to be seen
  console.warn("No Redis is here, so its tests are skipped: get redis-server");
}

/** What Redis answers: a number, a text, nothing, or several of these. */
export type Reply = number | string | null | Reply[];

/** A Redis server of this machine. */
export class RedisServer extends EngineProcess {
  readonly #settings: readonly string[];

  private constructor(
    folder: string,
    readonly port: number,
    settings: readonly string[],
  ) {
    super(folder);
    this.#settings = settings;
  }

  /**
   * Prepares a place for a server that does not run yet, with such settings.
   */
  static async prepare(...settings: string[]): Promise<RedisServer> {
    const folder = await Deno.makeTempDir({ prefix: "redis" });
    return new RedisServer(folder, freePort(), settings);
  }

  /** Starts a server, with such settings. */
  static async start(...settings: string[]): Promise<RedisServer> {
    const server = await RedisServer.prepare(...settings);
    await server.start();
    return server;
  }

  /** The address that the server listens on. */
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  protected override commandLine(): Promise<[path: string, ...args: string[]]> {
    return Promise.resolve([
      redisServerPath!,
      ...["--bind", "127.0.0.1", "--port", String(this.port)],
      ...["--save", "", "--appendonly", "no", "--dir", this.folder],
      ...["--loglevel", "warning", ...this.#settings],
    ]);
  }

  /** Sends a command over a connection of its own. */
  async command(...args: string[]): Promise<Reply> {
    await using connection = await RedisConsole.open(this.port);
    return await connection.command(...args);
  }

  /** What all clients send, from now on. */
  async monitor(): Promise<RedisConsole> {
    const connection = await RedisConsole.open(this.port);
    await connection.command("MONITOR");
    return connection;
  }

  /** How many connections the server has. */
  async connections(): Promise<number> {
    const list = await this.command("CLIENT", "LIST");
    return String(list).trim().split("\n").length - 1;
  }

  protected override async answers(): Promise<boolean> {
    try {
      await using connection = await RedisConsole.open(this.port);
      // The server may want a password, and may not have read its data yet.
      return !/^LOADING/.test(String(await connection.command("PING")));
    } catch {
      return false;
    }
  }
}

/** A connection that asks one thing at a time. */
export class RedisConsole implements AsyncDisposable {
  readonly #connection: Deno.TcpConn;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #unread = "";

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    this.#reader = connection.readable.getReader();
  }

  static async open(port: number): Promise<RedisConsole> {
    return new RedisConsole(
      await Deno.connect({ hostname: "127.0.0.1", port }),
    );
  }

  /** Sends a command; an error is an answer too. */
  async command(...args: string[]): Promise<Reply> {
    const words = args.map((word) => `$${latin1(word).length}\r\n${word}\r\n`);
    const writer = this.#connection.writable.getWriter();
    await writer.write(latin1(`*${args.length}\r\n${words.join("")}`));
    writer.releaseLock();
    return await this.read();
  }

  /** The next answer of the server. */
  async read(): Promise<Reply> {
    const line = await this.#take("\r\n");
    const rest = line.slice(1);
    switch (line[0]) {
      case "*": {
        const replies: Reply[] = [];
        while (replies.length < Number(rest)) replies.push(await this.read());
        return replies;
      }
      case "$":
        return rest === "-1" ? null : await this.#take("\r\n", Number(rest));
      case ":":
        return Number(rest);
    }
    return rest;
  }

  async #take(end: string, from = 0): Promise<string> {
    let at: number;
    while ((at = this.#unread.indexOf(end, from)) < 0) {
      const { value, done } = await deadline(this.#reader.read(), LIMIT_MS);
      if (done) throw new Error("Redis has closed the connection");
      this.#unread += new TextDecoder("latin1").decode(value);
    }
    const taken = this.#unread.slice(0, at);
    this.#unread = this.#unread.slice(at + end.length);
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader.releaseLock();
    await this.#connection.readable.cancel().catch(() => {});
    try {
      this.#connection.close();
    } catch {
      // Cancelling what it reads may have closed it.
    }
  }
}

function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
