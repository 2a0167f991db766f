import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { deadline } from "@std/async";
import { type ListeningServer, SocketPeerServer } from "../../server.ts";
import {
  HANDSHAKE,
  pairData,
  RawClient,
  RawConnection,
  RawPair,
  webSocketFrame,
} from "../support/raw_client.ts";
import { startServer, type TestServer } from "../support/start_server.ts";

const WAIT_MS = 10_000;

/** Where peers connect to. */
function peersUrl({ url }: TestServer): string {
  return `${url}/socketpeer/`;
}

/** The answer to one request, written by hand. */
async function answerTo(port: number, request: string) {
  using connection = await RawConnection.open(port);
  return await connection.request(request);
}

/** A request for a WebSocket with one more header. */
function handshakeWith(header: string): string {
  return HANDSHAKE.replace("\r\n\r\n", `\r\n${header}\r\n\r\n`);
}

function handshakeWithout(name: string): string {
  return HANDSHAKE.split("\r\n")
    .filter((line, index) => index === 0 || !line.startsWith(`${name}:`))
    .join("\r\n");
}

Deno.test("SocketPeerServer listens on any free port, and tells where", async () => {
  await using server = startServer();
  const address = await server.peerServer.ready;
  assertEquals(address, { hostname: "127.0.0.1", port: server.port });
  assert(address.port > 0);
  assertEquals(server.peerServer.socket, null);
  await using pair = await RawPair.open(peersUrl(server), "code");
  await pair.check();
});

Deno.test("SocketPeerServer throws where the port is taken", async () => {
  await using server = startServer();
  const { port } = server;
  assertThrows(
    () => new SocketPeerServer({ host: "127.0.0.1", port }),
    Deno.errors.AddrInUse,
  );
});

Deno.test("SocketPeerServer answers 404 on any other path", async () => {
  await using server = startServer();
  for (
    const path of [
      "/",
      "/socketpeer/x",
      "/SocketPeer/",
      "/x/socketpeer/",
    ]
  ) {
    const response = await fetch(server.url + path);
    assertEquals(response.status, 404, path);
    assert((await response.text()).includes("/socketpeer/"));
    const upgrade = HANDSHAKE.replace("/socketpeer/", path);
    assertEquals((await answerTo(server.port, upgrade)).status, 404, path);
  }
});

Deno.test("SocketPeerServer answers 426 to what is no request for a WebSocket", async () => {
  await using server = startServer();
  for (const method of ["GET", "POST", "DELETE"]) {
    const response = await fetch(peersUrl(server), { method });
    assertEquals(response.status, 426);
    assertEquals(response.headers.get("upgrade"), "websocket");
    assert((await response.text()).includes("WebSocket"));
  }
  const other = HANDSHAKE.replace("Upgrade: websocket", "Upgrade: h2c");
  assertEquals((await answerTo(server.port, other)).status, 426);
});

Deno.test("SocketPeerServer takes a WebSocket whatever follows the path", async () => {
  await using server = startServer();
  await using client = await RawClient.pair(
    `${peersUrl(server)}?from=here`,
    "code",
    "a",
  );
  await client.control("peer.waiting");
});

Deno.test("SocketPeerServer answers 400 to a request for a WebSocket that is incomplete", async () => {
  await using server = startServer();
  for (const name of ["Sec-WebSocket-Key", "Connection"]) {
    const { status } = await answerTo(server.port, handshakeWithout(name));
    assertEquals(status, 400, `without ${name}`);
  }
});

