/** What one direction of a host's access to the network is like. */
export interface LinkShape {
  /** How fast it is; no limit by default. */
  readonly bytesPerSecond?: number;
  /** What waits in front of it at most: what comes beyond that is dropped. */
  readonly queueBytes?: number;
  /** How long everything takes beyond that, one way. */
  readonly delayMs?: number;
  /** How much longer or shorter that may be; nothing overtakes. */
  readonly jitterMs?: number;
  /** The part of all packets that is lost, from 0 to 1. */
  readonly loss?: number;
}

/** How a packet fares: it comes out at `at`, or does not and says so at once. */
export interface Passenger {
  arrived(at: number): void;
  lost?(at: number): void;
}

interface Travelling {
  readonly at: number;
  readonly passenger: Passenger;
}

/** What a router has by default, more or less. */
const QUEUE_BYTES = 65_536;

/**
 * One direction of a link: a drop-tail queue, a rate, a delay, and loss.
 *
 * It works with exact times, those of `performance.now()`, and timers only
 * tell when to look: a timer that is late by a millisecond makes neither the
 * rate lower nor the next link's delay longer.
 */
export class Link {
  /** What the link is like now; may be changed while it is used. */
  shape: LinkShape;
  /** Whether nothing passes. */
  dead = false;
  /** Bytes that the queue has taken, headers included. */
  carriedBytes = 0;
  /** Packets that the queue had no room for, or that were lost. */
  droppedPackets = 0;
  #freeAt = 0;
  #lastAt = 0;
  readonly #travelling: Travelling[] = [];
  #timer?: ReturnType<typeof setTimeout>;

  /** Makes a link; with no shape everything passes at once. */
  constructor(shape: LinkShape = {}) {
    this.shape = shape;
  }

  /** Bytes that wait in front of the link. */
  queuedBytes(at = performance.now()): number {
    const { bytesPerSecond = Infinity } = this.shape;
    if (bytesPerSecond === Infinity) return 0;
    return Math.max(0, this.#freeAt - at) * bytesPerSecond / 1000;
  }

  /**
   * Carries a packet of so many bytes, headers included, that comes to the link
   * at such a time. One that is `spared` is not lost while the link lives.
   */
  carry(
    bytes: number,
    passenger: Passenger,
    at: number = performance.now(),
    spared = false,
  ): void {
    const {
      bytesPerSecond = Infinity,
      queueBytes = QUEUE_BYTES,
      delayMs = 0,
      jitterMs = 0,
      loss = 0,
    } = this.shape;
    const full = this.queuedBytes(at) + bytes > queueBytes &&
      this.#freeAt > at;
    if (this.dead || full && !spared) {
      this.droppedPackets++;
      passenger.lost?.(at);
      return;
    }
    // What is lost on the way has taken the way all the same.
    this.carriedBytes += bytes;
    this.#freeAt = Math.max(at, this.#freeAt) + 1000 * bytes / bytesPerSecond;
    if (!spared && Math.random() < loss) {
      this.droppedPackets++;
      passenger.lost?.(at);
      return;
    }
    const jitter = jitterMs * (2 * Math.random() - 1);
    const arrival = this.#freeAt + Math.max(0, delayMs + jitter);
    this.#lastAt = Math.max(this.#lastAt, arrival);
    this.#travelling.push({ at: this.#lastAt, passenger });
    if (this.#travelling.length === 1) this.#wait();
  }

  /** Forgets what is under way. */
  close(): void {
    this.dead = true;
    this.#travelling.length = 0;
    clearTimeout(this.#timer);
  }

  #wait(): void {
    const [first] = this.#travelling;
    const ms = first.at - performance.now();
    // What needs no time must not take any, as timers take a millisecond.
    if (ms <= 0) queueMicrotask(() => this.#deliver());
    else this.#timer = setTimeout(() => this.#deliver(), ms);
  }

  #deliver(): void {
    const now = performance.now();
    const due = this.#travelling.findIndex(({ at }) => at > now);
    const arrived = this.#travelling.slice(0, due < 0 ? undefined : due);
    for (const { at, passenger } of arrived) {
      // The packet was on its way when the link died.
      if (this.dead) passenger.lost?.(at);
      else passenger.arrived(at);
    }
    this.#travelling.splice(0, arrived.length);
    if (this.#travelling.length > 0) this.#wait();
  }
}

/** A host's access to the network, which all that it sends and gets shares. */
export class AccessLink {
  /** The link from the host. */
  readonly up: Link;
  /** The link to the host. */
  readonly down: Link;
  #mending?: ReturnType<typeof setTimeout>;

  /** Makes an access that is alike in both directions, or not. */
  constructor(up: LinkShape = {}, down: LinkShape = up) {
    this.up = new Link(up);
    this.down = new Link(down);
  }

  /** Whether nothing passes. */
  get dead(): boolean {
    return this.up.dead;
  }
  set dead(dead: boolean) {
    clearTimeout(this.#mending);
    this.up.dead = this.down.dead = dead;
  }

  /** Lets nothing pass for so long, and tells nobody. */
  breakFor(ms: number): void {
    this.dead = true;
    this.#mending = setTimeout(() => this.dead = false, ms);
  }

  /** Ends what is under way. */
  [Symbol.dispose](): void {
    clearTimeout(this.#mending);
    this.up.close();
    this.down.close();
  }
}
