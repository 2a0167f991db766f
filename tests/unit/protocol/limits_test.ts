import { assert, assertEquals } from "@std/assert";
import * as limits from "../../../src/protocol/limits.ts";

/** How PROTOCOL.md says each; the first group is the number. */
const SAID: Record<keyof typeof limits, RegExp> = {
  PROTOCOL_VERSION: /^# The protocol of socketpeer, version (\d+)/,
  MAX_PACKET_BYTES: / A packet is at most ([\d,]+) bytes/,
  PACKET_ROOM: / Packets should have at most ([\d,]+) bytes/,
  WINDOW_BYTES: / at most ([\d,]+) bytes of packets in flight/,
  ACK_BYTES: / twice as many each time [^.]* up to ([\d,]+), and/,
  FIRST_ACK_BYTES: / It is ([\d,]+) bytes at first, twice as many/,
  ACK_DELAY_MS: / is acknowledged after so many bytes or (\d+) ms/,
  MAX_CONTROL_BYTES:
    / a \*\*text\*\* message is a [^;]*, at most ([\d,]+) characters/,
  MAX_HELLO_LENGTH: / a `hello` has at most ([\d,]+) characters/,
  MAX_PAIR_CODE_LENGTH: / the pair code, 1 to (\d+) UTF-16 units/,
  MAX_ID_LENGTH: /: random strings of at most (\d+) characters/,
  MAX_RESUME_TIMEOUT_MS: / this one keeps them for (\d+) minutes at most/,
};

Deno.test("limits are those of PROTOCOL.md", async () => {
  const url = new URL("../../../src/protocol/PROTOCOL.md", import.meta.url);
  const text = (await Deno.readTextFile(url)).replace(/\s+/g, " ");
  for (const [name, sentence] of Object.entries(SAID)) {
    const [found, number] = text.match(sentence) ?? [];
    assert(found && number, `PROTOCOL.md does not say ${name}`);
    const unit = found.includes(" minutes ") ? 60_000 : 1;
    assertEquals(
      Number(number.replaceAll(",", "")) * unit,
      limits[name as keyof typeof limits],
      name,
    );
  }
  assertEquals(Object.keys(SAID).sort(), Object.keys(limits).sort());
});
