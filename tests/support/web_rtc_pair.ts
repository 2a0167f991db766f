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
import { warmUp, WEB_RTC } from "./web_rtc.ts";

const MESSAGES = [
  "text 🦄",
  { list: [null, new Uint8Array([1, 2])] },
  new Uint8Array(100_000).fill(7),
  "",
];

async function meet(wrtc: WebRtc, other: WebRtc): Promise<void> {
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
}

const [first, second] = Deno.args;
if (first !== second) await warmUp(first, second);
await meet(WEB_RTC[first], WEB_RTC[second]);
console.log("done");
