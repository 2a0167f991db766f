import { assert, assertEquals, assertThrows } from "@std/assert";
import { Link, type LinkOptions } from "../../../src/testing/link.ts";
import type { Network } from "../../../src/testing/network.ts";
import { seededRandom } from "../../../src/testing/seeded_random.ts";
import { VirtualClock } from "../../../src/testing/virtual_clock.ts";
import { Wire } from "../../../src/testing/wire.ts";

const SECOND = 1000;

/** Links one after the other, and as many wires over them as are made. */
function way(...links: LinkOptions[]) {
  const clock = new VirtualClock();
  const network: Network = {
    clock,
    latencyMs: 0,
    random: seededRandom(1),
    watch() {},
  };
  const made = links.map((options) => {
    const link = new Link(network);
    link.set(options);
    return link;
  });
  /** What has arrived, and when. */
  const arrivals: [name: string, at: number][] = [];
  const wire = (route = made) => {
    const made = new Wire(network, () => route);
    return {
      wire: made,
      send: (name: string, bytes: number) =>
        made.carry(() => arrivals.push([name, Math.round(clock.now())]), bytes),
    };
  };
  return { clock, links: made, arrivals, wire };
}

Deno.test("Link lets as many bytes through as its rate allows", async () => {
  const { clock, arrivals, wire } = way({ rate: 20_000 });
  const { send } = wire();
  for (let count = 0; count < 10; count++) send("10 kB", 10_000);
  await clock.pass(60 * SECOND);
  assertEquals(arrivals.map(([, at]) => at), [
    500,
    1000,
    1500,
    2000,
    2500,
    3000,
    3500,
    4000,
    4500,
    5000,
  ]);
  assertEquals(clock.pending, 0);
});

Deno.test("Link one after another lets through what the slower one does", async () => {
  for (const rates of [[20_000, 200_000], [200_000, 20_000]]) {
    const { clock, arrivals, wire } = way(...rates.map((rate) => ({ rate })));
    wire().send("100 kB", 100_000);
    await clock.pass(60 * SECOND);
    const [[, at]] = arrivals;
    assert(at >= 5000 && at < 5100, `${at}`);
    assertEquals(clock.pending, 0);
  }
});

Deno.test("Link has what one connection queues delay the others, by its queue and no more", async () => {
  const { clock, arrivals, wire } = way({ rate: 20_000, queue: 40_000 });
  const [bulk, control] = [wire(), wire()];
  bulk.send("bulk", 1_000_000);
  await clock.pass(10 * SECOND);
  control.send("control", 100);
  await clock.pass(60 * SECOND);
  const late = arrivals[0][1] - 10_000;
  assertEquals(arrivals[0][0], "control");
  assert(late > 1800 && late < 2100, `${late}`);
});

Deno.test("Link shares its rate fairly between two that send much", async () => {
  const { clock, arrivals, wire } = way({ rate: 20_000, queue: 5000 });
  const [one, two] = [wire(), wire()];
  one.send("one", 100_000);
  two.send("two", 100_000);
  await clock.pass(60 * SECOND);
  assert(arrivals.every(([, at]) => at > 9500 && at <= 10_000), `${arrivals}`);
});

Deno.test("Link keeps with the sender what it has no room for, and takes it bit by bit", async () => {
  const { clock, wire } = way({ rate: 20_000, queue: 20_000 });
  const { wire: carrier, send } = wire();
  send("much", 60_000);
  const seen: number[] = [];
  carrier.onprogress = () => seen.push(carrier.waitingBytes);
  for (let at = 0; at <= 2000; at += 500) {
    const expected = Math.max(0, 40_000 - at * 20);
    const { waitingBytes } = carrier;
    assert(Math.abs(waitingBytes - expected) <= 2400, `${waitingBytes}`);
    await clock.pass(500);
  }
  assertEquals(carrier.waitingBytes, 0);
  assert(
    seen.length > 30 && seen.every((each, at) => !at || each < seen[at - 1]),
  );
});

