/**
 * Firefox beside Chromium, and beside itself, on the data channel. Where it is
 * missing this is skipped.
 */

import { assertEquals, assertGreater, assertLess } from "@std/assert";
import {
  type BrowserName,
  type BrowserPair,
  browserPair,
  type PagePeer,
  shareBrowser,
  Traffic,
} from "../support/browser_pair.ts";
import { findFirefox } from "../support/find_browser.ts";
import { startServer } from "../support/start_server.ts";

const ignore = await findFirefox() === undefined;
if (ignore) {
  // deno-lint-ignore no-console -- a test that is not run has to be seen
  console.warn("No Firefox is here, so its tests are skipped: get firefox-esr");
} else {
  shareBrowser(["chromium", "firefox"]);
}

/** The browser that answers, and the one that makes the offers. */
const PAIRS: [BrowserName, BrowserName][] = [
  ["chromium", "firefox"],
  ["firefox", "chromium"],
  ["firefox", "firefox"],
];

/** How many chunks a bulk transfer has. */
const CHUNKS = 200;
const CHUNK_BYTES = 100_000;

/** Two peers of these browsers, once they have their data channel. */
async function connect(
  browsers: readonly [BrowserName, BrowserName],
  url: string,
  socketFallback = true,
): Promise<BrowserPair> {
  const pair = await browserPair("/", "/", browsers);
  const options = { pairCode: "pair", url, socketFallback };
  // The second to arrive makes the offers.
  await pair.peers[0].start(options);
  await pair.peers[0].untilControl("peer.waiting");
  await pair.peers[1].start(options);
  await pair.each((peer) => peer.until("upgrade"));
  return pair;
}

/**
 * Sends a small message and a large one by turns, as fast as there is room.
 * Resolves to the digest of all bytes.
 */
function sendBulk(peer: PagePeer): Promise<unknown> {
  return peer.run(
    async (chunks, chunkBytes) => {
      const { peer } = recorder;
      const all = new Uint8Array(chunks * chunkBytes);
      for (let i = 0; i < chunks; i++) {
        const chunk = all.subarray(i * chunkBytes, (i + 1) * chunkBytes);
        // Chance comes in portions of 64 KiB.
        for (let j = 0; j < chunkBytes; j += 65_536) {
          crypto.getRandomValues(chunk.subarray(j, j + 65_536));
        }
        for (const message of [i, chunk]) {
          if (!peer.send(message)) await peer.drained();
        }
      }
      return await recorder.digest(all);
    },
    CHUNKS,
    CHUNK_BYTES,
  );
}

/** Waits for what the other one sends, and resolves to its digest. */
async function receiveBulk(peer: PagePeer): Promise<unknown> {
  await peer.untilMessages(2 * CHUNKS);
  return await peer.run(async () => {
    const { messages } = recorder;
    const chunks = messages.filter((_, i) => i % 2 === 1) as Uint8Array[];
    const wrong = messages.filter((each, i) => i % 2 === 0 && each !== i / 2);
    if (wrong.length > 0) throw new Error(`Not in order: ${wrong}`);
    const all = new Blob(chunks as Uint8Array<ArrayBuffer>[]);
    return await recorder.digest(new Uint8Array(await all.arrayBuffer()));
  });
}

for (const browsers of PAIRS) {
  const [answers, offers] = browsers;
  const who = `${offers} offers, ${answers} answers`;

  Deno.test({
    name: `SocketPeer upgrades to a data channel (${who})`,
    ignore,
    async fn() {
      await using server = startServer();
      await using pair = await connect(browsers, server.url);
      await pair.each((peer) => peer.untilIdle());
      const before = await pair.each((peer) => peer.packets());
      const traffic = await Traffic.start(pair.peers);
      await traffic.flow();
      await traffic.stop();
      const after = await pair.each((peer) => peer.packets());

      const descriptions = await pair.each((peer) =>
        peer.run(() =>
          recorder.connections.map((each) => each.localDescription?.type)
        )
      );
      assertEquals(descriptions, [["answer"], ["offer"]]);
      for (const [i, peer] of pair.peers.entries()) {
        assertEquals(await peer.run(() => recorder.peer.path), "direct");
        assertEquals(after[i].relayed, before[i].relayed);
        assertGreater(after[i].direct, before[i].direct);
        assertEquals(await peer.events(), [
          "connect",
          "upgrade_attempt",
          "upgrade",
        ]);
      }
      assertEquals(pair.errors, []);
    },
  });

  Deno.test({
    name:
      `SocketPeer carries 20 MB both ways at once, and small messages in between (${who})`,
    ignore,
    async fn() {
      await using server = startServer();
      await using pair = await connect(browsers, server.url, false);

      const [sent, received] = await Promise.all([
        pair.each(sendBulk),
        pair.each(receiveBulk),
      ]);
      assertEquals(received, sent.toReversed());
      for (const { direct, relayed } of await pair.each((p) => p.packets())) {
        assertGreater(direct, CHUNKS);
        assertEquals(relayed, 0);
      }
      assertEquals(pair.errors, []);
    },
  });

  for (const i of [0, 1]) {
    const role = ["answers", "offers"][i];
    Deno.test({
      name:
        `SocketPeer is told at once that the tab of the one who ${role} is closed (${who})`,
      ignore,
      async fn() {
        await using server = startServer();
        await using pair = await connect(browsers, server.url);
        await pair.each((peer) => peer.send("a word"));
        await pair.each((peer) => peer.untilMessages(1));
        await pair.each((peer) => peer.untilIdle());

        const closedAt = performance.now();
        await pair.pages[i].close();
        assertEquals(await pair.peers[1 - i].until("close"), [
          { reason: "remote", unacknowledged: 0, clean: false },
        ]);
        // WebRTC alone takes five seconds to suspect something.
        assertLess(performance.now() - closedAt, 5000);
        assertEquals(pair.errors, []);
      },
    });
  }
}
