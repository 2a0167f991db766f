/**
 * What a server does whatever it stands on, over real sockets: run over each
 * adapter on Deno, and in processes of Node and Bun, in a file for each.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import { SocketPeer } from "../../client.ts";
import type { CloseOptions, ServerEvent } from "../../server.ts";
import {
  type AdapterHost,
  type HostKind,
  type HostOptions,
  OTHERS,
} from "../support/adapter_host.ts";
import { findRuntime, startProcess } from "../support/node_process.ts";
import {
  HANDSHAKE,
  pairData,
  RawClient,
  RawConnection,
  RawPair,
  webSocketFrame,
} from "../support/raw_client.ts";
import { reverseProxy } from "../support/reverse_proxy.ts";

const WAIT_MS = 10_000;

type Start = (
  kind: HostKind,
  options: HostOptions,
  told: (event: ServerEvent) => void,
) => Promise<AdapterHost>;

/** A running server, and what it tells. */
class Adapter implements AsyncDisposable {
  readonly events: ServerEvent[] = [];
  readonly #host: AdapterHost;
  #wake = () => {};

  private constructor(
    host: AdapterHost,
    readonly kind: HostKind,
    events: ServerEvent[],
    listen: (wake: () => void) => void,
  ) {
    this.#host = host;
    this.events = events;
    listen(() => this.#wake());
  }

  static async start(start: Start, kind: HostKind, options: HostOptions) {
    const events: ServerEvent[] = [];
    let wake = () => {};
    const host = await start(kind, options, (event) => {
      events.push(event);
      wake();
    });
    return new Adapter(host, kind, events, (listener) => wake = listener);
  }

  get port(): number {
    return this.#host.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/socketpeer/`;
  }

  connections(): Promise<number> {
    return this.#host.connections();
  }

  close(options?: CloseOptions): Promise<void> {
    return deadline(this.#host.close(options), WAIT_MS);
  }

  /** The first event of a type, once it is told; it is not given again. */
  async event<Type extends ServerEvent["type"]>(
    type: Type,
  ): Promise<ServerEvent & { type: Type }> {
    const find = async () => {
      for (;;) {
        const at = this.events.findIndex((event) => event.type === type);
        if (at >= 0) return this.events.splice(at, 1)[0];
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    };
    return await deadline(find(), WAIT_MS) as ServerEvent & { type: Type };
  }

  /** Resolves when one has opened, and all that have are closed. */
  async allClosed(): Promise<void> {
    const count = (type: string) =>
      this.events.filter((event) => event.type === type).length;
    const settle = async () => {
      while (count("open") === 0 || count("open") > count("close")) {
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    };
    await deadline(settle(), WAIT_MS);
  }

  /**
   * How a client is refused: by the status of the answer, or by a close code
   * where the server of ws has let it in already.
   */
  async refusal(header = ""): Promise<Refused> {
    using connection = await RawConnection.open(this.port);
    const handshake = HANDSHAKE.replace("\r\n\r\n", `\r\n${header}\r\n\r\n`);
    const request = header ? handshake : HANDSHAKE;
    if (this.kind !== "ws") {
      const { status, headers, body } = await connection.request(request);
      return { status, retryAfter: headers.get("retry-after"), text: body };
    }
    await connection.write(request);
    let bytes = new Uint8Array();
    // The close frame, of 125 bytes at most, is the last that comes.
    for (let read; (read = await connection.read());) {
      bytes = Uint8Array.from([...bytes, ...read]);
      const at = bytes.indexOf(0x88);
      if (at < 0 || bytes.length < at + 2 + bytes[at + 1]) continue;
      const code = bytes[at + 2] << 8 | bytes[at + 3];
      const text = new TextDecoder().decode(bytes.subarray(at + 4));
      return { code, retryAfter: null, text };
    }
    throw new Error("Closed without a close frame");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await deadline(this.#host.stop(), WAIT_MS);
  }
}

interface Refused {
  readonly status?: number;
  readonly code?: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

const V2 = "?v=2";

/** Other things have their turn; what is counted tells nobody. */
function aMoment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}

/**
 * The code and reason with which a client is closed that says that it is of
 * version 2.
 */
async function toldTo(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ code: number; reason: string }> {
  await using client = await RawClient.open(url, headers);
  return await deadline(client.closed, WAIT_MS);
}

/** A real client, its dials, and the one error with which it gives up. */
async function givesUp(url: string, origin: string) {
  let dials = 0;
  const peer = new SocketPeer({
    pairCode: "code",
    reconnectDelay: 1,
    socket() {
      dials++;
      const options = { headers: { origin } } as unknown as string[];
      return new WebSocket(url.replace(/^http/, "ws"), options) as never;
    },
  });
  const errors: { code: string; message: string }[] = [];
  const first = Promise.withResolvers<void>();
  peer.on("connect_error", (error) => {
    errors.push(error);
    first.resolve();
  });
  await deadline(first.promise, WAIT_MS);
  return { peer, errors, dials: () => dials };
}

/** The answer to one request, written by hand. */
async function answerTo(port: number, request: string) {
  using connection = await RawConnection.open(port);
  return await connection.request(request);
}

/** A WebSocket whose frames are written by hand, and that has its place. */
async function joinByHand(port: number, id: string): Promise<RawConnection> {
  const connection = await RawConnection.upgrade(port);
  const text = JSON.stringify({ type: "pair", data: pairData("code", id) });
  await connection.write(webSocketFrame(1, text));
  return connection;
}

/** A part of a fragmented message. */
function fragment(
  opcode: number,
  payload: string | Uint8Array,
  last: boolean,
): Uint8Array {
  const frame = webSocketFrame(opcode, payload);
  if (!last) frame[0] &= 0x7f;
  return frame;
}

/** Tests a kind of server, which `start` starts for each test. */
export function adapterSuite(
  name: string,
  kind: HostKind,
  start: Start,
): void {
  const test = (
    what: string,
    run: (adapter: Adapter) => Promise<void>,
    options: HostOptions = {},
  ) =>
    Deno.test({
      name: `${name} ${what}`,
      async fn() {
        await using adapter = await Adapter.start(start, kind, options);
        await run(adapter);
      },
    });
  const beforeUpgrade = kind !== "ws";

  test("says where it listens, and pairs two there", async ({ port, url }) => {
    assert(port > 0);
    await using pair = await RawPair.open(url, "code");
    await pair.check();
  });

  test("relays text and bytes of all sizes both ways, byte for byte", async ({ url }) => {
    await using pair = await RawPair.open(url, "code");
    const { a, b } = pair;
    const signal =
      ` {"data":{"generation":1.0,"candidate":null,"é":"🦊"},"type":"rtc.signal"} `;
    const random = crypto.getRandomValues(new Uint8Array(65_536));
    const sizes = [0, 1, 125, 126, 127, 4096, 65_535, 65_536];
    for (const [from, to] of [[a, b], [b, a]]) {
      for (const size of sizes) {
        from.sendRaw(random.subarray(0, size));
        from.sendRaw(signal);
      }
      for (const size of sizes) {
        assertEquals(await to.next(), random.subarray(0, size));
        assertEquals(await to.next(), signal);
      }
      assert(from.quiet && to.quiet);
    }
  });

  test("relays a burst in order, as no buffer is used twice", async ({ url }) => {
    await using pair = await RawPair.open(url, "code");
    const packets = Array.from(
      { length: 400 },
      (_, index) => new Uint8Array(1 + index * 40).fill(index),
    );
    for (const packet of packets) pair.a.sendRaw(packet);
    for (const packet of packets) assertEquals(await pair.b.packet(), packet);
  });

  test("puts fragments together, and control frames between them", async (adapter) => {
    await using a = await RawClient.pair(adapter.url, "code", "a");
    await a.control("peer.waiting");
    using b = await RawConnection.upgrade(adapter.port);
    const text = JSON.stringify({ type: "pair", data: pairData("code", "b") });
    await b.write(fragment(1, text.slice(0, 9), false));
    await b.write(webSocketFrame(9, "ping"));
    await b.write(fragment(0, text.slice(9), true));
    await a.control("peer.found");
    await b.write(fragment(2, Uint8Array.of(1, 2), false));
    await b.write(fragment(0, new Uint8Array(0), false));
    await b.write(fragment(0, Uint8Array.of(3), true));
    assertEquals(await a.packet(), Uint8Array.of(1, 2, 3));
  });

  test("hears the close code of a client", async (adapter) => {
    await using pair = await RawPair.open(adapter.url, "code");
    await pair.b.close(4000);
    assertEquals((await adapter.event("close")).code, 4000);
    assertEquals(await pair.a.closeCode(), 4007);
    assertEquals((await adapter.event("close")).code, 4007);

    await using next = await RawPair.open(adapter.url, "another code");
    await next.b.close(3999);
    await next.a.control("peer.lost");
    const { code, openMs } = await adapter.event("close");
    assertEquals(code, 3999);
    assert(openMs >= 0 && openMs < WAIT_MS);
  });

  test("hears that a connection broke", async (adapter) => {
    await using a = await RawClient.pair(adapter.url, "code", "a");
    await a.control("peer.waiting");
    {
      using _b = await joinByHand(adapter.port, "b");
      await a.control("peer.found");
    }
    await a.control("peer.lost");
    const { code } = await adapter.event("close");
    // Deno has 0 for what RFC 6455 calls 1006.
    assert([0, 1006].includes(code), `${code}`);
    assertEquals(await adapter.connections(), 1);
  });

  test("closes a client that sends a message over every limit, and tells the other", async ({ url }) => {
    await using pair = await RawPair.open(url, "code");
    pair.a.sendRaw(new Uint8Array(1_000_000));
    const code = await pair.a.closeCode();
    // The connection closes the socket, or what is beneath it does so before.
    assert([1009, 4001].includes(code), `${code}`);
    await pair.b.control("peer.lost");
    await using next = await RawPair.open(url, "another code");
    await next.check();
  });

  test("sees what waits for a client that does not read, and lets it go", async (adapter) => {
    using deaf = await joinByHand(adapter.port, "deaf");
    await deaf.read();
    await using client = await RawClient.pair(adapter.url, "code", "a");
    await client.control("peer.found");
    // The network itself takes some, so there is no saying how much it needs.
    let type = "error";
    for (let round = 0; round < 200 && type === "error"; round++) {
      type = await client.sendMebibyte();
    }
    assertEquals(type, "peer.lost");
    if (name.endsWith("Deno.serve")) {
      // Deno frees the socket when the client ends its connection, not before.
      await deaf.endWriting();
    } else {
      await deaf.ended();
    }
    assertEquals((await adapter.event("close")).code, 4009);
    assertEquals(await adapter.connections(), 1);
  });

  test(
    "refuses pages of other origins, and lets allowed ones in",
    async (adapter) => {
      const { status, code, text } = await adapter.refusal(
        "Origin: https://evil.example",
      );
      assertEquals(beforeUpgrade ? status : code, beforeUpgrade ? 403 : 1008);
      assert(text.includes("may not connect"), text);
      assertEquals((await adapter.event("refuse")).reason, "origin");
      assertEquals(await adapter.connections(), 0);
      const allowed = HANDSHAKE.replace(
        "\r\n\r\n",
        "\r\nOrigin: https://example.org\r\n\r\n",
      );
      assertEquals((await answerTo(adapter.port, allowed)).status, 101);
    },
    { allowedOrigins: ["https://example.org"] },
  );

  if (beforeUpgrade) {
    const answerFor = async (port: number, protocols: string) => {
      const header = `\r\nSec-WebSocket-Protocol: ${protocols}\r\n\r\n`;
      const request = HANDSHAKE.replace("\r\n\r\n", header);
      const { status, headers } = await answerTo(port, request);
      return [status, headers.get("sec-websocket-protocol")];
    };

    test("gives a client the first subprotocol that it offers", async ({ port }) => {
      assertEquals(await answerFor(port, "auth.abc"), [101, "auth.abc"]);
      assertEquals(await answerFor(port, "b,a , c"), [101, "b"]);
      const { headers } = await answerTo(port, HANDSHAKE);
      assertEquals(headers.get("sec-websocket-protocol"), null);
    });

    test(
      "gives a client the first of its subprotocols that is allowed, or none",
      async ({ port }) => {
        assertEquals(await answerFor(port, "c, b, a"), [101, "b"]);
        assertEquals(await answerFor(port, "c"), [101, null]);
      },
      { protocols: ["a", "b"] },
    );
  }

  test(
    "tells a page that is refused for good, and its client tries no more",
    async (adapter) => {
      const { peer, errors, dials } = await givesUp(
        adapter.url + V2,
        "https://evil.example",
      );
      // This takes far more time than the client would need to dial again.
      await using pair = await RawPair.open(adapter.url, "code");
      await pair.check();
      assertEquals([dials(), errors.map(({ code }) => code)], [1, [
        "SERVER_CLOSED",
      ]]);
      assertMatch(errors[0].message, /evil\.example may not connect.*1008/);
      assertEquals((await adapter.event("refuse")).reason, "origin");
      peer.destroy();
    },
    { allowedOrigins: ["https://example.org"] },
  );

  test(
    "tells a client when to come again, while there are too many",
    async (adapter) => {
      await using _first = await RawClient.open(adapter.url);
      await adapter.event("open");
      const { code, reason } = await toldTo(adapter.url + V2);
      assertEquals(code, 1013);
      assertMatch(reason, /^This server is full: retry in \d{4,5} ms$/);
      assertEquals((await adapter.event("refuse")).reason, "connections");
      assertEquals(await adapter.connections(), 1);
    },
    { maxConnections: 1 },
  );

  if (beforeUpgrade) {
    test(
      "refuses with a bare status where it is told to",
      async (adapter) => {
        const handshake = HANDSHAKE.replace("/ HTTP", `/${V2} HTTP`)
          .replace("\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n");
        assertEquals((await answerTo(adapter.port, handshake)).status, 403);
      },
      {
        allowedOrigins: ["https://example.org"],
        refuseBeforeUpgrade: true,
      },
    );

    test(
      "tells no more than a few, and gives the others a bare status",
      async (adapter) => {
        await using _first = await RawClient.open(adapter.url);
        await adapter.event("open");
        const handshake = HANDSHAKE.replace("/ HTTP", `/${V2} HTTP`);
        const connections: RawConnection[] = [];
        let status = 101;
        let told = 0;
        while (status === 101) {
          const connection = await RawConnection.open(adapter.port);
          connections.push(connection);
          ({ status } = await connection.request(handshake));
          if (status === 101) told++;
        }
        for (const connection of connections) connection[Symbol.dispose]();
        assertEquals(status, 503);
        // On Bun no such socket stays open, so that some more follow.
        assert(told >= 100 && told < (name.endsWith("bun alone") ? 200 : 101));
      },
      { maxConnections: 1 },
    );
  }

  test(
    "authorizes by address, headers and origin, and hands on what that gives",
    async (adapter) => {
      const url = `${adapter.url}${V2}&ticket=ours`;
      const headers = { cookie: "guest=1", origin: "https://example.org" };
      const join = (id: string, more: Record<string, string>) =>
        RawClient.pair(url, "for guests", id, {}, more);
      await using a = await join("a", headers);
      await a.control("peer.waiting");
      const { auth } = await adapter.event("open");
      assertEquals({ ...auth as object, address: null }, {
        ...headers,
        cookie: "guest=1",
        address: null,
      });
      await using b = await join("b", headers);
      await b.control("peer.found");
      await a.control("peer.found");
      await using c = await join("c", { ...headers, cookie: "guest=2" });
      assertEquals(await c.closeCode(), 4002);
    },
    { ticket: "ours" },
  );

  test(
    "tells whom authorize refuses, and its client tries no more",
    async (adapter) => {
      const url = `${adapter.url}${V2}&ticket=`;
      const { peer, errors, dials } = await givesUp(url + "theirs", "null");
      await using first = await RawClient.open(`${url}ours`);
      first.send("pair", pairData("code", "a"));
      await first.control("peer.waiting");
      assertEquals([dials(), errors.length], [1, 1]);
      assertEquals(errors[0].code, "SERVER_CLOSED");
      assertMatch(errors[0].message, /4011/);
      assertEquals((await adapter.event("refuse")).reason, "authorize");
      peer.destroy();
      assertEquals(await toldTo(`${url}expired`), {
        code: 4011,
        reason: "Your ticket has expired",
      });
      assertEquals(await adapter.connections(), 1);
      if (!beforeUpgrade) return;
      // Who is not of version 2 gets the status.
      for (
        const [ticket, expected] of [["theirs", 403], ["expired", 401]] as const
      ) {
        const request = HANDSHAKE.replace("/ HTTP", `/?ticket=${ticket} HTTP`);
        const { status, headers, body } = await answerTo(adapter.port, request);
        assertEquals(status, expected);
        if (ticket === "theirs") continue;
        assertEquals(body, "Your ticket has expired");
        assertEquals(headers.get("www-authenticate"), "Ticket");
      }
    },
    { ticket: "ours" },
  );

  test(
    "refuses for now where authorize fails, or takes too long",
    async (adapter) => {
      const url = `${adapter.url}${V2}&ticket=`;
      assertEquals((await toldTo(`${url}broken`)).code, 1011);
      assertEquals((await adapter.event("error")).option, "authorize");
      const { code, reason } = await toldTo(`${url}never`);
      assertEquals([code, reason], [4003, "no decision was made in 300 ms"]);
      assertEquals(await adapter.connections(), 0);
      if (!beforeUpgrade) return;
      for (const [ticket, expected] of [["broken", 500], ["never", 503]]) {
        const request = HANDSHAKE.replace("/ HTTP", `/?ticket=${ticket} HTTP`);
        const { status } = await answerTo(adapter.port, request);
        assertEquals(status, expected);
      }
    },
    { ticket: "ours", pairTimeout: 300 },
  );

  test(
    "counts out who leaves while it is authorized",
    async (adapter) => {
      {
        using connection = await RawConnection.open(adapter.port);
        const line = `/${V2}&ticket=late HTTP`;
        await connection.write(HANDSHAKE.replace("/ HTTP", line));
        // On ws the socket is open before.
        if (!beforeUpgrade) await connection.read();
        const counted = async () => {
          while (await adapter.connections() === 0) await aMoment();
        };
        await deadline(counted(), WAIT_MS);
      }
      const left = async () => {
        while (await adapter.connections() > 0) await aMoment();
      };
      await deadline(left(), WAIT_MS);
    },
    { ticket: "ours" },
  );

  if (!beforeUpgrade) {
    test(
      "keeps no more than a little of what comes before it is authorized",
      async (adapter) => {
        const url = `${adapter.url}${V2}&ticket=never`;
        await using client = await RawClient.open(url);
        for (let time = 0; time < 20; time++) client.send("pong");
        assertEquals(await client.closeCode(), 4001);
      },
      { ticket: "ours" },
    );
  }

  test(
    "refuses more connections than it may have, until one is closed",
    async (adapter) => {
      {
        await using _first = await RawClient.open(adapter.url);
        await adapter.event("open");
        const { status, code, retryAfter } = await adapter.refusal();
        assertEquals(beforeUpgrade ? status : code, beforeUpgrade ? 503 : 1013);
        if (beforeUpgrade) assert(Number(retryAfter) > 0);
        assertEquals((await adapter.event("refuse")).reason, "connections");
      }
      await adapter.event("close");
      await using pair = await RawClient.open(adapter.url);
      await pair.close();
    },
    { maxConnections: 1 },
  );

  test(
    "counts connections by the address that a trusted proxy names",
    async (adapter) => {
      await using proxy = reverseProxy(adapter.port, "2001:db8::1");
      await using other = reverseProxy(adapter.port, "192.0.2.1");
      const url = ({ port }: { port: number }) =>
        `http://127.0.0.1:${port}/app/socketpeer/`;
      await using a = await RawClient.pair(url(proxy), "code", "a");
      await a.control("peer.waiting");
      assertEquals((await adapter.event("open")).address, "2001:db8::/64");
      const more = RawConnection.open(proxy.port);
      using connection = await more;
      const forged = "\r\nX-Forwarded-For: 192.0.2.77\r\n\r\n";
      await connection.write(
        HANDSHAKE.replace("/socketpeer/", "/app/socketpeer/")
          .replace("\r\n\r\n", forged),
      );
      const refused = await adapter.event("refuse");
      assertEquals([refused.reason, refused.address], [
        "address",
        "2001:db8::/64",
      ]);
      await using b = await RawClient.pair(url(other), "code", "b");
      await b.control("peer.found");
      await a.control("peer.found");
      a.sendRaw(Uint8Array.of(1));
      assertEquals(await b.packet(), Uint8Array.of(1));
    },
    { trustProxy: "X-Forwarded-For", maxConnectionsPerAddress: 1 },
  );

  if (beforeUpgrade && kind !== "busy http") {
    test("answers 404 on other paths, and says which is right", async ({ port }) => {
      for (
        const path of ["/", "/socketpeers", "/x/socketpeer/", "//x/socketpeer/"]
      ) {
        const upgrade = HANDSHAKE.replace("/socketpeer/", path);
        const plain = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
        for (const request of [upgrade, plain]) {
          const { status, body } = await answerTo(port, request);
          assertEquals(status, 404, request);
          assert(body.includes("/socketpeer/"));
        }
      }
    });

    test("answers 426 to what is no request for a WebSocket", async ({ url, port }) => {
      for (const method of ["GET", "POST"]) {
        const response = await fetch(url, { method });
        assertEquals(response.status, 426);
        assertEquals(response.headers.get("upgrade"), "websocket");
        assert((await response.text()).includes("WebSocket"));
      }
      const other = HANDSHAKE.replace("Version: 13", "Version: 12");
      const { status, headers } = await answerTo(port, other);
      assertEquals(status, 426);
      assertEquals(headers.get("sec-websocket-version"), "13");
    });

    test("answers 400 to a request for a WebSocket that is incomplete", async ({ port }) => {
      for (const line of [/Sec-WebSocket-Key: .*\r\n/, /Connection: .*\r\n/]) {
        const { status } = await answerTo(port, HANDSHAKE.replace(line, ""));
        assertEquals(status, 400, `${line}`);
      }
    });

    test(
      "takes peers on the path that it is given, whatever follows it",
      async ({ port }) => {
        const url = `http://127.0.0.1:${port}/chat/ws?from=here`;
        await using pair = await RawPair.open(url, "code");
        await pair.check();
        assertEquals((await answerTo(port, HANDSHAKE)).status, 404);
      },
      { path: "/chat/ws" },
    );
  }

  if (beforeUpgrade) {
    const paths: [set: string, ...asked: string[]][] = [
      ["/socketpeer/", "/socketpeer", "//socketpeer/", "/socketpeer?from=here"],
      ["/chat", "/chat/", "/chat//"],
      ["/", "/", "/socketpeer/", "/socketpeer"],
      ["/чат/", "/чат", "/%d1%87%D0%B0%D1%82/"],
      ["/my chat", "/my chat/", "/my%20chat"],
    ];
    for (const [path, ...asked] of paths) {
      test(
        `takes peers on ${path}, however a client writes it`,
        async ({ port }) => {
          const [first, ...others] = asked;
          const url = (path: string) => `http://127.0.0.1:${port}${path}`;
          await using pair = await RawPair.open(url(first), "code");
          await pair.check();
          for (const other of others) {
            await using _client = await RawClient.open(url(other));
          }
        },
        { path },
      );
    }
  }

  if (kind === "busy http") {
    test("leaves the requests of others alone", async (adapter) => {
      const { port, url } = adapter;
      const { path, body, upgradeStatus } = OTHERS;
      const own = `http://127.0.0.1:${port}${path}`;
      assertEquals(await (await fetch(own)).text(), body);
      const upgrade = HANDSHAKE.replace("/socketpeer/", path);
      assertEquals((await answerTo(port, upgrade)).status, upgradeStatus);
      // A plain request for the path is theirs, too.
      const plain = await fetch(url);
      assertEquals([plain.status, await plain.text()], [404, body]);
      await using pair = await RawPair.open(url, "code");
      await pair.check();
      await adapter.close();
      assertEquals(await (await fetch(own)).text(), body);
      assertEquals((await answerTo(port, upgrade)).status, upgradeStatus);
    });
  }

  test("is behind a reverse proxy that mounts it under a path", async (adapter) => {
    await using proxy = reverseProxy(adapter.port, "192.0.2.1");
    const url = `http://127.0.0.1:${proxy.port}/app/socketpeer/`;
    await using pair = await RawPair.open(url, "code");
    await pair.check();
    // Nobody has said that the proxy is to be believed.
    assertEquals((await adapter.event("open")).address, undefined);
  });

  const outward = Deno.networkInterfaces()
    .find(({ address, family }) => family === "IPv4" && !/^127/.test(address));
  if (outward) {
    test(
      "tells where a client comes from, unless that is this machine",
      async (adapter) => {
        const { address } = outward;
        const url = `http://${address}:${adapter.port}/socketpeer/`;
        await using _client = await RawClient.open(url);
        assertEquals((await adapter.event("open")).address, address);
        await using _local = await RawClient.open(adapter.url);
        assertEquals((await adapter.event("open")).address, undefined);
      },
      { host: "0.0.0.0" },
    );
  }

  test("forgets clients that vanish in the handshake", async (adapter) => {
    for (let count = 0; count < 20; count++) {
      using connection = await RawConnection.open(adapter.port);
      await connection.write(HANDSHAKE);
    }
    // Those that have opened are closed; the others were never counted, or are
    // let go at the latest with one that comes after them.
    await using next = await RawClient.open(adapter.url);
    await next.close();
    await adapter.allClosed();
    assertEquals(await adapter.connections(), 0);
  });

  test("close() tells every peer when to dial again, and takes nobody in meanwhile", async (adapter) => {
    await using pair = await RawPair.open(adapter.url, "code");
    await using waiting = await RawClient.pair(adapter.url, "another", "c");
    await waiting.control("peer.waiting");
    // A client that does not answer holds the end up.
    using _silent = await RawConnection.upgrade(adapter.port);
    for (let count = 0; count < 4; count++) await adapter.event("open");
    const closing = adapter.close({ drainTimeout: 700 });
    assertEquals((await adapter.event("drain")).connections, 4);
    // Bun waits for no answer to a close, so it does not listen any more.
    if (!name.endsWith("bun alone")) {
      const { status, code, retryAfter } = await adapter.refusal();
      assertEquals(beforeUpgrade ? status : code, beforeUpgrade ? 503 : 1012);
      if (beforeUpgrade) assert(Number(retryAfter) > 0);
      assertEquals((await adapter.event("refuse")).reason, "closing");
    }

    const reasons: string[] = [];
    for (const client of [pair.a, pair.b, waiting]) {
      const { code, reason } = await deadline(client.closed, WAIT_MS);
      assertEquals(code, 1012);
      assertMatch(reason, /retry in \d{1,2} ms$/);
      reasons.push(reason);
    }
    assertEquals(reasons[0], reasons[1]);
    await closing;
    for (let count = 0; count < 3; count++) {
      const event = await adapter.event("close");
      assertEquals([event.code, reasons.includes(event.reason)], [1012, true]);
    }
  });

  test("close() cuts off who does not answer", async (adapter) => {
    using silent = await RawConnection.upgrade(adapter.port);
    await adapter.event("open");
    await adapter.close({ drainTimeout: 50 });
    // Deno can't: there, ending its process does.
    if (name.endsWith("Deno.serve")) return;
    // The end comes long before the server gives up waiting for the closing
    // handshake.
    await deadline(silent.ended(), 3000);
    await adapter.event("close");
    assertEquals(await adapter.connections(), 0);
  });

  test("close() harms nothing when it is called again", async (adapter) => {
    await Promise.all([adapter.close(), adapter.close()]);
    await adapter.close();
  });

  test("stands garbage, and another pair goes on", async ({ port, url }) => {
    await using pair = await RawPair.open(url, "another code");
    for (
      const bytes of [
        Uint8Array.of(0x81, 0x02, 0x68, 0x69),
        webSocketFrame(1, Uint8Array.of(0xff, 0xfe)),
        webSocketFrame(8, Uint8Array.of(3)),
        webSocketFrame(9, new Uint8Array(200)),
        webSocketFrame(0, "x"),
        Uint8Array.of(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0),
        new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
      ]
    ) {
      using connection = await joinByHand(port, "a");
      await connection.write(bytes);
      await pair.check();
    }
    for (
      const request of ["\0\0\r\n\r\n", "GET\r\n\r\n", HANDSHAKE.slice(0, -2)]
    ) {
      using connection = await RawConnection.open(port);
      await connection.write(request);
      await pair.check();
    }
  });

  test("tells no pair code and no key", async (adapter) => {
    const events = adapter.events;
    {
      await using pair = await RawPair.open(adapter.url, "a secret code");
      await using third = await RawClient.pair(
        adapter.url,
        "a secret code",
        "c",
      );
      await third.closeCode();
      await pair.check();
    }
    await adapter.close();
    const text = JSON.stringify(events);
    assert(text.includes('"open"') && text.includes('"close"'));
    assert(!text.includes("secret") && !text.includes("key of"), text);
  });
}

/** What a server stands on, by how a test's name says it. */
export const KINDS: Readonly<Record<string, HostKind>> = {
  "alone": "alone",
  "on node:http": "http",
  "on node:http with other listeners": "busy http",
  "on ws": "ws",
};

/** Runs the suite over each adapter in processes of a runtime. */
export function runtimeSuite(command: "node" | "bun", leastMajor: number) {
  const found = findRuntime(command, leastMajor);
  if ("missing" in found) {
    // Counted, and said aloud: nothing here has shown that it works there.
    Deno.test.ignore(
      `SocketPeerServer of ${command}: not tested, as ${found.missing}`,
      () => {},
    );
    return;
  }
  for (const [on, kind] of Object.entries(KINDS)) {
    adapterSuite(
      `SocketPeerServer of ${command} ${on}`,
      kind,
      (...args) => startProcess(command, ...args),
    );
  }
}
