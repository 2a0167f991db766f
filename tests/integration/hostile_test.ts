import { assert, assertEquals } from "@std/assert";
import type { ServerEvent } from "../../src/server/server_event.ts";
import { LegacyClient } from "../support/legacy_client.ts";
import {
  pairData,
  RawClient,
  RawConnection,
  RawPair,
  webSocketFrame,
} from "../support/raw_client.ts";
import { startServer } from "../support/start_server.ts";

const MIB = 1_048_576;

/** Bytes of memory of this process: the server's, and its clients' too. */
const residentBytes = () => Deno.memoryUsage().rss;

/** A server, and why it has refused something. */
function startObserved(options: Parameters<typeof startServer>[0] = {}) {
  const refusals: string[] = [];
  const observer = (event: ServerEvent) => {
    if (event.type === "refuse") refusals.push(event.reason);
  };
  const server = startServer({ ...options, observer });
  return { server, refusals, url: `${server.url}/socketpeer/` };
}

function pairFrame(code: string, id: string): Uint8Array {
  const message = { type: "pair", data: pairData(code, id) };
  return webSocketFrame(1, JSON.stringify(message));
}

Deno.test("SocketPeerServer ends a flood of control messages, and another pair goes on", async () => {
  const { server, refusals, url } = startObserved();
  await using _server = server;
  await using pair = await RawPair.open(url, "code");
  const floods = [
    '{"type":"pong"}',
    '{"type":"upgrade"}',
    '{"type":"data","data":0}',
    '{"type":"rtc.connect","data":{"generation":0}}',
    "garbage",
    `{"type":"pong","data":"${"x".repeat(65_000)}"}`,
    "x".repeat(100_000),
  ];
  for (const text of floods) {
    await using flooder = await RawClient.pair(url, "another code", "f");
    await flooder.control("peer.waiting");
    for (let count = 0; count < 1000; count++) flooder.sendRaw(text);
    // Where much is still under way to a socket that is closed, TCP is reset,
    // and the close frame may be lost with it.
    const code = await flooder.closeCode();
    assert(code === 4010 || code === 0, `closed with ${code}`);
    await pair.check();
  }
  const ended = refusals.filter((reason) => reason === "control_rate");
  assertEquals(ended.length, floods.length);
  assertEquals(await server.peerServer.leave("another code"), false);
});

Deno.test("SocketPeerServer stands a flood of version 1, and another pair goes on", async () => {
  const { server, url } = startObserved();
  await using _server = server;
  await using pair = await RawPair.open(url, "code");
  await using flooder = await LegacyClient.pair(url, "another code");
  await using partner = await LegacyClient.pair(url, "another code");
  await flooder.next("peer.found");
  await partner.next("peer.found");
  for (let count = 0; count < 5000; count++) flooder.send("data", count);
  for (let count = 0; count < 5000; count++) {
    assertEquals(await partner.next("data"), count);
  }
  await pair.check();
});

Deno.test("SocketPeerServer lets go of many that never ask for a place", async () => {
  const { server, url } = startObserved({ pairTimeout: 300 });
  await using _server = server;
  await using pair = await RawPair.open(url, "code");
  const before = residentBytes();
  const idle = await Promise.all(
    Array.from({ length: 200 }, () => RawClient.open(url)),
  );
  const codes = await Promise.all(idle.map((client) => client.closeCode()));
  assertEquals(new Set(codes), new Set([4003]));
  await pair.check();
  const grown = residentBytes() - before;
  assert(grown < 64 * MIB, `${grown} bytes for 200 sockets`);
});

Deno.test("SocketPeerServer lets go of many that wait alone", async () => {
  const { server, url } = startObserved({ peerTimeout: 300 });
  await using _server = server;
  await using pair = await RawPair.open(url, "code");
  const alone = await Promise.all(
    Array.from(
      { length: 100 },
      (_, index) => RawClient.pair(url, `code ${index}`, "a"),
    ),
  );
  const codes = await Promise.all(alone.map((client) => client.closeCode()));
  assertEquals(new Set(codes), new Set([4004]));
  for (let index = 0; index < 100; index++) {
    assertEquals(await server.peerServer.leave(`code ${index}`), false);
  }
  await pair.check();
});

