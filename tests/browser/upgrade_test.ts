/** From the relay to the data channel and back, in a real browser. */

import { assertEquals, assertGreater } from "@std/assert";
import {
  browserPair,
  type PagePeer,
  shareBrowser,
  Traffic,
} from "../support/browser_pair.ts";
import { startServer } from "../support/start_server.ts";

shareBrowser();

/** Makes a page close its newest connection under the library's feet. */
function closeConnection(peer: PagePeer): Promise<void> {
  return peer.run(() => recorder.connections.at(-1)!.close());
}

function pathOf(peer: PagePeer): Promise<string | null> {
  return peer.run(() => recorder.peer.path);
}

Deno.test("SocketPeer upgrades to a data channel, which carries everything from then on", async () => {
  await using server = startServer();
  await using pair = await browserPair();

  await pair.start({ url: server.url });
  await pair.each((peer) => peer.until("upgrade"));
  for (const peer of pair.peers) {
    assertEquals(await peer.events(), [
      "connect",
      "upgrade_attempt",
      "upgrade",
    ]);
    assertEquals(await pathOf(peer), "direct");
    const states = await peer.run(() =>
      recorder.connections.map(({ connectionState }) => connectionState)
    );
    assertEquals(states, ["connected"]);
  }

  await pair.each((peer) => peer.untilIdle());
  const before = await pair.each((peer) => peer.packets());
  const traffic = await Traffic.start(pair.peers);
  await traffic.flow();
  await traffic.stop();
  const after = await pair.each((peer) => peer.packets());
  for (const i of [0, 1]) {
    assertEquals(after[i].relayed, before[i].relayed);
    assertGreater(after[i].direct, before[i].direct);
  }
  assertEquals(pair.errors, []);
});

Deno.test("SocketPeer.send() loses, doubles and swaps no message while the path is upgraded", async () => {
  await using server = startServer();
  await using pair = await browserPair();

  // The first are sent before there is anybody to send to; some are sent by
  // the listeners of "connect" and "upgrade".
  await pair.start({ url: server.url });
  const traffic = await Traffic.start(pair.peers, 1000);
  await pair.each((peer) => peer.until("upgrade"));
  await traffic.flow();
  await traffic.stop();

  for (const packets of await pair.each((peer) => peer.packets())) {
    assertGreater(packets.relayed, 0);
    assertGreater(packets.direct, 0);
  }
  assertEquals(pair.errors, []);
});

for (const closer of [0, 1]) {
  const who = ["one who answers", "one who offers"][closer];
  Deno.test(`SocketPeer downgrades without a loss, and upgrades again, when the ${who} loses its connection under load`, async () => {
    await using server = startServer();
    await using pair = await browserPair();
    const options = { pairCode: "pair", url: server.url };

    // The second to arrive makes the offers.
    await pair.peers[0].start(options);
    await pair.peers[0].untilControl("peer.waiting");
    await pair.peers[1].start(options);
    await pair.each((peer) => peer.until("upgrade"));
    const traffic = await Traffic.start(pair.peers, 10_000);
    await traffic.flow();

    await closeConnection(pair.peers[closer]);
    await pair.each((peer) => peer.until("downgrade"));
    await pair.each((peer) => peer.until("upgrade", 2));
    await traffic.flow();
    await traffic.stop();

    for (const peer of pair.peers) {
      const events = new Set(await peer.events());
      assertEquals(
        events,
        new Set(["connect", "upgrade_attempt", "upgrade", "downgrade"]),
      );
    }
    assertEquals(pair.errors, []);
  });
}