Deno.test("SocketPeerServer answers 400 to a request whose address cannot be read", async () => {
  await using server = startServer();
  for (
    const request of [
      HANDSHAKE.replace("Host: localhost", "Host: [bad"),
      "GET /socketpeer/ HTTP/1.1\r\nHost: [bad\r\n\r\n",
      "GET http://[bad/socketpeer/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]
  ) {
    const { status } = await answerTo(server.port, request);
    assertEquals(status, 400, request);
  }
});

Deno.test("SocketPeerServer answers 403 to pages from elsewhere, before any upgrade", async () => {
  await using server = startServer({
    allowedOrigins: ["https://example.org", "http://localhost:3000/"],
  });
  for (
    const origin of [
      "https://example.com",
      "http://example.org",
      "https://example.org:8443",
      "https://example.org.evil.example",
      "https://evil.example/https://example.org",
      "null",
      "",
    ]
  ) {
    const request = handshakeWith(`Origin: ${origin}`);
    const { status, body } = await answerTo(server.port, request);
    assertEquals(status, 403, origin);
    assert(body.includes("may not connect"));
  }
});

Deno.test("SocketPeerServer lets pages of allowed origins in, and what is no page", async () => {
  await using server = startServer({
    allowedOrigins: ["https://example.org", "http://localhost:3000/"],
  });
  for (
    const request of [
      HANDSHAKE,
      handshakeWith("Origin: https://example.org"),
      handshakeWith("Origin: http://localhost:3000"),
    ]
  ) {
    assertEquals((await answerTo(server.port, request)).status, 101);
  }
});

Deno.test("SocketPeerServer lets pages of every origin in where none are named", async () => {
  await using server = startServer();
  for (const origin of ["https://example.org", "null"]) {
    const request = handshakeWith(`Origin: ${origin}`);
    assertEquals((await answerTo(server.port, request)).status, 101);
  }
});

Deno.test("SocketPeerServer.handler works inside another server, at another path", async () => {
  const peerServer = new SocketPeerServer({ listen: false, path: "/chat/ws" });
  assertEquals(peerServer.server, null);
  const { handler } = peerServer;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) =>
      new URL(request.url).pathname === "/"
        ? new Response("Hello")
        : handler(request),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  assertEquals(await (await fetch(url)).text(), "Hello");
  const elsewhere = await fetch(`${url}/socketpeer/`);
  assertEquals(elsewhere.status, 404);
  assert((await elsewhere.text()).includes("/chat/ws"));

  await using pair = await RawPair.open(`${url}/chat/ws`, "code");
  await pair.check();
  await peerServer.close();
  assertEquals(await pair.a.closeCode(), 1012);
  assertEquals(await pair.b.closeCode(), 1012);

  // The other server goes on, and this one takes nobody in any more.
  assertEquals(await (await fetch(url)).text(), "Hello");
  const upgrade = HANDSHAKE.replace("/socketpeer/", "/chat/ws");
  assertEquals((await answerTo(server.addr.port, upgrade)).status, 503);
});

Deno.test("SocketPeerServer pairs two and tells each of the other", async () => {
  await using server = startServer();
  await using a = await RawClient.pair(peersUrl(server), "code", "a");
  assertEquals(await a.control("peer.waiting"), { interval: 15_000 });
  const hello = {
    received: 7,
    webrtc: true,
    relay: true,
    maxMessageBytes: 9,
    more: ["later"],
  };
  await using b = await RawClient.pair(peersUrl(server), "code", "b", {
    hello,
  });
  assertEquals(await a.control("peer.found"), {
    interval: 15_000,
    initiator: false,
    id: "b",
    hello,
  });
  assertEquals(await b.control("peer.found"), {
    interval: 15_000,
    initiator: true,
    id: "a",
    hello: pairData("code", "a").hello,
  });
});

Deno.test("SocketPeerServer takes pair codes in any script", async () => {
  await using server = startServer();
  for (const code of ["🦊🐻", "žluťoučký kůň", "\0\n", "x".repeat(256)]) {
    await using pair = await RawPair.open(peersUrl(server), code);
    await pair.check();
  }
});

Deno.test("SocketPeerServer relays packets and signals unread and in order", async () => {
  await using server = startServer();
  await using pair = await RawPair.open(peersUrl(server), "code");
  const { a, b } = pair;
  for (const [from, to] of [[a, b], [b, a]]) {
    const sent: (string | Uint8Array<ArrayBuffer>)[] = [];
    for (let index = 0; index < 300; index++) {
      if (index % 3 === 0) {
        sent.push(
          ` {"data":{"generation":${index}.0,"candidate":null,"é":[1e2]},` +
            `"type":"rtc.signal"} `,
        );
      } else {
        // None of them is a packet that a peer would send.
        const size = [0, 1, 7, 65_536][index % 4];
        sent.push(new Uint8Array(size).fill(index));
      }
    }
    for (const message of sent) from.sendRaw(message);
    for (const message of sent) assertEquals(await to.next(), message);
    assert(from.quiet && to.quiet);
  }
});

Deno.test("SocketPeerServer closes a client that sends too large a packet, and tells the other", async () => {
  await using server = startServer();
  await using pair = await RawPair.open(peersUrl(server), "code");
  pair.a.sendRaw(new Uint8Array(65_537));
  assertEquals(await pair.a.closeCode(), 4001);
  assertEquals(await pair.b.control("peer.lost"), undefined);
  assert(pair.b.quiet);
});

Deno.test("SocketPeerServer tells the third peer of a pair busy and leaves the first two alone", async () => {
  await using server = startServer();
  await using pair = await RawPair.open(peersUrl(server), "code");
  for (const id of ["c", "d"]) {
    await using third = await RawClient.pair(peersUrl(server), "code", id);
    assertEquals(await third.closeCode(), 4005);
    assert(third.quiet);
  }
  await pair.check();
});

