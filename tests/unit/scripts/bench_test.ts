import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { chartOf } from "../../../scripts/bench/chart.ts";
import {
  contest,
  median,
  quantile,
  ratioOf,
  spread,
  type Work,
} from "../../../scripts/bench/contest.ts";
import { growsTooFast } from "../../../scripts/bench/sweep.ts";
import { formatTable, missed } from "../../../scripts/bench/table.ts";

function work(fields: Partial<Work>): Work {
  return {
    name: "cost",
    unit: "µs",
    better: "less",
    samples: { socketpeer: [11, 12, 13], bare: [10, 10, 10], slow: [20] },
    targets: [{ against: ["bare", "slow"], ratio: 1.1 }],
    ...fields,
  };
}

Deno.test("contest() runs its contenders in turns, and leaves out who fails", async () => {
  const turns: string[] = [];
  const run = (name: string) => () => {
    turns.push(name);
    return Promise.resolve(turns.length);
  };
  const outcome = await contest(2, {
    a: run("a"),
    b: () => Promise.reject(new Error("no")),
    c: run("c"),
  });
  assertEquals(turns, ["a", "c", "a", "c"]);
  assertEquals(outcome, {
    samples: { a: [1, 3], c: [2, 4] },
    notes: ["b failed: no"],
  });
});

Deno.test("quantile() lies between the values beside it", () => {
  assertEquals(quantile([4, 1, 3, 2], 0), 1);
  assertEquals(median([4, 1, 3, 2]), 2.5);
  assertEquals(quantile([4, 1, 3, 2], 1), 4);
  assertEquals(spread([8, 10, 12]), 0.2);
});

Deno.test("ratioOf() compares what ran in the same round", () => {
  assertEquals(ratioOf([10, 200, 30], [10, 100, 30]), 1);
});

Deno.test("formatTable() says whether the best of the others was reached", () => {
  const [, , first, second] = formatTable([work({})]).split("\n");
  assertMatch(first, /^cost +12\.0 µs ±8% +bare +10\.0 .* 1\.20x .* MISSED$/);
  assertMatch(second, /^ +slow +20\.0 µs +0\.55x$/);
  assertEquals(missed([work({})]), ["cost, against bare"]);
  const fast = work({ samples: { socketpeer: [10.5], bare: [10] } });
  assertEquals(missed([fast]), []);
  const rate = work({ better: "more", samples: fast.samples });
  assertEquals(missed([rate]), ["cost, against bare"]);
});

Deno.test("formatTable() says who was not run, and shows the last result", () => {
  const lone = work({ samples: { socketpeer: [1] } });
  const [, , row] = formatTable([lone], [work({})]).split("\n");
  assertMatch(row, /bare \/ slow +not run/);
  assertMatch(row, /12\.0 µs ±8%$/);
});

Deno.test("growsTooFast() lets a cost for each unit rise a little, but not go on", () => {
  const curve = (cost: (size: number) => number) =>
    [10, 100, 1000, 10_000].map((size) => [size, cost(size)] as const);
  assertEquals(growsTooFast(curve(() => 1)), false);
  assertEquals(growsTooFast(curve((size) => Math.log2(size))), false);
  assertEquals(growsTooFast(curve((size) => size)), true);
  assertEquals(growsTooFast(curve((size) => 1 / size)), false);
});

Deno.test("chartOf() draws a bar for each contender", () => {
  const svg = chartOf({
    when: "2026-01-02T03:04:05Z",
    size: "full",
    seconds: 1,
    deno: "2.9.6",
    cores: 2,
    disturbance: {},
    works: [work({ name: "bundle" })],
  });
  assertEquals(svg.match(/<rect/g)?.length, 3);
  assertStringIncludes(svg, "bundle (µs, less is better)");
});
