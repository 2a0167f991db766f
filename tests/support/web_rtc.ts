import wrtc from "@roamhq/wrtc";
import * as nodeDataChannel from "node-datachannel/polyfill";
import * as werift from "werift";
import { SocketPeer, type WebRtc } from "../../client.ts";
import { next } from "./next_event.ts";
import { startServer } from "./start_server.ts";

/**
 * The implementations of WebRTC outside of browsers that docs/client.md names, for
 * programs that are run by {@linkcode AnsweringProcess}: no test loads them all.
 */
export const WEB_RTC: Readonly<Record<string, WebRtc>> = {
  "@roamhq/wrtc": wrtc as unknown as WebRtc,
  "node-datachannel": nodeDataChannel,
  "werift": werift,
};

/**
 * Lets werift, where it is one of these, meet itself. Its DTLS is JavaScript:
 * the first handshake of a process takes over 100 ms on a busy computer, later
 * ones 10. Others repeat what is not answered within 50 ms, and what werift is
 * told twice can end in a connection that only one side takes for open.
 */
export async function warmUp(...names: string[]): Promise<void> {
  if (!names.includes("werift")) return;
  const options = { pairCode: "code", url: startServer().url, wrtc: werift };
  const peers = [new SocketPeer(options), new SocketPeer(options)];
  await Promise.all(peers.map((peer) => next(peer, "upgrade")));
  for (const peer of peers) peer.destroy();
}
