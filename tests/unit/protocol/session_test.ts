import { assert, assertEquals, assertThrows } from "@std/assert";
import { MessageTooLargeError, ProtocolError } from "../../../src/errors.ts";
import { Session } from "../../../src/protocol/session.ts";
import {
  MAX_PACKET_BYTES,
  PACKET_ROOM,
  WINDOW_BYTES,
} from "../../../src/protocol/limits.ts";
import { encodeMessage, type Message } from "../../../src/protocol/message.ts";

/** A session, and what it reported. */
function testSession(maxMessageBytes = 1_000_000) {
  const messages: Message[] = [];
  const ends: boolean[] = [];
  const session = new Session({
    onMessage: (message) => messages.push(message),
    onEnd: (aborted) => ends.push(aborted),
  }, maxMessageBytes);
  const queue = (data: unknown) => session.queue(encodeMessage(data));
  /** Everything that may be sent now, copied as a transport does. */
  const packets = (carrier: unknown = "relay", now = 0): Uint8Array[] => {
    const sent = [];
    for (let packet; (packet = session.nextPacket(carrier, now));) {
      sent.push(packet.slice());
    }
    return sent;
  };
  return { session, messages, ends, queue, packets };
}

/** A packet, written out: `ack`, `first`, then frames. */
function packet(ack: number, first: number, ...frames: number[][]): Uint8Array {
  return new Uint8Array([
    ...[0, 0, 0, 0, ack >> 8, ack & 255],
    ...[0, 0, 0, 0, first >> 8, first & 255],
    ...frames.flat(),
  ]);
}

const HI = [0, 0, 2, 0x68, 0x69]; // text, two bytes, "hi"
const YO = [0, 0, 2, 0x79, 0x6f];

Deno.test("Session.nextPacket() puts messages of one turn into one packet", () => {
  const { queue, packets } = testSession();
  queue("hi");
  queue("yo");
  assertEquals(packets(), [packet(0, 1, HI, YO)]);
  queue(new Uint8Array([7]));
  queue(null);
  const json = [2, 0, 4, 0x6e, 0x75, 0x6c, 0x6c];
  assertEquals(packets(), [packet(0, 3, [1, 0, 1, 7], json)]);
});

Deno.test("Session.nextPacket() acknowledges what was received", () => {
  const { session, queue, packets } = testSession();
  session.receive(packet(0, 1, HI, YO));
  assert(session.owesAck);
  queue("hi");
  assertEquals(packets(), [packet(2, 1, HI)]);
  assert(!session.owesAck);
});

Deno.test("Session.nextPacket() keeps packets within their largest size", () => {
  const sender = testSession();
  const receiver = testSession();
  const sent = ["a".repeat(60_000), "é".repeat(5000), "b".repeat(200_000), "c"];
  for (const message of sent) sender.queue(message);
  for (const packet of sender.packets()) {
    assert(packet.length <= MAX_PACKET_BYTES, `${packet.length}`);
    receiver.session.receive(packet);
  }
  assertEquals(receiver.messages, sent);
});

Deno.test("Session.nextPacket() stops at the window and goes on after an ack", () => {
  const { session, queue, packets } = testSession(5_000_000);
  queue(new Uint8Array(3_000_000));
  const first = packets();
  const bytes = first.reduce((sum, { length }) => sum + length, 0);
  assert(bytes <= WINDOW_BYTES);
  assert(bytes > WINDOW_BYTES - MAX_PACKET_BYTES);
  session.receive(packet(first.length, 0).slice(0, 6));
  assert(packets().length > 0);
});

Deno.test("Session keeps filling the open packet while the window is full", () => {
  const { session, queue, packets } = testSession(5_000_000);
  queue(new Uint8Array(2_000_000));
  const inFlight = packets().length;
  const waiting = Math.ceil(2_000_000 / 65_521) - inFlight;
  for (let count = 0; count < 100; count++) queue("hi");
  assertEquals(packets(), []);
  session.receive(packet(inFlight, 0).slice(0, 6));
  // All of them stand in the packet that the end of the large message began.
  assertEquals(packets().length, waiting);
});