Deno.test("SocketPeerServer gives a place to the newer socket of its owner alone", async () => {
  await using server = startServer();
  const url = peersUrl(server);
  await using pair = await RawPair.open(url, "code");
  await using thief = await RawClient.pair(url, "code", "a", { key: "guess" });
  assertEquals(await thief.closeCode(), 4005);
  await pair.check();

  await using newA = await RawClient.pair(url, "code", "a", { partner: "b" });
  assertEquals(await pair.a.closeCode(), 4006);
  assertEquals((await newA.control("peer.found")).initiator, false);
  assertEquals((await pair.b.control("peer.found")).initiator, true);
  newA.sendRaw(Uint8Array.of(1, 2));
  assertEquals(await pair.b.packet(), Uint8Array.of(1, 2));
});

Deno.test("SocketPeerServer tells the other peer of a connection that breaks, and of its return", async () => {
  await using server = startServer();
  const url = peersUrl(server);
  await using a = await RawClient.pair(url, "code", "a");
  await a.control("peer.waiting");
  {
    // Not even a close frame comes from this client.
    using b = await RawConnection.upgrade(server.port);
    const data = pairData("code", "b");
    await b.write(webSocketFrame(1, JSON.stringify({ type: "pair", data })));
    await a.control("peer.found");
  }
  await a.control("peer.lost");
  // Nobody gets this, and nobody minds.
  a.sendRaw(new Uint8Array(6));
  a.send("rtc.connect", { generation: 1 });
  await a.heard();

  const hello = { ...pairData("code", "b").hello as object, received: 12 };
  await using b = await RawClient.pair(url, "code", "b", {
    partner: "a",
    hello,
  });
  assertEquals((await b.control("peer.found")).id, "a");
  assertEquals((await a.control("peer.found")).hello.received, 12);
  b.sendRaw(Uint8Array.of(3));
  assertEquals(await a.packet(), Uint8Array.of(3));
});

Deno.test("SocketPeerServer ends the other peer's conversation when one leaves", async () => {
  await using server = startServer();
  await using pair = await RawPair.open(peersUrl(server), "code");
  await pair.a.close(4000);
  assertEquals(await pair.b.closeCode(), 4007);
  // Both places are free.
  await using c = await RawClient.pair(peersUrl(server), "code", "c");
  await c.control("peer.waiting");
  await using d = await RawClient.pair(peersUrl(server), "code", "d");
  await d.control("peer.found");
});

Deno.test("SocketPeerServer brings a pair together again after a restart", async () => {
  const old = startServer();
  const { port } = old;
  const url = peersUrl(old);
  await using pair = await RawPair.open(url, "code");
  await old[Symbol.asyncDispose]();
  await pair.a.closeCode();
  await pair.b.closeCode();

  await using _server = startServer({ port });
  await using stranger = await RawClient.pair(url, "code", "s");
  await stranger.control("peer.waiting");
  await using b = await RawClient.pair(url, "code", "b", { partner: "a" });
  assertEquals(await stranger.closeCode(), 4005);
  await b.control("peer.waiting");
  await using a = await RawClient.pair(url, "code", "a", { partner: "b" });
  assertEquals((await a.control("peer.found")).id, "b");
  assertEquals((await b.control("peer.found")).id, "a");
});

Deno.test("SocketPeerServer lets a peer go that waits longer than peerTimeout", async () => {
  await using server = startServer({ peerTimeout: 50 });
  await using client = await RawClient.pair(peersUrl(server), "code", "a");
  await client.control("peer.waiting");
  const { code, reason } = await deadline(client.closed, WAIT_MS);
  assertEquals(code, 4004);
  assert(reason.includes("50 ms"), reason);
});

Deno.test("SocketPeerServer asks pairCodeValidator, and says no where it does", async () => {
  const asked: string[] = [];
  await using server = startServer({
    async pairCodeValidator(pairCode) {
      asked.push(pairCode);
      // The validator takes a turn, as one does that looks a code up somewhere.
      await new Promise((resolve) => setTimeout(resolve));
      if (pairCode === "broken") throw new Error("The database is down");
      return pairCode.startsWith("good");
    },
  });
  for (const code of ["bad", "broken"]) {
    await using client = await RawClient.pair(peersUrl(server), code, "a");
    assertEquals(await client.closeCode(), 4002);
    assert(client.quiet);
  }
  await using pair = await RawPair.open(peersUrl(server), "good one");
  await pair.check();
  assertEquals(asked, ["bad", "broken", "good one", "good one"]);
});

