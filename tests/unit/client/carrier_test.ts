import { assert, assertEquals } from "@std/assert";
import { Carrier } from "../../../src/client/carrier.ts";
import type { Transport } from "../../../src/client/transports/transport.ts";
import { PACKET_ROOM, WINDOW_BYTES } from "../../../src/protocol/limits.ts";

/** A transport that takes everything, and says how much waits as it is told. */
class Sink implements Transport {
  readonly kind = "direct";
  bufferedAmount?: number;
  congested = false;
  roundTripMs?: number;

  constructor(roundTripMs?: number) {
    this.roundTripMs = roundTripMs;
  }

  open(): void {}
  send(): void {}
  close(): void {}
}

const PACKET = new Uint8Array(4096);

/** Sends packets of 4 KiB for as long as there is room; tells how many. */
function fill(carrier: Carrier): number {
  let packets = 0;
  for (; carrier.hasRoom; packets++) carrier.send(PACKET, PACKET.length);
  return packets;
}

Deno.test("Carrier has 64 KiB in flight at first, in packets of 4 KiB", () => {
  const carrier = new Carrier(new Sink(), 0);
  assertEquals([fill(carrier), carrier.packetBytes], [16, 4096]);
  carrier.acknowledged(4096, 0, 10);
  assert(carrier.hasRoom);
});

Deno.test("Carrier sends nothing where its transport is congested", () => {
  const sink = new Sink();
  sink.congested = true;
  assertEquals(fill(new Carrier(sink, 0)), 0);
});

Deno.test("Carrier has a whole window in flight, in large packets, once the line is seen to be fast", () => {
  const carrier = new Carrier(new Sink(5), 0);
  for (let trip = 0, now = 0; trip < 20; trip++, now += 10) {
    const packets = fill(carrier);
    for (let at = 0; at < packets; at++) {
      carrier.acknowledged(4096, now, now + 10);
    }
  }
  assertEquals(fill(carrier), WINDOW_BYTES / 4096);
  assertEquals(carrier.packetBytes, PACKET_ROOM);
});

Deno.test("Carrier that is little used learns nothing of what the line can carry", () => {
  const carrier = new Carrier(new Sink(5), 0);
  for (let now = 0; now < 100_000; now += 20) {
    carrier.send(PACKET, PACKET.length);
    carrier.acknowledged(4096, now, now + 10);
  }
  assertEquals(fill(carrier), 16);
});

Deno.test("Carrier lets about a second of what a slow line carries wait in front of it", () => {
  for (const rate of [20, 50, 125]) {
    const carrier = new Carrier(new Sink(50), 0);
    const sent: number[] = [];
    // Each packet leaves when the one before it has.
    for (let now = 0; now < 60_000; now += 4096 / rate) {
      for (; carrier.hasRoom; sent.push(now)) carrier.send(PACKET, 4096);
      carrier.acknowledged(4096, sent.shift()!, now + 50);
    }
    const queued = sent.length * 4096 / rate;
    assert(queued > 500 && queued < 1500, `${queued} ms at ${rate} KB/s`);
  }
});

Deno.test("Carrier takes a round trip that is longer than any before for that of the line, where it has hardly anything in flight", () => {
  const carrier = new Carrier(new Sink(50), 0);
  let now = 0;
  for (let trip = 0; trip < 60; trip++, now += 3000) {
    for (let packets = fill(carrier); packets > 0; packets--) {
      carrier.acknowledged(4096, now, now + 3000);
    }
  }
  assert(fill(carrier) > 16);
});

