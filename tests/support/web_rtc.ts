import wrtc from "@roamhq/wrtc";
import * as nodeDataChannel from "node-datachannel/polyfill";
import * as werift from "werift";
import type { WebRtc } from "../../client.ts";

/** The implementations of WebRTC outside of browsers that README names. */
export const WEB_RTC: Readonly<Record<string, WebRtc>> = {
  "@roamhq/wrtc": wrtc as unknown as WebRtc,
  "node-datachannel": nodeDataChannel,
  "werift": werift,
};