Deno.test("Session.carrierLost() sends again what the carrier had, and only that", () => {
  const { session, queue, packets } = testSession();
  queue("hi");
  packets("relay");
  queue("yo");
  packets("direct");
  session.carrierLost("relay");
  assertEquals(packets("direct"), [packet(0, 1, HI)]);
  session.carrierLost("direct");
  assertEquals(packets("relay"), [packet(0, 1, HI), packet(0, 2, YO)]);
});

Deno.test("Session.carrierLost() does not send again what was acknowledged", () => {
  const { session, queue, packets } = testSession();
  queue("hi");
  packets("relay");
  queue("yo");
  packets("relay");
  session.carrierLost("relay");
  session.receive(packet(1, 0).slice(0, 6));
  assertEquals(packets("direct"), [packet(0, 2, YO)]);
});

Deno.test("Session.receive() drops a duplicate and acknowledges it again", () => {
  const { session, messages } = testSession();
  session.receive(packet(0, 1, HI));
  session.ackPacket();
  assert(!session.owesAck);
  session.receive(packet(0, 1, HI));
  assertEquals(messages, ["hi"]);
  assert(session.owesAck);
});

Deno.test("Session.receive() takes the new half of a packet that overlaps", () => {
  const { session, messages } = testSession();
  session.receive(packet(0, 1, HI));
  session.receive(packet(0, 1, HI, YO));
  assertEquals(messages, ["hi", "yo"]);
});

Deno.test("Session.receive() holds an early packet until the gap closes", () => {
  const { session, messages } = testSession();
  session.receive(packet(0, 3, YO));
  session.receive(packet(0, 2, YO));
  session.receive(packet(0, 3, YO));
  assertEquals(messages, []);
  assertEquals(session.received, 0);
  session.receive(packet(0, 1, HI));
  assertEquals(messages, ["hi", "yo", "yo"]);
  assertEquals(session.received, 3);
});

Deno.test("Session.receive() joins the frames of a split message", () => {
  const { session, messages } = testSession();
  // "é" is C3 A9: split in the middle of a character.
  const first = [0x80, 0, 7, 0, 0, 0, 0, 0, 2, 0xc3];
  session.receive(packet(0, 1, first));
  assertEquals(messages, []);
  session.receive(packet(0, 2, [0x80, 0, 0], [0, 0, 1, 0xa9], HI));
  assertEquals(messages, ["é", "hi"]);
});

Deno.test("Session.receive() gives bytes that share no memory with a packet", () => {
  const { session, messages } = testSession();
  const bytes = packet(0, 1, [1, 0, 2, 5, 6]);
  session.receive(bytes);
  bytes.fill(9);
  const message = messages[0] as Uint8Array;
  assertEquals(message, new Uint8Array([5, 6]));
  assertEquals(message.buffer.byteLength, 2);
});

Deno.test("Session.queue() copies bytes", () => {
  const { queue, packets } = testSession();
  const bytes = new Uint8Array([1]);
  queue(bytes);
  bytes[0] = 2;
  assertEquals(packets(), [packet(0, 1, [1, 0, 1, 1])]);
});

Deno.test("Session counts what is not acknowledged, in messages and bytes", () => {
  const { session, queue, packets } = testSession();
  queue("hi");
  queue("a".repeat(200_000));
  assertEquals(session.unacknowledged, 2);
  assert(session.bufferedBytes > 200_000);
  const { length } = packets();
  assertEquals(session.unacknowledged, 2);
  session.receive(packet(length - 1, 0).slice(0, 6));
  assertEquals(session.unacknowledged, 1);
  // Four frames of the long one and "hi" before it.
  session.receive(packet(5, 0).slice(0, 6));
  assertEquals(session.unacknowledged, 0);
  assertEquals(session.bufferedBytes, 0);
  assertEquals(session.bufferedBytes, 0);
});

Deno.test("Session.end() reaches the other side after everything before it", () => {
  const sender = testSession();
  const receiver = testSession();
  sender.queue("hi");
  sender.session.end();
  assertEquals(sender.session.unacknowledged, 1);
  for (const packet of sender.packets()) receiver.session.receive(packet);
  assertEquals(receiver.messages, ["hi"]);
  assertEquals(receiver.ends, [true]);
  sender.session.receive(receiver.session.ackPacket());
  assertEquals(sender.session.bufferedBytes, 0);
});

