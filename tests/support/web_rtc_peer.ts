/**
 * A program with a peer that has the implementation of WebRTC which its first
 * argument names, and meets a page at the server that the second names. It
 * says "waiting" where it is the first to come, "done" when all is well, and
 * "refused" where no data channel opens, and waits to be killed.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- what it prints is its answer
import { assertEquals } from "@std/assert";
import { SocketPeer } from "../../client.ts";
import { next } from "./next_event.ts";
import { record } from "./recorder.ts";
import { warmUp, WEB_RTC } from "./web_rtc.ts";

const [name, url] = Deno.args;
await warmUp(name);
const peer = new SocketPeer({ pairCode: "code", url, wrtc: WEB_RTC[name] });
const { messages, events } = record(peer);
peer.on("statechange", (state) => {
  if (state === "waiting") console.log(state);
});
peer.on("upgrade_error", () => console.log("refused"));
await new Promise<void>((resolve) => peer.once("upgrade", resolve));
peer.send("text 🦄");
peer.send({ list: [null, new Uint8Array([1, 2])] });
peer.send(new Uint8Array(100_000));
if (messages.length === 0) await next(peer, "data");
await peer.flush();
assertEquals(messages, [{
  text: "text 🦄",
  at: [null, new Uint8Array([1, 2])],
}]);
assertEquals(events.slice(0, 3), ["connect", "upgrade_attempt", "upgrade"]);
assertEquals(events.filter((name) => /attempt/.test(name)).length, 1);
console.log("done");
