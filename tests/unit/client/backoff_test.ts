import { assertEquals } from "@std/assert";
import { backoffDelay } from "../../../src/client/backoff.ts";

Deno.test("backoffDelay() doubles its limit up to 30 seconds", () => {
  // The largest number below 1 stands for the limit itself.
  const limits = [0, 1, 2, 3, 4, 5, 6, 60].map((attempt) =>
    Math.round(backoffDelay(attempt, 1000, 1 - Number.EPSILON))
  );
  assertEquals(
    limits,
    [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
  );
});

Deno.test("backoffDelay() draws evenly from zero up to its limit", () => {
  assertEquals(backoffDelay(9, 1000, 0), 0);
  assertEquals(backoffDelay(9, 1000, 0.5), 15_000);
  assertEquals(backoffDelay(1, 100, 0.25), 50);
});
