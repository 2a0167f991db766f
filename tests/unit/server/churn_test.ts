import { assert, assertEquals } from "@std/assert";
import { collectGarbage } from "../../support/collect_garbage.ts";
import {
  type FakePeer,
  FakeServer,
  pairText,
  turn,
} from "../../support/fake_server.ts";

/** Bytes in use, garbage apart. */
function heapBytes(): number {
  collectGarbage();
  return Deno.memoryUsage().heapUsed;
}

/** All the orders in which two can do three things each. */
function interleavings(first: number, second: number): number[][] {
  if (first + second === 0) return [[]];
  return [
    ...first > 0
      ? interleavings(first - 1, second).map((rest) => [0, ...rest])
      : [],
    ...second > 0
      ? interleavings(first, second - 1).map((rest) => [1, ...rest])
      : [],
  ];
}

/** How a connection can end. */
const DROPS: readonly ((peer: FakePeer) => void)[] = [
  ({ connection }) => connection.onClose(4000),
  ({ connection }) => connection.onClose(1006),
  ({ connection }) => connection.dismiss(1012, "retry in 5 ms"),
  ({ connection }) => {
    connection.dismiss(4009, "it does not read");
    // Deno reports such a close late, or never.
    connection.onClose(0);
    connection.onClose(1005);
  },
];

Deno.test("Connections that come and go 100,000 times in every order leave nothing behind", async () => {
  const CYCLES = 100_000;
  const orders = interleavings(3, 3);
  const server = new FakeServer();
  const address = (cycle: number, index: number) =>
    `198.51.${cycle % 251}.${(cycle + index) % 241}`;
  let paired = 0;
  let heapBefore = 0;
  /** Time passes until no place is kept any more, and the test forgets too. */
  const forget = () => {
    server.clock.advance(30_000);
    server.assertNothingLeft();
    server.ended.length = server.ends.length = 0;
    server.closed.length = server.closes.length = 0;
    server.events();
  };

  for (let cycle = 0; cycle < CYCLES; cycle++) {
    let choice = cycle;
    const choose = (count: number) => {
      const chosen = choice % count;
      choice = Math.floor(choice / count);
      return chosen;
    };
    const order = orders[choose(orders.length)];
    const code = `code ${cycle % 7}`;
    const two = [0, 1].map((index) => ({
      peer: null as FakePeer | null,
      step: 0,
      address: address(cycle, index),
      pair: [
        // Now and then none, or one that is refused.
        pairText(`${cycle} ${index}`, { code }),
        JSON.stringify({ type: "pair", data: code }),
        pairText(`${cycle} ${index}`, { code, partner: `${cycle} x` }),
        '{"type":"pong"}',
      ][choose(4)],
      drop: DROPS[choose(DROPS.length)],
    }));
    // Whether the validator has decided before the next thing happens.
    const waits = choose(2) === 0;
    for (const index of order) {
      const one = two[index];
      switch (one.step++) {
        case 0:
          assertEquals(server.addresses.admit(one.address), undefined);
          one.peer = server.connect(one.address);
          break;
        case 1:
          one.peer!.connection.onText(one.pair);
          if (waits) await turn();
          break;
        default:
          paired = Math.max(paired, server.registry.pairs);
          one.drop(one.peer!);
          server.addresses.release(one.address);
      }
    }
    await turn();
    assertEquals(server.addresses.connections, 0);
    assertEquals([server.registry.waiting, server.registry.pairs], [0, 0]);
    if (cycle % 1000 === 0) {
      forget();
      if (cycle === 10_000) heapBefore = heapBytes();
    }
  }

  assertEquals(paired, 1);
  forget();
  const { size } = server.addresses;
  // Those that are full again go at the next sweep: of 60,000, two thousand.
  assert(size <= 2048, `${size} addresses are kept`);
  // Ten bytes for each of 90,000 cycles.
  const grownBytes = heapBytes() - heapBefore;
  assert(grownBytes < 1_000_000, `the heap has grown by ${grownBytes} bytes`);
});
