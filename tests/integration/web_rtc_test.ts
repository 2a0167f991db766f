/** Every implementation of WebRTC that README names, with every other. */

import { assertEquals } from "@std/assert";
import { root, startDeno } from "../../scripts/deno.ts";
import { stdFlags } from "../../scripts/std.ts";

const PATIENCE_MS = 45_000;

// Not imported from tests/support/web_rtc.ts, which would load them here.
const NAMES = ["@roamhq/wrtc", "node-datachannel", "werift"];

const program = new URL("tests/support/web_rtc_pair.ts", root).href;
const flags = await stdFlags();

for (const first of NAMES) {
  for (const second of NAMES) {
    Deno.test(`SocketPeer with ${first} has a data channel with ${second} at the first attempt`, async () => {
      // A process of its own, which is killed when it has answered. Threads of
      // node-datachannel outlive its connections and its `cleanup()`, and call
      // what is gone when Deno puts the isolate of a test file away; npm's
      // wrtc crashes where it sends while a channel is closed from afar.
      // Whatever crashes before there is an answer fails the test.
      const child = startDeno(
        ["run", "-A", "--no-check", ...flags, program, first, second],
        { stdout: "piped" },
      );
      const kill = () => {
        try {
          child.kill("SIGKILL");
        } catch {
          // It has ended by itself.
        }
      };
      const timer = setTimeout(kill, PATIENCE_MS);
      let answer = "";
      for await (
        const text of child.stdout.pipeThrough(new TextDecoderStream())
      ) {
        answer += text;
        if (answer.includes("\n")) kill();
      }
      clearTimeout(timer);
      await child.status;
      assertEquals(answer, "done\n");
    });
  }
}
