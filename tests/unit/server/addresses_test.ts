import { assert, assertEquals, assertFalse } from "@std/assert";
import { Addresses, FAILED_PAIR_COST } from "../../../src/server/addresses.ts";
import { resolveServerOptions } from "../../../src/server/options.ts";
import { VirtualClock } from "../../../testing.ts";

const RATE = { burst: 20, perSecond: 1 };

function setUp(options: Parameters<typeof resolveServerOptions>[0] = {}) {
  const clock = new VirtualClock();
  const settings = resolveServerOptions({
    addressControlRate: RATE,
    pairRate: RATE,
    ...options,
  });
  return { clock, addresses: new Addresses(settings, clock.now) };
}

/** How often in a row the answer is yes, at most 100 times. */
function times(ask: () => boolean): number {
  let count = 0;
  while (count < 100 && ask()) count++;
  return count;
}

Deno.test("Addresses.admit() refuses more than maxConnections, wherever they come from", () => {
  const { addresses } = setUp({ maxConnections: 2 });
  assertEquals(addresses.admit("a"), undefined);
  assertEquals(addresses.admit(undefined), undefined);
  for (const address of ["a", "b", undefined]) {
    assertEquals(addresses.admit(address), "connections");
  }
  assertEquals(addresses.connections, 2);
  addresses.release(undefined);
  assertEquals(addresses.admit("b"), undefined);
});

Deno.test("Addresses.admit() refuses more than maxConnectionsPerAddress, and others not", () => {
  const { addresses } = setUp({ maxConnectionsPerAddress: 2 });
  assertEquals([addresses.admit("a"), addresses.admit("a")], [
    undefined,
    undefined,
  ]);
  assertEquals(addresses.admit("a"), "address");
  assertEquals(addresses.admit("b"), undefined);
  // A connection that was refused is not to be released.
  assertEquals(addresses.connections, 3);
  addresses.release("a");
  assertEquals(addresses.admit("a"), undefined);
  assertEquals(addresses.admit("a"), "address");
});

Deno.test("Addresses.admit() does not count by address what has none", () => {
  const { addresses } = setUp({ maxConnectionsPerAddress: 1 });
  for (let time = 0; time < 10; time++) {
    assertEquals(addresses.admit(undefined), undefined);
  }
  assertEquals([addresses.connections, addresses.size], [10, 0]);
});

Deno.test("Addresses.admit() refuses nobody where the limits are 0", () => {
  const { addresses } = setUp({
    maxConnections: 0,
    maxConnectionsPerAddress: 0,
  });
  assertEquals(times(() => addresses.admit("a") === undefined), 100);
});

Deno.test("Addresses.admit() tells once where nearly all come from one address", () => {
  for (const address of ["a", undefined]) {
    const events: unknown[] = [];
    const { addresses } = setUp({ observer: (event) => events.push(event) });
    for (let time = 0; time < 10; time++) addresses.admit("b");
    for (let time = 0; time < 89; time++) addresses.admit(address);
    assertEquals(events, []);
    addresses.admit(address);
    const crowd = { type: "crowd", address, connections: 90, total: 100 };
    assertEquals(events, [crowd]);
    for (let time = 0; time < 50; time++) addresses.admit(address);
    assertEquals(events, [crowd]);
  }
});

Deno.test("Addresses.admit() tells of no crowd where others come, too, or few", () => {
  const events: unknown[] = [];
  const { addresses } = setUp({ observer: (event) => events.push(event) });
  for (let time = 0; time < 99; time++) addresses.admit("a");
  for (let time = 0; time < 99; time++) addresses.release("a");
  for (let time = 0; time < 12; time++) addresses.admit("b");
  for (let time = 0; time < 99; time++) addresses.admit("a");
  for (let time = 0; time < 99; time++) addresses.release("a");
  for (let time = 0; time < 99; time++) addresses.admit(undefined);
  assertEquals(events, []);
});

Deno.test("Addresses.takeControl() takes a burst and then a rate, of each address", () => {
  const { addresses, clock } = setUp();
  assertEquals(times(() => addresses.takeControl("a")), 20);
  assert(addresses.takeControl("b"));
  assertEquals(times(() => addresses.takeControl(undefined)), 100);
  clock.advance(3000);
  assertEquals(times(() => addresses.takeControl("a")), 3);
  // Control messages cost no attempts to pair.
  assert(addresses.takePair("a"));
});

Deno.test("Addresses.takePair() takes a burst and then a rate, of each address", () => {
  const { addresses, clock } = setUp();
  assertEquals(times(() => addresses.takePair("a")), 20);
  assert(addresses.takePair("b"));
  assertEquals(times(() => addresses.takePair(undefined)), 100);
  clock.advance(3000);
  assertEquals(times(() => addresses.takePair("a")), 3);
});

Deno.test("Addresses.pairFailed() makes an attempt cost ten", () => {
  const { addresses, clock } = setUp();
  const attempt = () => {
    const taken = addresses.takePair("a");
    if (taken) addresses.pairFailed("a");
    return taken;
  };
  assertEquals(times(attempt), 20 / FAILED_PAIR_COST);
  addresses.pairFailed(undefined);
  // From then on the address may guess at one code in ten seconds.
  for (let time = 0; time < 10; time++) {
    clock.advance(10_000);
    assertEquals(times(attempt), 1);
  }
});

Deno.test("Addresses forgets those that have nothing open and have waited", () => {
  const { addresses, clock } = setUp();
  addresses.admit("open");
  for (let index = 0; index < 100_000; index++) {
    const address = `address ${index}`;
    addresses.admit(address);
    addresses.takeControl(address);
    addresses.takePair(address);
    addresses.pairFailed(address);
    addresses.release(address);
    clock.advance(100);
  }
  // Each address is kept for ten seconds: a hundred at a time, and swept at
  // 1024.
  assert(addresses.size <= 1024, `${addresses.size} addresses`);
  assertEquals(addresses.connections, 1);
});

Deno.test("Addresses forgets no connection that is open, however many others come", () => {
  const { addresses } = setUp({ maxConnectionsPerAddress: 1 });
  addresses.admit("a");
  for (let index = 0; index < 10_000; index++) {
    addresses.admit(`${index}`);
    addresses.release(`${index}`);
  }
  assert(addresses.size <= 1024, `${addresses.size} addresses`);
  assertEquals(addresses.admit("a"), "address");
});

Deno.test("Addresses forgets no debt, however many others come", () => {
  const { addresses } = setUp();
  while (addresses.takePair("a")) addresses.pairFailed("a");
  for (let index = 0; index < 10_000; index++) addresses.takePair(`${index}`);
  assertFalse(addresses.takePair("a"));
});

Deno.test("Addresses.share() gives each of several servers its part of the attempts", () => {
  const { clock, addresses } = setUp();
  addresses.share(4);
  const attempt = () => {
    const may = addresses.takePair("a");
    if (may) addresses.pairFailed("a");
    return may;
  };
  const guesses = (servers: number) =>
    Math.ceil(RATE.burst / servers / FAILED_PAIR_COST);
  assertEquals(times(attempt), guesses(4));
  clock.advance(60_000 * RATE.perSecond);
  // The others are gone.
  addresses.share(1);
  clock.advance(60_000 * RATE.perSecond);
  assertEquals(times(attempt), guesses(1));
  // However many guessers there are, whoever is none gets in.
  addresses.share(1000);
  clock.advance(3_600_000);
  assert(addresses.takePair("b"));
});
