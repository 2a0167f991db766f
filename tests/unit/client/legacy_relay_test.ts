import { assert, assertEquals } from "@std/assert";
import { record } from "../../support/recorder.ts";
import { Simulation, type Traffic } from "../../../testing.ts";

const SECOND = 1000;

/** A peer whose server has paired it with one of version 1. */
async function beside1x(options = {}) {
  const world = new Simulation();
  const peer = world.peer(options);
  const recording = record(peer);
  const said: unknown[] = [];
  world.ontraffic = ({ direction, via, data }: Traffic) => {
    if (direction === "in" || via === "direct") return;
    const message = typeof data === "string" ? JSON.parse(data) : data;
    if (message.type !== "pong") said.push(message);
  };
  const hears = (type: string, data?: unknown) =>
    world.inject(peer, JSON.stringify({ type, data }));
  await world.clock.pass(SECOND);
  said.splice(0);
  hears("peer.found", { interval: 15_000, initiator: false });
  await world.clock.pass(SECOND);
  return { world, peer, recording, said, hears };
}

Deno.test("SocketPeer beside a peer of version 1 says messages as data, in order", async () => {
  const { world, peer, recording, said } = await beside1x();
  assertEquals([peer.connected, peer.path], [true, "relay"]);
  peer.send("text");
  peer.send({ json: [1, null] });
  peer.send(new Blob(["not text"]).size);
  await world.clock.pass(SECOND);
  assertEquals(said, [
    { type: "data", data: "text" },
    { type: "data", data: { json: [1, null] } },
    { type: "data", data: 8 },
  ]);
  assertEquals(peer.bufferedAmount, 0);
  await peer.flush();
  assertEquals(recording.args.close, undefined);
});

Deno.test("SocketPeer ends the conversation where a peer of version 1 does not take what was queued before it came", async () => {
  const world = new Simulation();
  const peer = world.peer();
  const { args, codes } = record(peer);
  peer.send("x".repeat(100_000));
  await world.clock.pass(SECOND);
  const data = { interval: 15_000, initiator: true };
  world.inject(peer, JSON.stringify({ type: "peer.found", data }));
  await world.clock.pass(SECOND);
  assertEquals(codes, ["MESSAGE_TOO_LARGE"]);
  assertEquals(args.close, [[{ reason: "error", unacknowledged: 1 }]]);
});

Deno.test("SocketPeer beside a peer of version 1 says what was queued before it came", async () => {
  const world = new Simulation();
  const peer = world.peer();
  for (let index = 0; index < 100; index++) peer.send(index);
  const said: unknown[] = [];
  world.ontraffic = ({ direction, data }) => {
    const text = String(data);
    if (direction === "out" && text.includes(`"data",`)) {
      said.push(JSON.parse(text).data);
    }
  };
  await world.clock.pass(SECOND);
  const data = { interval: 15_000, initiator: true };
  world.inject(peer, JSON.stringify({ type: "peer.found", data }));
  await world.clock.pass(SECOND);
  assertEquals(said, Array.from({ length: 100 }, (_, index) => index));
});

Deno.test("SocketPeer beside a peer of version 1 hears its messages", async () => {
  const { world, recording, hears } = await beside1x();
  const sent = ["text", { json: true }, 7, null, "x".repeat(60_000)];
  for (const data of sent) hears("data", data);
  // It would open WebRTC of its own kind.
  hears("rtc.connect", { generation: 1 });
  await world.clock.pass(SECOND);
  assertEquals(recording.messages, sent);
  assertEquals(recording.codes, []);
});

Deno.test("SocketPeer beside a peer of version 1 ends where a message can't be said, and tells why", async () => {
  for (const message of [new Uint8Array([1]), "\0".repeat(20_000)]) {
    const { world, peer, recording, said } = await beside1x();
    peer.send(message);
    await world.clock.pass(SECOND);
    assertEquals(recording.codes, ["MESSAGE_TOO_LARGE"]);
    assertEquals(recording.args.close, [[{
      reason: "error",
      unacknowledged: 1,
    }]]);
    assert(!JSON.stringify(said).includes(`"data":{"0"`));
  }
});

Deno.test("SocketPeer beside a peer of version 1 closes, and says nothing of it there", async () => {
  const { world, peer, recording, said } = await beside1x();
  peer.send("last");
  peer.close();
  await world.clock.pass(SECOND);
  assertEquals(said, [{ type: "data", data: "last" }]);
  assertEquals(recording.args.close, [[{
    reason: "local",
    unacknowledged: 0,
  }]]);
});

Deno.test("SocketPeer looks for anybody when the socket to a peer of version 1 breaks", async () => {
  const { world, peer, recording } = await beside1x();
  world.cutSockets();
  await world.clock.pass(10);
  assertEquals(recording.args.close, [[{ reason: "away", unacknowledged: 0 }]]);
  world.peer();
  await world.clock.pass(5 * SECOND);
  assert(peer.connected);
  assertEquals(peer.path, "direct");
});

Deno.test("SocketPeer beside a peer of version 1 goes on saying messages after it was told that the network has changed", async () => {
  const { world, peer, said } = await beside1x();
  world.wake(peer);
  await world.clock.pass(5 * SECOND);
  peer.send("still here");
  await world.clock.pass(SECOND);
  assertEquals(said.at(-1), { type: "data", data: "still here" });
});