Deno.test("Session.stopReceiving() neither reports nor acknowledges, but hears the end", () => {
  const { session, messages, ends } = testSession();
  session.stopReceiving();
  session.receive(packet(0, 1, HI));
  assertEquals(messages, []);
  assertEquals(session.received, 0);
  session.receive(packet(0, 1, HI, [3, 0, 0]));
  assertEquals(messages, []);
  assertEquals(ends, [true]);
});

Deno.test("Session.close() stops in the middle of a packet", () => {
  const messages: Message[] = [];
  const session = new Session({
    onMessage: (message) => {
      messages.push(message);
      session.close();
    },
    onEnd: () => {},
  }, 100);
  session.receive(packet(0, 1, HI, YO));
  assertEquals(messages, ["hi"]);
});

Deno.test("Session.receive() ends at an abort", () => {
  const { session, ends } = testSession();
  session.receive(testSession().session.abortPacket());
  assertEquals(ends, [false]);
});

Deno.test("Session.waitingSince() tells since when the oldest packet of a carrier waits", () => {
  const { session, queue, packets } = testSession();
  assertEquals(session.waitingSince("direct"), undefined);
  queue("hi");
  packets("direct", 10);
  queue("yo");
  packets("direct", 20);
  assertEquals(session.waitingSince("direct"), 10);
  assertEquals(session.waitingSince("relay"), undefined);
  session.receive(packet(1, 0).slice(0, 6));
  assertEquals(session.waitingSince("direct"), 20);
  session.receive(packet(2, 0).slice(0, 6));
  assertEquals(session.waitingSince("direct"), undefined);
});

Deno.test("Session.receive() reports each packet that is acknowledged, with what had it and since when", () => {
  const acknowledged: unknown[] = [];
  const session = new Session({
    onMessage() {},
    onEnd() {},
    onAcknowledged: (...packet) => acknowledged.push(packet),
  }, 100);
  session.queue(encodeMessage("hi"));
  const bytes = session.nextPacket("relay", 10)!.length;
  session.queue(encodeMessage("yo"));
  session.nextPacket("direct", 20);
  session.carrierLost("direct");
  session.nextPacket("relay", 30);
  session.receive(packet(2, 0).slice(0, 6));
  assertEquals(acknowledged, [["relay", bytes, 10], ["relay", bytes, 30]]);
});

Deno.test("Session.receive() of a probe reports nothing and owes no acknowledgement", () => {
  const { session, messages, ends } = testSession();
  const probe = testSession().session.probePacket(1);
  assertEquals(probe.length, 12);
  session.receive(probe);
  assertEquals([messages, ends, session.owesAck], [[], [], false]);
});

Deno.test("Session owes an acknowledgement after few bytes at first, and after more the faster they come", () => {
  const { session } = testSession();
  const sender = testSession();
  sender.queue(new Uint8Array(900_000));
  const after: number[] = [];
  let bytes = 0;
  for (const packet of sender.packets()) {
    session.receive(packet);
    bytes += packet.length;
    if (!session.owesAckNow) continue;
    after.push(bytes);
    bytes = 0;
    session.ackPacket();
  }
  assertEquals(after.map((bytes) => Math.floor(bytes / 32_768)), [1, 3, 5, 9]);
  // The time ran out: the sender has stopped, or is slow.
  session.ackPacket();
  assertEquals(session.owesAckNow, false);
  sender.session.receive(session.ackPacket());
  sender.queue(new Uint8Array(40_000));
  for (const packet of sender.packets()) session.receive(packet);
  assertEquals(session.owesAckNow, true);
});

