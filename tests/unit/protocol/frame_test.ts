import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../../src/errors.ts";
import {
  checkPacketSize,
  type Frame,
  readFrame,
  readUint48,
  writeFrameHeader,
  writeUint48,
} from "../../../src/protocol/frame.ts";
import { fuzz } from "../../support/fuzz.ts";

// Bytes in this file are written from PROTOCOL.md section 5, by hand.
const ACK_7 = [0, 0, 0, 0, 0, 7];
const FIRST_1 = [0, 0, 0, 0, 0, 1];
const TEXT_HI = [0x00, 0, 2, 0x68, 0x69];
const BYTES_1_2 = [0x01, 0, 2, 1, 2];
const JSON_NULL = [0x02, 0, 4, 0x6e, 0x75, 0x6c, 0x6c];
const END = [0x03, 0, 0];

function packetOf(...frames: number[][]): Uint8Array {
  return Uint8Array.from([ACK_7, FIRST_1, ...frames].flat());
}

function* eachFrame(packet: Uint8Array): Generator<Frame> {
  for (let offset = 12; offset < packet.length;) {
    const frame = readFrame(packet, offset);
    offset = frame.end;
    yield frame;
  }
}

function framesOf(packet: Uint8Array) {
  return [...eachFrame(packet)].map(({ end: _, ...frame }) => frame);
}

