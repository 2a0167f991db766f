/** Browsers with every implementation of WebRTC outside of them. */

import { assertEquals } from "@std/assert";
import { SocketPeer } from "../../client.ts";
import {
  type BrowserName,
  browserPair,
  shareBrowser,
} from "../support/browser_pair.ts";
import { findFirefox } from "../support/find_browser.ts";
import { next, untilState } from "../support/next_event.ts";
import { record } from "../support/recorder.ts";
import { startServer } from "../support/start_server.ts";
import { WEB_RTC } from "../support/web_rtc.ts";

const firefox = await findFirefox() !== undefined;
const browsers: BrowserName[] = ["chromium", "firefox"];
shareBrowser(firefox ? browsers : ["chromium"]);

for (const browser of browsers) {
  for (const [name, wrtc] of Object.entries(WEB_RTC)) {
    for (const pageOffers of [true, false]) {
      const offerer = pageOffers ? "the page" : name;
      Deno.test({
        name:
          `SocketPeer in ${browser} has a data channel with ${name}, where ${offerer} makes the offer`,
        ignore: browser === "firefox" && !firefox,
        // They close what they have opened a while after they are told to.
        sanitizeOps: false,
        sanitizeResources: false,
        async fn() {
          await using server = startServer();
          await using pair = await browserPair("/", "/", [browser, browser]);
          const [page] = pair.peers;
          const options = { pairCode: "code", url: server.url };
          if (!pageOffers) {
            await page.start(options);
            await page.untilControl("peer.waiting");
          }
          const peer = new SocketPeer({ ...options, wrtc });
          const recording = record(peer);
          const upgraded = next(peer, "upgrade");
          try {
            if (pageOffers) {
              await untilState(peer, "waiting");
              await page.start(options);
            }
            await upgraded;
            await page.until("upgrade");
            peer.send("text 🦄");
            peer.send({ list: [null, new Uint8Array([1, 2])] });
            peer.send(new Uint8Array(100_000));
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
            assertEquals(recording.messages, [
              { text: "text 🦄", at: [null, new Uint8Array([1, 2])] },
            ]);
            assertEquals(recording.events, [
              "connect",
              "upgrade_attempt",
              "upgrade",
            ]);
          } finally {
            peer.destroy();
          }
          assertEquals(pair.errors, []);
        },
      });
    }
  }
}