Deno.test("SocketPeerServer.leave() ends a conversation at both ends", async () => {
  await using server = startServer();
  await using pair = await RawPair.open(peersUrl(server), "code");
  await using other = await RawPair.open(peersUrl(server), "another code");
  assertFalse(await server.peerServer.leave("no such code"));
  assert(await server.peerServer.leave("code"));
  assertEquals(await pair.a.closeCode(), 4008);
  assertEquals(await pair.b.closeCode(), 4008);
  assertFalse(await server.peerServer.leave("code"));
  await other.check();
});

Deno.test("SocketPeerServer tells one whose connection broke that its conversation is over", async () => {
  await using server = startServer();
  const url = peersUrl(server);
  for (const [code, end] of [["left", 4007], ["ended", 4008]] as const) {
    await using pair = await RawPair.open(url, code);
    const { a, b } = pair;
    // No close frame, as when the network goes.
    await b.close(3000);
    await a.control("peer.lost");
    if (code === "left") await a.close();
    else assert(await server.peerServer.leave(code));
    await a.closed;
    await using back = await RawClient.pair(url, code, "b", { partner: "a" });
    assertEquals(await back.closeCode(), end);
    assertFalse(await server.peerServer.leave(code));
  }
});

Deno.test("SocketPeerServer.leave() lets a peer go that waits", async () => {
  await using server = startServer();
  await using client = await RawClient.pair(peersUrl(server), "code", "a");
  await client.control("peer.waiting");
  assert(await server.peerServer.leave("code"));
  assertEquals(await client.closeCode(), 4008);
});

Deno.test("SocketPeerServer.close() closes every connection and stops listening", async () => {
  await using server = startServer();
  await using pair = await RawPair.open(peersUrl(server), "code");
  await using waiting = await RawClient.pair(peersUrl(server), "2", "c");
  await waiting.control("peer.waiting");
  await using silent = await RawClient.open(peersUrl(server));
  for (const client of [pair.a, pair.b, waiting]) await client.heard();
  await deadline(server.peerServer.close(), WAIT_MS);
  for (const client of [pair.a, pair.b, waiting, silent]) {
    assertEquals(await client.closeCode(), 1012);
  }
  await assertRejects(
    () => Deno.connect({ hostname: "127.0.0.1", port: server.port }),
    Deno.errors.ConnectionRefused,
  );
  const { finished } = server.peerServer.server as ListeningServer;
  await deadline(finished, WAIT_MS);
});

Deno.test("SocketPeerServer.close() says that it goes away to clients that are sending, too", async () => {
  await using server = startServer();
  await using pair = await RawPair.open(peersUrl(server), "code");
  pair.a.sendRaw(new Uint8Array(65_536));
  await deadline(server.peerServer.close(), WAIT_MS);
  // What is still under way to a socket that is gone breaks the connection,
  // and the close frame is lost with it.
  assertEquals(await pair.a.closeCode(), 1012);
  assertEquals(await pair.b.closeCode(), 1012);
});

Deno.test("SocketPeerServer.close() harms nothing when it is called again", async () => {
  await using server = startServer();
  const { peerServer } = server;
  await deadline(
    Promise.all([peerServer.close(), peerServer.close()]),
    WAIT_MS,
  );
  await deadline(peerServer.close(), WAIT_MS);
  assertFalse(await peerServer.leave("code"));
});

Deno.test("SocketPeerServer.close() does not wait for clients that do not answer", async () => {
  await using server = startServer();
  // One client closes nothing, one has asked for nothing yet.
  using joined = await RawConnection.upgrade(server.port);
  const data = pairData("code", "a");
  await joined.write(webSocketFrame(1, JSON.stringify({ type: "pair", data })));
  await joined.read();
  using _idle = await RawConnection.open(server.port);
  await deadline(server.peerServer.close(), WAIT_MS);
});

Deno.test("SocketPeerServer gives up a client that does not read, and tells the other", async () => {
  await using server = startServer();
  using deaf = await RawConnection.upgrade(server.port);
  const data = pairData("code", "deaf");
  await deaf.write(webSocketFrame(1, JSON.stringify({ type: "pair", data })));
  await deaf.read();
  await using client = await RawClient.pair(peersUrl(server), "code", "a");
  await client.control("peer.found");

  // The network itself takes some, so there is no saying how much it needs.
  let type = "error";
  for (let round = 0; round < 100 && type === "error"; round++) {
    type = await client.sendMebibyte();
  }
  assertEquals(type, "peer.lost");
  await using pair = await RawPair.open(peersUrl(server), "another code");
  await pair.check();
});

