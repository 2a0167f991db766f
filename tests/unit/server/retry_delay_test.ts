import { assert, assertEquals } from "@std/assert";
import { retryDelays } from "../../../src/server/retry_delay.ts";
import { seededRandom } from "../../../src/testing/seeded_random.ts";

Deno.test("retryDelays() spreads delays over a millisecond a connection, within limits", () => {
  for (
    const [connections, spreadMs] of [
      [0, 100],
      [100, 100],
      [2000, 2000],
      [100_000, 5000],
    ]
  ) {
    const delay = retryDelays(connections, seededRandom(1));
    const delays = Array.from({ length: 1000 }, (_, at) => delay(`${at}`));
    assert(delays.every((delay) => Number.isInteger(delay) && delay >= 0));
    assert(Math.max(...delays) < spreadMs);
    assert(Math.max(...delays) > spreadMs * 0.95);
    assert(Math.min(...delays) < spreadMs * 0.05);
  }
});

Deno.test("retryDelays() gives both peers of a pair the same", () => {
  const delay = retryDelays(5000, seededRandom(2));
  assertEquals(delay("code"), delay("code"));
  const others = Array.from({ length: 20 }, () => delay(undefined));
  assert(new Set(others).size > 10);
});