Deno.test("Session.receive() takes an acknowledgement of the end that went ahead, with all before it", () => {
  const sender = testSession();
  const receiver = testSession();
  for (let at = 0; at < 40; at++) sender.queue(new Uint8Array(60_000));
  const [first, ...others] = sender.packets();
  sender.session.end();
  for (const packet of [first, ...others]) receiver.session.receive(packet);
  receiver.session.receive(sender.session.endPacket());
  assertEquals(receiver.ends, [], "it waits for its turn");
  // What its window had no room for comes another way.
  const copy = testSession();
  for (let at = 0; at < 40; at++) copy.queue(new Uint8Array(60_000));
  while (receiver.messages.length < 40) {
    for (const packet of copy.packets()) receiver.session.receive(packet);
    if (receiver.ends.length === 0) {
      copy.session.receive(receiver.session.ackPacket());
    }
  }
  assertEquals(receiver.ends, [true]);
  sender.session.receive(receiver.session.ackPacket());
  const { unacknowledged, bufferedBytes } = sender.session;
  assertEquals([unacknowledged, bufferedBytes], [0, 0]);
});

Deno.test("Session.queue() fills packets up to packetBytes as it is then", () => {
  const { session, queue, packets } = testSession();
  session.packetBytes = 1000;
  queue(new Uint8Array(3000));
  queue("a".repeat(300));
  session.packetBytes = PACKET_ROOM;
  queue(new Uint8Array(60_000));
  const sizes = packets().map(({ length }) => length);
  assertEquals(sizes.slice(0, 3), [1000, 1000, 1000]);
  assert(sizes.slice(3).some((size) => size > 50_000), String(sizes));
});

const BROKEN: [name: string, packets: Uint8Array[]][] = [
  ["an ack of what was never sent", [packet(1, 0).slice(0, 6)]],
  ["a packet of 7 bytes", [new Uint8Array(7)]],
  ["an empty packet", [new Uint8Array(0)]],
  ["a packet that is too large", [new Uint8Array(MAX_PACKET_BYTES + 1)]],
  ["a frame that is cut short", [packet(0, 1, [0, 0, 5, 0x68])]],
  ["a frame without its length", [packet(0, 1, [0, 0])]],
  ["an unknown kind", [packet(0, 1, [4, 0, 0])]],
  ["text that is not UTF-8", [packet(0, 1, [0, 0, 1, 0xff])]],
  ["JSON that is none", [packet(0, 1, [2, 0, 1, 0x7b])]],
  [
    "a message that changes its kind",
    [packet(0, 1, [0x80, 0, 7, 0, 0, 0, 0, 0, 2, 5], [1, 0, 1, 5])],
  ],
  [
    "a split message that does not say its length",
    [packet(0, 1, [0x81, 0, 5, 0, 0, 0, 0, 0])],
  ],
  [
    "a message that is longer than it says",
    [packet(0, 1, [0x81, 0, 7, 0, 0, 0, 0, 0, 2, 5], [1, 0, 2, 6, 7])],
  ],
  [
    "a message that is shorter than it says",
    [packet(0, 1, [0x81, 0, 7, 0, 0, 0, 0, 0, 3, 5], [1, 0, 1, 6])],
  ],
  [
    "a message that goes on after its end",
    [packet(0, 1, [0x81, 0, 8, 0, 0, 0, 0, 0, 2, 5, 6])],
  ],
  [
    "a number absurdly far ahead",
    [new Uint8Array([0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, ...HI])],
  ],
  [
    "more than the window before its turn",
    Array.from({ length: 31 }, (_, index) => {
      const large = new Uint8Array(MAX_PACKET_BYTES);
      large.set(packet(0, index + 2, [1, 255, 241]));
      return large;
    }),
  ],
];

for (const [name, packets] of BROKEN) {
  Deno.test(`Session.receive() refuses ${name}`, () => {
    const { session } = testSession();
    assertThrows(() => {
      for (const packet of packets) session.receive(packet);
    }, ProtocolError);
  });
}

Deno.test("Session.receive() refuses a message that is too large at its first frame", () => {
  const { session } = testSession(10);
  assertThrows(
    () => session.receive(packet(0, 1, [0x81, 0, 6, 0, 0, 0, 0, 0, 12])),
    MessageTooLargeError,
    "12 bytes",
  );
});

