/**
 * A program in which two peers meet, each with the implementation of WebRTC
 * that an argument names. It says "done" when all is well, and waits to be
 * killed.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- what it prints is its answer
import { assertEquals } from "@std/assert";
import { SocketPeer, type WebRtc } from "../../client.ts";
import { next, untilState } from "./next_event.ts";
import { record } from "./recorder.ts";
import { startServer } from "./start_server.ts";
import { WEB_RTC } from "./web_rtc.ts";

const MESSAGES = [
  "text 🦄",
  { list: [null, new Uint8Array([1, 2])] },
  new Uint8Array(100_000).fill(7),
  "",
];

async function meet(wrtc: WebRtc, other: WebRtc): Promise<SocketPeer[]> {
  const options = { pairCode: "code", url: startServer().url };
  const a = new SocketPeer({ ...options, wrtc });
  // The second to arrive makes the offer.
  await untilState(a, "waiting");
  const b = new SocketPeer({ ...options, wrtc: other });
  const recordings = [record(a), record(b)];
  await Promise.all([a, b].map((peer) => next(peer, "upgrade")));
  for (const message of MESSAGES) {
    a.send(message);
    b.send(message);
  }
  await Promise.all([a.flush(), b.flush()]);
  for (const { messages, events } of recordings) {
    assertEquals(messages, MESSAGES);
    // Where the computer stands still, a channel may be taken for dead and be
    // used again: what is asked here is that one attempt was enough.
    assertEquals(events.slice(0, 3), ["connect", "upgrade_attempt", "upgrade"]);
    assertEquals(events.filter((name) => /attempt|error/.test(name)).length, 1);
  }
  return [a, b];
}

const [first, second] = Deno.args;
// The DTLS of werift is JavaScript: the first handshake of a process takes over
// 100 ms on a busy computer, later ones 10. The others repeat what is not
// answered within 50 ms, and what werift is told twice can end in a connection
// that only one side takes for open. So it meets itself first.
if (first !== second && [first, second].includes("werift")) {
  const peers = await meet(WEB_RTC.werift, WEB_RTC.werift);
  for (const peer of peers) peer.destroy();
}
await meet(WEB_RTC[first], WEB_RTC[second]);
console.log("done");
