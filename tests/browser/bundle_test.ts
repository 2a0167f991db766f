/** What the bundle is to those who load it with a script tag. */

import { assertEquals } from "@std/assert";
import type { WebWorker } from "puppeteer";
import type { SocketPeer as Peer } from "../../client.ts";
import {
  browserPair,
  PagePeer,
  shareBrowser,
} from "../support/browser_pair.ts";
import { startServer } from "../support/start_server.ts";

shareBrowser();

declare global {
  var SocketPeer: typeof Peer;
}

Deno.test("socketpeer.min.js sets window.SocketPeer and nothing else, however often it is loaded", async () => {
  await using server = startServer();
  await using pair = await browserPair("/blank.html");
  const [page] = pair.pages;
  const names = () => page.evaluate(() => Reflect.ownKeys(window).map(String));
  const load = () => page.addScriptTag({ url: "/socketpeer.min.js" });

  const before = await names();
  await load();
  const added = (await names()).filter((name) => !before.includes(name));
  assertEquals(added, ["SocketPeer"]);

  const first = await page.evaluateHandle(
    (url) => new SocketPeer({ pairCode: "pair", url }),
    server.url,
  );
  await load();
  const answer = await page.evaluate(
    (first, url) => {
      const second = new SocketPeer({ pairCode: "pair", url });
      first.on("data", (message) => first.send(`echo of ${message}`));
      second.send("a word");
      return new Promise((resolve) => second.on("data", resolve));
    },
    first,
    server.url,
  );
  assertEquals(answer, "echo of a word");
  assertEquals(pair.errors, []);
});

Deno.test("socketpeer.min.js works in a worker, over the relay", async () => {
  await using server = startServer();
  await using pair = await browserPair("/", "/blank.html");
  const created = Promise.withResolvers<WebWorker>();
  pair.pages[1].once("workercreated", created.resolve);
  await pair.pages[1].evaluate(() =>
    new Promise((resolve) => new Worker("/worker.js").onmessage = resolve)
  );
  const peers = [pair.peers[0], new PagePeer(await created.promise)];

  for (const peer of peers) {
    await peer.start({ pairCode: "pair", url: server.url });
    await peer.send({ a: ["message"] });
  }
  for (const peer of peers) {
    await peer.untilMessages(1);
    assertEquals(await peer.run(() => recorder.messages), [
      { a: ["message"] },
    ]);
    assertEquals(await peer.events(), ["connect"]);
    assertEquals(await peer.run(() => recorder.peer.path), "relay");
  }
  assertEquals(pair.errors, []);
});