/** Messages that a WebSocket carries, and no peer sends. */
const GARBAGE: readonly (string | Uint8Array<ArrayBuffer>)[] = [
  "",
  "hello",
  "null",
  "[]",
  "{}",
  '{"type":"pair"}',
  '{"type":"pair","data":["code"]}',
  '{"type":["pair"],"data":{}}',
  '{"type":"data","data":"hello"}',
  '{"type":"rtc.signal","data":{"generation":-1}}',
  '{"type":"peer.found","data":{}}',
  "[".repeat(60_000),
  "x".repeat(1_000_000),
  "\0".repeat(1000),
  JSON.stringify({ type: "pair", data: pairData("x".repeat(10_000), "a") }),
  new Uint8Array(0),
  new Uint8Array(6),
  new Uint8Array(1_000_000),
];

Deno.test("SocketPeerServer stands messages of all kinds, and another pair goes on", async () => {
  await using server = startServer();
  const url = peersUrl(server);
  await using pair = await RawPair.open(url, "code");
  for (const garbage of GARBAGE) {
    // One client has no place, one has a place.
    await using stranger = await RawClient.open(url);
    stranger.sendRaw(garbage);
    await using joined = await RawClient.pair(url, "another code", "j");
    await joined.control("peer.waiting");
    joined.sendRaw(garbage);
    if (typeof garbage === "string") {
      await stranger.control("error");
      assertEquals(await stranger.closeCode(), 4001);
      await joined.control("error");
      await joined.heard();
    } else if (garbage.length > 65_536) {
      assertEquals(await stranger.closeCode(), 4001);
      assertEquals(await joined.closeCode(), 4001);
    } else {
      // A packet for nobody.
      await joined.heard();
    }
    await pair.check();
  }
});

/** What no WebSocket client writes, after the handshake. */
const BROKEN_FRAMES: Readonly<Record<string, Uint8Array>> = {
  "not masked": Uint8Array.of(0x81, 0x02, 0x68, 0x69),
  "a reserved opcode": Uint8Array.of(0x83, 0x80, 0, 0, 0, 0),
  "reserved bits": Uint8Array.of(0xf1, 0x80, 0, 0, 0, 0),
  "text that is not UTF-8": webSocketFrame(1, Uint8Array.of(0xff, 0xfe)),
  "a close code of one byte": webSocketFrame(8, Uint8Array.of(3)),
  "a close code that must not be sent": webSocketFrame(
    8,
    Uint8Array.of(0x03, 0xed),
  ),
  "a close reason that is not UTF-8": webSocketFrame(
    8,
    Uint8Array.of(0x0f, 0xa0, 0xff),
  ),
  "a ping that is too long": webSocketFrame(9, new Uint8Array(200)),
  "a continuation of nothing": webSocketFrame(0, "x"),
  "a frame of 2^63 bytes": Uint8Array.of(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0),
  "a frame of 1 GiB": Uint8Array.of(0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0),
  "no WebSocket at all": new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
};

Deno.test("SocketPeerServer stands frames of all kinds, and another pair goes on", async () => {
  await using server = startServer();
  await using pair = await RawPair.open(peersUrl(server), "code");
  for (const [name, bytes] of Object.entries(BROKEN_FRAMES)) {
    for (const cut of [false, true]) {
      using connection = await RawConnection.upgrade(server.port);
      const data = pairData(name, "a");
      const text = JSON.stringify({ type: "pair", data });
      await connection.write(webSocketFrame(1, text));
      await connection.read();
      await connection.write(cut ? bytes.subarray(0, -1) : bytes);
    }
    await pair.check();
  }
});

Deno.test("SocketPeerServer stands requests of all kinds, and another pair goes on", async () => {
  await using server = startServer();
  await using pair = await RawPair.open(peersUrl(server), "code");
  for (
    const request of [
      "\r\n\r\n",
      "\0\0\0\0\r\n\r\n",
      "hello\r\n\r\n",
      "GET\r\n\r\n",
      "GET /socketpeer/ HTTP/9.9\r\n\r\n",
      `GET /${"x".repeat(100_000)} HTTP/1.1\r\n\r\n`,
      `GET /socketpeer/ HTTP/1.1\r\n${"x: y\r\n".repeat(1000)}\r\n`,
      "POST /socketpeer/ HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\nx",
      "POST /socketpeer/ HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "CONNECT example.org:80 HTTP/1.1\r\n\r\n",
      HANDSHAKE.slice(0, -2),
    ]
  ) {
    using connection = await RawConnection.open(server.port);
    await connection.write(request);
  }
  await pair.check();
});
