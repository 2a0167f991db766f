import { assertEquals } from "@std/assert";
import type { Addresses } from "../../src/server/addresses.ts";
import type { Connection } from "../../src/server/connection.ts";
import { Exchange } from "../../src/server/exchange.ts";
import {
  resolveServerOptions,
  type SocketPeerServerOptions,
} from "../../src/server/options.ts";
import type { PairRegistry } from "../../src/server/pair_registry.ts";
import type { ServerEvent } from "../../src/server/server_event.ts";
import type { ServerSocket } from "../../src/server/server_socket.ts";
import { seededRandom, VirtualClock } from "../../testing.ts";

/** What a peer says of itself. */
export const HELLO = {
  received: 0,
  webrtc: true,
  relay: true,
  maxMessageBytes: 1024,
};

/** A `pair` of version 2, as text. */
export function pairText(
  id: string,
  fields: Record<string, unknown> = {},
): string {
  const data = {
    code: "s3cret",
    version: 2,
    id,
    key: `key of ${id}`,
    resumeTimeout: 30_000,
    hello: HELLO,
    ...fields,
  };
  return JSON.stringify({ type: "pair", data });
}

/** A socket that keeps what it is given, and sends nothing anywhere. */
export class FakeSocket implements ServerSocket {
  bufferedAmount = 0;
  sent: (string | ArrayBuffer)[] = [];
  readonly closes: { code: number; reason: string }[] = [];
  /** Whether the other end has stopped reading. */
  stalled = false;

  send(data: string | ArrayBuffer): void {
    if (this.closes.length > 0) throw new Error("It is sent on after a close");
    this.sent.push(data);
    if (!this.stalled) return;
    this.bufferedAmount += typeof data === "string"
      ? data.length
      : data.byteLength;
  }

  close(code: number, reason: string): void {
    this.closes.push({ code, reason });
  }

  get closeCode(): number | undefined {
    return this.closes.at(0)?.code;
  }

  /** What was sent since the last call: messages as objects, packets as they are. */
  // deno-lint-ignore no-explicit-any -- tests look into messages of every type
  taken(): any[] {
    const { sent } = this;
    this.sent = [];
    return sent.map((data) =>
      typeof data === "string" ? JSON.parse(data) : data
    );
  }

  /** The types of the control messages that were sent since the last call. */
  types(): string[] {
    return this.taken().map(({ type }) => type ?? "packet");
  }
}

/** What `pairCodeValidator` takes. */
export type Validator = (pairCode: string) => boolean | Promise<boolean>;

/** A connection, and its socket. */
export interface FakePeer {
  readonly socket: FakeSocket;
  readonly connection: Connection;
}

/** A server without a network. */
export class FakeServer {
  readonly clock = new VirtualClock();
  readonly exchange: Exchange;
  /** Connections that have reported their end. */
  readonly ended: Connection[] = [];
  /** The code and reason with which each of them ended. */
  readonly ends: { code: number; reason: string }[] = [];
  /** Sockets that were reported closed. */
  readonly closed: Connection[] = [];
  /** The code and reason with which each of them was closed. */
  readonly closes: { code: number; reason: string }[] = [];
  #events: ServerEvent[] = [];
  pairCodeValidator: Validator = () => true;
  readonly iceServers = {
    renewMs: 0,
    get: (): Promise<object[]> => Promise.resolve([]),
  };

  constructor(options: SocketPeerServerOptions = {}) {
    const settings = resolveServerOptions({
      pairCodeValidator: (pairCode) => this.pairCodeValidator(pairCode),
      observer: (event) => this.#events.push(event),
      ...options,
    });
    const { now, after } = this.clock;
    this.exchange = new Exchange({
      settings,
      iceServers: this.iceServers,
      now,
      after,
      random: seededRandom(1),
      ended: (connection, code, reason) => {
        this.ended.push(connection);
        this.ends.push({ code, reason });
      },
      closed: (connection, code, reason) => {
        this.closed.push(connection);
        this.closes.push({ code, reason });
      },
    });
  }

  get registry(): PairRegistry {
    return this.exchange.registry;
  }

  get addresses(): Addresses {
    return this.exchange.addresses;
  }

  get traffic() {
    return this.exchange.traffic;
  }

  /** What was observed since the last call. */
  events(): ServerEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Why something was refused since the last call. */
  refusals(): string[] {
    return this.events().flatMap((event) =>
      event.type === "refuse" ? event.reason : []
    );
  }

  connect(address?: string): FakePeer {
    const socket = new FakeSocket();
    const connection = this.exchange.connect(socket, address);
    return { socket, connection };
  }

  /** A connection that has sent its `pair`. */
  async join(
    id: string,
    fields?: Record<string, unknown>,
    address?: string,
  ): Promise<FakePeer> {
    const peer = this.connect(address);
    peer.connection.onText(pairText(id, fields));
    await turn();
    return peer;
  }

  /**
   * A client of version 1 that has sent its `pair`, which says the code alone.
   */
  async joinLegacy(
    code: unknown = "s3cret",
    address?: string,
  ): Promise<FakePeer> {
    const peer = this.connect(address);
    peer.connection.onText(JSON.stringify({ type: "pair", data: code }));
    await turn();
    return peer;
  }

  /** Two that have found each other, and were sent nothing else since. */
  async joinPair(fields?: Record<string, unknown>) {
    const a = await this.join("a", fields);
    const b = await this.join("b", fields);
    assertEquals(a.socket.types().at(-1), "peer.found");
    assertEquals(b.socket.types().at(-1), "peer.found");
    return { a, b };
  }

  /** Time passes, and these peers answer what they are asked. */
  pass(ms: number, ...peers: FakePeer[]): void {
    for (let left = ms; left > 0; left -= 1000) {
      this.clock.advance(Math.min(left, 1000));
      for (const { socket, connection } of peers) {
        if (socket.types().includes("ping")) {
          connection.onText('{"type":"pong"}');
        }
      }
    }
  }

  assertNothingLeft(): void {
    const { size, waiting, pairs } = this.registry;
    assertEquals(size, 0, "pair codes in use");
    assertEquals([waiting, pairs], [0, 0], "peers that wait, and pairs");
    assertEquals(this.clock.pending, 0, "timers that wait");
  }
}

/** Lets everything go on that waits for nothing but promises. */
export async function turn(): Promise<void> {
  for (let tick = 0; tick < 20; tick++) await null;
}