Deno.test("SocketPeer notices nothing on a data channel while its WebSocket breaks and is dialed again", async () => {
  await using server = startServer();
  await using pair = await browserPair();

  await pair.start({ url: server.url, reconnectDelay: 100 });
  await pair.each((peer) => peer.until("upgrade"));
  const traffic = await Traffic.start(pair.peers);
  await traffic.flow();

  await pair.peers[0].run(() => recorder.sockets[0].close());
  await pair.each((peer) => peer.untilControl("peer.found", 2));
  await traffic.flow();
  for (const peer of pair.peers) {
    assertEquals(await peer.events(), [
      "connect",
      "upgrade_attempt",
      "upgrade",
    ]);
    assertEquals(await pathOf(peer), "direct");
  }

  // The relay and the signaling work, now that they are needed again.
  await closeConnection(pair.peers[1]);
  await pair.each((peer) => peer.until("upgrade", 2));
  await traffic.flow();
  await traffic.stop();
  for (const peer of pair.peers) {
    assertEquals((await peer.events()).includes("reconnect"), false);
  }
  assertEquals(pair.errors, []);
});

for (const lacking of ["one side", "both sides"]) {
  Deno.test(`SocketPeer stays on the relay, and tries nothing else, where WebRTC is missing on ${lacking}`, async () => {
    await using server = startServer();
    await using pair = await browserPair(
      "/?no-webrtc",
      lacking === "both sides" ? "/?no-webrtc" : "/",
    );

    await pair.start({ url: server.url });
    const traffic = await Traffic.start(pair.peers, 1000);
    await traffic.flow();
    await traffic.stop();

    for (const peer of pair.peers) {
      assertEquals(await peer.events(), ["connect"]);
      assertEquals(await pathOf(peer), "relay");
      // The one that is made while the server is dialed is not kept.
      const states = await peer.run(() =>
        recorder.connections.map(({ connectionState }) => connectionState)
      );
      assertEquals(states.filter((state) => state !== "closed"), []);
    }
    assertEquals(pair.errors, []);
  });
}

for (const asking of ["one side", "both sides"]) {
  Deno.test(`SocketPeer sends nothing through the server where ${asking} set socketFallback to false`, async () => {
    await using server = startServer();
    await using pair = await browserPair();
    const options = { pairCode: "pair", url: server.url };

    await pair.peers[0].start({ ...options, socketFallback: false });
    await pair.peers[0].send("before there is anybody");
    await pair.peers[1].start({
      ...options,
      socketFallback: asking === "one side",
    });
    await pair.peers[1].send("before there is a channel");
    await pair.each((peer) => peer.untilMessages(1));
    const traffic = await Traffic.start(pair.peers, 1000);
    await traffic.flow();

    // With the channel the whole path is gone, until the next one opens.
    await closeConnection(pair.peers[0]);
    await pair.each((peer) => peer.until("upgrade", 2));
    await traffic.flow();
    await traffic.stop();

    const messages = await pair.each((peer) =>
      peer.run(() => recorder.messages)
    );
    assertEquals(messages, [
      ["before there is a channel"],
      ["before there is anybody"],
    ]);
    for (const peer of pair.peers) {
      assertEquals((await peer.packets()).relayed, 0);
      const events = await peer.run(() =>
        recorder.events
          .filter(({ name }) =>
            !["statechange", "upgrade_attempt"].includes(name)
          )
          .map(({ name, path }) => `${name} ${path}`)
      );
      assertEquals(events, [
        "connect direct",
        "upgrade direct",
        "reconnect direct",
        "upgrade direct",
      ]);
    }
    assertEquals(pair.errors, []);
  });
}

Deno.test("SocketPeer refuses to connect with socketFallback false where the other side has no WebRTC", async () => {
  await using server = startServer();
  await using pair = await browserPair("/", "/?no-webrtc");

  await pair.start({ url: server.url, socketFallback: false });
  for (const peer of pair.peers) {
    assertEquals(await peer.until("connect_error"), ["WEBRTC_MISSING"]);
    assertEquals(await peer.events(), ["connect_error", "error"]);
    assertEquals((await peer.packets()).relayed, 0);
  }
  assertEquals(pair.errors, []);
});