Deno.test("Carrier is patient for 800 ms, and longer the longer its round trips are, or the more they vary", () => {
  const patience = (...trips: number[]) => {
    const carrier = new Carrier(new Sink(), 0);
    trips.forEach((ms, at) => {
      const now = at * 10_000;
      carrier.send(PACKET, 4096);
      carrier.acknowledged(4096, now, now + ms);
    });
    return carrier.patienceMs;
  };
  assertEquals(patience(), 800);
  assertEquals(patience(10, 11, 10), 800);
  // RFC 6298: R and four times R / 2 at first.
  assertEquals(patience(500), 1500);
  assert(patience(...Array(50).fill(500)) === 800);
  assert(patience(...Array(50).fill(1000)) > 1000);
  assert(patience(100, 700, 100, 700, 100, 700) > 1000);
});

Deno.test("Carrier.quietMs() counts from the oldest that waits, or from the last sign of life", () => {
  const carrier = new Carrier(new Sink(), 0);
  assertEquals(carrier.quietMs(undefined, 50), undefined);
  carrier.send(PACKET, 4096);
  carrier.send(PACKET, 4096);
  assertEquals(carrier.quietMs(100, 300), 200);
  carrier.acknowledged(4096, 100, 350);
  assertEquals(carrier.quietMs(100, 400), 50);
  // What is acknowledged another way does not end the wait.
  carrier.arrived(4096);
  assertEquals(carrier.quietMs(undefined, 500), 150);
});

Deno.test("Carrier.quietMs() takes a queue that gets shorter for a sign of life, and what was taken at once for none", () => {
  const sink = new Sink();
  const carrier = new Carrier(sink, 0);
  carrier.send(PACKET, 4096);
  assertEquals(carrier.quietMs(0, 100), 100);
  carrier.send(PACKET, 4096);
  assertEquals(carrier.quietMs(0, 200), 200);
  sink.bufferedAmount = 4096;
  assertEquals(carrier.quietMs(0, 300), 300);
  sink.bufferedAmount = 4000;
  assertEquals(carrier.quietMs(0, 400), 0);
  assertEquals(carrier.quietMs(0, 500), 100);
});

Deno.test("Carrier.quietMs() waits for a queue to get shorter even where all is acknowledged, another way", () => {
  const sink = new Sink();
  const carrier = new Carrier(sink, 0);
  sink.bufferedAmount = 4096;
  assertEquals(carrier.quietMs(undefined, 100), 0);
  assertEquals(carrier.quietMs(undefined, 300), 200);
});

Deno.test("Carrier.ask() asks for no sign of life where there was one since", () => {
  const carrier = new Carrier(new Sink(), 100);
  assertEquals([carrier.ask(300, 50), carrier.ask(300, 200)], [undefined, 1]);
});

Deno.test("Carrier.ask() numbers probes, and sends no other while one is on its way", () => {
  const carrier = new Carrier(new Sink(), 0);
  assertEquals([carrier.ask(0), carrier.ask(1)], [1, undefined]);
  assertEquals(carrier.quietMs(undefined, 100), 100);
  carrier.silent = true;
  carrier.answered(2, 200);
  assertEquals([carrier.silent, carrier.quietMs(undefined, 300)], [
    false,
    undefined,
  ]);
  assertEquals(carrier.ask(300), 3);
});

Deno.test("Carrier learns no round trip from what the other peer has, and does not acknowledge yet", () => {
  const carrier = new Carrier(new Sink(10), 0);
  carrier.send(PACKET, 4096);
  carrier.ask(500);
  carrier.answered(2, 510);
  // The reader takes the packet a minute later.
  carrier.acknowledged(4096, 0, 60_000);
  assertEquals(carrier.patienceMs, 800);
});

Deno.test("Carrier that joins another begins with what that has learnt of the line", () => {
  const slow = new Carrier(new Sink(50), 0);
  for (let now = 0; now < 100_000; now += 2000) {
    for (let packets = fill(slow); packets > 0; packets--) {
      slow.acknowledged(4096, now, now + 2000);
    }
  }
  const carrier = new Carrier(new Sink(50), 0, slow);
  assert(slow.patienceMs > 1500 && carrier.patienceMs >= slow.patienceMs);
  assert(fill(carrier) <= fill(new Carrier(new Sink(), 0)));
});