Deno.test("Session.nextPacket() fills packets with large messages, and no other", () => {
  const { session, queue, packets } = testSession();
  queue("hi");
  queue(new Uint8Array(65_505).fill(1));
  queue(new Uint8Array(65_506).fill(2));
  queue(new Uint8Array(65_520).fill(3));
  const sizes = packets().map(({ length }) => length);
  // The first large one is whole in a packet of its own; of the next there are
  // 6 bytes of length, and 65,499 of it.
  assertEquals(sizes.slice(0, 3), [17, 65_520, 65_520]);
  // Then 7 bytes of it, and 65,489 of the last one.
  assertEquals(sizes.slice(3), [65_520, 12 + 3 + 31]);
  session.acknowledge(6);
  assertEquals(session.bufferedBytes, 0);
  for (const size of [65_506, 100_000, 131_028, 131_029, 131_030, 200_000]) {
    const sender = testSession();
    const receiver = testSession();
    for (let count = 0; count < 5; count++) {
      sender.queue("x".repeat(count));
      sender.queue(new Uint8Array(size).fill(count + 1));
    }
    for (const packet of sender.packets()) receiver.session.receive(packet);
    assertEquals(receiver.messages.length, 10, `${size}`);
    for (let count = 0; count < 5; count++) {
      const [text, bytes] = receiver.messages.splice(0, 2);
      assertEquals(text, "x".repeat(count));
      assertEquals(bytes, new Uint8Array(size).fill(count + 1));
    }
  }
});

Deno.test("Session.pause() holds what comes, unacknowledged, and reports it once afterwards", () => {
  const { session, messages } = testSession();
  session.receive(packet(0, 1, HI));
  session.pause(true);
  session.receive(packet(0, 2, YO));
  session.receive(packet(0, 3, HI));
  // The packet comes a second time, on another way.
  session.receive(packet(0, 2, YO));
  assertEquals(messages, ["hi"]);
  assertEquals(session.ackPacket(), new Uint8Array([0, 0, 0, 0, 0, 1]));
  session.pause(false);
  assertEquals(messages, ["hi", "yo", "hi"]);
  assert(session.owesAck);
  assertEquals(session.ackPacket(), new Uint8Array([0, 0, 0, 0, 0, 3]));
});

Deno.test("Session.pause() in the middle of a packet keeps the rest of it", () => {
  const messages: Message[] = [];
  const session = new Session({
    onMessage: (message) => {
      messages.push(message);
      session.pause(true);
    },
    onEnd: () => {},
  }, 100);
  session.receive(packet(0, 1, HI, YO, HI));
  assertEquals(messages, ["hi"]);
  session.receive(packet(0, 4, YO));
  for (const count of [2, 3, 4, 4]) {
    session.pause(false);
    assertEquals(messages.length, count);
  }
  assertEquals(messages, ["hi", "yo", "hi", "yo"]);
});

Deno.test("Session.pause() that ends in a listener does not overtake the message that it has", () => {
  const seen: Message[] = [];
  const session = new Session({
    onMessage: (message) => {
      session.pause(false);
      seen.push(message);
    },
    onEnd: () => {},
  }, 100);
  session.receive(packet(0, 2, YO));
  session.receive(packet(0, 1, HI));
  assertEquals(seen, ["hi", "yo"]);
});

Deno.test("Session acknowledges all of a packet of which a listener has acknowledged half", () => {
  const acks: number[] = [];
  const session = new Session({
    onMessage: () => acks.push(session.ackPacket()[5]),
    onEnd: () => {},
  }, 100);
  session.receive(packet(0, 1, HI, YO));
  assertEquals(acks, [1, 2]);
  assert(session.owesAck);
});

Deno.test("Session.receive() bounds what it holds while it is paused", () => {
  const { session } = testSession(5_000_000);
  session.pause(true);
  const payload = new Array(60_000).fill(0);
  const frame = [1, payload.length >> 8, payload.length & 255, ...payload];
  let first = 1;
  assertThrows(
    () => {
      for (; first < 100; first++) session.receive(packet(0, first, frame));
    },
    ProtocolError,
    "after frame 0",
  );
  assertEquals(first, Math.floor(WINDOW_BYTES / (12 + frame.length)) + 1);
});
