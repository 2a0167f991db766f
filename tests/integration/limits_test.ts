/**
 * Every limit of a server, crossed over a real socket: how the client that
 * crosses it is told, and how the operator is.
 */

import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import type { RefusalReason, SocketPeerServerOptions } from "../../server.ts";
import {
  OPTION_ROWS,
  type OptionRow,
  OPTIONS,
} from "../../src/server/option_table.ts";
import { REFUSAL_REASONS } from "../../src/server/server_event.ts";
import {
  type ObservedServer,
  observedServer,
} from "../support/observed_server.ts";
import {
  HANDSHAKE,
  pairData,
  RawClient,
  RawConnection,
  RawPair,
  webSocketFrame,
} from "../support/raw_client.ts";

const WAIT_MS = 20_000;

/** What the header of the proxy says; loopback is not counted by address. */
const FORWARDED = { "x-forwarded-for": "192.0.2.1" };
const PROXIED = { trustProxy: "x-forwarded-for" };
/** A rate of one at once, and no more as long as a test takes. */
const ONCE = { burst: 1, perSecond: 0.001 };

/** A limit, and what happens to a client that crosses it. */
interface Row {
  readonly options?: SocketPeerServerOptions;
  /** Crosses it, and gives the HTTP status or the close code of the answer. */
  cross(server: ObservedServer): Promise<number>;
  readonly answer: number;
  /** None for a deadline: nothing is refused there. */
  readonly reason?: RefusalReason;
}

/** The options that limit something. */
type Limit = Extract<
  keyof SocketPeerServerOptions,
  | `max${string}`
  | `${string}Rate`
  | `${string}Timeout`
  | "heartbeatInterval"
  | "allowedOrigins"
  | "authorize"
  | "pairCodeValidator"
>;

/** A request for a WebSocket that comes through the proxy, or from a page. */
function handshake(header: string): string {
  return HANDSHAKE.replace("\r\n\r\n", `\r\n${header}\r\n\r\n`);
}

/** The status of the answer to such a request. */
async function statusOf(
  { port }: ObservedServer,
  header = "X-Forwarded-For: 192.0.2.1",
): Promise<number> {
  using connection = await RawConnection.open(port);
  return (await connection.request(handshake(header))).status;
}

/** Asks for a place, and gives the close code. */
async function pairOnce(
  { peersUrl }: ObservedServer,
  code = "code",
  fields = {},
): Promise<number> {
  await using client = await RawClient.pair(
    peersUrl,
    code,
    "b",
    fields,
    FORWARDED,
  );
  return await client.closeCode();
}

/** A client that has a place, alone. */
async function waiting(server: ObservedServer): Promise<RawClient> {
  const client = await RawClient.pair(
    server.peersUrl,
    "code",
    "a",
    {},
    FORWARDED,
  );
  await client.control("peer.waiting");
  return client;
}

/** A client that has asked for a place, and hears and says nothing after. */
async function deaf(
  { port }: ObservedServer,
  id = "deaf",
): Promise<RawConnection> {
  const connection = await RawConnection.open(port);
  await connection.request(handshake("X-Forwarded-For: 192.0.2.1"));
  const text = JSON.stringify({ type: "pair", data: pairData("code", id) });
  await connection.write(webSocketFrame(1, text));
  return connection;
}

/** Reads frames of a server up to that of the close, and gives its code. */
async function readCloseCode(connection: RawConnection): Promise<number> {
  let bytes = new Uint8Array(0);
  const take = async (count: number) => {
    while (bytes.length < count) {
      const read = await connection.read();
      if (!read) throw new Error("Closed without a close frame");
      const longer = new Uint8Array(bytes.length + read.length);
      longer.set(bytes);
      longer.set(read, bytes.length);
      bytes = longer;
    }
    const taken = new DataView(bytes.buffer, bytes.byteOffset, count);
    bytes = bytes.subarray(count);
    return taken;
  };
  // RFC 6455 section 5.2; what a server sends is not masked.
  for (;;) {
    const head = await take(2);
    const [opcode, short] = [head.getUint8(0) & 15, head.getUint8(1)];
    const length = short < 126
      ? short
      : short === 126
      ? (await take(2)).getUint16(0)
      : Number((await take(8)).getBigUint64(0));
    const payload = await take(length);
    if (opcode === 8) return payload.getUint16(0);
  }
}

