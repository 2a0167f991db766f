/**
 * What random schedules have found once: each as it was found, and in words.
 */

import { assertEquals } from "@std/assert";
import { Simulation } from "../../testing.ts";
import { findFailure } from "./chaos.ts";
import { runChurn } from "./churn.ts";
import { runSteady } from "./steady.ts";

const SECOND = 1000;

// The simulator forgot a connection whose channel was taken from it, so its
// crash was not noticed at the other end, however long that waited.
Deno.test("Simulation.crash() is noticed at the other end of a connection whose data channel closed untold", async () => {
  const simulation = new Simulation({ latency: 0 });
  const [a, b] = [simulation.peer(), simulation.peer()];
  await simulation.clock.pass(SECOND);
  assertEquals([a.path, b.path], ["direct", "direct"]);
  // The frozen peer learns of nothing, so it does not close its connection
  // itself.
  simulation.freeze(a, 1);
  simulation.halfOpenChannels(a);
  simulation.crash(a);
  await simulation.clock.pass(90 * SECOND);
  assertEquals([b.connected, simulation.openChannels], [false, 0]);
});

Deno.test("SocketPeer lets go of a peer that crashed after its data channel closed untold, as first found", async () => {
  const failure = await findFailure("churn", {
    seed: 546592083,
    runs: 1,
    path: "93:0:0:0:4:1:4:4:7:4:13:12:13:11:11:12:14:11:11:12:13:9:13:11:12:" +
      "9:15:9:9:9:9:9:21:9:10:9:17:9:9:17:17",
  });
  assertEquals(failure, undefined, failure);
});

// Both left at a node that had stood still, and did not know yet that the code
// was another's by then: that one kept the place of a socket that was dead.
Deno.test("SharedRegistry keeps no place of two that have left at a node that stood still", async () => {
  await runSteady({
    seed: 0,
    latency: 0,
    webrtc: [true, true],
    socketFallback: true,
    nodes: 2,
    echo: false,
    steps: [
      { action: { do: "freeze", peer: 0, ms: 1 }, wait: 11 },
      {
        action: { do: "node", fault: "stall", node: 0, ms: 10_000 },
        wait: 1,
      },
      {
        action: { do: "send", peer: 0, kind: "blob", bytes: 0, count: 1 },
        wait: 1,
      },
      {
        action: { do: "faultOfOne", fault: "halfOpenSockets", peer: 1 },
        wait: 1,
      },
    ],
    isPrivate: true,
  });
});

// The check was wrong: who was away for so long that its partner let another in
// is told so when it is back, and its partner, without a socket, after it.
Deno.test("SocketPeer may lose its place to one that its partner let in, and be told so first", async () => {
  await runChurn({
    seed: 999_998,
    latency: 0,
    webrtc: [true, true],
    socketFallback: true,
    echo: false,
    steps: [
      { action: { do: "freeze", peer: 0, ms: 1 }, wait: 46 },
      { action: { do: "freeze", peer: 0, ms: 27_044 }, wait: 1 },
      { action: { do: "move", move: "replace", peer: 2 }, wait: 9914 },
      { action: { do: "fault", fault: "cutSockets" }, wait: 50 },
      { action: { do: "move", move: "connect", peer: 2 }, wait: 16_279 },
      { action: { do: "fault", fault: "refuse" }, wait: 800 },
      { action: { do: "fault", fault: "halfOpenSockets" }, wait: 12_722 },
    ],
  });
});

// The check was wrong: two private peers do not believe the server that they are
// over, and it does not let them in for as long as it remembers that.
Deno.test("SocketPeer of two that are private is back at the server that has ended them once", async () => {
  await runChurn({
    seed: 0,
    latency: 0,
    webrtc: [true, true],
    socketFallback: false,
    nodes: 2,
    echo: false,
    leaves: true,
    steps: [{ action: { do: "leave" }, wait: 1 }],
    isPrivate: true,
  });
});
