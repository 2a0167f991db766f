/**
 * A program that asks another, over a data channel where that is possible.
 * `examples/deno_peer.ts` answers.
 *
 *     npm install @roamhq/wrtc
 *     node node_peer.mjs some-long-code
 */

// deno-lint-ignore-file no-console
import wrtc from "@roamhq/wrtc";
import { SocketPeer } from "@socketpeer/socketpeer/client";
import process from "node:process";

const [pairCode] = process.argv.slice(2);
const url = process.env.SERVER_URL ?? "http://localhost:3000";
const peer = new SocketPeer({ pairCode, url, wrtc });
peer.on("connect_error", (error) => console.error(error.message));

const asked = new Map();
peer.on("data", ({ id, value }) => {
  asked.get(id)?.(value);
  asked.delete(id);
});

let lastId = 0;
/** Asks the other, and waits for the answer. */
function ask(about) {
  return new Promise((resolve) => {
    asked.set(++lastId, resolve);
    peer.send({ id: lastId, about });
  });
}

// Not waited for in vain where no data channel can be opened: ask at once.
console.log(`Load: ${await ask("load")}, ${peer.path}`);
await new Promise((resolve) => {
  peer.once("upgrade", resolve).once("upgrade_error", resolve);
});
console.log(`Memory: ${await ask("memory")}, ${peer.path}`);

peer.once("close", () => process.exit());
peer.close();
