/** A page's module, for bundlers: one peer of the root and a private one. */

import { SocketPeer } from "@socketpeer/socketpeer";
import { SocketPeer as PrivatePeer } from "@socketpeer/socketpeer/private";

const peers = [
  new SocketPeer({ pairCode: "code", autoconnect: false }),
  new PrivatePeer({ pairCode: "7-otter-lunar-basin", autoconnect: false }),
];
for (const peer of peers) peer.close();
globalThis.pairCodes = peers.map(({ pairCode }) => pairCode);
