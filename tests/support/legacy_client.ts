import { deadline } from "@std/async";

/** No wait in a test takes nearly as long. */
const WAIT_MS = 10_000;

/** A control message, as it came. */
export interface LegacyMessage {
  readonly type: string;
  // deno-lint-ignore no-explicit-any -- tests look into data of every type
  readonly data?: any;
}

/**
 * A client of version 1, by hand: a WebSocket, and JSON of a type and its
 * data. It says its pair code when the socket opens, answers no heartbeats,
 * closes with no code, and closes when it is told busy.
 */
export class LegacyClient implements AsyncDisposable {
  /** Resolves with how the socket was closed. */
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #socket: WebSocket;
  readonly #arrived: LegacyMessage[] = [];
  #wake: () => void = () => {};

  private constructor(url: string, pairCode: unknown) {
    const socket = this.#socket = new WebSocket(url.replace(/^http/, "ws"));
    socket.onopen = () => this.send("pair", pairCode);
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onerror = (event) => event.preventDefault();
    this.closed = new Promise((resolve) => {
      socket.onclose = ({ code, reason }) => {
        resolve({ code, reason });
        this.#wake();
      };
    });
  }

  /** Dials, and asks for its pair code when the socket is open. */
  static async pair(url: string, pairCode: unknown): Promise<LegacyClient> {
    const client = new LegacyClient(url, pairCode);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    client.#socket.addEventListener("open", resolve);
    await deadline(Promise.race([promise, client.closed]), WAIT_MS);
    return client;
  }

  /** Whether nothing was received that the test did not ask for. */
  get quiet(): boolean {
    return this.#arrived.length === 0;
  }

  /** Sends a control message. */
  send(type: string, data?: unknown): void {
    this.#socket.send(JSON.stringify({ type, data }));
  }

  /** Sends text or bytes, whatever they are. */
  sendRaw(data: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(data);
  }

  /** The data of the next message, which has to be of this type. */
  async next(type: string): Promise<LegacyMessage["data"]> {
    const arrival = async () => {
      while (this.#arrived.length === 0) {
        if (this.#socket.readyState === WebSocket.CLOSED) {
          const { code, reason } = await this.closed;
          throw new Error(`Nothing more comes: closed with ${code} ${reason}`);
        }
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
      return this.#arrived.shift()!;
    };
    const message = await deadline(arrival(), WAIT_MS);
    if (message.type === type) return message.data;
    throw new Error(
      `Expected a message of type "${type}", but got ${
        JSON.stringify(message)
      }`,
    );
  }

  /**
   * Resolves when the server has read all that was sent until now: it warns
   * of a message of a type that it does not know.
   */
  async heard(): Promise<void> {
    this.send("heard?");
    await this.next("warning");
  }

  /** The code with which the socket is closed. */
  async closeCode(): Promise<number> {
    return (await deadline(this.closed, WAIT_MS)).code;
  }

  /** Closes the socket, and resolves when it is closed. */
  async close(): Promise<void> {
    if (this.#socket.readyState < WebSocket.CLOSING) this.#socket.close();
    await deadline(this.closed, WAIT_MS);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #take(message: LegacyMessage): void {
    this.#arrived.push(message);
    if (message.type === "busy") this.#socket.close();
    this.#wake();
  }
}
