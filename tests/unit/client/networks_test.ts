/**
 * What holds on networks that are slow, far or moving, on simulated links; each
 * test fails when the mechanism that it is about is taken out.
 */

import { assert, assertEquals } from "@std/assert";
import type { SocketPeer } from "../../../client.ts";
import { afterAwake } from "../../../src/client/awake.ts";
import type { Runtime } from "../../../src/runtime.ts";
import {
  type SimulatedPeerOptions,
  Simulation,
  type SimulationOptions,
  VirtualClock,
} from "../../../testing.ts";

const SECOND = 1000;
const RELAY = { webrtc: false };

/** Two peers that are joined, and upgraded where they can be. */
async function joined(
  options: SimulatedPeerOptions = {},
  world: SimulationOptions = {},
) {
  const simulation = new Simulation({ latency: 10, ...world });
  const [a, b] = [simulation.peer(options), simulation.peer(options)];
  await simulation.clock.pass(30 * SECOND);
  const path = options.webrtc === false ? "relay" : "direct";
  assertEquals([a.path, b.path], [path, path]);
  return { simulation, a, b, clock: simulation.clock };
}

/** Counts the events of a name from now on. */
function count(peer: SocketPeer, event: "downgrade" | "upgrade_error") {
  const counted = { times: 0 };
  peer.on(event, () => counted.times++);
  return counted;
}

/** Makes a peer send without a pause, as long as it is connected. */
async function sendBulk(peer: SocketPeer): Promise<void> {
  for (;;) {
    if (!peer.send(new Uint8Array(65_536))) await peer.drained();
  }
}

/** Adds up the bytes of what comes. */
function receiveBulk(peer: SocketPeer): { bytes: number } {
  const got = { bytes: 0 };
  peer.on("data", (message) => got.bytes += (message as Uint8Array).length);
  return got;
}

/**
 * Makes both peers send a number every 20 ms; tells the longest pause at each.
 */
function stream(simulation: Simulation, peers: readonly SocketPeer[]) {
  const { clock } = simulation;
  const start = clock.now();
  const last = peers.map(() => start);
  const longest = peers.map(() => 0);
  const next = peers.map(() => 0);
  peers.forEach((peer, index) =>
    peer.on("data", (message) => {
      assertEquals(message, next[index]++);
      const now = clock.now();
      longest[index] = Math.max(longest[index], now - last[index]);
      last[index] = now;
    })
  );
  let number = 0;
  const send = () => {
    for (const peer of peers) peer.send(number);
    number++;
    clock.after(20, send);
  };
  send();
  return { longest, last };
}

// Judged by what it shows.

for (const latency of [450, 600, 1000, 2000]) {
  Deno.test(`SocketPeer keeps a data channel whose round trip is ${2 * latency} ms`, async () => {
    const { simulation, a, clock } = await joined({}, { latency });
    const downgrades = count(a, "downgrade");
    const before = simulation.relayed;
    for (let number = 0; number < 100; number++) {
      a.send(number);
      await clock.pass(200);
    }
    assertEquals(downgrades.times, 0);
    assert(simulation.relayed - before < 10, `${simulation.relayed - before}`);
  });
}

for (
  const [rate, queue] of [
    [20_000, 65_536],
    [32_000, 65_536],
    [125_000, 65_536],
    [125_000, 262_144],
  ]
) {
  Deno.test(`SocketPeer keeps a data channel that is full on a line of ${rate} bytes a second, and fills it`, async () => {
    const simulation = new Simulation({ latency: 5 });
    const [a, b] = [simulation.peer(), simulation.peer()];
    for (const peer of [a, b]) simulation.link(peer, { rate, queue });
    const downgrades = count(a, "downgrade");
    const got = receiveBulk(b);
    a.on("connect", () => sendBulk(a));
    await simulation.clock.pass(20 * SECOND);
    assertEquals([a.path, downgrades.times], ["direct", 0]);
    const before = got.bytes;
    await simulation.clock.pass(40 * SECOND);
    const used = (got.bytes - before) / (40 * rate);
    assert(used > 0.95, `${used} of the line is used`);
  });
}

Deno.test("SocketPeer still leaves a data channel that is dead within a second", async () => {
  const { simulation, a, b, clock } = await joined();
  const { longest } = stream(simulation, [a, b]);
  await clock.pass(5 * SECOND);
  simulation.stallChannels();
  await clock.pass(5 * SECOND);
  assert(Math.max(...longest) < SECOND, `${longest}`);
});

