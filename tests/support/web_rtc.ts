import wrtc from "@roamhq/wrtc";
import { cleanup } from "node-datachannel";
import * as nodeDataChannel from "node-datachannel/polyfill";
import * as werift from "werift";
import type { WebRtc } from "../../client.ts";

/** The implementations of WebRTC outside of browsers that README names. */
export const WEB_RTC: Readonly<Record<string, WebRtc>> = {
  "@roamhq/wrtc": wrtc as unknown as WebRtc,
  "node-datachannel": nodeDataChannel,
  "werift": werift,
};

// The threads of node-datachannel outlive its connections, and what they call
// is gone when the isolate of a test file is: Deno panics then, "attempt to
// access Handle hosted by disposed Isolate". For the same reason no two files
// of one process can load it.
Deno.test.afterAll(cleanup);
