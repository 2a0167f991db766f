/** Every implementation of WebRTC that docs/client.md names, with every other. */

import { deadline } from "@std/async";
import { assertEquals } from "@std/assert";
import { AnsweringProcess } from "../support/answering_process.ts";

const PATIENCE_MS = 45_000;

// The names are not imported from tests/support/web_rtc.ts, which would load
// the packages here.
const NAMES = ["@roamhq/wrtc", "node-datachannel", "werift"];

for (const first of NAMES) {
  for (const second of NAMES) {
    Deno.test(`SocketPeer with ${first} has a data channel with ${second} at the first attempt`, async () => {
      // Threads of node-datachannel outlive its connections and its
      // `cleanup()`, and call what is gone when Deno puts the isolate of a test
      // file away; npm's wrtc crashes where it sends while a channel is closed
      // from afar. Whatever crashes before there is an answer fails the test.
      await using pair = await AnsweringProcess
        .start("web_rtc_pair.ts", first, second);
      assertEquals(await deadline(pair.answer(), PATIENCE_MS), "done");
    });
  }
}
