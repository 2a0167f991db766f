/**
 * Two peers of each kind talk through a server, all of the installed package;
 * prints what arrives.
 */

import { SocketPeer, SocketPeerServer } from "@socketpeer/socketpeer";
import { Metrics } from "@socketpeer/socketpeer/metrics";
import { SocketPeer as PrivatePeer } from "@socketpeer/socketpeer/private";
import { redisBroker } from "@socketpeer/socketpeer/brokers";
import { Simulation } from "@socketpeer/socketpeer/testing";
import process from "node:process";

// Node 20 has none.
const { WebSocket } = globalThis.WebSocket ? globalThis : await import("ws");
const peerServer = new SocketPeerServer({ port: 0, host: "127.0.0.1" });
const { port } = await peerServer.ready;
const socket = () => new WebSocket(`ws://127.0.0.1:${port}/socketpeer/?v=2`);
const arrived = [];
for (
  const [Peer, pairCode] of [
    [SocketPeer, "code"],
    [PrivatePeer, "7-otter-lunar-basin"],
  ]
) {
  const [alice, bob] = [0, 1].map(() => new Peer({ pairCode, socket }));
  alice.send({ hello: "Bob" });
  const { hello } = await new Promise((resolve) => bob.once("data", resolve));
  arrived.push(hello);
  const closed = new Promise((resolve) => alice.once("close", resolve));
  alice.close();
  await closed;
  bob.close();
}
const metrics = new Metrics(() => peerServer.stats);
const hasNumbers = /socketpeer_pairs/.test(await metrics.text());
await peerServer.close();
const simulated = new Simulation({ seed: 1 }).peer();
const rest = [hasNumbers, typeof redisBroker, simulated.pairCode !== ""];
process.stdout.write([...arrived, ...rest].join(), () => process.exit());
