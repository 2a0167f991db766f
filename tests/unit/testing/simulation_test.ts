import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { SocketPeer } from "../../../client.ts";
import {
  type SimulatedPeerOptions,
  Simulation,
  type SimulationOptions,
} from "../../../testing.ts";

const SECOND = 1000;

/** Two peers that have each other, and what each gets. */
async function joined(
  options: SimulatedPeerOptions = {},
  world: SimulationOptions = {},
) {
  const simulation = new Simulation(world);
  const [a, b] = [simulation.peer(options), simulation.peer(options)];
  const [atA, atB] = [a, b].map((peer) => {
    const got: [message: unknown, at: number][] = [];
    peer.on("data", (message) => got.push([message, simulation.clock.now()]));
    return got;
  });
  await simulation.clock.pass(2 * SECOND);
  assert(a.connected && b.connected);
  return { simulation, a, b, atA, atB };
}

/** The client's end of a peer's sockets that the server has an end of. */
function openSockets({ sockets }: Simulation): number {
  return [...sockets].filter(({ readyState }) => readyState === 1).length;
}

/** All that passes while two talk and things break. */
async function traffic(prepare: (world: Simulation, peer: SocketPeer) => void) {
  const simulation = new Simulation({ seed: 3, latency: 20 });
  const seen: unknown[] = [];
  const [a, b] = [simulation.peer(), simulation.peer()];
  simulation.ontraffic = ({ peer, direction, via, data }) => {
    const at = simulation.clock.now();
    const what = typeof data === "string" ? data : data.byteLength;
    seen.push([at, peer === a, direction, via, what]);
  };
  for (const peer of [a, b]) prepare(simulation, peer);
  await simulation.clock.pass(SECOND);
  for (let round = 0; round < 20; round++) {
    a.send("x".repeat(round * 5000));
    b.send(`${round}`);
    if (round === 5) simulation.cutSockets(a);
    if (round === 9) simulation.stallChannels();
    await simulation.clock.pass(300);
  }
  return seen;
}

Deno.test("Simulation.link() that limits nothing changes nothing", async () => {
  const without = await traffic(() => {});
  assertEquals(await traffic((world, peer) => world.link(peer, {})), without);
  const both = { up: { queue: 100 }, down: { rate: Infinity } };
  assertEquals(await traffic((world, peer) => world.link(peer, both)), without);
  const slow = await traffic((world, peer) => world.link(peer, { rate: 1e5 }));
  assertNotEquals(slow, without);
});

Deno.test("Simulation.link() limits what a peer sends over the relay, and what it gets", async () => {
  for (
    const directions of [{ up: { rate: 50_000 } }, { down: { rate: 50_000 } }]
  ) {
    const { simulation, a, b, atB } = await joined({ webrtc: false });
    simulation.link("up" in directions ? a : b, directions);
    a.send(new Uint8Array(200_000));
    await simulation.clock.pass(10 * SECOND);
    const tookMs = atB[0][1] - 2 * SECOND;
    assert(tookMs > 4000 && tookMs < 4300, `${tookMs}`);
  }
});

Deno.test("Simulation.link() leaves the other direction as it is, where one is given", async () => {
  const { simulation, a, atA, b } = await joined({ webrtc: false });
  simulation.link(a, { up: { rate: 1000 } });
  b.send(new Uint8Array(200_000));
  await simulation.clock.pass(100);
  assertEquals(atA.length, 1);
});

Deno.test("Simulation.link() of sender and receiver both limit a data channel", async () => {
  for (const who of ["sender", "receiver"]) {
    const { simulation, a, b, atB } = await joined();
    assertEquals([a.path, b.path], ["direct", "direct"]);
    simulation.link(who === "sender" ? a : b, {
      [who === "sender" ? "up" : "down"]: { rate: 50_000, queue: 20_000 },
    });
    a.send(new Uint8Array(200_000));
    await simulation.clock.pass(20 * SECOND);
    const tookMs = atB[0][1] - 2 * SECOND;
    assert(tookMs > 4000, `${tookMs}`);
  }
});

Deno.test("Simulation gives a socket's bufferedAmount once the system's buffer is full", async () => {
  const { simulation, a } = await joined({ webrtc: false });
  const most = () =>
    Math.max(
      ...[...simulation.sockets].map(({ bufferedAmount = 0 }) =>
        bufferedAmount
      ),
    );
  a.send(new Uint8Array(300_000));
  await simulation.clock.pass(1);
  assertEquals(most(), 0);
  await simulation.clock.pass(SECOND);
  simulation.link(a, { rate: 20_000 });
  a.send(new Uint8Array(300_000));
  await simulation.clock.pass(1);
  const before = most();
  assert(before > 100_000 && before < 180_000, `${before}`);
  await simulation.clock.pass(2 * SECOND);
  const fallen = before - most();
  assert(fallen > 37_000 && fallen < 43_000, `${fallen}`);
});

Deno.test("Simulation gives a socket's bufferedAmount where it stalls", async () => {
  const { simulation, a } = await joined({ webrtc: false });
  simulation.stallSockets(a);
  a.send(new Uint8Array(100_000));
  await simulation.clock.pass(10);
  const [most] = [...simulation.sockets].map(({ bufferedAmount = 0 }) =>
    bufferedAmount
  ).sort((one, other) => other - one);
  assert(most > 30_000 && most < 40_000, `${most}`);
});