// Every path is watched alike.

Deno.test("SocketPeer sends again on the data channel that heals what a silent relay had", async () => {
  const { simulation, a, b, clock } = await joined();
  const got: unknown[] = [];
  b.on("data", (message) => got.push(message));
  simulation.stallChannels();
  a.send(0);
  await clock.pass(900);
  assertEquals([a.path, got], ["relay", [0]]);
  simulation.dials = "swallow";
  simulation.stallSockets();
  a.send(1);
  await clock.pass(SECOND / 2);
  simulation.healChannels();
  await clock.pass(SECOND);
  assertEquals(got, [0, 1]);
});

// A silent relay is replaced before it is given up.

for (const [name, options] of [["", {}], [" without WebRTC", RELAY]] as const) {
  for (const channelAfter of [5000, Infinity]) {
    Deno.test(`SocketPeer${name} goes on within 3 s where its host moves, its channel back after ${channelAfter} ms`, async () => {
      const { simulation, a, b, clock } = await joined(options);
      const { longest, last } = stream(simulation, [a, b]);
      await clock.pass(SECOND);
      simulation.move(a, { channelAfter, online: false });
      await clock.pass(20 * SECOND);
      assert(Math.max(...longest) <= 3 * SECOND, `${longest}`);
      assert(Math.min(...last) > clock.now() - 100);
    });
  }
}

Deno.test("SocketPeer looks at once where it is told that the network has changed", async () => {
  const { simulation, a, b, clock } = await joined(RELAY);
  const got: unknown[] = [];
  a.on("data", (message) => got.push(message));
  // Peer a only listens, so nothing but that shows that its socket is dead.
  simulation.move(a, { online: true });
  b.send("to the old address");
  await clock.pass(2 * SECOND);
  assertEquals(got, ["to the old address"]);
});

Deno.test("SocketPeer.connect() while it is connected looks at once whether what there is still works", async () => {
  const { simulation, a, b, clock } = await joined(RELAY);
  const got: unknown[] = [];
  a.on("data", (message) => got.push(message));
  simulation.stallSockets(a);
  b.send("into the void");
  a.connect();
  await clock.pass(2 * SECOND);
  assertEquals(got, ["into the void"]);
});

Deno.test("SocketPeer that looks while all is well sends one small message on each way", async () => {
  const { simulation, a, clock } = await joined();
  const sent: number[] = [];
  simulation.ontraffic = ({ peer, direction, data }) => {
    if (peer !== a || direction === "in" || `${data}`.includes("pong")) return;
    sent.push(typeof data === "string" ? data.length : data.byteLength);
  };
  simulation.wake(a);
  await clock.pass(5 * SECOND);
  assertEquals(sent.length, 3, "probes of both transports, and of the server");
  assert(Math.max(...sent) < 30, `${sent}`);
  assertEquals(simulation.sockets.size, 2);
});

Deno.test("SocketPeer that has closed, or has given up, stays so when the network changes", async () => {
  const { simulation, a, clock } = await joined(RELAY);
  const states: string[] = [];
  a.on("statechange", (state) => states.push(state));
  simulation.stallSockets();
  a.send("nobody acknowledges this");
  // Peer a still tries to deliver.
  a.close();
  simulation.wake(a);
  await clock.pass(10 * SECOND);
  simulation.wake(a);
  simulation.dials = "refuse";
  const idle = simulation.peer({ ...RELAY, reconnect: false });
  await clock.pass(SECOND);
  simulation.dials = "accept";
  simulation.wake(idle);
  await clock.pass(SECOND);
  assertEquals([states, idle.connected], [["closed"], false]);
});

for (const ms of [8000, 25_000]) {
  Deno.test(`SocketPeer over the relay goes on within 1.5 s after its link was dead for ${ms} ms`, async () => {
    const { simulation, a, b, clock } = await joined(RELAY);
    const { last } = stream(simulation, [a, b]);
    await clock.pass(SECOND);
    simulation.breakLink(a, ms);
    await clock.pass(ms + 1500);
    assert(Math.min(...last) > clock.now() - 100, `${last}, ${clock.now()}`);
  });
}

