import { assertEquals, assertThrows } from "@std/assert";
import { Timers } from "../../../src/server/timers.ts";
import type { Cancel } from "../../../src/runtime.ts";
import { seededRandom, VirtualClock } from "../../../testing.ts";

/** Timers on a clock that is driven by hand, and what they did. */
function world() {
  const clock = new VirtualClock();
  const { after } = new Timers(clock);
  const rung: [name: string, at: number][] = [];
  const ring = (delayMs: number, name: string, then = () => {}) =>
    after(delayMs, () => {
      rung.push([name, clock.now()]);
      then();
    });
  return { clock, after, rung, ring };
}

Deno.test("Timers.after() calls back once, after its time", () => {
  const { clock, rung, ring } = world();
  ring(10, "a");
  clock.advance(9);
  assertEquals(rung, []);
  clock.advance(100);
  assertEquals(rung, [["a", 10]]);
  assertEquals(clock.pending, 0);
});

Deno.test("Timers.after() has one of the platform's timers for all that wait equally long", () => {
  const { clock, rung, ring } = world();
  for (let index = 0; index < 100; index++) {
    ring(10, "short");
    ring(20, "long");
    clock.advance(0.0625);
  }
  assertEquals(clock.pending, 2);
  clock.advance(100);
  const at = (index: number) => index * 0.0625;
  const times = rung.filter(([name]) => name === "short").map(([, at]) => at);
  times.forEach((time, index) => {
    // Within a millisecond of their time, as with the platform's.
    assertEquals(Math.abs(time - at(index) - 10) < 1, true, `${time}`);
  });
  assertEquals(rung.length, 200);
  assertEquals(clock.pending, 0);
});

Deno.test("Timers.after() returns what cancels it, at any time and more than once", () => {
  const { clock, rung, ring } = world();
  const cancels = ["a", "b", "c"].map((name) => ring(10, name));
  cancels[0]();
  cancels[0]();
  clock.advance(5);
  ring(10, "d");
  cancels[2]();
  clock.advance(5);
  assertEquals(rung, [["b", 10]]);
  cancels[1]();
  clock.advance(5);
  assertEquals(rung, [["b", 10], ["d", 15]]);
  assertEquals(clock.pending, 0);
});

Deno.test("Timers.after() leaves nothing with the platform when the last is cancelled", () => {
  const { clock, ring, rung } = world();
  const cancels = ["a", "b"].map((name) => ring(10, name));
  for (const cancel of cancels) cancel();
  assertEquals(clock.pending, 0);
  clock.advance(5);
  ring(10, "c");
  clock.advance(20);
  assertEquals(rung, [["c", 15]]);
});

Deno.test("Timers.after() may be called, and cancelled, by what it calls back", () => {
  const { clock, rung, ring } = world();
  let cancelB: Cancel = () => {};
  ring(10, "a", () => {
    cancelB();
    ring(10, "again");
  });
  cancelB = ring(10, "b");
  ring(10, "c", () => ring(0, "at once", () => ring(0, "and again")));
  clock.advance(10);
  assertEquals(rung.map(([name]) => name), ["a", "c", "at once", "and again"]);
  clock.advance(10);
  assertEquals(rung.at(-1), ["again", 20]);
  assertEquals(clock.pending, 0);
});

Deno.test("Timers.after() gives the others their turn where one throws", () => {
  const { clock, rung, ring } = world();
  ring(10, "a", () => {
    throw new Error("broken");
  });
  ring(10, "b");
  assertThrows(() => clock.advance(10), Error, "broken");
  clock.advance(1);
  assertEquals(rung.map(([name]) => name), ["a", "b"]);
  assertEquals(clock.pending, 0);
});

Deno.test("Timers.after() does what the platform's does, whatever is set and cancelled when", () => {
  const random = seededRandom(1);
  const below = (limit: number) => Math.floor(random() * limit);
  const delays = [0, 1, 5, 5, 5, 20];
  const clock = new VirtualClock();
  const { after } = new Timers(clock);
  const mine: string[] = [];
  const platform: string[] = [];
  const cancels: Cancel[] = [];
  for (let step = 0; step < 10_000; step++) {
    const delayMs = delays[below(delays.length)];
    const set = (timers: typeof after, log: string[]) =>
      timers(delayMs, () => log.push(`${step} at ${clock.now()}`));
    const both = [set(after, mine), set(clock.after, platform)];
    cancels.push(() => both.forEach((cancel) => cancel()));
    if (below(3) === 0) cancels[below(cancels.length)]();
    if (below(2) === 0) clock.advance(below(4));
  }
  clock.advance(100);
  // Two that are due at the same time, after waits of different lengths, may
  // change places.
  assertEquals(mine.sort(), platform.sort());
  assertEquals(clock.pending, 0);
});
