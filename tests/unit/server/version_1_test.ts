import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../../src/errors.ts";
import { parseControl } from "../../../src/protocol/control.ts";
import { HELLO_1, Version1 } from "../../../src/server/version_1.ts";

const dialect = new Version1({ maxBufferedBytes: 1000, relay() {} });

Deno.test("Version1.schemas takes what clients of version 1 send", () => {
  for (
    const message of [
      { type: "pair", data: "yolo" },
      { type: "data", data: { x: 1 } },
      { type: "data" },
      { type: "rtc.connect" },
      { type: "rtc.signal", data: { type: "offer", sdp: "v=0" } },
      { type: "rtc.signal", data: { candidate: { candidate: "" } } },
    ]
  ) {
    const text = JSON.stringify(message);
    assertEquals(parseControl(text, dialect.schemas) as unknown, message);
  }
});

Deno.test("Version1.schemas takes nothing else", () => {
  for (const type of ["pong", "upgrade", "peer.found", "busy", "toString"]) {
    const text = JSON.stringify({ type });
    assertThrows(() => parseControl(text, dialect.schemas), ProtocolError);
  }
});

Deno.test("Version1 says what its server said, and nothing where that said nothing", () => {
  const partner = {
    version: 1,
    id: undefined,
    hello: HELLO_1,
    signal() {},
    packet() {},
    refuse() {},
  } as const;
  const introduction = { interval: 1, initiator: true, iceServers: [{}] };
  assertEquals(dialect.busy, '{"type":"busy"}');
  assertEquals(JSON.parse(dialect.found(partner, introduction)), {
    type: "peer.found",
    data: { initiator: true },
  });
  assertEquals(JSON.parse(dialect.complaint("Cannot")), {
    type: "warning",
    data: { message: "Cannot" },
  });
  assertEquals(dialect.waiting(), undefined);
  assertEquals("lost" in dialect, false);
});
