/**
 * Conversations under seeded faults: whatever breaks, every message arrives
 * once and in order.
 *
 * A failure names its seed; `SEED=n deno task test tests/chaos` repeats it,
 * and `SEEDS=n` runs so many.
 */

import { assert, assertEquals } from "@std/assert";
import type { SocketPeer } from "../../client.ts";
import { World } from "../support/simulation.ts";

const SEEDS = Number(Deno.env.get("SEEDS") ?? 300);
const ONLY = Deno.env.get("SEED");

type Fault = readonly [name: string, strike: (world: World) => void];

const FAULTS: readonly Fault[] = [
  ["sockets break", (world) => world.cutSockets()],
  ["sockets stall", (world) => world.stallSockets()],
  ["one socket breaks", (world) => world.cutOneSocket()],
  ["channels close", (world) => world.closeChannels()],
  ["channels stall", (world) => world.stallChannels()],
  ["channels heal", (world) => world.healChannels()],
  ["the server dies", (world) => world.killServer()],
  ["the server is back", (world) => world.startServer()],
  ["attempts hang", (world) => (world.swallowing = true)],
  ["attempts go on", (world) => (world.swallowing = false)],
];

/** Everything works again. */
function repair(world: World): void {
  if (!world.listening) world.startServer();
  world.swallowing = false;
  world.healChannels();
}

async function runSeed(seed: number): Promise<void> {
  const world = new World({ seed, latencyMs: 1 + seed % 40 });
  const { random } = world;
  const story: string[] = [];
  const peers = [0, 1].map(() =>
    world.peer({
      webrtc: random() < 0.8,
      reconnectDelay: 200,
      // Longer than any of these stories.
      resumeTimeout: 600_000,
    })
  );
  const sent: string[][] = [[], []];
  const got: unknown[][] = [[], []];
  peers.forEach((peer, index) => {
    peer.on("data", (message) => got[index].push(message));
    peer.on("close", (info) => story.push(`close ${JSON.stringify(info)}`));
  });
  const say = (peer: SocketPeer, index: number) => {
    const size = random() < 0.02 ? 200_000 : Math.floor(random() * 40);
    const message = `${sent[index].length}:${"x".repeat(size)}`;
    peer.send(message);
    sent[index].push(message);
  };
  for (let step = 0; step < 60; step++) {
    await world.clock.pass(random() * (random() < 0.1 ? 20_000 : 300));
    const roll = random();
    if (roll < 0.25) {
      const [name, strike] = FAULTS[Math.floor(random() * FAULTS.length)];
      story.push(`${Math.round(world.clock.now())} ${name}`);
      if (name !== "the server is back" || !world.listening) strike(world);
    } else {
      const index = Math.floor(random() * 2);
      for (let count = random() * 5; count > 0; count--) {
        say(peers[index], index);
      }
    }
    for (const side of [0, 1]) {
      const arrived = got[1 - side];
      assertEquals(arrived, sent[side].slice(0, arrived.length), "order");
    }
  }
  repair(world);
  await world.clock.pass(120_000);
  try {
    for (const side of [0, 1]) {
      assertEquals(got[1 - side].length, sent[side].length, `from ${side}`);
      assertEquals(got[1 - side], sent[side]);
      assertEquals(peers[side].bufferedAmount, 0);
    }
    assertEquals(story.filter((line) => line.startsWith("close")), []);
    peers[0].close();
    await world.clock.pass(10_000);
    peers[1].close();
    await world.clock.pass(20_000);
    assertEquals(world.clock.pending, 0, "timers left");
    assertEquals(world.registry.size, 0, "places left");
    assert(story.some((line) => line.includes("remote")));
  } catch (error) {
    throw new Error(`Seed ${seed}:\n${story.join("\n")}`, { cause: error });
  }
}

Deno.test("SocketPeer loses, doubles and reorders nothing under seeded faults", async () => {
  if (ONLY) return await runSeed(Number(ONLY));
  for (let seed = 0; seed < SEEDS; seed++) await runSeed(seed);
});
