/**
 * One direction of a simulated connection.
 *
 * @module
 */

import type { Network } from "./network.ts";

interface Carried {
  readonly bytes: number;
  readonly arrive: () => void;
}

/** How many packets it remembers, to deliver one of them a second time. */
const REMEMBERED = 16;

/**
 * What travels one way between two ends: in order, each after the latency,
 * until it is cut. While it stalls, what arrives is held.
 */
export class Wire {
  /** Whether it carries nothing any more. */
  cut = false;
  /** Called when something has arrived. */
  onarrival: (() => void) | null = null;
  readonly #network: Network;
  #stalled = false;
  #bytes = 0;
  /** All that is under way, oldest first. */
  readonly #queue: Carried[] = [];
  /** How many of those have travelled long enough. */
  #due = 0;
  /** When the last of those arrives: latency may shrink meanwhile. */
  #lastDue = 0;
  readonly #packets: (() => void)[] = [];

  /** Lies in a network, whose latency it has. */
  constructor(network: Network) {
    this.#network = network;
  }

  /** Whether what arrives is held, with neither end told. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Bytes under way. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Carries something of so many bytes; `packet` may be replayed. */
  carry(arrive: () => void, bytes = 0, packet = false): void {
    if (this.cut) return;
    const { clock, latencyMs } = this.#network;
    this.#bytes += bytes;
    this.#queue.push({ bytes, arrive });
    if (packet) {
      if (this.#packets.length === REMEMBERED) this.#packets.shift();
      this.#packets.push(arrive);
    }
    this.#lastDue = Math.max(this.#lastDue, clock.now() + latencyMs);
    clock.after(this.#lastDue - clock.now(), () => {
      this.#due++;
      this.#arrive();
    });
  }

  /** Holds from now on what arrives. */
  stall(): void {
    this.#stalled = true;
  }

  /** Brings what was held, and holds nothing more. */
  heal(): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    for (let count = this.#due; count > 0; count--) {
      this.#network.clock.after(0, () => this.#arrive());
    }
  }

  /** Carries one of the last packets again. */
  replay(): void {
    const { length } = this.#packets;
    const drawn = Math.floor(this.#network.random() * length);
    if (length > 0) this.carry(this.#packets[drawn]);
  }

  /** Brings the oldest, whichever timer it was that called. */
  #arrive(): void {
    if (this.cut || this.#stalled || this.#due === 0) return;
    this.#due--;
    const { bytes, arrive } = this.#queue.shift()!;
    this.#bytes -= bytes;
    arrive();
    this.onarrival?.();
  }
}