const NUMBERS: readonly (readonly [number, readonly number[]])[] = [
  [0, [0, 0, 0, 0, 0, 0]],
  [1, [0, 0, 0, 0, 0, 1]],
  [0x010203040506, [1, 2, 3, 4, 5, 6]],
  [0x7fffffff, [0, 0, 0x7f, 0xff, 0xff, 0xff]],
  [0x80000000, [0, 0, 0x80, 0, 0, 0]],
  [0xffffffff, [0, 0, 0xff, 0xff, 0xff, 0xff]],
  [0x100000000, [0, 1, 0, 0, 0, 0]],
  [0x800000000000, [0x80, 0, 0, 0, 0, 0]],
  [0xffffffffffff, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
];

Deno.test("readUint48() reads six bytes as an unsigned big-endian number", () => {
  for (const [value, bytes] of NUMBERS) {
    assertEquals(readUint48(Uint8Array.from(bytes), 0), value);
    assertEquals(readUint48(Uint8Array.from([9, 9, ...bytes, 9]), 2), value);
  }
});

Deno.test("writeUint48() writes six bytes and leaves those around them alone", () => {
  for (const [value, bytes] of NUMBERS) {
    const target = new Uint8Array(8).fill(0xaa);
    writeUint48(target, 1, value);
    assertEquals([...target], [0xaa, ...bytes, 0xaa]);
  }
});

Deno.test("writeFrameHeader() writes kind, continuation and length", () => {
  const header = (...args: [0 | 1 | 2 | 3, boolean, number]) => {
    const target = new Uint8Array(5).fill(0xaa);
    writeFrameHeader(target, 1, ...args);
    return [...target];
  };
  assertEquals(header(0, false, 0), [0xaa, 0x00, 0x00, 0x00, 0xaa]);
  assertEquals(header(1, true, 0x1234), [0xaa, 0x81, 0x12, 0x34, 0xaa]);
  assertEquals(header(2, true, 255), [0xaa, 0x82, 0x00, 0xff, 0xaa]);
  assertEquals(header(3, false, 256), [0xaa, 0x03, 0x01, 0x00, 0xaa]);
  assertEquals(header(0, true, 65_521), [0xaa, 0x80, 0xff, 0xf1, 0xaa]);
});

Deno.test("checkPacketSize() takes 6 bytes, and 12 up to 65536", () => {
  for (const length of [6, 12, 13, 15, 65_535, 65_536]) {
    checkPacketSize(new Uint8Array(length));
  }
});

Deno.test("checkPacketSize() rejects every other size", () => {
  for (const length of [0, 1, 5, 7, 8, 9, 10, 11, 65_537, 1_048_576]) {
    assertThrows(
      () => checkPacketSize(new Uint8Array(length)),
      ProtocolError,
      `${length} bytes`,
    );
  }
});

Deno.test("readFrame() reads every kind of frame, in order", () => {
  const packet = packetOf(TEXT_HI, BYTES_1_2, JSON_NULL, END);
  assertEquals([...eachFrame(packet)].map(({ end }) => end), [17, 22, 29, 32]);
  assertEquals(framesOf(packet), [
    { kind: 0, more: false, payload: Uint8Array.of(0x68, 0x69) },
    { kind: 1, more: false, payload: Uint8Array.of(1, 2) },
    { kind: 2, more: false, payload: Uint8Array.of(0x6e, 0x75, 0x6c, 0x6c) },
    { kind: 3, more: false, payload: new Uint8Array(0) },
  ]);
});

Deno.test("readFrame() tells a frame that continues from one that does not", () => {
  const packet = packetOf([0x81, 0, 1, 5], [0x01, 0, 1, 6], [0x80, 0, 0]);
  assertEquals(framesOf(packet), [
    { kind: 1, more: true, payload: Uint8Array.of(5) },
    { kind: 1, more: false, payload: Uint8Array.of(6) },
    { kind: 0, more: true, payload: new Uint8Array(0) },
  ]);
});

Deno.test("readFrame() takes an end with a payload, which is to be ignored", () => {
  const [frame] = framesOf(packetOf([0x03, 0, 2, 8, 8]));
  assertEquals(frame.kind, 3);
});

Deno.test("readFrame() gives views of the packet, wherever that stands", () => {
  const whole = Uint8Array.from([9, 9, ...packetOf(BYTES_1_2), 9]);
  const [{ payload }] = framesOf(whole.subarray(2, -1));
  assertEquals([...payload], [1, 2]);
  assert(payload.buffer === whole.buffer);
});

Deno.test("readFrame() reads the largest frame that a packet has room for", () => {
  const packet = new Uint8Array(65_536).fill(0x5a);
  packet.set(packetOf([0x01, 0xff, 0xf1]));
  const frames = framesOf(packet);
  assertEquals(frames.length, 1);
  assertEquals(frames[0].payload, new Uint8Array(65_521).fill(0x5a));
});

Deno.test("readFrame() rejects a frame that is cut short", () => {
  const cut = [
    [0x00],
    [0x00, 0],
    [0x00, 0, 1],
    [0x00, 0, 3, 1, 2],
    [0x00, 0xff, 0xff, 1, 2],
    [0x03, 1, 0],
  ];
  for (const bytes of cut) {
    assertThrows(() => framesOf(packetOf(bytes)), ProtocolError, "cut short");
  }
});

Deno.test("readFrame() rejects every unknown kind", () => {
  for (let kind = 5; kind < 128; kind++) {
    for (const type of [kind, kind | 0x80]) {
      assertThrows(
        () => framesOf(packetOf([type, 0, 0])),
        ProtocolError,
        `kind ${kind}`,
      );
    }
  }
});

Deno.test("readFrame() gives the frames before the one that it rejects", () => {
  const frames = eachFrame(packetOf(TEXT_HI, END, [0x7f, 0, 0]));
  assertEquals(frames.next().value?.kind, 0);
  assertEquals(frames.next().value?.kind, 3);
  assertThrows(() => frames.next(), ProtocolError);
});

Deno.test("readFrame() reads a packet as it was written, or throws a ProtocolError", async () => {
  const valid = packetOf(TEXT_HI, [0x81, 0, 3, 1, 2, 3], BYTES_1_2, END);
  let read = 0;
  await fuzz(20_000, (chance) => {
    const packet = chance.below(2) === 0
      ? chance.mutated(valid)
      : chance.bytes(chance.below(100));
    try {
      checkPacketSize(packet);
      const rewritten = packet.slice(0, 12);
      const bytes = [...rewritten];
      for (const { kind, more, payload } of eachFrame(packet)) {
        bytes.push(kind + (more ? 128 : 0));
        bytes.push(Math.floor(payload.length / 256), payload.length % 256);
        bytes.push(...payload);
      }
      if (packet.length !== 6) assertEquals(bytes, [...packet]);
      read++;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  });
  // With fewer frames the test has proved nothing.
  if (!Deno.env.has("FUZZ_SEED")) assert(read > 1000, `${read} were read`);
});
