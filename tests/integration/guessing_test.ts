/**
 * A guesser tries one pair code after the other, behind a proxy that others use
 * too: what a server does so that short codes are worth anything.
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { FAILED_PAIR_COST } from "../../src/server/addresses.ts";
import {
  type ObservedServer,
  observedServer,
} from "../support/observed_server.ts";
import { RawClient, RawPair } from "../support/raw_client.ts";
import { type ReverseProxy, reverseProxy } from "../support/reverse_proxy.ts";

/** How long a test may take: longer than all that a guesser has to wait out. */
const LIMIT_SECONDS = 20;

/** Where the proxy says that its clients come from. */
const GUESSER = "198.51.100.66";
const HONEST = "192.0.2.1";

/** How a proxy is reached. */
function urlOf({ port }: ReverseProxy): string {
  return `http://127.0.0.1:${port}/app/socketpeer/`;
}

/** Guesses at one code after the other. */
class Guesser {
  readonly #server: ObservedServer;
  readonly #url: string;
  #count = 0;

  constructor(server: ObservedServer, proxy: ReverseProxy) {
    this.#server = server;
    this.#url = urlOf(proxy);
  }

  /** Tries the next code; resolves with the close code where it is refused. */
  async guess(forged?: string): Promise<number | null> {
    const headers: Record<string, string> = forged === undefined
      ? {}
      : { "x-forwarded-for": forged };
    const code = `guess ${this.#count++}`;
    const { stats } = this.#server.peerServer;
    await using client = await RawClient.pair(
      this.#url,
      code,
      "guesser",
      {},
      headers,
    );
    const answer = await client.control("peer.waiting")
      .then(() => null, () => client.closeCode());
    await client.close();
    // The attempt counts as failed only when the server has heard of its end.
    await this.#server.until(() =>
      this.#server.peerServer.stats.connections <= stats.connections
    );
    return answer;
  }

  /** Guesses until it is refused; resolves with how many guesses it had. */
  async exhaust(forged?: (count: number) => string): Promise<number> {
    for (let count = 0; count < 100; count++) {
      const code = await this.guess(forged?.(count));
      if (code === null) continue;
      assertEquals(code, 4010);
      return count;
    }
    throw new Error("It may guess for ever");
  }
}

/** Fails unless a new pair finds each other, and exchanges packets. */
async function checkHonest(proxy: ReverseProxy, code: string): Promise<void> {
  await using pair = await RawPair.open(urlOf(proxy), code);
  await pair.check();
}

Deno.test("SocketPeerServer stops one that guesses at pair codes, and nobody else behind the same proxy", async () => {
  await using server = observedServer({
    trustProxy: "x-forwarded-for",
    // Next to nothing comes back while the test runs.
    pairRate: { burst: 4 * FAILED_PAIR_COST, perSecond: 0.001 },
  });
  await using proxy = reverseProxy(server.port, GUESSER);
  await using other = reverseProxy(server.port, HONEST);
  await using pair = await RawPair.open(urlOf(other), "code");
  await pair.check();
  const { connections, waiting, pairs } = server.peerServer.stats;
  assertEquals([connections, waiting, pairs], [2, 0, 1]);

  const guesser = new Guesser(server, proxy);
  assertEquals(await guesser.exhaust(), 4);
  // The entries before the last are what a client likes to send.
  for (
    const forged of [
      HONEST,
      "203.0.113.7",
      "2001:db8::1",
      `${HONEST}, 203.0.113.8`,
      "127.0.0.1",
      "unknown",
      "",
    ]
  ) {
    assertEquals(await guesser.guess(forged), 4010, forged);
    await pair.check();
  }
  await checkHonest(other, "another code");
  await pair.check();

  const refusals = server.events.filter(({ type }) => type === "refuse");
  assertEquals(
    refusals,
    Array(8).fill({ type: "refuse", address: GUESSER, reason: "pair_rate" }),
  );
  const counted = await server.counted("socketpeer_refusals_total");
  assertEquals(counted, { pair_rate: 8 });

  await server.until(() => server.peerServer.stats.connections === 2);
  const after = server.peerServer.stats;
  assertEquals([after.waiting, after.pairs], [waiting, pairs]);
  for (let count = 0; count < 12; count++) {
    assertEquals(await server.peerServer.leave(`guess ${count}`), false);
  }
});

Deno.test("SocketPeerServer counts a guesser by what the proxy says, whatever it has sent before", async () => {
  await using server = observedServer({
    trustProxy: "x-forwarded-for",
    pairRate: { burst: 4 * FAILED_PAIR_COST, perSecond: 0.001 },
  });
  await using proxy = reverseProxy(server.port, GUESSER);
  const guesser = new Guesser(server, proxy);
  const forged = (count: number) => `203.0.113.${count}, 192.0.2.${count}`;
  assertEquals(await guesser.exhaust(forged), 4);
  const addresses = server.events.flatMap((event) =>
    event.type === "open" ? [event.address] : []
  );
  assertEquals(addresses, Array(5).fill(GUESSER));
});

Deno.test("SocketPeerServer lets a guesser in again as time passes, and no faster than that", async () => {
  const burst = 2 * FAILED_PAIR_COST;
  const perSecond = 10;
  await using server = observedServer({
    trustProxy: "x-forwarded-for",
    pairRate: { burst, perSecond },
  });
  await using proxy = reverseProxy(server.port, GUESSER);
  const guesser = new Guesser(server, proxy);
  const startedAt = performance.now();
  const elapsed = () => (performance.now() - startedAt) / 1000;
  let guesses = 0;
  for (let round = 0; round < 3; round++) {
    guesses += await guesser.exhaust();
    while (await guesser.guess() !== null) {
      assertLess(elapsed(), LIMIT_SECONDS, "it is shut out for good");
    }
    guesses++;
  }
  // The last one was let in with what a single attempt takes.
  const most = (burst + perSecond * elapsed()) / FAILED_PAIR_COST + 1;
  assert(guesses <= most, `${guesses} guesses in ${elapsed()} s`);
});

Deno.test("SocketPeerServer lets a newcomer pair where 300 neighbours wait in vain, and wait again", async () => {
  const PEERS = 300;
  // Ten times as much is what they would owe if they were taken for guessers.
  await using server = observedServer({
    trustProxy: "x-forwarded-for",
    maxConnectionsPerAddress: 2 * PEERS,
    peerTimeout: 1500,
    pairRate: { burst: PEERS + 2, perSecond: 0.001 },
  });
  const headers = { "x-forwarded-for": GUESSER };
  const join = (code: string, id: string) =>
    RawClient.pair(server.peersUrl, code, id, {}, headers);
  const letGo = () =>
    server.events.filter((event) =>
      event.type === "close" && event.code === 4004
    ).length;
  for (const round of [1, 2]) {
    const waiting = await Promise.all(
      Array.from({ length: PEERS }, (_, index) => join(`${index}`, "x")),
    );
    for (const client of waiting) assertEquals(await client.closeCode(), 4004);
    await server.until(() => letGo() === round * PEERS);
  }
  await using a = await join("a code", "a");
  await a.control("peer.waiting");
  await using b = await join("a code", "b");
  await b.control("peer.found");
  assertEquals(server.events.filter(({ type }) => type === "refuse"), []);
});
