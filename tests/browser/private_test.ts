/** Two people's pages with the private bundle, in real browsers. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import * as esbuild from "esbuild";
import { fileURLToPath } from "node:url";
import {
  type BrowserName,
  browserPair,
  shareBrowser,
  Traffic,
} from "../support/browser_pair.ts";
import { findFirefox } from "../support/find_browser.ts";
import { startServer } from "../support/start_server.ts";

const firefox = await findFirefox() !== undefined;
const browsers: BrowserName[] = ["chromium", "firefox"];
shareBrowser(firefox ? browsers : ["chromium"]);

const PAGE = "/private.html";

const PAIRS: [BrowserName, BrowserName][] = [
  ["chromium", "chromium"],
  ["chromium", "firefox"],
  ["firefox", "firefox"],
];

for (const [one, other] of PAIRS) {
  const ignore = !firefox && [one, other].includes("firefox");

  Deno.test({
    name:
      `private SocketPeer in ${one} meets one in ${other} by a spoken code, and nothing is lost on any path`,
    ignore,
    async fn() {
      await using server = startServer();
      await using pair = await browserPair(PAGE, PAGE, [one, other]);
      const [a, b] = pair.peers;
      const options = { url: server.url, reconnectDelay: 100 };

      await a.start(options);
      await a.run(() => recorder.when(() => recorder.peer.pairCode !== ""));
      const pairCode = await a.run(() => recorder.peer.pairCode);
      assertMatch(pairCode, /^[1-9](-[a-z]{4,6}){3}$/);
      await b.start({ ...options, pairCode });

      await pair.each((peer) => peer.until("connect"));
      const traffic = await Traffic.start(pair.peers, 1000);
      await pair.each((peer) => peer.until("upgrade"));
      await traffic.flow();
      await a.run(() => recorder.sockets.at(-1)!.close());
      await pair.each((peer) => peer.untilControl("peer.found", 2));
      await traffic.flow();
      await b.run(() => recorder.connections.at(-1)!.close());
      await pair.each((peer) => peer.until("upgrade", 2));
      await traffic.flow();
      await traffic.stop();

      const [words, same] = await pair.each((peer) =>
        peer.run(() =>
          (recorder.peer as unknown as { verification: string }).verification
        )
      );
      assertMatch(words, /^[a-z]{4,6}(-[a-z]{4,6}){2}$/);
      assertEquals(same, words);
      const [key, sameKey] = await pair.each((peer) =>
        peer.run(async () => {
          const { peer } = recorder as unknown as {
            peer: { exportKey(label: string): Promise<Uint8Array> };
          };
          return [...await peer.exportKey("next time")];
        })
      );
      assertEquals(key.length, 32);
      assertEquals(sameKey, key);
      assertEquals(pair.errors, []);
    },
  });
}

Deno.test("private SocketPeer loses nothing over the relay alone, with a secret of its own", async () => {
  await using server = startServer();
  await using pair = await browserPair(`${PAGE}?no-webrtc`);
  await pair.start({ url: server.url, pairCode: "room", secret: "ours alone" });
  const traffic = await Traffic.start(pair.peers, 20_000);
  await traffic.flow();
  await pair.peers[0].run(() => recorder.sockets.at(-1)!.close());
  await pair.each((peer) => peer.until("reconnect"));
  await traffic.flow();
  await traffic.stop();
  for (const { relayed, direct } of await pair.each((peer) => peer.packets())) {
    assert(relayed > 0);
    assertEquals(direct, 0);
  }
  assertEquals(pair.errors, []);
});

for (const browser of browsers) {
  const ignore = browser === "firefox" && !firefox;

  Deno.test({
    name: `the draft's vectors of CPace hold in ${browser}`,
    ignore,
    async fn() {
      await using pair = await browserPair("/", "/", [browser, browser]);
      const { outputFiles: [{ text }] } = await esbuild.build({
        stdin: {
          contents: `
            import { checkVectors } from "./cpace_checks.ts";
            globalThis.checkVectors = checkVectors;
          `,
          resolveDir: fileURLToPath(new URL("../support", import.meta.url)),
          loader: "ts",
        },
        bundle: true,
        format: "iife",
        target: "es2022",
        tsconfigRaw: {},
        write: false,
      }).finally(() => esbuild.stop());
      const { checked, wrong } = await pair.peers[0].run(async (text) => {
        (0, eval)(text);
        const { checkVectors } = globalThis as unknown as {
          checkVectors(): Promise<{ checked: number; wrong: string[] }>;
        };
        return await checkVectors();
      }, text);
      assertEquals(wrong, []);
      assert(checked > 10);
    },
  });

  // What a private peer's signaling says is sealed, so nobody can swap it: this
  // is what its data channel rests on. Plain pages show what becomes of it.
  for (const swapped of ["offer", "answer"]) {
    Deno.test({
      name:
        `a data channel in ${browser} does not open where the fingerprint in the ${swapped} was swapped`,
      ignore,
      async fn() {
        await using server = startServer();
        await using pair = await browserPair("/", "/", [browser, browser]);
        const [answerer, offerer] = pair.peers;
        await (swapped === "offer" ? offerer : answerer).run(() =>
          recorder.swapFingerprints()
        );
        const options = { pairCode: "pair", url: server.url };
        await answerer.start(options);
        await answerer.untilControl("peer.waiting");
        await offerer.start(options);
        await Promise.all(
          [answerer, offerer].map((peer) => peer.until("upgrade_error")),
        );
        for (const peer of [answerer, offerer]) {
          const events = await peer.events();
          assert(!events.includes("upgrade"), events.join());
          assertEquals(await peer.run(() => recorder.peer.path), "relay");
        }
      },
    });
  }
}
