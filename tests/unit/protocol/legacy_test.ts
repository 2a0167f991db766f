import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../../src/errors.ts";
import { parseControl } from "../../../src/protocol/control.ts";
import {
  fromLegacyClient,
  LEGACY_BUSY,
  legacyFound,
  legacyWarning,
} from "../../../src/protocol/legacy.ts";

Deno.test("fromLegacyClient() takes what clients of version 1 send", () => {
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
    assertEquals(parseControl(text, fromLegacyClient()) as unknown, message);
  }
});

Deno.test("fromLegacyClient() takes nothing else", () => {
  for (const type of ["pong", "upgrade", "peer.found", "busy", "toString"]) {
    const text = JSON.stringify({ type });
    assertThrows(() => parseControl(text, fromLegacyClient()), ProtocolError);
  }
});

Deno.test("messages to clients of version 1 read as those of its server", () => {
  assertEquals(JSON.parse(LEGACY_BUSY), { type: "busy" });
  assertEquals(JSON.parse(legacyFound(true)), {
    type: "peer.found",
    data: { initiator: true },
  });
  assertEquals(JSON.parse(legacyWarning("Cannot")), {
    type: "warning",
    data: { message: "Cannot" },
  });
});
