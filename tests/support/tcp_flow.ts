import type { Link, Passenger } from "./link.ts";

/** What a segment carries at most, and what its headers take. */
const SEGMENT_BYTES = 1448;
const HEADER_BYTES = 52;
/** How a connection starts, in segments. */
const INITIAL_WINDOW = 10;
/**
 * The most that is in flight. Linux would allow for more, but a WebSocket of
 * Chromium 156 had 150 to 170 KB in flight where nothing else limited it
 * (measured at round trips of 100 and 500 ms, emulated by the kernel).
 */
const MAX_WINDOW = 110;
/** What the receiving host holds for a program that does not read. */
const RECEIVE_BYTES = 2 ** 20;
/** The least that Linux waits for an acknowledgement beyond a round trip. */
const MIN_TIMEOUT_MS = 200;
const MAX_TIMEOUT_MS = 60_000;
/** CUBIC's constants: what is left of the window after a loss, and its growth. */
const BETA = 0.7;
const GROWTH = 0.4;

interface Segment {
  readonly number: number;
  readonly data: Uint8Array;
  /** Counts what was sent, so that each sending has its own. */
  sending: number;
  sentAt: number;
}

/** The path of one direction of a connection. */
export interface FlowPath {
  readonly forth: Link;
  /** What acknowledgements take. */
  readonly back: Link;
  /** Nothing of this connection passes, though the links may live. */
  blocked(): boolean;
}

/**
 * One direction of a TCP connection, as it would fare on a path of links.
 *
 * A proxy cannot drop segments of a real connection, so this is the part of a
 * sending and of a receiving host that loss and delay act on: segments of 1448
 * bytes, a congestion window that starts at ten of them, doubles each round
 * trip until something is lost and follows CUBIC from then on; selective
 * acknowledgements; a lost segment is sent again after a round trip where three
 * later ones came through, else after a timeout of 200 ms and a round trip that
 * doubles each time; what came behind it waits for it. So a link with `loss`
 * has the rate that TCP has on such a link, one that fills its queue shares it
 * with what else is there, and after a gap the connection goes on when its next
 * retransmission is due, not before.
 *
 * Not modelled: pacing, HyStart, tail loss probes, undoing of needless
 * retransmissions.
 */
export class TcpFlow {
  readonly #path: FlowPath;
  readonly #deliver: (data: Uint8Array) => void;
  /** Segments that are not yet sent. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #lost: Segment[] = [];
  #nextNumber = 0;
  #nextSending = 0;
  #inFlight = 0;
  /** The most in this round trip, and which sending will end that. */
  #mostInFlight = 0;
  #roundEnd = 0;
  #window = INITIAL_WINDOW;
  #threshold = Infinity;
  /** The window before the last loss, and when that was. */
  #peak = 0;
  #lossAt = 0;
  /** Losses of what was sent before this are part of one that is answered. */
  #recovery = 0;
  #timeoutRecovery = 0;
  #timeouts = 0;
  #roundTripMs: number;
  /** The latest sendings that were acknowledged, to tell what was overtaken. */
  #acknowledged: number[] = [];
  readonly #unacknowledged = new Set<number>();
  /** The number of the segment that the receiver waits for. */
  #expected = 0;
  readonly #early = new Map<number, Uint8Array>();
  #held = 0;
  #wake?: () => void;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #closed = false;

  /** Takes a path, how long a round trip took, and who gets what arrives. */
  constructor(
    path: FlowPath,
    roundTripMs: number,
    deliver: (data: Uint8Array) => void,
  ) {
    this.#path = path;
    this.#roundTripMs = roundTripMs;
    this.#deliver = deliver;
  }