for (const ms of [60_000, 140_000]) {
  Deno.test(`SocketPeer whose socket died while it slept for ${ms} ms is back within 5 s, before it is given up`, async () => {
    const { simulation, a, b, clock } = await joined(RELAY);
    const got: unknown[] = [];
    a.on("data", (message) => got.push(message));
    b.on("close", ({ reason }) => got.push(reason));
    simulation.stallSockets(a);
    simulation.freeze(a, ms);
    b.send("while you slept");
    await clock.pass(ms + 5 * SECOND);
    assertEquals(got, ["while you slept"]);
  });
}

Deno.test("SocketPeer whose dial was refused beside a silent socket goes on with that where it comes back", async () => {
  const { simulation, a, b, clock } = await joined(RELAY);
  const states: string[] = [];
  a.on("statechange", (state) => states.push(state));
  const got: unknown[] = [];
  b.on("data", (message) => got.push(message));
  simulation.dials = "refuse";
  simulation.stallSockets(a);
  a.send("late");
  await clock.pass(5 * SECOND);
  simulation.healSockets(a);
  await clock.pass(10 * SECOND);
  assertEquals([got, states], [["late"], []]);
  assertEquals(simulation.sockets.size, 2);
});

Deno.test("SocketPeer notices a socket that dies just after it has answered", async () => {
  const { simulation, a, b, clock } = await joined(RELAY);
  const got: unknown[] = [];
  b.on("data", (message) => got.push(message));
  simulation.wake(a);
  await clock.pass(300);
  simulation.move(a, { online: false });
  a.send("at once");
  await clock.pass(5 * SECOND);
  assertEquals(got, ["at once"]);
});

Deno.test("SocketPeer asks the server again while its partner is away, so that it notices when it is away itself", async () => {
  const { simulation, a, b, clock } = await joined(RELAY);
  const got: unknown[] = [];
  b.on("data", (message) => got.push(message));
  simulation.breakLink(b, 6000);
  a.send("to one who is away");
  await clock.pass(3 * SECOND);
  simulation.move(a, { online: false });
  await clock.pass(8 * SECOND);
  assertEquals(got, ["to one who is away"]);
});

Deno.test("SocketPeer leaves no data channel for a relay that does not answer either", async () => {
  const { simulation, a, b, clock } = await joined();
  const downgrades = count(a, "downgrade");
  const { last } = stream(simulation, [a, b]);
  for (let gap = 900; gap <= 1800; gap += 300) {
    simulation.breakLink(a, gap);
    await clock.pass(10 * SECOND);
  }
  assertEquals([a.path, downgrades.times], ["direct", 0]);
  assert(Math.min(...last) > clock.now() - 100);
});

Deno.test("SocketPeer whose timers are held back to one a minute finds that its socket is dead", async () => {
  const clock = new VirtualClock();
  let rang = 0;
  const runtime = {
    now: clock.now,
    // Timers are late, as those of a page that was hidden for long.
    after: (ms: number, callback: () => void) =>
      clock.after(
        Math.ceil((clock.now() + ms) / 60_000) * 60_000 - clock.now(),
        callback,
      ),
  } as Runtime;
  await clock.pass(1000);
  afterAwake(runtime, 18_000, () => rang = clock.now());
  await clock.pass(10 * 60 * SECOND);
  assertEquals(rang, 2 * 60 * SECOND);
});

Deno.test("SocketPeer without socketFallback goes on where the acknowledgement comes with the next pairing", async () => {
  const { simulation, a, b, clock } = await joined({
    socketFallback: false,
    reconnectDelay: 0,
  });
  let got = 0;
  a.on("data", () => got++);
  for (let at = 0; at < 40; at++) b.send(new Uint8Array(4000));
  simulation.cutSockets(a);
  simulation.stallChannels(a);
  await clock.pass(150);
  simulation.healChannels(a);
  await clock.pass(60 * SECOND);
  assertEquals([got, b.bufferedAmount], [40, 0]);
});

Deno.test("SocketPeer asks a reader that pauses for hours less and less often", async () => {
  const { simulation, a, b, clock } = await joined();
  b.readable;
  for (let at = 0; at < 50; at++) a.send(new Uint8Array(4000));
  await clock.pass(60 * SECOND);
  let sent = 0;
  simulation.ontraffic = ({ direction, data }) => {
    if (direction === "out" && typeof data !== "string") sent++;
  };
  await clock.pass(10 * 60 * SECOND);
  // Both transports count, to and fro.
  assert(sent < 500, `${sent}`);
  assertEquals(a.path, "direct");
});

// Signals before bulk.

