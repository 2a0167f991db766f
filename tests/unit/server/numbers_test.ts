import { assert, assertEquals, assertMatch } from "@std/assert";
import { Numbers } from "../../../src/server/numbers.ts";
import { seededRandom, VirtualClock } from "../../../testing.ts";

const QUIET_MS = 600_000;
const MAX_QUIET = 10_000;

function setUp(
  { maxLength = 256, random = seededRandom(1) } = {},
) {
  const clock = new VirtualClock();
  const taken = new Set<string>();
  const asked: string[] = [];
  const numbers = new Numbers({
    maxLength,
    isTaken: (code) => {
      asked.push(code);
      return taken.has(code);
    },
    now: clock.now,
    random,
  });
  return { clock, taken, asked, numbers };
}

/** All numbers of so many digits. */
function ofLength(length: number): string[] {
  const least = 10 ** (length - 1);
  return Array.from({ length: 9 * least }, (_, index) => `${least + index}`);
}

/** Says these one after the other, and the last from then on. */
function loaded(...values: number[]): () => number {
  return () => values.length > 1 ? values.shift()! : values[0];
}

Deno.test("Numbers draws one digit while one is free, and never 0", async () => {
  const drawn = new Set<string | undefined>();
  for (let seed = 1; seed <= 100; seed++) {
    const { numbers } = setUp({ random: seededRandom(seed) });
    drawn.add(await numbers.draw());
  }
  assertEquals([...drawn].sort(), ofLength(1));
});

Deno.test("Numbers draws from all of a length by chance", async () => {
  const drawn: string[] = [];
  for (let seed = 1; seed <= 300; seed++) {
    const { numbers, taken } = setUp({ random: seededRandom(seed) });
    for (const number of ofLength(1)) taken.add(number);
    drawn.push((await numbers.draw())!);
  }
  for (const number of drawn) assertMatch(number, /^[1-9]\d$/);
  // Nearly all of 90 numbers come up when 300 are drawn.
  assert(new Set(drawn).size > 75, `${new Set(drawn).size}`);
  const first = setUp({ random: () => 0 });
  assertEquals(await first.numbers.draw(), "1");
  assertEquals(await first.numbers.draw(), "10");
  const last = setUp({ random: () => 1 - 2 ** -53 });
  assertEquals(await last.numbers.draw(), "9");
  assertEquals(await last.numbers.draw(), "99");
});

Deno.test("Numbers tries 50 times before it draws a longer one", async () => {
  const tries = (failures: number) =>
    loaded(...Array<number>(failures).fill(0), 0.5);
  const near = setUp({ random: tries(49) });
  near.taken.add("1");
  assertEquals(await near.numbers.draw(), "5");
  const far = setUp({ random: tries(50) });
  far.taken.add("1");
  assertEquals(await far.numbers.draw(), "55");
  // Each number is asked about once, as that may be to ask another machine.
  assertEquals(far.asked, ["1", "55"]);
});

Deno.test("Numbers draws none twice within 10 minutes", async () => {
  const { numbers, clock } = setUp({ random: () => 0 });
  assertEquals(await numbers.draw(), "1");
  clock.advance(QUIET_MS - 1);
  assertEquals(await numbers.draw(), "10");
  clock.advance(1);
  assertEquals(await numbers.draw(), "1");
});

Deno.test("Numbers lets one rest for 10 minutes after it was in use, drawn or not", async () => {
  const { numbers, clock } = setUp({ random: () => 0 });
  numbers.left("1");
  clock.advance(QUIET_MS / 2);
  numbers.left("1");
  clock.advance(QUIET_MS - 1);
  assertEquals(await numbers.draw(), "10");
  clock.advance(1);
  assertEquals(await numbers.draw(), "1");
});

Deno.test("Numbers remembers no code that it would not draw", async () => {
  const { numbers } = setUp({ random: () => 0 });
  assertEquals(await numbers.draw(), "1");
  for (const code of ["0", "007", "blue-sky", "1234567890", ""]) {
    for (let count = 0; count < MAX_QUIET; count++) {
      numbers.left(code + (code === "blue-sky" ? count : ""));
    }
  }
  assertEquals(await numbers.draw(), "10");
});

Deno.test("Numbers remembers 10,000 numbers, and forgets the oldest beyond them", async () => {
  const { numbers } = setUp({ random: () => 0 });
  assertEquals(await numbers.draw(), "1");
  const others = ofLength(5).slice(0, MAX_QUIET);
  for (const number of others.slice(1)) numbers.left(number);
  assertEquals(await numbers.draw(), "10");
  // That number was one too many.
  assertEquals(await numbers.draw(), "1");
});

Deno.test("Numbers gives no number to two that ask at once", async () => {
  const clock = new VirtualClock();
  const numbers = new Numbers({
    maxLength: 256,
    isTaken: () => Promise.resolve(false),
    now: clock.now,
    random: seededRandom(1),
  });
  const drawn = await Promise.all(
    Array.from({ length: 50 }, () => numbers.draw()),
  );
  assertEquals(new Set(drawn).size, 50);
});

Deno.test("Numbers draws none that is longer than a code may be", async () => {
  const { numbers, taken } = setUp({ maxLength: 1 });
  for (const number of ofLength(1).slice(1)) taken.add(number);
  assertEquals(await numbers.draw(), "1");
  assertEquals(await numbers.draw(), undefined);
});

Deno.test("Numbers draws none where nothing is free", async () => {
  const { clock } = setUp();
  const asked: string[] = [];
  const numbers = new Numbers({
    maxLength: 256,
    isTaken: (code) => asked.push(code) > 0,
    now: clock.now,
    random: seededRandom(1),
  });
  assertEquals(await numbers.draw(), undefined);
  assertEquals(asked.at(-1)?.length, 9);
  assert(asked.length <= 9 * 50);
});
