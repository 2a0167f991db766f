import { deadline } from "@std/async";

/** No wait in a test takes nearly as long. */
const WAIT_MS = 10_000;

/** What `pair` says of this peer, by PROTOCOL.md section 3. */
export function pairData(
  code: string,
  id: string,
  fields: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    code,
    version: 2,
    id,
    key: `key of ${id}`,
    resumeTimeout: 30_000,
    hello: { received: 0, webrtc: false, relay: true, maxMessageBytes: 1024 },
    ...fields,
  };
}

/**
 * A second implementation of the protocol, by hand: a WebSocket and JSON. It
 * answers heartbeats, and keeps everything else until the test asks for it.
 */
export class RawClient implements AsyncDisposable {
  /** Resolves with how the socket was closed. */
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #socket: WebSocket;
  readonly #arrived: (string | Uint8Array)[] = [];
  #wake: () => void = () => {};

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onerror = (event) => event.preventDefault();
    this.closed = new Promise((resolve) => {
      socket.onclose = ({ code, reason }) => {
        resolve({ code, reason });
        this.#wake();
      };
    });
  }

  /** Dials, and resolves when the socket is open. */
  static async open(
    url: string,
    headers: Record<string, string> = {},
  ): Promise<RawClient> {
    // Deno's WebSocket takes headers, which the types of the web do not know.
    const options = { headers } as unknown as string[];
    const client = new RawClient(
      new WebSocket(url.replace(/^http/, "ws"), options),
    );
    const opened = new Promise((resolve) => client.#socket.onopen = resolve);
    const refused = client.closed.then(({ code, reason }) => {
      throw new Error(`Cannot open ${url}: closed with ${code} ${reason}`);
    });
    await deadline(Promise.race([opened, refused]), WAIT_MS);
    refused.catch(() => {});
    return client;
  }

  /** Dials and asks for a place. */
  static async pair(
    url: string,
    code: string,
    id: string,
    fields?: Record<string, unknown>,
    headers?: Record<string, string>,
  ): Promise<RawClient> {
    const client = await RawClient.open(url, headers);
    client.send("pair", pairData(code, id, fields));
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

  /** Sends a text or binary message, whatever it is. */
  sendRaw(data: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(data);
  }

  /** The next message that is no heartbeat. */
  async next(): Promise<string | Uint8Array> {
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
    return await deadline(arrival(), WAIT_MS);
  }

  /** The data of the next message, which has to be of this type. */
  // deno-lint-ignore no-explicit-any -- tests look into data of every type
  async control(type: string): Promise<any> {
    const text = await this.next();
    const message = typeof text === "string" ? JSON.parse(text) : {};
    if (message.type === type) return message.data;
    const got = typeof text === "string" ? text : `${text.length} bytes`;
    throw new Error(`Expected a message of type "${type}", but got ${got}`);
  }

  /** The next message, which has to be a packet. */
  async packet(): Promise<Uint8Array> {
    const data = await this.next();
    if (typeof data !== "string") return data;
    throw new Error(`Expected a packet, but got ${data}`);
  }

  /** The code with which the socket is closed. */
  async closeCode(): Promise<number> {
    return (await deadline(this.closed, WAIT_MS)).code;
  }

  /**
   * Resolves when the server has read all that was sent until now: it answers
   * a control message of a type that it does not know.
   */
  async heard(): Promise<void> {
    this.send("heard?");
    await this.control("error");
  }

  /**
   * Sends a mebibyte of packets. Resolves to the type of the next message: an
   * `error` to what is asked behind them, or before it what has come of them.
   */
  async sendMebibyte(): Promise<string> {
    for (let count = 0; count < 16; count++) {
      this.sendRaw(new Uint8Array(65_536));
    }
    this.send("heard?");
    return JSON.parse(await this.next() as string).type;
  }

  /** Closes the socket, and resolves when it is closed. */
  async close(code = 4000): Promise<void> {
    if (this.#socket.readyState < WebSocket.CLOSING) this.#socket.close(code);
    await deadline(this.closed, WAIT_MS);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #take(data: string | ArrayBuffer): void {
    if (typeof data === "string" && data.startsWith('{"type":"ping"')) {
      this.send("pong");
      return;
    }
    this.#arrived.push(
      typeof data === "string" ? data : new Uint8Array(data),
    );
    this.#wake();
  }
}

/** Two clients that have found each other. */
export class RawPair implements AsyncDisposable {
  private constructor(readonly a: RawClient, readonly b: RawClient) {}

  /** Brings two clients, `a` and `b`, together. */
  static async open(url: string, code: string): Promise<RawPair> {
    const a = await RawClient.pair(url, code, "a");
    await a.control("peer.waiting");
    const b = await RawClient.pair(url, code, "b");
    await a.control("peer.found");
    await b.control("peer.found");
    return new RawPair(a, b);
  }

  /** Fails unless a packet still passes in each direction, and nothing else. */
  async check(): Promise<void> {
    const { a, b } = this;
    for (const [from, to] of [[a, b], [b, a]]) {
      const packet = crypto.getRandomValues(new Uint8Array(32));
      from.sendRaw(packet);
      if (`${await to.packet()}` !== `${packet}`) {
        throw new Error("Another packet arrived than was sent");
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.a.close();
    await this.b.close();
  }
}

/** Headers that ask for a WebSocket, one a line, with an empty one after them. */
export const HANDSHAKE = [
  "GET /socketpeer/ HTTP/1.1",
  "Host: localhost",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  // The example of RFC 6455.
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "",
  "",
].join("\r\n");

/** A connection on which a test writes what no WebSocket client would. */
export class RawConnection implements Disposable {
  readonly #connection: Deno.TcpConn;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Connects to a port of this machine. */
  static async open(port: number): Promise<RawConnection> {
    const connecting = Deno.connect({ hostname: "127.0.0.1", port });
    return new RawConnection(await deadline(connecting, WAIT_MS));
  }

  /** Connects and opens a WebSocket. */
  static async upgrade(port: number): Promise<RawConnection> {
    const connection = await RawConnection.open(port);
    const { status } = await connection.request(HANDSHAKE);
    if (status === 101) return connection;
    throw new Error(`Cannot open a WebSocket: status ${status}`);
  }

  /** Writes all of this, or as much as the other end takes. */
  async write(data: string | Uint8Array): Promise<void> {
    let rest = typeof data === "string" ? new TextEncoder().encode(data) : data;
    try {
      while (rest.length > 0) {
        const written = this.#connection.write(rest);
        rest = rest.subarray(await deadline(written, WAIT_MS));
      }
    } catch (error) {
      if (error instanceof DOMException) throw error;
      // The connection was closed under our hands, as hostile clients must
      // expect.
    }
  }

  /** Writes a request, and reads the answer up to its end. */
  async request(
    text: string,
  ): Promise<{ status: number; headers: Headers; body: string }> {
    await this.write(text);
    let answer = "";
    for (;;) {
      const end = answer.indexOf("\r\n\r\n");
      if (end >= 0) {
        const [line, ...lines] = answer.slice(0, end).split("\r\n");
        const headers = new Headers(
          lines.map((line) =>
            /^(.*?):\s*(.*)$/.exec(line)!.slice(1) as [string, string]
          ),
        );
        const status = Number(line.split(" ")[1]);
        const body = answer.slice(end + 4);
        const length = Number(headers.get("content-length") ?? 0);
        if (body.length >= length) return { status, headers, body };
      }
      const read = await this.read();
      if (!read) throw new Error(`The answer is cut short: ${answer}`);
      // A character for each byte, as the length counts bytes.
      answer += new TextDecoder("latin1").decode(read);
    }
  }

  /** What came next, or `null` after the end. */
  async read(): Promise<Uint8Array | null> {
    const bytes = new Uint8Array(65_536);
    const count = await deadline(this.#connection.read(bytes), WAIT_MS);
    return count === null ? null : bytes.subarray(0, count);
  }

  /** Resolves when the other end has closed, in whatever way. */
  async ended(): Promise<void> {
    try {
      while (await this.read());
    } catch (error) {
      if (error instanceof DOMException) throw error;
    }
  }

  /** Ends this direction, and leaves what comes unread. */
  async endWriting(): Promise<void> {
    await this.#connection.closeWrite();
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

/** A frame of a client's WebSocket: RFC 6455 section 5.2. */
export function webSocketFrame(
  opcode: number,
  payload: string | Uint8Array,
): Uint8Array {
  const bytes = typeof payload === "string"
    ? new TextEncoder().encode(payload)
    : payload;
  const { length } = bytes;
  const size = length < 126
    ? [0x80 | length]
    : length < 65_536
    ? [0x80 | 126, length >>> 8, length & 255]
    : [
      0x80 | 127,
      0,
      0,
      0,
      0,
      ...new Uint8Array(
        new Uint32Array([length]).buffer,
      ).reverse(),
    ];
  // The mask is four zeros, which change nothing.
  return Uint8Array.from([0x80 | opcode, ...size, 0, 0, 0, 0, ...bytes]);
}