for (const rate of [20_000, 50_000, 100_000, 200_000]) {
  Deno.test(`SocketPeer is upgraded within seconds while it uploads at ${rate} bytes a second`, async () => {
    const simulation = new Simulation({ latency: 10 });
    const [a, b] = [simulation.peer(), simulation.peer()];
    simulation.link(a, { up: { rate } });
    const errors = count(a, "upgrade_error");
    a.on("connect", () => sendBulk(a));
    b.on("data", () => {});
    await simulation.clock.pass(8 * SECOND);
    assertEquals([a.path, errors.times], ["direct", 0]);
  });
}

Deno.test("SocketPeer sends hundreds of candidates in a few messages, and keeps its socket", async () => {
  const simulation = new Simulation({ latency: 10 });
  const taken: unknown[][] = [];
  /** Finds a great many candidates at once, and no path. */
  class RTCPeerConnection {
    #offered = false;
    readonly #taken: unknown[] = [];
    signalingState = "stable";
    localDescription: unknown = null;
    onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
    onnegotiationneeded: (() => void) | null = null;
    createDataChannel() {
      taken.push(this.#taken);
      queueMicrotask(() => this.onnegotiationneeded?.());
      return { close() {} };
    }
    // deno-lint-ignore require-await -- a promise by its interface
    async setLocalDescription() {
      const type = this.#offered ? "answer" : "offer";
      this.localDescription = { type, sdp: "v=0" };
      this.#gather();
    }
    async #gather() {
      // Candidates come once the description has left.
      for (let turn = 0; turn < 10; turn++) await null;
      for (let number = 0; number < 250; number++) {
        this.onicecandidate?.({ candidate: { candidate: `c${number}` } });
      }
      this.onicecandidate?.({ candidate: null });
    }
    // deno-lint-ignore require-await -- a promise by its interface
    async setRemoteDescription({ type }: { type: string }) {
      this.#offered = type === "offer";
    }
    // deno-lint-ignore require-await -- a promise by its interface
    async addIceCandidate(candidate?: unknown) {
      this.#taken.push(candidate);
    }
    close() {}
  }
  const wrtc = { RTCPeerConnection };
  const [a, b] = [simulation.peer({ wrtc }), simulation.peer({ wrtc })];
  const states: string[] = [];
  for (const peer of [a, b]) {
    peer.on("reconnect", () => states.push("reconnect"));
  }
  let signals = 0;
  simulation.ontraffic = ({ peer, direction, data }) => {
    if (peer === b && direction === "out" && `${data}`.includes("rtc.signal")) {
      signals++;
    }
  };
  await simulation.clock.pass(5 * SECOND);
  const found = Array.from({ length: 250 }, (_, number) => ({
    candidate: `c${number}`,
  }));
  assertEquals(taken, [[...found, undefined], [...found, undefined]]);
  assert(signals < 10, `${signals}`);
  await simulation.clock.pass(60 * SECOND);
  assertEquals(states, []);
});

// Flow control that fills the pipe.

for (const [trip, rate] of [[200, 4e6], [1000, 800_000]]) {
  Deno.test(`SocketPeer over the relay fills a line of ${rate} bytes a second and a round trip of ${trip} ms`, async () => {
    const simulation = new Simulation({ latency: 0 });
    const [a, b] = [simulation.peer(RELAY), simulation.peer(RELAY)];
    for (const peer of [a, b]) {
      simulation.link(peer, { rate, delay: trip / 4, queue: 1_000_000 });
    }
    const got = receiveBulk(b);
    a.on("connect", () => sendBulk(a));
    await simulation.clock.pass(10 * trip);
    const before = got.bytes;
    await simulation.clock.pass(20 * trip);
    const used = (got.bytes - before) / (20 * trip / SECOND * rate);
    assert(used > 0.95, `${used} of the line is used`);
  });
}

// A page that goes says so even with a full uplink.

Deno.test("SocketPeer whose page is left with a full uplink of 20 KB/s tells the other within 5 s", async () => {
  const { simulation, a, b, clock } = await joined(RELAY);
  simulation.link(a, { up: { rate: 20_000 } });
  sendBulk(a).catch(() => {});
  await clock.pass(10 * SECOND);
  const reasons: string[] = [];
  b.on("close", ({ reason }) => reasons.push(reason));
  simulation.hidePage(a);
  await clock.pass(5 * SECOND);
  assertEquals(reasons, ["remote"]);
});
