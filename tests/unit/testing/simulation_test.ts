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
  // The peer has much in flight only where it has seen that the line is fast.
  a.send(new Uint8Array(4_000_000));
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
  a.send(new Uint8Array(4_000_000));
  await simulation.clock.pass(SECOND);
  simulation.stallSockets(a);
  a.send(new Uint8Array(100_000));
  await simulation.clock.pass(10);
  const [most] = [...simulation.sockets].map(({ bufferedAmount = 0 }) =>
    bufferedAmount
  ).sort((one, other) => other - one);
  assert(most > 30_000 && most < 40_000, `${most}`);
});

Deno.test("Simulation.move() leaves a peer's sockets dead for good, tells nobody, and lets new ones work at once", async () => {
  const { simulation, a, atB } = await joined({ webrtc: false });
  const [old] = simulation.sockets;
  const states: string[] = [];
  a.on("statechange", (state) => states.push(state));
  simulation.move(a, { online: false });
  a.send("lost on the way");
  await simulation.clock.pass(SECOND);
  assertEquals([old.readyState, states, atB], [1, [], []]);
  simulation.repair();
  await simulation.clock.pass(100);
  assertEquals([old.readyState, atB], [1, []]);
  assert(simulation.sockets.has(old));
  // A peer that dials again is through within a few trips.
  a.connect();
  await simulation.clock.pass(60 * SECOND);
  assertEquals(atB.map(([message]) => message), ["lost on the way"]);
});

Deno.test("Simulation.move() has a peer's data channels be silent both ways for a while", async () => {
  const { simulation, a, b } = await joined();
  const arrived: [peer: SocketPeer, at: number][] = [];
  simulation.ontraffic = ({ peer, direction, via }) => {
    if (direction === "in" && via === "direct") {
      arrived.push([peer, simulation.clock.now()]);
    }
  };
  simulation.move(a, { channelAfter: 3000, online: false });
  a.send("from a");
  b.send("from b");
  await simulation.clock.pass(2999);
  assertEquals(arrived, []);
  assertEquals(simulation.openChannels, 2);
});

Deno.test("Simulation.move() that finds no path for data channels has them fail", async () => {
  for (const channelAfter of [25 * SECOND, Infinity]) {
    const { simulation, a } = await joined({ socketFallback: false });
    const old = await channelTraffic(simulation, () => {
      simulation.move(a, { channelAfter, online: false });
      a.send("held back");
    }, 19 * SECOND);
    assertEquals(old, 0);
    // An ICE restart, which a peer without a relay makes, helps.
    assert(await channelTraffic(simulation, () => {}, 60 * SECOND) > 0);
  }
});

/** How many packets arrive on data channels within so long. */
async function channelTraffic(
  simulation: Simulation,
  act: () => void,
  ms: number,
): Promise<number> {
  let packets = 0;
  simulation.ontraffic = ({ direction, via }) => {
    if (direction === "in" && via === "direct") packets++;
  };
  act();
  await simulation.clock.pass(ms);
  simulation.ontraffic = null;
  return packets;
}

Deno.test("Simulation.breakLink() lets nothing pass, and data channels go on with its end", async () => {
  const { simulation, a } = await joined({ socketFallback: false });
  assertEquals(
    await channelTraffic(simulation, () => {
      simulation.breakLink(a, 3000);
      a.send("held back");
    }, 2999),
    0,
  );
  assert(await channelTraffic(simulation, () => {}, 50) > 0);
  assertEquals(openSockets(simulation), 2);
});

Deno.test("Simulation.breakLink() has what sockets held come when TCP tries again", async () => {
  // Sent so long after the link broke; it comes so long after that.
  for (
    const [sentAt, gapMs, expected] of [
      [0, 1000, 1600],
      [0, 3300, 6400],
      [600, 1000, 1000],
      [500, 1500, 2100],
      [0, 100, 200],
      [2000, 1000, 2000],
    ]
  ) {
    const world = new Simulation({ latency: 5 });
    const a = world.peer({ webrtc: false });
    await world.clock.pass(SECOND);
    const [socket] = world.sockets;
    const began = world.clock.now();
    world.breakLink(a, gapMs);
    await world.clock.pass(sentAt);
    const arrivals: number[] = [];
    const server = (socket as unknown as {
      server: { onText(text: string): void };
    }).server;
    server.onText = () => arrivals.push(world.clock.now() - began);
    socket.send("held back");
    await world.clock.pass(20 * SECOND);
    const late = Math.round(arrivals[0]);
    assert(late >= expected && late <= expected + 5, `${late}, ${expected}`);
  }
});