const LIMITS: Readonly<Record<Limit, Row>> = {
  allowedOrigins: {
    options: { allowedOrigins: ["https://example.org"] },
    cross: (server) => statusOf(server, "Origin: https://example.com"),
    answer: 403,
    reason: "origin",
  },
  maxConnections: {
    options: { maxConnections: 1 },
    async cross(server) {
      await using _first = await waiting(server);
      return await statusOf(server);
    },
    answer: 503,
    reason: "connections",
  },
  maxConnectionsPerAddress: {
    options: { ...PROXIED, maxConnectionsPerAddress: 1 },
    async cross(server) {
      await using _first = await waiting(server);
      return await statusOf(server);
    },
    answer: 429,
    reason: "address",
  },
  maxControlLength: {
    options: { maxControlLength: 300 },
    cross: (server) => pairOnce(server, "code", { more: "x".repeat(300) }),
    answer: 4001,
    reason: "size",
  },
  maxPairCodeLength: {
    options: { maxPairCodeLength: 4 },
    cross: (server) => pairOnce(server, "codes"),
    answer: 4001,
    reason: "pair_code",
  },
  pairCodeValidator: {
    options: { pairCodeValidator: (code) => code !== "code" },
    cross: (server) => pairOnce(server),
    answer: 4002,
    reason: "pair_code",
  },
  maxPacketBytes: {
    options: { maxPacketBytes: 100 },
    async cross(server) {
      await using pair = await RawPair.open(server.peersUrl, "code");
      pair.a.sendRaw(new Uint8Array(100));
      await pair.b.packet();
      pair.a.sendRaw(new Uint8Array(101));
      return await pair.a.closeCode();
    },
    answer: 4001,
    reason: "size",
  },
  maxBufferedBytes: {
    options: { maxBufferedBytes: 65_536 },
    async cross(server) {
      using mute = await deaf(server, "mute");
      using other = await deaf(server, "other");
      await server.until((events) => events.at(-1)?.type === "pair");
      const packet = webSocketFrame(2, new Uint8Array(65_536));
      // The network itself takes some before anything has to wait.
      for (let count = 0; count < 10_000; count++) {
        if (server.events.at(-1)?.type === "refuse") break;
        await other.write(packet);
      }
      return await readCloseCode(mute);
    },
    answer: 4009,
    reason: "unread",
  },
  controlRate: {
    options: { controlRate: ONCE },
    async cross(server) {
      // The client's `pair` was one control message.
      await using client = await waiting(server);
      client.send("upgrade");
      return await client.closeCode();
    },
    answer: 4010,
    reason: "control_rate",
  },
  addressControlRate: {
    options: { ...PROXIED, addressControlRate: ONCE },
    async cross(server) {
      // The client answers no heartbeat: that would be one message more.
      using _first = await deaf(server);
      await server.until((events) => events.at(-1)?.type === "wait");
      return await pairOnce(server, "another code");
    },
    answer: 4010,
    reason: "control_rate",
  },
  authorize: {
    options: { authorize: () => false },
    async cross(server) {
      return await statusOf(server);
    },
    answer: 403,
    reason: "authorize",
  },
  pairRate: {
    options: { ...PROXIED, pairRate: ONCE },
    async cross(server) {
      await using _first = await waiting(server);
      return await pairOnce(server, "another code");
    },
    answer: 4010,
    reason: "pair_rate",
  },
  pairTimeout: {
    options: { pairTimeout: 50 },
    async cross({ peersUrl }) {
      await using client = await RawClient.open(peersUrl);
      return await client.closeCode();
    },
    answer: 4003,
  },
  peerTimeout: {
    options: { peerTimeout: 50 },
    async cross(server) {
      await using client = await waiting(server);
      return await client.closeCode();
    },
    answer: 4004,
  },
  heartbeatInterval: {
    options: { heartbeatInterval: 50 },
    async cross(server) {
      using mute = await deaf(server);
      return await readCloseCode(mute);
    },
    answer: 4009,
  },
};

/** What is refused by no option. */
const OTHERS: Readonly<Record<string, Row>> = {
  "the two places of a pair": {
    async cross(server) {
      await using _first = await waiting(server);
      await using second = await RawClient.pair(server.peersUrl, "code", "b");
      await second.control("peer.found");
      return await pairOnce(server, "code", { id: "c" });
    },
    answer: 4005,
    reason: "busy",
  },
  "the protocol": {
    async cross({ peersUrl }) {
      await using client = await RawClient.open(peersUrl);
      client.sendRaw("{");
      return await client.closeCode();
    },
    answer: 4001,
    reason: "malformed",
  },
  "the end of the server": {
    async cross(server) {
      let closing: Promise<void>;
      let status: number;
      {
        // The client does not answer, so there is something to wait for.
        using _mute = await deaf(server);
        await server.until((events) => events.at(-1)?.type === "wait");
        closing = server.peerServer.close({ drainTimeout: 10_000 });
        status = await statusOf(server);
      }
      await closing;
      return status;
    },
    answer: 503,
    reason: "closing",
  },
};

const ROWS = { ...LIMITS, ...OTHERS };

Deno.test("SocketPeerServer answers beyond each limit as the table of options says", () => {
  for (const [name, { answer }] of Object.entries(LIMITS)) {
    const { code, status }: OptionRow = OPTIONS[name as Limit];
    assert(answer === code || answer === status, name);
  }
  const limits = OPTION_ROWS.filter(([, { code }]) => code !== undefined);
  assertEquals(
    limits.map(([name]) => name).sort(),
    Object.keys(LIMITS).sort(),
  );
});

for (const [name, { options, cross, answer, reason }] of Object.entries(ROWS)) {
  const what = reason ? `counts a refusal for ${reason}` : "refuses nothing";
  Deno.test(`SocketPeerServer answers ${answer} beyond ${name}, and ${what}`, async () => {
    await using server = observedServer(options);
    assertEquals(await deadline(cross(server), WAIT_MS), answer);
    await server.allClosed();

    const refusals = server.events.filter(({ type }) => type === "refuse");
    assertEquals(
      refusals.map((event) => "reason" in event && event.reason),
      reason ? [reason] : [],
    );
    assertEquals(
      await server.counted("socketpeer_refusals_total"),
      reason ? { [reason]: 1 } : {},
    );
    // Who is answered with a status never had a socket to close.
    const closed = answer < 1000 ? undefined : 1;
    const closes = await server.counted("socketpeer_connections_closed_total");
    assertEquals(closes[answer], closed);
  });
}

Deno.test("SocketPeerServer has no reason to refuse that is not tested here", () => {
  const tested = Object.values(ROWS).flatMap(({ reason }) => reason ?? []);
  assertEquals(new Set(tested), new Set(Object.keys(REFUSAL_REASONS)));
});
