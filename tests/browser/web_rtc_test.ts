/** Browsers with every implementation of WebRTC outside of them. */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { AnsweringProcess } from "../support/answering_process.ts";
import {
  type BrowserName,
  browserPair,
  shareBrowser,
} from "../support/browser_pair.ts";
import { findFirefox } from "../support/find_browser.ts";
import { startServer } from "../support/start_server.ts";

const PATIENCE_MS = 90_000;

// The names are not imported from tests/support/web_rtc.ts, which would load
// the packages here.
const NAMES = ["@roamhq/wrtc", "node-datachannel", "werift"];

const firefox = await findFirefox() !== undefined;
const browsers: BrowserName[] = ["chromium", "firefox"];
shareBrowser(firefox ? browsers : ["chromium"]);

for (const browser of browsers) {
  for (const name of NAMES) {
    for (const pageOffers of [true, false]) {
      const offerer = pageOffers ? "the page" : name;
      Deno.test({
        name:
          `SocketPeer in ${browser} has a data channel with ${name}, where ${offerer} makes the offer`,
        ignore: browser === "firefox" && !firefox,
        async fn() {
          await using server = startServer();
          await using pair = await browserPair("/", "/", [browser, browser]);
          const [page] = pair.peers;
          const options = { pairCode: "code", url: server.url };
          // The second to arrive makes the offer.
          if (!pageOffers) {
            await page.start(options);
            await page.untilControl("peer.waiting");
          }
          await using peer = await AnsweringProcess
            .start("web_rtc_peer.ts", name, server.url);
          if (pageOffers) {
            assertEquals(await deadline(peer.answer(), PATIENCE_MS), "waiting");
            await page.start(options);
          }
          await page.until("upgrade");
          await page.untilMessages(3);
          assertEquals(
            await page.run(() => {
              const [text, value, bytes] = recorder.messages as [
                string,
                { list: [null, Uint8Array] },
                Uint8Array,
              ];
              const { list } = value;
              const back = { text, at: [list[0], new Uint8Array(list[1])] };
              recorder.peer.send(back);
              return [text, list[0], [...list[1]], bytes.length];
            }),
            ["text 🦄", null, [1, 2], 100_000],
          );
          await page.untilIdle();
          assertEquals(await deadline(peer.answer(), PATIENCE_MS), "done");
          assertEquals(pair.errors, []);
        },
      });
    }
  }
}

// A private peer's signaling is sealed, and its data channel rests on that: the
// package must not talk to whoever has another certificate than it was told.
for (const name of NAMES) {
  Deno.test(`${name} opens no data channel to a page whose fingerprint was swapped`, async () => {
    await using server = startServer();
    await using pair = await browserPair();
    const [page] = pair.peers;
    await page.run(() => recorder.swapFingerprints());
    await page.start({ pairCode: "code", url: server.url });
    await page.untilControl("peer.waiting");
    await using peer = await AnsweringProcess
      .start("web_rtc_peer.ts", name, server.url);
    assertEquals(await deadline(peer.answer(), PATIENCE_MS), "refused");
    assertEquals((await page.events()).includes("upgrade"), false);
  });
}
