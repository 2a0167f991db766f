/** What `send()` takes arrives as the kind it was sent as, on both paths. */

import { assertEquals, assertGreater, assertGreaterOrEqual } from "@std/assert";
import type { JsonValue } from "../../client.ts";
import {
  type BrowserPair,
  browserPair,
  shareBrowser,
} from "../support/browser_pair.ts";
import { startServer } from "../support/start_server.ts";

shareBrowser();

const PATHS = ["relay", "direct"] as const;

/** Two peers that have this path and no other. */
async function connect(
  path: "relay" | "direct",
  url: string,
): Promise<BrowserPair> {
  const pair = await browserPair(path === "relay" ? "/?no-webrtc" : "/");
  await pair.start({ url, socketFallback: path === "relay" });
  await pair.each((peer) => peer.until("connect"));
  return pair;
}

for (const path of PATHS) {
  Deno.test(`SocketPeer.send() keeps the kind and the order of every message (${path})`, async () => {
    await using server = startServer();
    await using pair = await connect(path, server.url);
    const [a, b] = pair.peers;

    const json: JsonValue[] = [
      "",
      "text",
      "ünï©ode 漢字 \u{10ffff}",
      "\ufeffa byte order mark in front",
      "👩‍👩‍👧‍👦 🏳️‍🌈",
      "\0",
      "[1, 2]",
      0,
      -1.5,
      1e300,
      true,
      false,
      null,
      {},
      [],
      { a: [1, "two", null, { b: false }], "ключ": "\0" },
      [[], {}, ""],
    ];
    // Everything in one turn, so that what waits for a Blob is behind it.
    await a.run((json) => {
      const bytes = new Uint8Array([9, 0, 1, 2, 255, 9]);
      const { peer } = recorder;
      peer.send(new Blob(["a Blob, ", bytes]));
      for (const value of json) peer.send(value);
      peer.send(bytes);
      peer.send(bytes.subarray(1, 5));
      peer.send(bytes.buffer);
      peer.send(new DataView(bytes.buffer, 4));
      peer.send(new Uint16Array([0x0102]));
      peer.send(new File([bytes], "a name"));
      peer.send(new Uint8Array());
      peer.send(new Blob());
      peer.send({ name: "x", list: [null, bytes.buffer, bytes.subarray(4)] });
      // What was sent is what it was then.
      bytes.fill(7);
      peer.send("after all bytes");
    }, json);

    const bytes = [9, 0, 1, 2, 255, 9];
    const expected = [
      { bytes: [...new TextEncoder().encode("a Blob, "), ...bytes] },
      ...json.map((json) => ({ json })),
      { bytes },
      { bytes: [0, 1, 2, 255] },
      { bytes },
      { bytes: [255, 9] },
      { bytes: [2, 1] },
      { bytes },
      { bytes: [] },
      { bytes: [] },
      { json: { name: "x", list: [null, { bytes }, { bytes: [255, 9] }] } },
      { json: "after all bytes" },
    ];
    await b.untilMessages(expected.length);
    const received = await b.run(() => {
      const shown = (_: string, value: unknown) =>
        value instanceof Uint8Array ? { bytes: Array.from(value) } : value;
      return recorder.messages.map((message) =>
        message instanceof Uint8Array
          ? shown("", message)
          : { json: JSON.parse(JSON.stringify(message, shown)) }
      );
    });
    assertEquals(received, expected);
    assertEquals(pair.errors, []);
  });

  for (const kind of ["bytes", "text"]) {
    Deno.test(`SocketPeer.send() takes a message of 20 MB of ${kind} (${path})`, async () => {
      await using server = startServer();
      await using pair = await connect(path, server.url);
      const [a, b] = pair.peers;

      const sent = await a.run(async (kind) => {
        const bytes = new Uint8Array(20_000_000);
        // Chance comes in portions of 64 KiB.
        for (let i = 0; i < bytes.length; i += 65_536) {
          crypto.getRandomValues(bytes.subarray(i, i + 65_536));
        }
        // Characters of one to three bytes, none of them half of a pair.
        const units = new Uint16Array(bytes.buffer).map((unit) =>
          unit & 0x7fff
        );
        const message = kind === "bytes"
          ? bytes
          : new TextDecoder("utf-16le").decode(units.subarray(0, 6_900_000));
        recorder.peer.send("before");
        recorder.peer.send(message);
        recorder.peer.send("after");
        return await recorder.digest(message);
      }, kind);

      await b.untilMessages(3);
      const received = await b.run(async () => {
        const [before, message, after] = recorder.messages;
        return [before, await recorder.digest(message as string), after];
      });
      assertEquals(received, ["before", sent, "after"]);
      assertGreaterOrEqual(sent.bytes, 20_000_000);

      const { relayed, direct } = await a.packets();
      const [used, other] = path === "relay"
        ? [relayed, direct]
        : [direct, relayed];
      // A packet takes 64 KiB at most.
      assertGreater(used, 300);
      assertEquals(other, 0);
      assertEquals(pair.errors, []);
    });
  }
}