Deno.test("SocketPeerServer holds no more for those that do not read than it may", async () => {
  const { server, refusals, url } = startObserved({
    maxBufferedBytes: MIB / 4,
  });
  await using _server = server;
  await using pair = await RawPair.open(url, "code");
  const before = residentBytes();
  const deaf: RawConnection[] = [];
  const COUNT = 20;
  let sentBytes = 0;
  try {
    for (let index = 0; index < COUNT; index++) {
      const connection = await RawConnection.upgrade(server.port);
      deaf.push(connection);
      await connection.write(pairFrame(`code ${index}`, "deaf"));
      await connection.read();
      await using client = await RawClient.pair(url, `code ${index}`, "a");
      await client.control("peer.found");
      // The network itself takes some before anything has to wait.
      let type = "error";
      while (type === "error") {
        type = await client.sendMebibyte();
        sentBytes += MIB;
      }
      assertEquals(type, "peer.lost");
      // What comes after that is for nobody.
      for (let count = 0; count < 64; count++) {
        client.sendRaw(new Uint8Array(65_536));
        sentBytes += 65_536;
      }
      client.send("heard?");
      await client.control("error");
      await client.close();
      await pair.check();
      assertEquals(await server.peerServer.leave(`code ${index}`), false);
    }
    await pair.check();
    const unread = refusals.filter((reason) => reason === "unread");
    assertEquals(unread.length, COUNT);
    assert(sentBytes >= 100 * MIB, `only ${sentBytes} bytes were sent`);
    // All of them are still there, and read nothing.
    const grown = residentBytes() - before;
    assert(grown < 64 * MIB, `${grown} bytes after ${sentBytes} were sent`);
  } finally {
    for (const connection of deaf) connection[Symbol.dispose]();
  }
});

Deno.test("SocketPeerServer gives up a peer that is half open, and tells the other", async () => {
  const { server, url } = startObserved({ heartbeatInterval: 100 });
  await using _server = server;
  using gone = await RawConnection.upgrade(server.port);
  await gone.write(pairFrame("code", "gone"));
  await gone.read();
  await using client = await RawClient.pair(url, "code", "a");
  await client.control("peer.found");
  await client.control("peer.lost");
  // The client's place is kept, as it may come back.
  await using back = await RawClient.pair(url, "code", "gone", {
    partner: "a",
  });
  await back.control("peer.found");
  await client.control("peer.found");
});

/** A part of a message of which more follows: RFC 6455 section 5.4. */
function fragment(first: boolean, payload: Uint8Array): Uint8Array {
  const frame = webSocketFrame(first ? 2 : 0, payload);
  frame[0] &= 0x7f;
  return frame;
}

Deno.test("SocketPeerServer closes one that sends too large a message in fragments", async () => {
  const { server, refusals, url } = startObserved();
  await using _server = server;
  await using pair = await RawPair.open(url, "code");
  using connection = await RawConnection.upgrade(server.port);
  await connection.write(pairFrame("another code", "a"));
  await connection.read();
  for (let count = 0; count < 16; count++) {
    await connection.write(fragment(count === 0, new Uint8Array(65_536)));
  }
  await pair.check();
  await connection.write(webSocketFrame(0, new Uint8Array(0)));
  await closeFrame(connection, 4001);
  assertEquals(refusals, ["size"]);
  await pair.check();
});

Deno.test("SocketPeerServer takes a message that never ends for no sign of life", async () => {
  // Deno joins the fragments itself, and tells of none before the last.
  const { server, url } = startObserved({ heartbeatInterval: 100 });
  await using _server = server;
  using connection = await RawConnection.upgrade(server.port);
  await connection.write(pairFrame("code", "endless"));
  await connection.read();
  await using client = await RawClient.pair(url, "code", "a");
  await client.control("peer.found");
  let lost = false;
  const told = client.control("peer.lost").then(() => lost = true);
  let count = 0;
  while (!lost && count < 100_000) {
    await connection.write(fragment(count++ === 0, new Uint8Array(1000)));
  }
  await told;
  assert(count > 1, "it was ended before it had begun");
});

/** Reads until a close frame of this code has come. */
async function closeFrame(
  connection: RawConnection,
  code: number,
): Promise<void> {
  // A close frame is short: type, length, and the code.
  const bytes: number[] = [];
  for (;;) {
    const read = await connection.read();
    if (!read) throw new Error(`It ended without the close code ${code}`);
    bytes.push(...read);
    const at = bytes.findIndex((byte, index) =>
      byte === 0x88 && bytes[index + 2] === code >> 8 &&
      bytes[index + 3] === (code & 255)
    );
    if (at >= 0) return;
  }
}
