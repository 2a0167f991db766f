/**
 * A program that answers whoever has its code, over a data channel where that
 * is possible. `examples/node_peer.mjs` asks it.
 *
 *     deno run -A examples/deno_peer.ts some-long-code
 */

// deno-lint-ignore-file no-console
import wrtc from "@roamhq/wrtc";
import { SocketPeer } from "@socketpeer/socketpeer/client";

/** What the other sends. */
interface Question {
  id: number;
  about: "load" | "memory";
}

/** What this one sends. */
interface Answer {
  id: number;
  value: number;
}

const [pairCode] = Deno.args;
const url = Deno.env.get("SERVER_URL") ?? "http://localhost:3000";

const peer = new SocketPeer<Answer, Question>({
  pairCode,
  url,
  // Its types are those of a browser's page.
  // deno-lint-ignore no-explicit-any
  wrtc: wrtc as any,
});
console.log(`Code: ${peer.pairCode}`);

peer.on("data", ({ id, about }) => {
  const value = about === "load"
    ? Deno.loadavg()[0]
    : Deno.systemMemoryInfo().available;
  peer.send({ id, value });
});
peer.on("upgrade", () => console.log("Direct"));
peer.on("downgrade", () => console.log("Over the relay"));
// It looks for another by itself.
peer.on("close", ({ reason }) => console.log(`The other is gone: ${reason}`));
