/**
 * One direction of a host's way to the network, which all of its connections
 * share.
 *
 * @module
 */

import type { Cancel } from "../runtime.ts";
import type { Network } from "./network.ts";

/** What one direction of a peer's link is like. */
export interface LinkOptions {
  /**
   * How much passes, in bytes per second. What lies around them, headers and
   * acknowledgements, takes nothing.
   *
   * @default {Infinity}
   */
  rate?: number;
  /**
   * How many bytes wait in front of the link, those of all connections one
   * behind the other. When it is full, connections take turns; what has no
   * room yet stays with its sender, in `bufferedAmount`.
   *
   * @default {65_536}
   */
  queue?: number;
  /**
   * How long it takes, one way, on top of the simulation's latency, in
   * milliseconds.
   *
   * @default {0}
   */
  delay?: number;
  /**
   * How much longer it may take, drawn anew from zero up to this for each
   * piece, in milliseconds. Within a connection, nothing overtakes.
   *
   * @default {0}
   */
  jitter?: number;
  /**
   * How likely a piece of a message is lost, from 0 up to but not 1. It is sent
   * again one round trip and 200 ms later, which takes room on the link once
   * more, and all that follows on the same connection waits for it.
   *
   * @default {0}
   */
  loss?: number;
}

/** What passes a link as a whole. */
export interface Piece {
  readonly bytes: number;
  readonly flow: Flow;
  /** The links on its way. */
  readonly route: readonly Link[];
  /** How many of those lie behind it. */
  passed: number;
  /** How much longer than the latency it will have taken. */
  delayMs: number;
}

/** One direction of one connection, as its links see it. */
export interface Flow {
  /** Whether the link carries nothing any more. */
  readonly cut: boolean;
  /** Whether the link sends nothing for now. */
  readonly stalled: boolean;
  /** A piece has come into the queue of a link. */
  entered(piece: Piece): void;
  /** A piece is through one more of its links. */
  passed(piece: Piece): void;
}

/** What it takes to notice that a piece was lost, beside a round trip. */
const RETRANSMISSION_MS = 200;

/**
 * Lets the pieces of many flows through, one behind the other. It has a queue;
 * while that is full, flows take turns.
 */
export class Link {
  readonly #network: Network;
  #rate = Infinity;
  #queueBytes = 0;
  #delayMs = 0;
  #jitterMs = 0;
  #loss = 0;
  /** What has no room yet. Whose turn it is comes first. */
  readonly #waiting = new Map<Flow, Piece[]>();
  readonly #queue: Piece[] = [];
  #queuedBytes = 0;
  /** Stops the timer of the first in the queue. */
  #sending: Cancel | null = null;
  #filling = false;
  #fillAgain = false;

  /** Creates a link that lets everything through at once. */
  constructor(network: Network) {
    this.#network = network;
    this.set({});
  }

  /** Changes the link from now on. */
  set(
    {
      rate = Infinity,
      queue = 65_536,
      delay = 0,
      jitter = 0,
      loss = 0,
    }: LinkOptions,
  ): void {
    if (!(rate > 0)) throw outOfRange("rate", "above 0", rate);
    for (
      const [name, value] of Object.entries({ queue, delay, jitter, loss })
    ) {
      if (!(value >= 0)) throw outOfRange(name, "0 or above", value);
    }
    if (delay + jitter === Infinity) {
      throw outOfRange("delay", "finite, as must jitter", Infinity);
    }
    // What is always lost would be sent again for ever.
    if (loss >= 1) throw outOfRange("loss", "below 1", loss);
    this.#rate = rate;
    this.#queueBytes = queue;
    this.#delayMs = delay;
    this.#jitterMs = jitter;
    this.#loss = loss;
    // What is being sent begins anew, as it might take much longer than it
    // would now.
    this.#sending?.();
    this.#sending = null;
    this.#send();
    this.fill();
  }

  /** Bytes per second. */
  get rate(): number {
    return this.#rate;
  }

  /** What the link adds to the latency. */
  get delayMs(): number {
    return this.#delayMs;
  }

  /** Whether the link makes no difference. */
  get plain(): boolean {
    return this.#rate === Infinity &&
      this.#delayMs + this.#jitterMs + this.#loss === 0;
  }

  /** Takes a piece behind all else of its flow, as soon as there is room. */
  enter(piece: Piece): void {
    const waiting = this.#waiting.get(piece.flow);
    if (waiting) waiting.push(piece);
    else this.#waiting.set(piece.flow, [piece]);
    this.fill();
  }

  /** Whether something of a flow waits for room here. */
  keepsWaiting(flow: Flow): boolean {
    return this.#waiting.has(flow);
  }

  /** Lets in what has room, one piece of each flow after the other. */
  fill(): void {
    this.#fillAgain = true;
    if (this.#filling) return;
    this.#filling = true;
    while (this.#fillAgain) {
      this.#fillAgain = false;
      for (let piece; (piece = this.#next());) {
        this.#queue.push(piece);
        this.#queuedBytes += piece.bytes;
        piece.flow.entered(piece);
        this.#send();
      }
    }
    this.#filling = false;
  }

  /** Takes out the next that has room. */
  #next(): Piece | undefined {
    for (const [flow, waiting] of this.#waiting) {
      const [piece] = waiting;
      if (flow.cut) this.#waiting.delete(flow);
      if (flow.cut || !mayEnter(piece)) continue;
      const after = this.#queuedBytes + piece.bytes;
      if (this.#queue.length > 0 && after > this.#queueBytes) return undefined;
      waiting.shift();
      this.#waiting.delete(flow);
      if (waiting.length > 0) this.#waiting.set(flow, waiting);
      return piece;
    }
  }

  #send(): void {
    while (!this.#sending && this.#queue.length > 0) {
      if (this.#rate === Infinity) {
        this.#sent();
        continue;
      }
      const ms = this.#queue[0].bytes / this.#rate * 1000;
      this.#sending = this.#network.clock.after(ms, () => {
        this.#sending = null;
        this.#sent();
        this.fill();
        this.#send();
      });
    }
  }

  /** The first in the queue is through, unless it was lost. */
  #sent(): void {
    const { clock, latencyMs, random } = this.#network;
    const piece = this.#queue.shift()!;
    this.#queuedBytes -= piece.bytes;
    if (this.#loss > 0 && random() < this.#loss) {
      const oneWay = piece.route.reduce(
        (sum, { delayMs }) => sum + delayMs,
        latencyMs,
      );
      clock.after(
        2 * oneWay + RETRANSMISSION_MS,
        () => this.#enterAgain(piece),
      );
      return;
    }
    piece.delayMs += this.#delayMs;
    if (this.#jitterMs > 0) piece.delayMs += random() * this.#jitterMs;
    piece.passed++;
    piece.flow.passed(piece);
  }

  /** Takes a piece that was lost, before all else of its flow. */
  #enterAgain(piece: Piece): void {
    const waiting = this.#waiting.get(piece.flow) ?? [];
    this.#waiting.set(piece.flow, [piece, ...waiting]);
    this.fill();
  }
}

/**
 * A flow that stands still sends nothing, nor does one whose next link can't
 * take what has come so far: that is what congestion control does.
 */
function mayEnter({ flow, route, passed }: Piece): boolean {
  if (flow.stalled) return false;
  return !route.slice(passed + 1).some((link) => link.keepsWaiting(flow));
}

function outOfRange(name: string, range: string, value: number): RangeError {
  return new RangeError(
    `Cannot have such a link as "${name}" must be ${range}: it is ${value}`,
  );
}
