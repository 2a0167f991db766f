/** Frames and numbers, without a session. */

import {
  FRAME_HEADER_BYTES,
  FrameKind,
  PACKET_HEADER_BYTES,
  readFrame,
  readUint48,
  writeFrameHeader,
  writeUint48,
} from "../../../src/protocol/frame.ts";
import { MAX_PACKET_BYTES } from "../../../src/protocol/limits.ts";

/** A full packet of frames of one size. */
function packetOf(frameBytes: number): Uint8Array {
  const packet = new Uint8Array(MAX_PACKET_BYTES);
  const step = FRAME_HEADER_BYTES + frameBytes;
  let offset = PACKET_HEADER_BYTES;
  for (; offset + step <= packet.length; offset += step) {
    writeFrameHeader(packet, offset, FrameKind.BYTES, false, frameBytes);
  }
  return packet.slice(0, offset);
}

const small = packetOf(64);
const large = packetOf(65_521);

Deno.bench("writeFrameHeader(), 1000 times", () => {
  for (let i = 0; i < 1000; i++) {
    writeFrameHeader(small, PACKET_HEADER_BYTES, FrameKind.BYTES, false, 64);
  }
});

Deno.bench("writeUint48(), 1000 times", () => {
  for (let i = 0; i < 1000; i++) writeUint48(small, 0, i);
});

Deno.bench("readUint48(), 1000 times", () => {
  for (let i = 0; i < 1000; i++) readUint48(small, 0);
});

function readAll(packet: Uint8Array): void {
  let offset = PACKET_HEADER_BYTES;
  while (offset < packet.length) offset = readFrame(packet, offset).end;
}

Deno.bench("readFrame(), a packet of 978 frames of 64 B", () => {
  readAll(small);
});

Deno.bench("readFrame(), a packet of one frame", () => {
  readAll(large);
});
