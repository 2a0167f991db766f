/**
 * Load on a relay: packets that go to and fro, so many at a time.
 *
 * @module
 */

import type { End } from "./relay_link.ts";
import type { BenchServer } from "./servers.ts";
import { quantile } from "./contest.ts";

/** What the exchange of packets has cost. */
export interface ExchangeResult {
  /** CPU time of the server per packet, in microseconds. */
  readonly cpuUs: number;
  /** Round trip that one in a hundred exceeds, in milliseconds. */
  readonly p99Ms: number;
  readonly packetsPerSecond: number;
}

/**
 * The end of a pair that sends, with `window` packets under way; the other end
 * sends them back.
 */
class Exchange {
  packets = 0;
  readonly roundTripsMs: number[] = [];
  readonly done: Promise<void>;
  #running = true;
  #measuring = false;
  #underWay = 0;
  #finish = () => {};
  readonly #sentAt: number[] = [];
  readonly #packet: Uint8Array<ArrayBuffer>;
  readonly #a: WebSocket;

  constructor([a, b]: readonly [End, End], bytes: number, window: number) {
    this.#packet = crypto.getRandomValues(new Uint8Array(Math.min(bytes, 64)));
    if (bytes > 64) this.#packet = new Uint8Array(bytes);
    this.#a = a.socket;
    this.done = new Promise((resolve, reject) => {
      this.#finish = resolve;
      const closed = () => reject(new Error("the server has closed a socket"));
      for (const { socket } of [a, b]) {
        if (socket.readyState === WebSocket.OPEN) {
          socket.addEventListener("close", closed, { once: true });
        } else closed();
      }
    });
    this.done.catch(() => {});
    b.receive = (data) => {
      this.packets++;
      b.socket.send(data);
    };
    a.receive = () => {
      this.packets++;
      this.#underWay--;
      // What is sent first comes back first.
      const sentAt = this.#sentAt.shift()!;
      if (this.#measuring) this.roundTripsMs.push(performance.now() - sentAt);
      if (this.#running) this.#send();
      else if (this.#underWay === 0) this.#finish();
    };
    for (let i = 0; i < window; i++) this.#send();
  }

  measure(): void {
    this.packets = 0;
    this.#measuring = true;
  }

  stop(): void {
    this.#measuring = false;
    this.#running = false;
  }

  #send(): void {
    this.#underWay++;
    this.#sentAt.push(performance.now());
    this.#a.send(this.#packet);
  }
}

/** Keeps pairs busy for so long, the first third of which does not count. */
export async function exchange(
  server: BenchServer,
  pairs: readonly (readonly [End, End])[],
  { bytes, window, ms }: { bytes: number; window: number; ms: number },
): Promise<ExchangeResult> {
  const exchanges = pairs.map((pair) => new Exchange(pair, bytes, window));
  await wait(ms / 3);
  const before = await server.usage();
  for (const each of exchanges) each.measure();
  const start = performance.now();
  await wait(ms);
  const after = await server.usage();
  const packets = exchanges.reduce((sum, each) => sum + each.packets, 0);
  const seconds = (performance.now() - start) / 1000;
  for (const each of exchanges) each.stop();
  await Promise.all(exchanges.map(({ done }) => done));
  return {
    cpuUs: (after.cpuUs - before.cpuUs) / packets,
    p99Ms: quantile(exchanges.flatMap((each) => each.roundTripsMs), 0.99),
    packetsPerSecond: packets / seconds,
  };
}

/** Resolves after so many milliseconds. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
