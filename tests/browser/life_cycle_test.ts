/** How conversations begin, go on and end, in a real browser. */

import { assertEquals, assertLess } from "@std/assert";
import {
  type BrowserPair,
  browserPair,
  exceptFailedSockets,
  PagePeer,
  shareBrowser,
  Traffic,
} from "../support/browser_pair.ts";
import { startServer } from "../support/start_server.ts";

shareBrowser();

const PATHS = ["relay", "direct"] as const;

/** Two peers that talk over this path. */
async function connect(
  path: "relay" | "direct",
  url: string,
): Promise<BrowserPair> {
  const pair = await browserPair(path === "relay" ? "/?no-webrtc" : "/");
  await pair.start({ url, reconnectDelay: 100 });
  await pair.each((peer) =>
    peer.until(path === "relay" ? "connect" : "upgrade")
  );
  return pair;
}

/** A further peer for the same code, or another, in a page of its own. */
async function addPeer(
  pair: BrowserPair,
  url: string,
  pairCode = "pair",
): Promise<PagePeer> {
  const peer = new PagePeer(await pair.open());
  await peer.start({ pairCode, url, reconnectDelay: 100 });
  return peer;
}

for (const path of PATHS) {
  Deno.test(`SocketPeer is told busy as the third of a pair, which notices nothing (${path})`, async () => {
    await using server = startServer();
    await using pair = await connect(path, server.url);
    const traffic = await Traffic.start(pair.peers);
    await traffic.flow();
    const before = await pair.each((peer) => peer.events());

    const third = await addPeer(pair, server.url);
    // The third peer tries again, and is told again.
    assertEquals(await third.until("busy", 2), ["BUSY", "BUSY"]);
    assertEquals(
      (await third.events()).slice(0, 3),
      ["busy", "connect_error", "error"],
    );
    assertEquals((await third.until("connect_error"))[0], "BUSY");
    await traffic.flow();
    await traffic.stop();

    assertEquals(await pair.each((peer) => peer.events()), before);
    assertEquals(pair.errors, []);
  });

  for (const way of ["closed", "left for another page"]) {
    Deno.test(`SocketPeer is told at once that the other one's tab is ${way}, and takes the next peer (${path})`, async () => {
      await using server = startServer();
      await using pair = await connect(path, server.url);
      const stays = pair.peers[0];
      const leaves = pair.pages[1];
      await pair.each((peer) => peer.send("a word"));
      await pair.each((peer) => peer.untilIdle());

      const leftAt = performance.now();
      if (way === "closed") await leaves.close();
      else await leaves.goto("about:blank");
      assertEquals(await stays.until("close"), [
        { reason: "remote", unacknowledged: 0, clean: false },
      ]);
      // WebRTC alone takes five seconds to suspect something.
      assertLess(performance.now() - leftAt, 5000);

      const next = await addPeer(pair, server.url);
      await next.until("connect");
      await stays.until("connect", 2);
      await next.send("another word");
      await stays.untilMessages(2);
      assertEquals(await stays.run(() => recorder.messages), [
        "a word",
        "another word",
      ]);
      assertEquals(pair.errors, []);
    });
  }

  Deno.test(`SocketPeerServer.leave() ends a conversation for good on both sides (${path})`, async () => {
    await using server = startServer();
    await using pair = await connect(path, server.url);
    await pair.each((peer) => peer.untilIdle());
    const before = await pair.each((peer) => peer.events());

    assertEquals(await server.peerServer.leave("pair"), true);
    for (const peer of pair.peers) {
      assertEquals(await peer.until("close"), [
        { reason: "server", unacknowledged: 0, clean: false },
      ]);
    }

    // If they came back, they would be in the way of the next two.
    const next = [
      await addPeer(pair, server.url),
      await addPeer(pair, server.url),
    ];
    for (const peer of next) await peer.until("connect");
    for (const [i, peer] of pair.peers.entries()) {
      assertEquals(await peer.events(), [...before[i], "close"]);
      assertEquals(await peer.run(() => recorder.sockets.length), 1);
      await peer.run(() =>
        recorder.when(() =>
          recorder.connections.every((each) =>
            each.connectionState === "closed"
          )
        )
      );
    }
    assertEquals(pair.errors, []);
  });

  Deno.test(`SocketPeer.connect() begins a new conversation after close() (${path})`, async () => {
    await using server = startServer();
    await using pair = await connect(path, server.url);
    const [a, b] = pair.peers;

    await a.run(() => {
      recorder.peer.send("the last words");
      recorder.peer.close();
    });
    assertEquals(await a.until("close"), [
      { reason: "local", unacknowledged: 0, clean: false },
    ]);
    assertEquals(await b.until("close"), [
      { reason: "remote", unacknowledged: 0, clean: true },
    ]);
    const refusal = await a.run(() => {
      try {
        recorder.peer.send("too late");
        return "accepted";
      } catch (error) {
        return (error as { code?: string }).code;
      }
    });
    assertEquals(refusal, "PEER_CLOSED");

    await a.run(() => recorder.peer.connect());
    await pair.each((peer) => peer.until("connect", 2));
    // The last words arrive without a moment in between, too.
    await a.run(() => {
      recorder.peer.send("the very last words");
      recorder.peer.close();
      recorder.peer.connect();
    });
    await pair.each((peer) => peer.until("connect", 3));
    const traffic = await Traffic.start(pair.peers);
    await traffic.flow();
    await traffic.stop();
    assertEquals(await b.run(() => recorder.messages), [
      "the last words",
      "the very last words",
    ]);
    assertEquals(pair.errors, []);
  });
}

