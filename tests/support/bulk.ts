import type { PagePeer } from "./browser_pair.ts";

/** What a page counts of a bulk transfer. */
export interface Bulk {
  received: number;
  stopped: boolean;
}

declare global {
  /** The counts of a page. */
  var bulk: Bulk;
}

/** Makes a page count the bytes that come to it. */
export function countBulk(peer: PagePeer): Promise<void> {
  return peer.run(() => {
    globalThis.bulk = { received: 0, stopped: false };
    recorder.peer.off("data");
    recorder.peer.on("data", (message) => {
      bulk.received += (message as Uint8Array).length;
    });
  });
}

/** Makes a page send as much as its peer takes, until it is stopped. */
export async function startBulk(
  peer: PagePeer,
  messageBytes = 65_536,
): Promise<void> {
  await countBulk(peer);
  await peer.run((messageBytes) => {
    const message = new Uint8Array(messageBytes);
    const send = () => {
      while (!bulk.stopped && recorder.peer.send(message));
    };
    recorder.peer.on("drain", send);
    send();
  }, messageBytes);
}

/** Makes a page send no more. */
export function stopBulk(peer: PagePeer): Promise<void> {
  return peer.run(() => {
    bulk.stopped = true;
  });
}

/** What a page has received, and what has left it which way. */
export function bulkReport(
  peer: PagePeer,
): Promise<{ received: number; relayed: number; downgrades: number }> {
  return peer.run(() => ({
    received: bulk.received,
    relayed: recorder.relayedBytes,
    downgrades: recorder.events
      .filter(({ name }) => name === "downgrade").length,
  }));
}
