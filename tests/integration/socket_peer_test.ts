/**
 * SocketPeer as programs use it: a real server, real WebSockets, and real data
 * channels of npm's wrtc.
 */

import wrtc from "@roamhq/wrtc";
import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { SocketPeer, type SocketPeerOptions } from "../../client.ts";
import { SocketPeerServer } from "../../server.ts";
import { WebSocket as NpmWebSocket } from "ws";
import type { WebRtc, WebSocketLike } from "../../src/runtime.ts";
import { next } from "../support/next_event.ts";
import { record } from "../support/recorder.ts";
import { startServer } from "../support/start_server.ts";

const PATIENCE_MS = 15_000;

/** Resolves when a peer has so many messages. */
function messages(peer: SocketPeer, count: number): Promise<unknown[]> {
  const got: unknown[] = [];
  return deadline(
    new Promise((resolve) => {
      peer.on("data", (message) => {
        got.push(message);
        if (got.length === count) resolve(got);
      });
    }),
    PATIENCE_MS,
  );
}

/** Makes peers of one server, and closes them when the scope is left. */
function peers(url: string) {
  const made: SocketPeer[] = [];
  return {
    peer(options: SocketPeerOptions = {}): SocketPeer {
      const peer = new SocketPeer({ pairCode: "code", url, ...options });
      made.push(peer);
      return peer;
    },
    /** Destroys all peers at once: none has a partner left to wait for. */
    async [Symbol.asyncDispose]() {
      for (const peer of made) peer.destroy();
      // A data channel's last acknowledgement may be on its way.
      await Promise.resolve();
    },
  };
}

Deno.test("SocketPeer exchanges every kind of message over a real relay", async () => {
  await using server = startServer();
  await using made = peers(server.url);
  const [a, b] = [made.peer(), made.peer()];
  const sent = [
    "",
    "text \u0000 \ufeffé 🍐",
    { list: [1, -2.5, null, true], nested: { text: "x" } },
    null,
    0,
    false,
    [],
    new Uint8Array([0, 255]),
    new Uint8Array(0),
    { name: "x", none: null, data: [new Uint8Array([1, 0]), null] },
    { large: new Uint8Array(200_000).fill(7) },
  ];
  const arrived = messages(b, sent.length + 3);
  for (const message of sent) a.send(message);
  a.send(new Uint16Array([258]));
  a.send(new DataView(new Uint8Array([9, 8, 7]).buffer, 1, 1));
  a.send(new Blob(["blob"]));
  assertEquals(await arrived, [
    ...sent,
    new Uint8Array(new Uint16Array([258]).buffer),
    new Uint8Array([8]),
    new TextEncoder().encode("blob"),
  ]);
  assertEquals(a.path, "relay");
});

Deno.test("SocketPeer carries 20 MB over the relay and over a data channel", async () => {
  await using server = startServer();
  for (const options of [{}, { wrtc: wrtc as unknown as WebRtc }]) {
    await using made = peers(server.url);
    const [a, b] = [made.peer(options), made.peer(options)];
    const ready = options.wrtc ? "upgrade" : "connect";
    await Promise.all([next(a, ready), next(b, ready)]);
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    const large = new Uint8Array(20_000_000).map((_, index) =>
      bytes[index & 65_535] ^ index >> 16
    );
    const [arrived, drained] = [next(b, "data"), next(a, "drain")];
    assertEquals(a.send(large), false);
    const [message] = await arrived;
    assert(message instanceof Uint8Array);
    assert(large.every((byte, index) => byte === message[index]));
    await drained;
    assertEquals(a.path, options.wrtc ? "direct" : "relay");
  }
});

