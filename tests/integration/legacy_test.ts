import { assert, assertEquals } from "@std/assert";
import { SocketPeer } from "../../client.ts";
import { LegacyClient } from "../support/legacy_client.ts";
import { next } from "../support/next_event.ts";
import { pairData, RawClient } from "../support/raw_client.ts";
import { record } from "../support/recorder.ts";
import { startServer, type TestServer } from "../support/start_server.ts";

function peersUrl({ url }: TestServer): string {
  return `${url}/socketpeer/`;
}

/**
 * Two clients of version 1 that have found each other, in the order of arrival.
 */
async function joinLegacyPair(url: string) {
  const a = await LegacyClient.pair(url, "yolo");
  // A client that was heard waits.
  await a.heard();
  const b = await LegacyClient.pair(url, "yolo");
  assertEquals(await a.next("peer.found"), { initiator: false });
  assertEquals(await b.next("peer.found"), { initiator: true });
  return { a, b };
}

/** What a client of version 2 is told of a partner of version 1. */
const FOUND = {
  interval: 15_000,
  initiator: false,
  hello: { received: 0, webrtc: false, relay: true, maxMessageBytes: 65_536 },
};

Deno.test("SocketPeerServer pairs two clients of version 1 and relays their messages", async () => {
  await using server = startServer();
  const { a, b } = await joinLegacyPair(peersUrl(server));
  await using _a = a;
  await using _b = b;
  const messages = ["hello", "", "🦄", 7, null, { x: [1, { y: true }] }];
  for (const message of messages) a.send("data", message);
  for (const message of messages) assertEquals(await b.next("data"), message);
  b.send("data", "back");
  assertEquals(await a.next("data"), "back");
  const long = "x".repeat(60_000);
  a.send("data", long);
  assertEquals(await b.next("data"), long);
});

Deno.test("SocketPeerServer carries the negotiation of two clients of version 1", async () => {
  await using server = startServer();
  const { a, b } = await joinLegacyPair(peersUrl(server));
  await using _a = a;
  await using _b = b;
  b.send("rtc.connect");
  assertEquals(await a.next("rtc.connect"), undefined);
  const offer = { type: "offer", sdp: "v=0\r\n" };
  b.send("rtc.signal", offer);
  assertEquals(await a.next("rtc.signal"), offer);
  const candidate = { candidate: { candidate: "candidate:1", sdpMid: "0" } };
  a.send("rtc.signal", candidate);
  assertEquals(await b.next("rtc.signal"), candidate);
});

Deno.test("SocketPeerServer has a client of version 1 wait for the next when its partner goes", async () => {
  await using server = startServer();
  const url = peersUrl(server);
  const { a, b } = await joinLegacyPair(url);
  await using _b = b;
  await a.close();
  await using c = await LegacyClient.pair(url, "yolo");
  // Peer b is told nothing in between.
  assertEquals(await b.next("peer.found"), { initiator: false });
  assertEquals(await c.next("peer.found"), { initiator: true });
  c.send("data", 1);
  assertEquals(await b.next("data"), 1);
});

Deno.test("SocketPeerServer tells a third client of version 1 busy and leaves the first two alone", async () => {
  await using server = startServer();
  const url = peersUrl(server);
  const { a, b } = await joinLegacyPair(url);
  await using _a = a;
  await using _b = b;
  await using c = await LegacyClient.pair(url, "yolo");
  await c.next("busy");
  assertEquals(await c.closeCode(), 4005);
  a.send("data", "still here");
  assertEquals(await b.next("data"), "still here");
  assert(a.quiet);
});

Deno.test("SocketPeerServer warns a client of version 1 of what it can't read, and keeps it", async () => {
  await using server = startServer();
  const { a, b } = await joinLegacyPair(peersUrl(server));
  await using _a = a;
  await using _b = b;
  const garbage = ["", "hello", "{", "null", "[]", "x".repeat(100_000)];
  for (const text of garbage) {
    a.sendRaw(text);
    await a.next("warning");
  }
  a.sendRaw(new Uint8Array(100));
  a.send("data", "still here");
  assertEquals(await b.next("data"), "still here");
});

Deno.test("SocketPeerServer refuses a pair code of version 1 that is too long or none", async () => {
  await using server = startServer();
  for (const code of ["", "x".repeat(257), null]) {
    await using client = await LegacyClient.pair(peersUrl(server), code);
    await client.next("warning");
    assertEquals(await client.closeCode(), 4001);
  }
});

Deno.test("SocketPeerServer asks the validator for pair codes of version 1 too", async () => {
  await using server = startServer({
    pairCodeValidator: (code) => code === "yolo",
  });
  const url = peersUrl(server);
  await using refused = await LegacyClient.pair(url, "another");
  assertEquals(await refused.closeCode(), 4002);
  await using taken = await LegacyClient.pair(url, "yolo");
  await taken.heard();
});

Deno.test("SocketPeerServer.leave() ends the conversation of clients of version 1", async () => {
  await using server = startServer();
  const { a, b } = await joinLegacyPair(peersUrl(server));
  assert(await server.peerServer.leave("yolo"));
  assertEquals([await a.closeCode(), await b.closeCode()], [4008, 4008]);
});

