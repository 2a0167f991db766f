/**
 * socketpeer connects exactly two people's programs: a message pipe between
 * the two peers that know one pair code, over a WebSocket relay at once and
 * over a WebRTC data channel as soon as that is possible, in which nothing is
 * lost, doubled or out of order.
 *
 * This module has both halves; import `./client` or `./server` for one.
 *
 * @example A server and two peers in one program
 * ```ts
 * import { SocketPeer, SocketPeerServer } from "@socketpeer/socketpeer";
 *
 * const peerServer = new SocketPeerServer({ port: 0 });
 * const { port } = await peerServer.ready;
 * const url = `http://localhost:${port}`;
 *
 * const alice = new SocketPeer({ pairCode: "yolo", url });
 * const bob = new SocketPeer({ pairCode: "yolo", url });
 * alice.send({ hello: "Bob" });
 * const message = await new Promise((resolve) => bob.once("data", resolve));
 * console.log(message); // { hello: "Bob" }
 *
 * const closed = new Promise((resolve) => alice.once("close", resolve));
 * alice.close();
 * await closed;
 * bob.close();
 * await peerServer.close();
 * ```
 *
 * @module
 */

export * from "./client.ts";
export * from "./src/server/mod.ts";
