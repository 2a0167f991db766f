/** What the bundle is to those who load it with a script tag. */

import { assertEquals } from "@std/assert";
import type { WebWorker } from "puppeteer";
import { SocketPeer as Client } from "../../client.ts";
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

Deno.test("socketpeer.min.js has every member of SocketPeer, under its name", async () => {
  await using pair = await browserPair("/");
  const inPage = await pair.pages[0].evaluate(() =>
    Object.getOwnPropertyNames(SocketPeer.prototype)
  );
  // Two are protected, and not for users.
  const members = Object.getOwnPropertyNames(Client.prototype)
    .filter((name) => name !== "listening" && name !== "again");
  assertEquals(members.filter((name) => !inPage.includes(name)), []);
});

Deno.test("socketpeer.min.js throws errors with all of their properties", async () => {
  await using pair = await browserPair("/");
  const thrown = await pair.pages[0].evaluate(() => {
    const limits = { maxMessageBytes: 10, maxBufferedBytes: 20 };
    const peer = new SocketPeer({ ...limits, autoconnect: false });
    const told = (...messages: string[]) => {
      try {
        for (const message of messages) peer.send(message);
      } catch (error) {
        return { ...error as object } as Record<string, unknown>;
      }
    };
    return [told("x".repeat(11)), told("x".repeat(9), "y".repeat(9), "z")];
  });
  assertEquals(thrown[0], {
    name: "MessageTooLargeError",
    code: "MESSAGE_TOO_LARGE",
    messageBytes: 11,
    maxBytes: 10,
  });
  assertEquals(Object.keys(thrown[1]!).sort(), ["code", "name", "queuedBytes"]);
  assertEquals(pair.errors, []);
});

// The build shortens names: what a stream or a promise of the platform looks
// for must not be among them. `flush()` and abort() once were.
Deno.test("socketpeer.min.js has streams, flush() and drained()", async () => {
  await using server = startServer();
  await using pair = await browserPair("/");
  const outcome = await pair.pages[0].evaluate(async (url) => {
    const two = () => {
      const a = new SocketPeer({ pairCode: "pair", url });
      const b = new SocketPeer({ pairCode: "pair", url, reconnect: false });
      const ended = (peer: Peer) =>
        new Promise<string>((resolve) =>
          peer.once("close", ({ reason }) => resolve(reason))
        );
      return { a, b, closed: Promise.all([ended(a), ended(b)]) };
    };

    const flushed = two();
    flushed.b.on("data", () => {});
    flushed.a.send("one");
    await flushed.a.flush();
    await flushed.a.drained();
    const left = flushed.a.bufferedAmount;
    flushed.b.destroy();
    flushed.a.destroy();
    await flushed.closed;

    const piped = two();
    const { readable } = piped.b;
    const writer = piped.a.writable.getWriter();
    for (let index = 0; index < 100; index++) {
      writer.write(new Uint8Array(10_000));
    }
    writer.close();
    let bytes = 0;
    const reader = readable.getReader();
    for (let read; (read = await reader.read()), !read.done;) {
      bytes += (read.value as Uint8Array).length;
    }
    const closed = await piped.closed;

    const aborted = two();
    aborted.b.on("data", () => {});
    aborted.a.send("hello");
    await aborted.a.flush();
    await aborted.a.writable.abort();
    return { left, bytes, closed, aborted: await aborted.closed };
  }, server.url);
  assertEquals(outcome, {
    left: 0,
    bytes: 1_000_000,
    closed: ["local", "remote"],
    aborted: ["local", "remote"],
  });
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
