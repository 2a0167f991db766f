/**
 * Two pages that may talk through a TURN server alone, with credentials that
 * come from socketpeer's server. Where coturn is missing this is skipped.
 */

import { assertEquals } from "@std/assert";
import { browserPair, shareBrowser, Traffic } from "../support/browser_pair.ts";
import { startServer } from "../support/start_server.ts";
import { startTurnServer, turnServerPath } from "../support/turn_server.ts";

const ignore = turnServerPath === undefined;
if (!ignore) shareBrowser();

/** What makes a page use TURN or nothing. */
const RELAYED = { rtcConfig: { iceTransportPolicy: "relay" } } as const;

Deno.test({
  name:
    "SocketPeer upgrades through a TURN server with credentials of its server",
  ignore,
  async fn() {
    await using turnServer = await startTurnServer();
    const { urls, secret } = turnServer;
    const turn = { urls, secret, ttl: 60 };
    await using server = startServer({ turn });
    await using pair = await browserPair();

    await pair.start({ url: server.url, ...RELAYED });
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

Deno.test({
  name:
    "SocketPeer stays on the relay where the TURN server has another secret",
  ignore,
  async fn() {
    await using turnServer = await startTurnServer();
    const { urls } = turnServer;
    const turn = { urls, secret: "another", ttl: 60 };
    await using server = startServer({ turn });
    await using pair = await browserPair();

    await pair.start({ url: server.url, ...RELAYED });
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
