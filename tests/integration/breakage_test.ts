/**
 * Numbered messages both ways while the path breaks for real: sockets that
 * are cut in the middle of a burst, a path that stalls, a server process that
 * is killed, data channels that close.
 */

// deno-lint-ignore-file no-console -- the table is what it is for
import wrtc from "@roamhq/wrtc";
import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { SocketPeer, type SocketPeerOptions } from "../../client.ts";
import type { WebRtc } from "../../src/runtime.ts";
import { type BreakageRow, breakageTable } from "../support/breakage_table.ts";
import { startCommand } from "../support/start_command.ts";
import { startServer } from "../support/start_server.ts";
import { tcpProxy } from "../support/tcp_proxy.ts";

const PATIENCE_MS = 30_000;
const COUNT = 3000;

/** Lets go of the turn, so that what is under way can happen. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

/** A peer that records its connections, so that a test can close them. */
function breakableWebRtc() {
  const connections: { close(): void }[] = [];
  return {
    connections,
    // deno-lint-ignore no-explicit-any -- a constructor that returns another's
    RTCPeerConnection: function (configuration: any) {
      const connection = new wrtc.RTCPeerConnection(configuration);
      connections.push(connection);
      return connection;
    } as unknown as WebRtc["RTCPeerConnection"],
  };
}

const rows: BreakageRow[] = [];

Deno.test.afterAll(() => {
  if (rows.length > 0) console.log(`\n${breakageTable(rows)}\n`);
});

/**
 * Sends `COUNT` numbers from each of two peers to the other, calls `harm` now
 * and then, and checks that each number arrived once and in its place.
 */
async function exchange(
  name: string,
  url: string,
  options: SocketPeerOptions[],
  harm: (step: number) => void | Promise<void>,
): Promise<void> {
  // Losses show whether any harm was done at all.
  let losses = 0;
  const peers = options.map((own) =>
    new SocketPeer({ pairCode: "code", url, reconnectDelay: 20, ...own })
  );
  const got: number[][] = [[], []];
  const lastAt = [performance.now(), performance.now()];
  const longestPauseMs = [0, 0];
  const ended: unknown[] = [];
  const all = Promise.withResolvers<void>();
  peers.forEach((peer, index) => {
    peer.on("data", (message) => {
      const now = performance.now();
      longestPauseMs[index] = Math.max(
        longestPauseMs[index],
        now - lastAt[index],
      );
      lastAt[index] = now;
      got[index].push(message as number);
      if (got.every(({ length }) => length >= COUNT)) all.resolve();
    });
    peer.on("close", (info) => ended.push(info));
    peer.on("downgrade", () => losses++);
    peer.on("statechange", (_to, from) => {
      if (from === "connected") losses++;
    });
  });
  for (let number = 0; number < COUNT; number++) {
    for (const peer of peers) peer.send(number);
    if (number % 10 === 9) await turn();
    if (number % 500 === 499) await harm(number);
  }
  await deadline(all.promise, PATIENCE_MS);
  // A duplicate would come now at the latest, behind the last of them.
  const expected = Array.from({ length: COUNT }, (_, number) => number);
  assertEquals(got, [expected, expected]);
  assertEquals(ended, []);
  assert(losses > 0, "no path was lost");
  for (const peer of peers) peer.destroy();
  const report = (index: number) => ({
    ...{ sent: COUNT, received: COUNT },
    ...{ missing: 0, doubled: 0, outOfOrder: 0, corrupt: 0 },
    longestPauseMs: longestPauseMs[index],
  });
  rows.push({ name, reports: [report(0), report(1)] });
}

Deno.test("SocketPeer loses nothing while sockets are cut in the middle of bursts", async () => {
  await using server = startServer();
  await using proxy = tcpProxy(server.port);
  const url = `http://127.0.0.1:${proxy.port}`;
  await exchange("sockets cut", url, [{}, {}], () => proxy.cut());
});

Deno.test("SocketPeer loses nothing while one side's socket stalls and is cut", async () => {
  await using server = startServer();
  await using proxy = tcpProxy(server.port);
  const url = `http://127.0.0.1:${proxy.port}`;
  await exchange(
    "one socket stalled and cut",
    server.url,
    [{ url }, {}],
    async () => {
      proxy.stall(true);
      await turn();
      proxy.cut();
      proxy.stall(false);
    },
  );
});

Deno.test("SocketPeer loses nothing while data channels are closed by either side", async () => {
  await using server = startServer();
  const [a, b] = [breakableWebRtc(), breakableWebRtc()];
  await exchange(
    "data channel closed",
    server.url,
    [{ wrtc: a }, { wrtc: b }],
    (step) => {
      const side = step % 1000 === 499 ? a : b;
      side.connections.at(-1)?.close();
    },
  );
});

Deno.test("SocketPeer loses nothing while socket and data channel break at once", async () => {
  await using server = startServer();
  await using proxy = tcpProxy(server.port);
  const [a, b] = [breakableWebRtc(), breakableWebRtc()];
  const url = `http://127.0.0.1:${proxy.port}`;
  await exchange("socket and data channel broken", url, [{ wrtc: a }, {
    wrtc: b,
  }], () => {
    proxy.cut();
    for (const { connections } of [a, b]) connections.at(-1)?.close();
  });
});

Deno.test("SocketPeer loses nothing while the server process is killed and started again", async () => {
  await using server = await startCommand();
  await exchange("the server killed", server.url, [{}, {}], async (step) => {
    if (step > 1500) return;
    await server.kill();
    await server.start();
  });
});
