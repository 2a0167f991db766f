/**
 * Sends a file to one other person, in private, no faster than that one stores it.
 *
 *     deno run -A examples/file.ts send photo.jpg
 *     deno run -A examples/file.ts receive 7-otter-lunar-basin
 */

// deno-lint-ignore-file no-console
import { SocketPeer } from "@socketpeer/socketpeer/private";
import { basename } from "node:path";

const [command, argument] = Deno.args;
const pairCode = command === "receive" ? argument : undefined;
const url = Deno.env.get("SERVER_URL") ?? "http://localhost:3000";
const peer = new SocketPeer({ pairCode, url });
peer.on("code", (code) => console.log(`Code: ${code}`));
peer.on("connect_error", (error) => console.error(error.message));

/** Passes a file on, and shows how much of it is with the other, or here. */
function progress(size: number): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0;
  let shown = 0;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk);
      bytes += chunk.length;
      const percent = Math.floor((bytes - peer.bufferedAmount) / size * 100);
      if (percent > shown) console.log(`${shown = percent} %`);
    },
    flush() {
      // A file may shrink while it is sent.
      if (bytes !== size) throw new Error(`Only ${bytes} bytes of ${size}`);
    },
  });
}

try {
  if (pairCode) {
    // Kept, as the peer has another one when this conversation has ended.
    const { readable } = peer;
    const reader = readable.getReader();
    const { name, size } = (await reader.read()).value as Record<string, never>;
    reader.releaseLock();
    // No folders, and no file that is there: the other chooses the name.
    const path = basename(name);
    const file = await Deno.open(path, { createNew: true, write: true });
    await readable.pipeThrough(progress(size)).pipeTo(file.writable);
  } else {
    const file = await Deno.open(argument);
    const { size } = await file.stat();
    peer.send({ name: basename(argument), size });
    // Closing the stream delivers all of it, and closes the peer.
    await file.readable.pipeThrough(progress(size)).pipeTo(peer.writable);
  }
  console.log("Done");
} catch (error) {
  // Not thrown, as the other is to be told before this program ends.
  console.error(error);
  Deno.exitCode = 1;
}