Deno.test("SocketPeer begins anew when its page comes back from the back-forward cache", async () => {
  await using server = startServer();
  await using pair = await connect("direct", server.url);
  const [a, b] = pair.peers;

  await pair.pages[0].goto(new URL("/blank.html", pair.origin).href);
  assertEquals(await b.until("close"), [
    { reason: "remote", unacknowledged: 0, clean: false },
  ]);
  await pair.pages[0].goBack();
  // A browser that has no such cache has loaded the page again.
  const kept = await a.run(() => recorder.peer !== null);
  if (!kept) await a.start({ pairCode: "pair", url: server.url });
  await b.until("connect", 2);
  const traffic = await Traffic.start(pair.peers);
  await traffic.flow();
  await traffic.stop();
  assertEquals(pair.errors, []);
});

Deno.test("SocketPeer takes the place of one that leaves, after it was told busy", async () => {
  await using server = startServer();
  await using pair = await connect("relay", server.url);
  const third = await addPeer(pair, server.url);
  await third.until("busy");

  await pair.peers[0].run(() => recorder.peer.close());
  await pair.peers[1].until("close");
  await third.until("connect");
  await third.send("at last");
  await pair.peers[1].untilMessages(1);
  assertEquals(pair.errors, []);
});

Deno.test("SocketPeer reconnects over the relay without a loss when the server is started again", async () => {
  await using server = startServer();
  await using pair = await connect("relay", server.url);
  const traffic = await Traffic.start(pair.peers, 1000);
  await traffic.flow();

  await server.peerServer.close();
  await pair.each((peer) =>
    peer.run(() => recorder.when(() => !recorder.peer.connected))
  );
  await using _again = startServer({ port: server.port });
  await pair.each((peer) => peer.until("reconnect"));
  await traffic.flow();
  await traffic.stop();

  for (const peer of pair.peers) {
    const events = await peer.events();
    assertEquals(events.filter((name) => !/error$/.test(name)), [
      "connect",
      "reconnect",
    ]);
  }
  assertEquals(exceptFailedSockets(pair.errors), []);
});

Deno.test("SocketPeerServer lets in pages of allowedOrigins and refuses those of others", async () => {
  await using pair = await browserPair("/?no-webrtc");
  await using server = startServer({ allowedOrigins: [pair.origin] });
  await pair.start({ url: server.url });
  await pair.each((peer) => peer.until("connect"));

  const elsewhere = pair.origin.replace("localhost", "127.0.0.1");
  const stranger = new PagePeer(await pair.open(elsewhere));
  await stranger.start({ pairCode: "pair", url: server.url });
  assertEquals((await stranger.until("connect_error"))[0], "SERVER_CLOSED");
  // A page that learns that it is refused does not dial again.
  assertEquals(await stranger.events(), ["connect_error", "error"]);
  assertEquals(await stranger.run(() => recorder.sockets.length), 1);
  assertEquals(pair.errors, []);
});

Deno.test("SocketPeer does not ask again with a pair code that the server refuses", async () => {
  await using server = startServer({
    async pairCodeValidator(pairCode) {
      await Promise.resolve();
      if (pairCode === "broken") throw new Error("no such code");
      return pairCode === "right";
    },
  });
  await using pair = await browserPair();
  const options = { url: server.url, reconnectDelay: 0 };
  await pair.peers[0].start({ pairCode: "wrong", ...options });
  await pair.peers[1].start({ pairCode: "broken", ...options });
  for (const peer of pair.peers) {
    assertEquals(await peer.until("connect_error"), ["PAIR_CODE_REFUSED"]);
  }

  // These two take longer than an attempt that needs no waiting.
  const right = [
    await addPeer(pair, server.url, "right"),
    await addPeer(pair, server.url, "right"),
  ];
  for (const peer of right) await peer.until("connect");
  for (const peer of pair.peers) {
    assertEquals(await peer.events(), ["connect_error", "error"]);
    assertEquals(await peer.run(() => recorder.sockets.length), 1);
  }
  assertEquals(pair.errors, []);
});

Deno.test("SocketPeer delivers what comes after a message whose listener throws", async () => {
  await using server = startServer();
  await using pair = await connect("relay", server.url);
  const [a, b] = pair.peers;
  const thrown = new Promise((resolve) =>
    pair.pages[1].once("pageerror", resolve)
  );

  await b.run(() => {
    recorder.peer.on("data", (message) => {
      if (message === "two") throw new Error("thrown by a listener");
    });
  });
  // All in one packet.
  await a.run(() => {
    for (const word of ["one", "two", "three"]) recorder.peer.send(word);
  });
  await b.untilMessages(3);
  await thrown;
  assertEquals(await b.run(() => recorder.messages), ["one", "two", "three"]);
  assertEquals(await b.events(), ["connect"]);
  assertEquals(pair.errors, ["Error: thrown by a listener"]);
});
