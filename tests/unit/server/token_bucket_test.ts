import { assert, assertEquals, assertFalse } from "@std/assert";
import { TokenBucket } from "../../../src/server/token_bucket.ts";
import { fuzz } from "../../support/fuzz.ts";

const RATE = { burst: 10, perSecond: 2 };

/** How many it gives one by one, at most 100. */
function drawn(bucket: TokenBucket, now: number, rate = RATE): number {
  let count = 0;
  while (count < 100 && bucket.take(1, rate, now)) count++;
  return count;
}

Deno.test("TokenBucket.take() gives a burst at once, and a steady rate after", () => {
  const bucket = new TokenBucket(RATE, 1000);
  assertEquals(drawn(bucket, 1000), 10);
  assertEquals(drawn(bucket, 1499), 0);
  assertEquals(drawn(bucket, 1500), 1);
  assertEquals(drawn(bucket, 3500), 4);
});

Deno.test("TokenBucket.take() gives no more than a burst, however long it stood", () => {
  const bucket = new TokenBucket(RATE, 0);
  assertEquals(drawn(bucket, 1e12), 10);
});

Deno.test("TokenBucket.take() takes nothing where there is too little", () => {
  const bucket = new TokenBucket(RATE, 0);
  assertFalse(bucket.take(11, RATE, 0));
  assert(bucket.take(10, RATE, 0));
  assertFalse(bucket.take(1, RATE, 0));
});

Deno.test("TokenBucket.charge() makes a debt that has to be waited out", () => {
  const bucket = new TokenBucket(RATE, 0);
  bucket.charge(14, RATE, 0);
  assertFalse(bucket.take(1, RATE, 0));
  assertFalse(bucket.take(1, RATE, 2499));
  assert(bucket.take(1, RATE, 2500));
});

Deno.test("TokenBucket.charge() shuts nobody out for longer than two bursts take", () => {
  const bucket = new TokenBucket(RATE, 0);
  for (let time = 0; time < 1000; time++) bucket.charge(9, RATE, 0);
  assertFalse(bucket.isFull(RATE, 9999));
  assert(bucket.isFull(RATE, 10_000));
  assertEquals(drawn(bucket, 10_000), 10);
});

Deno.test("TokenBucket.charge() gives back, but never more than there may be", () => {
  const bucket = new TokenBucket(RATE, 0);
  bucket.charge(3, RATE, 0);
  bucket.charge(-1, RATE, 0);
  assertEquals(drawn(bucket, 0), RATE.burst - 2);
  for (let time = 0; time < 100; time++) bucket.charge(-1, RATE, 0);
  assertEquals(drawn(bucket, 0), RATE.burst);
});

Deno.test("TokenBucket.isFull() holds of one that is new or has waited long enough", () => {
  const bucket = new TokenBucket(RATE, 0);
  assert(bucket.isFull(RATE, 0));
  bucket.take(1, RATE, 0);
  assertFalse(bucket.isFull(RATE, 499));
  assert(bucket.isFull(RATE, 500));
});

Deno.test("TokenBucket gives at most a burst and the rate's share, whenever it is asked", async () => {
  await fuzz(300, (chance) => {
    const rate = {
      burst: 1 + chance.below(20),
      perSecond: chance.pick([0.1, 1, 7.5]),
    };
    const bucket = new TokenBucket(rate, 0);
    let given = 0;
    let now = 0;
    for (let step = 0; step < 200; step++) {
      now += chance.below(3000) / 7;
      if (bucket.take(1, rate, now)) given++;
      // A millionth for the sums of fractions.
      const most = rate.burst + now / 1000 * rate.perSecond + 1e-6;
      assert(given <= most, `${given} of ${most}`);
    }
  });
});