Deno.test("Simulation.breakLink() has dials go on when TCP tries again", async () => {
  for (const [gapMs, expected] of [[500, 1000], [1500, 3000], [5000, 7000]]) {
    const simulation = new Simulation({ latency: 5 });
    const a = simulation.peer({ webrtc: false, reconnect: false });
    simulation.breakLink(a, gapMs);
    while (openSockets(simulation) === 0 && simulation.clock.now() < 20_000) {
      await simulation.clock.pass(1);
    }
    const at = simulation.clock.now();
    assert(Math.abs(at - expected) < 30, `${at}, ${expected}`);
  }
});

Deno.test("Simulation.breakLink() lets new sockets through as soon as it is over", async () => {
  const { simulation, a, b, atB } = await joined({ webrtc: false });
  simulation.breakLink(a, 10 * SECOND);
  b.send("held back");
  await simulation.clock.pass(10 * SECOND + 1);
  simulation.cutSockets(a);
  a.connect();
  a.send("on a new one");
  await simulation.clock.pass(100);
  assertEquals(atB.map(([message]) => message), ["on a new one"]);
});

Deno.test("Simulation leaves no timer behind after links, moves and gaps", async () => {
  const { simulation, a, b, atB } = await joined({ resumeTimeout: 10_000 });
  simulation.link(a, { rate: 50_000, delay: 30, jitter: 20, loss: 0.05 });
  for (let number = 0; number < 30; number++) {
    a.send("x".repeat(number * 1000));
    if (number === 10) simulation.move(a);
    if (number === 20) simulation.breakLink(b, 4000);
    await simulation.clock.pass(500);
  }
  simulation.repair();
  await simulation.clock.pass(60 * SECOND);
  assertEquals(
    atB.map(([message]) => (message as string).length),
    [
      ...Array(30).keys(),
    ].map((number) => number * 1000),
  );
  a.close();
  b.close();
  await simulation.clock.pass(200 * SECOND);
  assertEquals([simulation.clock.pending, simulation.sockets.size], [0, 0]);
});

Deno.test("Simulation.leave() ends a conversation, of one node or of several", async () => {
  for (const nodes of [1, 3]) {
    const { simulation, a, b } = await joined({}, { nodes });
    const reasons: string[] = [];
    for (const peer of [a, b]) {
      peer.on("close", ({ reason }) => reasons.push(reason));
    }
    const ended = simulation.leave("code");
    const unknown = simulation.leave("another");
    await simulation.clock.pass(SECOND);
    assertEquals([await ended, await unknown], [true, false]);
    assertEquals(reasons, ["server", "server"]);
  }
});

Deno.test("Simulation.dial() opens a WebSocket for a client of any kind, which breaks as others do", async () => {
  const simulation = new Simulation({ nodes: 2 });
  const { clock } = simulation;
  const told: string[] = [];
  const socket = simulation.dial();
  socket.onopen = () => socket.send('{"type":"pair","data":"code"}');
  socket.onmessage = ({ data }: { data: string }) => told.push(data);
  socket.onclose = () => told.push("closed");
  await clock.pass(SECOND);
  const peer = simulation.peer();
  await clock.pass(SECOND);
  peer.send("hello");
  await clock.pass(SECOND);
  assertEquals(told, [
    '{"type":"peer.found","data":{"initiator":false}}',
    '{"type":"data","data":"hello"}',
  ]);
  // The server finds out for itself.
  simulation.halfOpenSockets();
  await clock.pass(40 * SECOND);
  assertEquals(told.at(-1), "closed");
  peer.destroy();
  await clock.pass(200 * SECOND);
  assertEquals([simulation.places, simulation.sockets.size], [0, 0]);
});

Deno.test("Simulation has nodes that die and come back, and an engine that does", async () => {
  const webrtc = { webrtc: false };
  const { simulation, a, atB } = await joined(webrtc, { nodes: 3, seed: 3 });
  const { clock, nodes, engine } = simulation;
  assertEquals(nodes.map(({ joined }) => joined), [true, true, true]);
  for (const node of nodes) {
    a.send("while one is away");
    node.kill();
    assertEquals(node.ready, false);
    await clock.pass(10 * SECOND);
    node.start();
    await clock.pass(10 * SECOND);
  }
  engine!.stop();
  a.send("while the engine is");
  await clock.pass(10 * SECOND);
  assertEquals(nodes.map(({ joined }) => joined), [false, false, false]);
  engine!.start(true);
  await clock.pass(10 * SECOND);
  assertEquals(atB.map(([message]) => message), [
    ...Array(3).fill("while one is away"),
    "while the engine is",
  ]);
});
