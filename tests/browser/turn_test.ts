/**
 * Two pages that may talk through a TURN server alone, with credentials that
 * come from socketpeer's server. Where coturn is missing this is skipped.
 */

import { createHmac } from "node:crypto";
import { assertEquals } from "@std/assert";
import { browserPair, shareBrowser, Traffic } from "../support/browser_pair.ts";
import { startServer } from "../support/start_server.ts";
import { startTurnServer, turnServerPath } from "../support/turn_server.ts";

const ignore = turnServerPath === undefined;
if (!ignore) shareBrowser();

/** What makes a page use TURN or nothing. */
const RELAYED = { rtcConfig: { iceTransportPolicy: "relay" } } as const;

/** Two pages, and a server that knows a secret: that of the TURN server. */
async function openScene(otherSecret?: string) {
  await using stack = new AsyncDisposableStack();
  const turnServer = stack.use(await startTurnServer());
  const { urls, secret } = turnServer;
  const turn = { urls, secret: otherSecret ?? secret, ttl: 60 };
  const { url } = stack.use(startServer({ turn }));
  const pair = stack.use(await browserPair());
  const owned = stack.move();
  return {
    turnServer,
    pair,
    start: () => pair.start({ url, ...RELAYED }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test({
  name:
    "SocketPeer upgrades through a TURN server with credentials of its server",
  ignore,
  async fn() {
    await using scene = await openScene();
    const { pair, turnServer } = scene;

    await scene.start();
    await pair.each((peer) => peer.until("upgrade"));
    const traffic = await Traffic.start(pair.peers);
    await traffic.flow();
    await traffic.stop();

    for (const peer of pair.peers) {
      const { direct } = await peer.packets();
      assertEquals(direct > 0, true);
      const kinds = await peer.run(async () => {
        const stats = await recorder.connections.at(-1)!.getStats();
        return [...stats.values()]
          .filter(({ type }) => type === "local-candidate")
          .map(({ candidateType }) => candidateType);
      });
      assertEquals(new Set(kinds), new Set(["relay"]));
    }
    await turnServer.said(/user <\d+:[0-9a-f]+>: .*ALLOCATE.* success/);
    assertEquals(pair.errors, []);
  },
});

/** Credentials that coturn takes for a minute, under a name that can be found. */
function credentialsOf(secret: string, name: string) {
  const username = `${Math.floor(Date.now() / 1000) + 60}:${name}`;
  const credential = createHmac("sha1", secret).update(username)
    .digest("base64");
  return { username, credential };
}

Deno.test({
  name: "SocketPeer goes over to renewed TURN credentials, and loses nothing",
  ignore,
  async fn() {
    await using scene = await openScene();
    const { pair, turnServer } = scene;
    for (const page of pair.pages) {
      await page.evaluate(() => {
        globalThis.WebSocket = class extends WebSocket {
          constructor(url: string | URL) {
            super(url);
            Object.assign(globalThis, { lastSocket: this });
          }
        };
      });
    }

    await scene.start();
    await pair.each((peer) => peer.until("upgrade"));
    const { urls, secret } = turnServer;
    const traffic = await Traffic.start(pair.peers);
    for (const [index, page] of pair.pages.entries()) {
      const name = `abcdef${index}`;
      const iceServers = [{ urls, ...credentialsOf(secret, name) }];
      const data = JSON.stringify({
        type: "ice.servers",
        data: { iceServers },
      });
      await page.evaluate((data) => {
        const { lastSocket } = globalThis as unknown as {
          lastSocket: WebSocket;
        };
        lastSocket.dispatchEvent(new MessageEvent("message", { data }));
      }, data);
      await turnServer.said(
        new RegExp(`user <\\d+:${name}>: .*ALLOCATE.* success`),
      );
      await traffic.flow();
    }
    await traffic.stop();
    for (const peer of pair.peers) {
      const events = await peer.events();
      assertEquals(events.filter((event) => event === "upgrade").length, 1);
      assertEquals(events.includes("downgrade"), false);
      assertEquals(await peer.run(() => recorder.peer.path), "direct");
    }
    assertEquals(pair.errors, []);
  },
});

Deno.test({
  name:
    "SocketPeer stays on the relay where the TURN server has another secret",
  ignore,
  async fn() {
    await using scene = await openScene("another");
    const { pair, turnServer } = scene;

    await scene.start();
    // The pages have asked, and were refused.
    await turnServer.said(/user <\d+:[0-9a-f]+>: .*error 401/);
    const traffic = await Traffic.start(pair.peers);
    await traffic.flow();
    await traffic.stop();
    for (const peer of pair.peers) {
      assertEquals((await peer.events()).includes("upgrade"), false);
      assertEquals((await peer.packets()).direct, 0);
    }
    assertEquals(pair.errors, []);
  },
});
