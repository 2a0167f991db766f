/** Every implementation of WebRTC that README names, with every other. */

import { deadline } from "@std/async";
import { assertEquals } from "@std/assert";
import { SocketPeer } from "../../client.ts";
import { untilState } from "../support/next_event.ts";
import { record } from "../support/recorder.ts";
import { startServer } from "../support/start_server.ts";
import { WEB_RTC } from "../support/web_rtc.ts";

const PATIENCE_MS = 14_000;

for (const [first, wrtc] of Object.entries(WEB_RTC)) {
  for (const [second, other] of Object.entries(WEB_RTC)) {
    Deno.test({
      name:
        `SocketPeer with ${first} has a data channel with ${second} at the first attempt`,
      // They close what they have opened a while after they are told to.
      sanitizeOps: false,
      sanitizeResources: false,
      async fn() {
        await using server = startServer();
        const options = { pairCode: "code", url: server.url };
        const a = new SocketPeer({ ...options, wrtc });
        // The second to arrive makes the offer.
        await untilState(a, "waiting");
        const b = new SocketPeer({ ...options, wrtc: other });
        const recordings = [record(a), record(b)];
        try {
          await deadline(
            Promise.all(
              [a, b].map((peer) =>
                new Promise<void>((resolve) => peer.once("upgrade", resolve))
              ),
            ),
            PATIENCE_MS,
          );
          const messages = [
            "text 🦄",
            { list: [null, new Uint8Array([1, 2])] },
            new Uint8Array(100_000).fill(7),
            "",
          ];
          for (const message of messages) {
            a.send(message);
            b.send(message);
          }
          await deadline(Promise.all([a.flush(), b.flush()]), PATIENCE_MS);
          for (const { messages: got, events } of recordings) {
            assertEquals(got, messages);
            assertEquals(events, ["connect", "upgrade_attempt", "upgrade"]);
          }
          assertEquals([a.path, b.path], ["direct", "direct"]);
        } finally {
          a.destroy();
          b.destroy();
        }
      },
    });
  }
}
