import { assertEquals } from "@std/assert";
import * as limits from "../../../src/protocol/limits.ts";

Deno.test("limits are those of PROTOCOL.md", () => {
  assertEquals({ ...limits }, {
    PROTOCOL_VERSION: 2,
    MAX_PACKET_BYTES: 65_536,
    PACKET_ROOM: 65_520,
    WINDOW_BYTES: 1_966_080,
    ACK_BYTES: 524_288,
    FIRST_ACK_BYTES: 32_768,
    ACK_DELAY_MS: 20,
    MAX_CONTROL_BYTES: 65_536,
    MAX_HELLO_LENGTH: 4096,
    MAX_PAIR_CODE_LENGTH: 256,
    MAX_ID_LENGTH: 64,
    MAX_RESUME_TIMEOUT_MS: 600_000,
  });
});