Deno.test("SocketPeer loses nothing while both sides send through an upgrade", async () => {
  await using server = startServer();
  await using made = peers(server.url);
  const options = { wrtc: wrtc as unknown as WebRtc };
  const [a, b] = [made.peer(options), made.peer(options)];
  const count = 5000;
  const arrived = [messages(a, count), messages(b, count)];
  const upgraded = [next(a, "upgrade"), next(b, "upgrade")];
  // One message in each turn, so that they go on through the change of path.
  for (let index = 0; index < count; index++) {
    a.send(index);
    b.send(index);
    if (index % 50 === 49) {
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  await Promise.all(upgraded);
  const expected = Array.from({ length: count }, (_, index) => index);
  assertEquals(await Promise.all(arrived), [expected, expected]);
});

Deno.test("SocketPeer survives a server that is killed and started again", async () => {
  const first = startServer();
  const { port } = first;
  await using made = peers(first.url);
  const options = { reconnectDelay: 50 };
  const [a, b] = [made.peer(options), made.peer(options)];
  await Promise.all([next(a, "connect"), next(b, "connect")]);
  const arrived = messages(b, 3);
  a.send("before");
  const lost = next(a, "statechange");
  await first[Symbol.asyncDispose]();
  await lost;
  a.send("while it was gone");
  const back = [next(a, "reconnect"), next(b, "reconnect")];
  await using _second = startServer({ port });
  await Promise.all(back);
  a.send("after");
  assertEquals(await arrived, ["before", "while it was gone", "after"]);
});

Deno.test("SocketPeer goes on over its data channel while the server is gone", async () => {
  const first = startServer();
  const { port } = first;
  await using made = peers(first.url);
  const options = { wrtc: wrtc as unknown as WebRtc, reconnectDelay: 50 };
  const [a, b] = [made.peer(options), made.peer(options)];
  await Promise.all([next(a, "upgrade"), next(b, "upgrade")]);
  const recording = record(b);
  await first[Symbol.asyncDispose]();
  const arrived = next(b, "data");
  a.send("direct");
  assertEquals(await arrived, ["direct"]);
  await using _second = startServer({ port });
  const [direct, relayed] = [next(b, "data"), next(a, "data")];
  a.send("still");
  b.send("both ways");
  assertEquals([await direct, await relayed], [["still"], ["both ways"]]);
  assertEquals(recording.events, []);
});

Deno.test("SocketPeer is told when the other one closes, and finds the next", async () => {
  await using server = startServer();
  await using made = peers(server.url);
  const [a, b] = [made.peer(), made.peer()];
  await Promise.all([next(a, "connect"), next(b, "connect")]);
  const closed = [next(a, "close"), next(b, "close")];
  const last = next(b, "data");
  a.send("last words");
  a.close();
  assertEquals(await last, ["last words"]);
  assertEquals(await Promise.all(closed), [
    [{ reason: "local", unacknowledged: 0, clean: false }],
    [{ reason: "remote", unacknowledged: 0, clean: true }],
  ]);
  const again = next(b, "connect");
  a.connect();
  await again;
});

Deno.test("SocketPeer.connect() fails clearly where there is no server", async () => {
  // Bound and closed again: nobody listens on it.
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr;
  listener.close();
  const url = `http://127.0.0.1:${port}/chat/?token=secret`;
  await using made = peers(url);
  const [error] = await next(made.peer(), "connect_error");
  assertEquals([error.code, error.message], [
    "SOCKET",
    `Cannot connect as ws://127.0.0.1:${port}/chat/ is away, or refuses ` +
    `(close code none)`,
  ]);
});

Deno.test("SocketPeer whose pair code is refused does not try again", async () => {
  const asked: string[] = [];
  await using server = startServer({
    pairCodeValidator: (pairCode) => {
      asked.push(pairCode);
      return Promise.resolve(pairCode !== "bad");
    },
  });
  await using made = peers(server.url);
  const peer = made.peer({ pairCode: "bad", reconnectDelay: 0 });
  const recording = record(peer);
  const [error] = await next(peer, "connect_error");
  assertEquals(error.code, "PAIR_CODE_REFUSED");
  assert(!error.message.includes("bad"), "the code is kept out of it");
  // Others are served meanwhile; by then it would have come again.
  const [a] = [made.peer(), made.peer()];
  await next(a, "connect");
  assertEquals(asked, ["bad", "code", "code"]);
  assertEquals(recording.states.at(-1), "idle");
});

Deno.test("SocketPeerServer.leave() ends both sides of a conversation on a data channel", async () => {
  await using server = startServer();
  await using made = peers(server.url);
  const options = { wrtc: wrtc as unknown as WebRtc };
  const [a, b] = [made.peer(options), made.peer(options)];
  await Promise.all([next(a, "upgrade"), next(b, "upgrade")]);
  const closed = [next(a, "close"), next(b, "close")];
  assertEquals(await server.peerServer.leave("code"), true);
  for (const [info] of await Promise.all(closed)) {
    assertEquals(info, { reason: "server", unacknowledged: 0, clean: false });
  }
  assertEquals([a.path, b.path], [null, null]);
  assertEquals(await server.peerServer.leave("code"), false);
});

Deno.test("SocketPeer takes sockets of the caller, one or one for each attempt", async () => {
  await using server = startServer();
  const address = `${server.url.replace("http", "ws")}/socketpeer/`;
  await using made = peers("http://127.0.0.1:1");
  let dialed = 0;
  const a = made.peer({
    socket: () => {
      dialed++;
      return Promise.resolve(
        new NpmWebSocket(address) as unknown as WebSocketLike,
      );
    },
  });
  const open = new WebSocket(address);
  await new Promise((resolve) => open.onopen = resolve);
  const b = made.peer({ socket: open as unknown as WebSocketLike });
  const arrived = next(b, "data");
  a.send(new Uint8Array([1, 2]));
  assertEquals(await arrived, [new Uint8Array([1, 2])]);
  assertEquals(dialed, 1);
  const closed = next(b, "close");
  open.close();
  assertEquals((await closed)[0].reason, "lost");
});

Deno.test("SocketPeerServer mounted in another server takes peers on its own path", async () => {
  const peerServer = new SocketPeerServer({ listen: false, path: "/pairs" });
  const server = Deno.serve({ port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    return pathname === "/pairs"
      ? peerServer.handler(request)
      : new Response("mine");
  });
  const url = `http://localhost:${server.addr.port}`;
  assertEquals(await (await fetch(url)).text(), "mine");
  {
    await using made = peers(`${url}/pairs`);
    const [a, b] = [made.peer(), made.peer()];
    const arrived = next(b, "data");
    a.send("mounted");
    assertEquals(await arrived, ["mounted"]);
  }
  await peerServer.close();
  await server.shutdown();
});
