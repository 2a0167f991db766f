/**
 * What every transport does, run over each of them.
 */

import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import type { Transport } from "../../src/client/transports/transport.ts";
import { MAX_PACKET_BYTES, WINDOW_BYTES } from "../../src/protocol/limits.ts";
import {
  dataChannelPair,
  relayPair,
  type TransportPair,
} from "../support/transport_pair.ts";

const PATIENCE_MS = 10_000;

/** What a transport reported, and a wait for more of it. */
function listen(transport: Transport) {
  const packets: Uint8Array[] = [];
  let closes = 0;
  let check = () => {};
  const changed = () => check();
  transport.open({
    onPacket: (packet) => (packets.push(packet), changed()),
    onDrain: () => {},
    onClose: () => (closes++, changed()),
  });
  const until = (condition: () => boolean) =>
    deadline(
      new Promise<void>((resolve) => {
        check = () => condition() && resolve();
        check();
      }),
      PATIENCE_MS,
    );
  return {
    packets,
    got: (count: number) => until(() => packets.length >= count),
    closed: () => until(() => closes > 0),
    get closes() {
      return closes;
    },
  };
}

function transportSuite(
  name: string,
  setup: () => Promise<TransportPair>,
): void {
  const test = (what: string, run: (pair: TransportPair) => Promise<void>) =>
    Deno.test(`${name} ${what}`, async () => {
      await using pair = await setup();
      await run(pair);
    });

  test("carries packets both ways, whole and in order", async ({ ends }) => {
    const [a, b] = ends;
    const [atA, atB] = [listen(a), listen(b)];
    for (let index = 0; index < 500; index++) {
      a.send(new Uint8Array(12 + index).fill(index));
      b.send(new Uint8Array([index, 255 - index]));
    }
    await Promise.all([atA.got(500), atB.got(500)]);
    atB.packets.forEach((packet, index) => {
      assertEquals(packet, new Uint8Array(12 + index).fill(index));
    });
    atA.packets.forEach((packet, index) => {
      assertEquals(packet, new Uint8Array([index, 255 - index]));
    });
  });

  test("carries a packet of the largest size", async ({ ends }) => {
    const [a, b] = ends;
    const atB = listen(b);
    a.send(new Uint8Array(MAX_PACKET_BYTES).fill(7));
    await atB.got(1);
    assertEquals(atB.packets[0].length, MAX_PACKET_BYTES);
    assert(atB.packets[0].every((byte) => byte === 7));
  });

  test("copies a packet before it returns", async ({ ends }) => {
    const [a, b] = ends;
    const atB = listen(b);
    const packet = new Uint8Array(1000).fill(1);
    a.send(packet);
    packet.fill(2);
    a.send(packet);
    await atB.got(2);
    assertEquals(atB.packets.map((packet) => packet[999]), [1, 2]);
  });

  test("carries bursts as large as the window", async ({ ends }) => {
    const [a, b] = ends;
    listen(a);
    const atB = listen(b);
    const window = WINDOW_BYTES / MAX_PACKET_BYTES;
    for (let index = 0; index < 20 * window; index++) {
      if (index % window === 0) await atB.got(index);
      // npm's wrtc reports no drain; what arrives makes room all the same.
      while (a.congested) await atB.got(atB.packets.length + 1);
      a.send(new Uint8Array(MAX_PACKET_BYTES).fill(index));
    }
    await atB.got(20 * window);
    assertEquals(
      atB.packets.map((packet) => packet[0]),
      Array.from({ length: 20 * window }, (_, index) => index & 255),
    );
  });

  test("reports its end once where it broke, and sends nothing more", async (pair) => {
    const [a, b] = pair.ends;
    const [, atB] = [listen(a), listen(b)];
    pair.cut();
    await atB.closed();
    b.send(new Uint8Array(12));
    b.close();
    b.close();
    assertEquals(atB.closes, 1);
  });

  test("reports its end once, and nothing else, after close()", async ({ ends }) => {
    const [a, b] = ends;
    const [atA, atB] = [listen(a), listen(b)];
    a.send(new Uint8Array(12));
    await atB.got(1);
    a.close();
    a.send(new Uint8Array(13));
    b.send(new Uint8Array(14));
    a.close();
    // Whatever was on its way has come before this is answered.
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals([atA.packets, atA.closes], [[], 1]);
  });
}

transportSuite("WebSocketRelay", relayPair);
transportSuite("DataChannel", dataChannelPair);