Deno.test("Link that fills faster than the next one empties keeps the rest with the sender", async () => {
  const { clock, wire } = way(
    { rate: 1_000_000 },
    { rate: 20_000, queue: 20_000 },
  );
  const { wire: carrier, send } = wire();
  send("much", 400_000);
  await clock.pass(1 * SECOND);
  const underWay = 400_000 - carrier.waitingBytes;
  // A queue at each, and what the second has sent by now.
  assert(underWay > 35_000 && underWay < 65_536 + 45_000, `${underWay}`);
});

Deno.test("Link delays by its delay and jitter, and nothing overtakes", async () => {
  const { clock, arrivals, wire } = way({ delay: 100, jitter: 50 });
  const { send } = wire();
  for (let number = 0; number < 200; number++) {
    send(`${number}`, 10);
    await clock.pass(1);
  }
  await clock.pass(SECOND);
  assertEquals(arrivals.map(([name]) => Number(name)), [
    ...Array(200).keys(),
  ]);
  const lates = arrivals.map(([, at], number) => at - number);
  assert(lates.every((late) => late >= 99 && late <= 150), `${lates}`);
  assert(new Set(lates).size > 10);
  assertEquals(clock.pending, 0);
});

Deno.test("Link that loses pieces loses no message: it comes late, and what follows waits for it", async () => {
  const { clock, arrivals, wire } = way({
    rate: 100_000,
    delay: 50,
    loss: 0.1,
  });
  const { send } = wire();
  for (let number = 0; number < 100; number++) {
    send(`${number}`, 100);
    await clock.pass(100);
  }
  await clock.pass(10 * SECOND);
  assertEquals(arrivals.map(([name]) => Number(name)), [
    ...Array(100).keys(),
  ]);
  const lates = arrivals.map(([, at], number) => at - number * 100);
  const lost = lates.filter((late) => late >= 350);
  const inTime = lates.filter((late) => late < 60);
  assert(lost.length > 3 && lost.length < 25, `${lates}`);
  assert(inTime.length > 50, `${lates}`);
  // Between the two are those that had to wait.
  assert(lost.length + inTime.length < 100, `${lates}`);
  assertEquals(clock.pending, 0);
});

Deno.test("Link that loses a piece carries it a second time", async () => {
  const times = await Promise.all([0, 0.2].map(async (loss) => {
    const { clock, arrivals, wire } = way({ rate: 20_000, loss });
    wire().send("much", 400_000);
    await clock.pass(600 * SECOND);
    return arrivals[0][1];
  }));
  assertEquals(times[0], 20_000);
  assert(times[1] > 23_000 && times[1] < 28_000, `${times}`);
});

Deno.test("Link that becomes another lets what waits through at its new rate, and nothing overtakes", async () => {
  const { clock, links: [link], arrivals, wire } = way({ rate: 1 });
  const { send } = wire();
  for (let number = 0; number < 50; number++) send(`${number}`, 10_000);
  await clock.pass(10 * SECOND);
  assertEquals(arrivals, []);
  link.set({ rate: 1_000_000 });
  await clock.pass(100);
  link.set({});
  send("50", 1);
  await clock.pass(0);
  assertEquals(arrivals.map(([name]) => Number(name)), [...Array(51).keys()]);
  const inTime = arrivals.filter(([, at]) => at < 10_100).length;
  assert(inTime >= 9 && inTime <= 10, `${inTime}`);
  assertEquals(clock.pending, 0);
});

Deno.test("Link gives nothing of its room to a connection that is cut or stalls", async () => {
  const { clock, arrivals, wire } = way({ rate: 10_000, queue: 5000 });
  const [cut, stalled, live] = [wire(), wire(), wire()];
  stalled.wire.stall();
  for (const { send } of [cut, stalled]) send("much", 1_000_000);
  cut.wire.cut = true;
  live.send("live", 5000);
  await clock.pass(1100);
  assertEquals(arrivals.map(([name]) => name), ["live"]);
  stalled.wire.heal();
  await clock.pass(101 * SECOND);
  assertEquals(arrivals.map(([name]) => name), ["live", "much"]);
  assertEquals(clock.pending, 0);
});

Deno.test("Link refuses what makes no sense", () => {
  const { links: [link] } = way({});
  for (
    const wrong of [{ rate: 0 }, { queue: -1 }, { delay: NaN }, {
      delay: Infinity,
    }, { loss: 1 }]
  ) {
    assertThrows(() => link.set(wrong), RangeError);
  }
});
