/**
 * One direction of a simulated connection.
 *
 * @module
 */

import type { Flow, Link, Piece } from "./link.ts";
import type { Network } from "./network.ts";

interface Carried {
  readonly bytes: number;
  readonly arrive: () => void;
}

/** A part of what a wire carries; the last one brings it. */
interface Part extends Piece {
  readonly last: boolean;
  /** Whether it has not come into the queue of its first link. */
  waits: boolean;
  /** When the part is at the other end. */
  due: number | undefined;
}

/** How many packets it remembers, to deliver one of them a second time. */
const REMEMBERED = 16;
/** Pieces are no smaller: what fits into one IP packet of most networks. */
const MIN_PIECE_BYTES = 1200;
/** Nor larger, so that others need not wait long. */
const MAX_PIECE_BYTES = 4096;
/** How many a second pass a link whose rate lies between those. */
const PIECES_PER_SECOND = 100;

/**
 * What travels one way between two ends: in order, each after the latency,
 * until it is cut. While it stalls, what arrives is held.
 *
 * Where links lie on its way, it goes through them in pieces, and arrives with
 * its last one.
 */
export class Wire implements Flow {
  /** Whether the wire carries nothing any more. */
  cut = false;
  /** Called when something has arrived, or has come into the queue of a link. */
  onprogress: (() => void) | null = null;
  readonly #network: Network;
  readonly #links: () => readonly Link[];
  /** Why it stands still. */
  readonly #stalls = new Set<unknown>();
  #stuckSince: number | undefined;
  #bytes = 0;
  /** Bytes that wait to come into the queue of their first link. */
  #waitingBytes = 0;
  /** What is not through its links, and how far it is, oldest first. */
  readonly #parts: Part[] = [];
  /** All that is under way, oldest first. */
  readonly #queue: Carried[] = [];
  /** How many of those have travelled long enough. */
  #due = 0;
  /** When the last of those arrives: latency may shrink meanwhile. */
  #lastDue = 0;
  readonly #packets: (() => void)[] = [];

  /**
   * Creates a wire of a network, whose latency it has, with links on its way.
   */
  constructor(network: Network, links: () => readonly Link[]) {
    this.#network = network;
    this.#links = links;
  }

  /** Whether what arrives is held, with neither end told. */
  get stalled(): boolean {
    return this.#stalls.size > 0;
  }

  /** Since when the wire has held something back. */
  get stuckSince(): number | undefined {
    return this.#stuckSince;
  }

  /** Bytes under way. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that wait for a link to take them. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Whether the links on its way make a difference. */
  get linked(): boolean {
    return this.#parts.length > 0 || this.#links().some(({ plain }) => !plain);
  }

  /** Carries something of so many bytes; `packet` may be replayed. */
  carry(arrive: () => void, bytes = 0, packet = false): void {
    if (this.cut) return;
    const { clock, latencyMs } = this.#network;
    this.#bytes += bytes;
    this.#queue.push({ bytes, arrive });
    if (this.stalled) this.#stuckSince ??= clock.now();
    if (packet) {
      if (this.#packets.length === REMEMBERED) this.#packets.shift();
      this.#packets.push(arrive);
    }
    if (this.linked) this.#takeApart(bytes);
    else this.#bring(clock.now() + latencyMs);
  }

  /** Holds from now on what arrives, until each reason to do so is gone. */
  stall(reason: unknown = "fault"): void {
    this.#stalls.add(reason);
    if (this.#queue.length > 0) this.#stuckSince ??= this.#network.clock.now();
  }

  /** Brings what was held for that reason alone, and holds nothing more. */
  heal(reason: unknown = "fault"): void {
    if (!this.#stalls.delete(reason) || this.stalled) return;
    this.#stuckSince = undefined;
    for (let count = this.#due; count > 0; count--) {
      this.#network.clock.after(0, () => this.#arrive());
    }
    this.#fill();
  }

  /** Carries one of the last packets again. */
  replay(): void {
    const { length } = this.#packets;
    const drawn = Math.floor(this.#network.random() * length);
    if (length > 0) this.carry(this.#packets[drawn]);
  }

  /** A piece has come into the queue of a link. */
  entered(piece: Piece): void {
    // There may be room for what comes behind it.
    if (piece.passed > 0) this.#fill();
    const part = piece as Part;
    if (!part.waits) return;
    part.waits = false;
    this.#waitingBytes -= part.bytes;
    this.onprogress?.();
  }

  /** A piece goes on to its next link, or is through all of them. */
  passed(piece: Piece): void {
    const { clock, latencyMs } = this.#network;
    const { route, passed, delayMs } = piece;
    if (passed < route.length) route[passed].enter(piece);
    else (piece as Part).due = clock.now() + latencyMs + delayMs;
    for (let due; (due = this.#parts[0]?.due) !== undefined;) {
      const { last } = this.#parts.shift()!;
      if (last) this.#bring(due);
      else this.#lastDue = Math.max(this.#lastDue, due);
    }
  }

  #fill(): void {
    for (const link of this.#links()) link.fill();
  }

  #takeApart(bytes: number): void {
    const route = this.#links().filter(({ plain }) => !plain);
    const rate = Math.min(...route.map(({ rate }) => rate));
    const most = Math.max(
      MIN_PIECE_BYTES,
      Math.min(Math.ceil(rate / PIECES_PER_SECOND), MAX_PIECE_BYTES),
    );
    const parts: Part[] = [];
    for (let left = bytes, last = false; !last; left -= most) {
      last = left <= most;
      const size = last ? left : most;
      parts.push({
        bytes: size,
        flow: this,
        route,
        passed: 0,
        delayMs: 0,
        last,
        waits: route.length > 0,
        due: undefined,
      });
    }
    for (const part of parts) this.#parts.push(part);
    if (route.length > 0) this.#waitingBytes += bytes;
    for (const part of parts) {
      if (route.length > 0) route[0].enter(part);
      else this.passed(part);
    }
  }

  /** Lets what comes next arrive at that time, or when what went before has. */
  #bring(due: number): void {
    const { clock } = this.#network;
    this.#lastDue = Math.max(this.#lastDue, due);
    clock.after(this.#lastDue - clock.now(), () => {
      this.#due++;
      this.#arrive();
    });
  }

  /** Brings the oldest, whichever timer it was that called. */
  #arrive(): void {
    if (this.cut || this.stalled || this.#due === 0) return;
    this.#due--;
    const { bytes, arrive } = this.#queue.shift()!;
    this.#bytes -= bytes;
    arrive();
    this.onprogress?.();
  }
}
