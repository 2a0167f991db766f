/**
 * Two people meet by a spoken code, compare the words that show that nobody is
 * between them, and from then on meet without a code.
 *
 *     node private.mjs bob.key                       # at Alice's: shows a code
 *     node private.mjs alice.key 7-otter-lunar-basin # at Bob's
 *     node private.mjs bob.key                       # at Alice's, next time
 *     node private.mjs alice.key                     # at Bob's, next time
 */

// deno-lint-ignore-file no-console
import { SocketPeer } from "@socketpeer/socketpeer/private";
import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { createInterface } from "node:readline";

const [path, pairCode] = process.argv.slice(2);
const url = process.env.SERVER_URL ?? "http://localhost:3000";

const lines = createInterface({ input: process.stdin });
const typed = lines[Symbol.asyncIterator]();
async function ask(question) {
  console.log(question);
  return (await typed.next()).value;
}

// What is there from last time; with a new code they begin anew.
const secret = pairCode ? undefined : await readFile(path).catch(() => {});
const peer = new SocketPeer(secret ? { secret, url } : { pairCode, url });
peer.on("code", (code) => console.log(`Say to the other: ${code}`));
peer.on("connect_error", (error) => console.error(error.message));
// Such as a typo at the other's: whoever has made the code waits on.
await new Promise((resolve) => peer.once("connect", resolve));

if (!secret) {
  // By telephone, say, where each knows the other's voice.
  const same = await ask(`Does the other see "${peer.verification}"? (y/n)`);
  if (same !== "y") {
    console.error("Somebody is between you, or it is a mistake: a new code");
    peer.destroy();
    process.exit(1);
  }
  // Whoever has it can be taken for either, so nobody else may read it.
  await writeFile(path, await peer.exportKey("next time"), { mode: 0o600 });
}
console.log("In private now. What you type goes to the other.");

peer.on("data", (message) => console.log(`> ${message}`));
peer.on("close", ({ reason }) => {
  console.log(`It has ended: ${reason}`);
  // Not process.exit(): the other waits to hear that this one knows.
  lines.close();
});
for await (const line of typed) peer.send(line);
peer.close();