Deno.test("SocketPeerServer pairs version 1 with version 2, whoever comes first", async () => {
  await using server = startServer();
  const url = peersUrl(server);
  for (const oldFirst of [true, false]) {
    const code = `old first: ${oldFirst}`;
    let old: LegacyClient;
    let young: RawClient;
    if (oldFirst) {
      old = await LegacyClient.pair(url, code);
      await old.heard();
      young = await RawClient.pair(url, code, "young");
    } else {
      young = await RawClient.pair(url, code, "young");
      await young.control("peer.waiting");
      old = await LegacyClient.pair(url, code);
    }
    await using _old = old;
    await using _young = young;
    assertEquals(await old.next("peer.found"), { initiator: false });
    assertEquals(await young.control("peer.found"), FOUND);

    // What the other does not understand does not reach it.
    young.send("rtc.connect", { generation: 1 });
    old.send("rtc.connect");
    old.send("rtc.signal", { type: "offer", sdp: "v=0" });
    await old.heard();
    await young.heard();
    assert(young.quiet && old.quiet);
  }
});

Deno.test("SocketPeerServer ends version 2's conversation when its partner of version 1 goes", async () => {
  await using server = startServer();
  const url = peersUrl(server);
  const old = await LegacyClient.pair(url, "yolo");
  await old.heard();
  await using young = await RawClient.pair(url, "yolo", "young");
  await young.control("peer.found");
  await old.close();
  assertEquals(await young.closeCode(), 4007);
});

Deno.test("SocketPeerServer has version 1 wait again when its partner of version 2 goes or breaks", async () => {
  await using server = startServer();
  const url = peersUrl(server);
  await using old = await LegacyClient.pair(url, "yolo");
  await old.heard();
  for (const code of [4000, 3000]) {
    const young = await RawClient.pair(url, "yolo", `young ${code}`);
    assertEquals(await old.next("peer.found"), { initiator: false });
    await young.control("peer.found");
    await young.close(code);
    // The client's place is kept for nobody, and an old id is like any other.
    const back = await RawClient.open(url);
    back.send("pair", pairData("yolo", `young ${code}`));
    assertEquals(await back.control("peer.found"), FOUND);
    assertEquals(await old.next("peer.found"), { initiator: false });
    await back.close();
    await old.heard();
  }
});

/** A peer of version 2 whose partner is of version 1. */
async function joinMixedPair(server: TestServer) {
  const old = await LegacyClient.pair(peersUrl(server), "yolo");
  await old.heard();
  const peer = new SocketPeer({ pairCode: "yolo", url: server.url });
  const recording = record(peer);
  await next(peer, "connect");
  await old.next("peer.found");
  return { old, peer, recording };
}

Deno.test("SocketPeer and a client of version 1 say all that both can, in order", async () => {
  await using server = startServer();
  const { old, peer, recording } = await joinMixedPair(server);
  await using _old = old;
  assertEquals(peer.path, "relay");
  const sent = ["hello", "", "🦄", 7, null, { x: [1, { y: true }] }];
  const last = "x".repeat(60_000);
  for (const message of [...sent, last]) {
    peer.send(message);
    old.send("data", message);
  }
  await peer.flush();
  for (const message of [...sent, last]) {
    assertEquals(await old.next("data"), message);
  }
  while (recording.messages.length <= sent.length) await next(peer, "data");
  assertEquals(recording.messages, [...sent, last]);

  const closed = next(peer, "close");
  peer.send("last");
  peer.close();
  assertEquals(await old.next("data"), "last");
  await closed;
  assertEquals(recording.codes, []);
});

Deno.test("SocketPeer ends the conversation where a client of version 1 cannot be told a message", async () => {
  await using server = startServer();
  const { old, peer, recording } = await joinMixedPair(server);
  await using _old = old;
  const closed = next(peer, "close");
  peer.send("said");
  peer.send(new Uint8Array(10));
  await closed;
  assertEquals(await old.next("data"), "said");
  assertEquals(recording.codes, ["PROTOCOL"]);
  const [[error]] = recording.args.error as [[Error]];
  assert(error.message.includes("to a peer of version 1"), error.message);
  assertEquals(recording.args.close, [[{
    reason: "away",
    unacknowledged: 2,
    clean: false,
  }]]);
  const left = next(peer, "close");
  peer.destroy();
  await left;
});

Deno.test("SocketPeer is told when its partner of version 1 goes, and finds the next", async () => {
  await using server = startServer();
  const { old, peer, recording } = await joinMixedPair(server);
  const closed = next(peer, "close");
  await old.close();
  await closed;
  assertEquals(recording.args.close, [[{
    reason: "remote",
    unacknowledged: 0,
    clean: false,
  }]]);
  const connected = next(peer, "connect");
  await using another = await LegacyClient.pair(peersUrl(server), "yolo");
  await connected;
  await another.next("peer.found");
  peer.send("hello");
  assertEquals(await another.next("data"), "hello");
  const left = next(peer, "close");
  peer.destroy();
  await left;
});
