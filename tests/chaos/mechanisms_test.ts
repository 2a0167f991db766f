/**
 * What the random schedules would not miss, as it costs time and no message;
 * each fails when the mechanism that it names is taken out.
 */

import { assert, assertEquals } from "@std/assert";
import { WINDOW_BYTES } from "../../src/protocol/limits.ts";
import { type SimulatedPeerOptions, Simulation } from "../../testing.ts";

const SECOND = 1000;

/** Two peers that are joined, upgraded if they can be. */
async function joined(options: SimulatedPeerOptions = {}) {
  const simulation = new Simulation({ latency: 10 });
  const peers = [simulation.peer(options), simulation.peer(options)] as const;
  const got = peers.map((peer) => {
    const messages: unknown[] = [];
    peer.on("data", (message) => messages.push(message));
    return messages;
  });
  await simulation.clock.pass(SECOND);
  assertEquals(peers.map(({ connected }) => connected), [true, true]);
  return { simulation, peers, got };
}

Deno.test("SocketPeer has no more than a window in flight where nothing is acknowledged", async () => {
  const { simulation, peers: [a] } = await joined({ webrtc: false });
  // A peer has so much in flight only where it has seen that the line is fast.
  a.send(new Uint8Array(4 * WINDOW_BYTES));
  await simulation.clock.pass(5 * SECOND);
  simulation.stallSockets();
  simulation.dials = "refuse";
  let bytes = 0;
  simulation.ontraffic = ({ peer, direction, data }) => {
    const sends = peer === a && direction === "out" && typeof data !== "string";
    if (sends) bytes += data.byteLength;
  };
  a.send(new Uint8Array(3 * WINDOW_BYTES));
  await simulation.clock.pass(5 * SECOND);
  assert(bytes > WINDOW_BYTES / 2 && bytes <= WINDOW_BYTES, `${bytes}`);
});

Deno.test("SocketPeer acknowledges on its new transport when the old one breaks", async () => {
  const { simulation, peers: [a, b], got } = await joined();
  a.send("arrives");
  await simulation.clock.pass(15);
  assertEquals(got[1], ["arrives"]);
  // The channel breaks before b has acknowledged, and a waits for that on it.
  simulation.halfOpenChannels(b);
  await simulation.clock.pass(100);
  assertEquals(a.bufferedAmount, 0);
});

Deno.test("SocketPeer offers again when the other side's connection is dead and this one's is not", async () => {
  for (const index of [0, 1]) {
    const { simulation, peers } = await joined();
    assertEquals(peers.map(({ path }) => path), ["direct", "direct"]);
    // The other peer still believes in its own connection.
    simulation.halfOpenChannels(peers[index]);
    await simulation.clock.pass(3 * SECOND);
    assertEquals(peers.map(({ path }) => path), ["direct", "direct"]);
  }
});

Deno.test("SocketPeer without a relay restarts ICE, and keeps its connection", async () => {
  const { simulation, peers: [a, b], got } = await joined({
    socketFallback: false,
  });
  let attempts = 0;
  a.on("upgrade_attempt", () => attempts++);
  b.on("upgrade_attempt", () => attempts++);
  simulation.stallChannels();
  a.send("stuck");
  // Half a minute is what WebRTC takes to say that a path is dead.
  await simulation.clock.pass(25 * SECOND);
  assertEquals([got[1], attempts], [["stuck"], 0]);
});

Deno.test("SocketPeer.destroy() tells the other side over the data channel, where its socket is down", async () => {
  const { simulation, peers: [a, b] } = await joined();
  const reasons: string[] = [];
  b.on("close", ({ reason }) => reasons.push(reason));
  simulation.dials = "refuse";
  simulation.cutSockets();
  a.destroy();
  await simulation.clock.pass(100);
  assertEquals(reasons, ["remote"]);
});

Deno.test("SocketPeer goes on filling a data channel that was full", async () => {
  const { simulation, peers: [a], got } = await joined();
  // A peer has so much in flight only where it has seen that the line is fast.
  a.send(new Uint8Array(4 * WINDOW_BYTES));
  await simulation.clock.pass(5 * SECOND);
  simulation.latency = 200;
  a.send(new Uint8Array(900_000));
  await simulation.clock.pass(800);
  assertEquals(got[1].length, 2, "not only when something is acknowledged");
});

Deno.test("SocketPeer sends nothing again that the other side's hello says has arrived", async () => {
  const { simulation, peers: [a, b], got } = await joined({ webrtc: false });
  a.send("arrives, and is not acknowledged");
  await simulation.clock.pass(25);
  assertEquals(got[1].length, 1);
  simulation.cutSockets();
  let resent = 0;
  simulation.ontraffic = ({ peer, direction, data }) => {
    const sends = peer === a && direction === "out" && typeof data !== "string";
    if (sends && data.byteLength > 12) resent++;
  };
  // The one who knows is back first, so its hello is news to the other.
  b.connect();
  await simulation.clock.pass(10 * SECOND);
  assertEquals([a.bufferedAmount, got[1].length, resent], [0, 1, 0]);
});