  /** How much it takes now without queueing, in bytes; 0 for none. */
  get room(): number {
    if (this.#waitingBytes > 0 || this.#lost.length > 0) return 0;
    if (this.#held > RECEIVE_BYTES) return 0;
    return Math.max(0, Math.floor(this.#window - this.#inFlight)) *
      SEGMENT_BYTES;
  }

  /** Resolves when it takes something; to false if it never will. */
  async untilRoom(): Promise<boolean> {
    while (!this.#closed && this.room === 0) await this.#change();
    return !this.#closed;
  }

  /** Resolves when everything was acknowledged, or nothing more will be. */
  async untilDone(): Promise<void> {
    while (
      !this.#closed && (this.#waitingBytes > 0 || this.#unacknowledged.size > 0)
    ) {
      await this.#change();
    }
  }

  /** Sends bytes, which must not be changed afterwards. */
  send(data: Uint8Array): void {
    for (let start = 0; start < data.length; start += SEGMENT_BYTES) {
      this.#waiting.push(data.subarray(start, start + SEGMENT_BYTES));
    }
    this.#waitingBytes += data.length;
    this.#pump();
  }

  /** The program at the end has taken so many bytes. */
  taken(bytes: number): void {
    this.#held -= bytes;
    this.#changed();
  }

  /** Forgets everything. */
  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#changed();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  #changed(): void {
    this.#wake?.();
  }

  #pump(at = performance.now()): void {
    while (this.#inFlight + 1 <= this.#window && !this.#closed) {
      let segment = this.#lost.shift();
      if (!segment) {
        const data = this.#waiting.shift();
        if (!data) break;
        this.#waitingBytes -= data.length;
        const number = this.#nextNumber++;
        this.#unacknowledged.add(number);
        segment = { number, data, sending: 0, sentAt: 0 };
      }
      this.#transmit(segment, at);
    }
    this.#changed();
  }

  #transmit(segment: Segment, at: number): void {
    segment.sending = this.#nextSending++;
    segment.sentAt = at;
    this.#inFlight++;
    this.#mostInFlight = Math.max(this.#mostInFlight, this.#inFlight);
    const { forth, back } = this.#path;
    const lost = () => this.#notAcknowledged(segment);
    const acknowledgement: Passenger = {
      arrived: (at) => this.#onAcknowledgement(segment, at),
      lost,
    };
    const passenger: Passenger = {
      arrived: (at) => {
        if (this.#closed) return;
        if (this.#path.blocked()) return lost();
        this.#arrive(segment);
        // A lost acknowledgement is made good by the next, unless nothing
        // passes.
        back.carry(HEADER_BYTES, acknowledgement, at, true);
      },
      lost,
    };
    if (this.#path.blocked()) lost();
    else forth.carry(segment.data.length + HEADER_BYTES, passenger, at);
  }

  #arrive({ number, data }: Segment): void {
    if (number < this.#expected) return;
    this.#early.set(number, data);
    for (let next; (next = this.#early.get(this.#expected));) {
      this.#early.delete(this.#expected++);
      this.#held += next.length;
      this.#deliver(next);
    }
  }

  #onAcknowledgement(segment: Segment, at: number): void {
    if (this.#closed) return;
    if (segment.sending >= this.#roundEnd) {
      this.#roundEnd = this.#nextSending;
      this.#mostInFlight = this.#inFlight;
    }
    this.#inFlight--;
    this.#timeouts = 0;
    this.#unacknowledged.delete(segment.number);
    this.#acknowledged.push(segment.sending);
    if (this.#acknowledged.length > 3) this.#acknowledged.shift();
    this.#roundTripMs += (at - segment.sentAt - this.#roundTripMs) / 8;
    this.#grow(at);
    this.#pump(at);
  }

  /** Widens the window, as one more segment was acknowledged. */
  #grow(at: number): void {
    // A window that is not used says nothing.
    if (this.#mostInFlight < this.#window / 2) return;
    if (this.#window < this.#threshold) this.#window++;
    else {
      const seconds = (at - this.#lossAt) / 1000;
      const plateau = Math.cbrt(this.#peak * (1 - BETA) / GROWTH);
      const cubic = GROWTH * (seconds - plateau) ** 3 + this.#peak;
      const reno = this.#peak * BETA + 3 * (1 - BETA) / (1 + BETA) *
          seconds * 1000 / Math.max(1, this.#roundTripMs);
      const target = Math.min(Math.max(cubic, reno), 1.5 * this.#window);
      this.#window += Math.max(0, target - this.#window) / this.#window;
    }
    this.#window = Math.min(this.#window, MAX_WINDOW);
  }

  /**
   * Sends a segment again in time, as neither it nor its acknowledgement came
   * through.
   */
  #notAcknowledged(segment: Segment): void {
    if (this.#closed) return;
    this.#after(this.#roundTripMs, () => {
      const overtaken = this.#acknowledged.length === 3 &&
        this.#acknowledged.every((sending) => sending > segment.sending);
      if (overtaken) {
        if (segment.sending >= this.#recovery) this.#shrink();
        this.#sendAgain(segment);
        return;
      }
      const timeoutMs = Math.min(
        (this.#roundTripMs + MIN_TIMEOUT_MS) * 2 ** this.#timeouts,
        MAX_TIMEOUT_MS,
      );
      const dueMs = segment.sentAt + timeoutMs - performance.now();
      this.#after(dueMs, () => this.#timeOut(segment));
    });
  }

  #timeOut(segment: Segment): void {
    if (segment.sending >= this.#timeoutRecovery) {
      this.#shrink();
      this.#window = 1;
      this.#timeouts++;
      this.#timeoutRecovery = this.#nextSending;
    }
    this.#sendAgain(segment);
  }

  #shrink(): void {
    this.#peak = this.#window;
    this.#lossAt = performance.now();
    this.#window = this.#threshold = Math.max(2, this.#window * BETA);
    this.#recovery = this.#nextSending;
  }

  #sendAgain(segment: Segment): void {
    this.#inFlight--;
    const later = this.#lost.findIndex(({ number }) => number > segment.number);
    this.#lost.splice(later < 0 ? this.#lost.length : later, 0, segment);
    this.#pump();
  }

  #after(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, Math.max(0, ms));
    this.#timers.add(timer);
  }
}
