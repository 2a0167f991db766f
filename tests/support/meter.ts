import type { SocketPeer } from "../../client.ts";

/** What one peer has sent, and how the other peer's messages came. */
export interface MeterReport {
  /** Messages that `send()` accepted here. */
  readonly sent: number;
  /** Messages of the other peer that came, each counted once. */
  readonly received: number;
  /** Numbers that were passed over, and have not come later. */
  readonly missing: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  /** Messages that are not what was sent. */
  readonly corrupt: number;
  /** The longest time without a message, while it was measured. */
  readonly longestPauseMs: number;
}

/** Sends numbered messages and checks those that come. */
export interface Meter {
  /** Sends one message now, and one every few milliseconds. */
  start(): void;
  /** Sends no more. */
  stop(): void;
  /** Begins to measure pauses, at the next message that comes. */
  measure(): void;
  /** Ends the measuring; the pause that goes on counts. */
  measured(): void;
  report(): MeterReport;
  /** Every pause of over a quarter of a second while it was measured. */
  pauses(): Pause[];
}

/** A time in which no message came, by the system's clock. */
export interface Pause {
  readonly from: number;
  readonly to: number;
}

/** How a {@linkcode Meter} sends. */
export interface MeterOptions {
  /** Time between two messages, in milliseconds. */
  readonly everyMs?: number;
  /** The size of the largest message. */
  readonly maxBytes?: number;
  /** Whether the meter waits for `drain` when it is asked to. */
  readonly polite?: boolean;
}

/**
 * Makes a meter for a peer, here or in a page: it refers to nothing outside
 * of itself, so that its source can be evaluated elsewhere.
 *
 * The sizes are from 8 bytes to 200 KB, most of them small, and the kinds take
 * turns. Both follow from the number, so the other side can tell what it ought
 * to have got.
 */
export function createMeter(
  peer: SocketPeer,
  { everyMs = 4, maxBytes = 200_000, polite = false }: MeterOptions = {},
): Meter {
  let sent = 0;
  let waits = false;
  let timer: ReturnType<typeof setInterval> | undefined;
  let next = 0;
  const missing = new Set<number>();
  let received = 0;
  let doubled = 0;
  let outOfOrder = 0;
  let corrupt = 0;
  let measuring = false;
  let lastAt: number | null = null;
  let longestPauseMs = 0;
  const pauses: Pause[] = [];

  const sizeOf = (number: number) => Math.min(drawSize(number), maxBytes);
  const drawSize = (number: number) => {
    const drawn = Math.imul(number + 1, 0x9e3779b1) >>> 0;
    if (number % 150 === 75) return 20_000 + drawn % 180_000;
    return 8 + drawn % (number % 15 === 7 ? 16_000 : 400);
  };
  const messageOf = (number: number) => {
    const size = sizeOf(number);
    if (number % 3 === 0) return String(number).padEnd(size, ".");
    if (number % 3 === 1) return { number, padding: "x".repeat(size - 8) };
    const bytes = new Uint8Array(size).fill(number % 251);
    new DataView(bytes.buffer).setFloat64(0, number);
    return bytes;
  };
  const numberOf = (message: unknown) => {
    if (typeof message === "string") return parseInt(message);
    if (!(message instanceof Uint8Array)) {
      return (message as { number: number }).number;
    }
    const { buffer, byteOffset } = message;
    return new DataView(buffer, byteOffset).getFloat64(0);
  };
  const isWhole = (message: unknown, number: number) => {
    const size = sizeOf(number);
    if (number % 3 === 0) {
      return message === String(number).padEnd(size, ".");
    }
    if (number % 3 === 1) {
      return (message as { padding: string }).padding.length === size - 8;
    }
    return message instanceof Uint8Array && message.length === size &&
      message.subarray(8).every((byte) => byte === number % 251);
  };
  const pause = () => {
    const now = performance.now();
    if (measuring && lastAt !== null) {
      if (now - lastAt > 250) {
        const to = Date.now();
        pauses.push({ from: to - (now - lastAt), to });
      }
      longestPauseMs = Math.max(longestPauseMs, now - lastAt);
    }
    lastAt = now;
  };
  const sendOne = () => {
    if (waits) return;
    const room = peer.send(messageOf(sent));
    sent++;
    if (polite && !room) waits = true;
  };

  peer.on("drain", () => waits = false);
  peer.on("data", (message) => {
    pause();
    const number = numberOf(message);
    if (!isWhole(message, number)) corrupt++;
    if (number >= next) {
      for (; next < number; next++) missing.add(next);
      next++;
      received++;
    } else if (missing.delete(number)) {
      outOfOrder++;
      received++;
    } else doubled++;
  });

  return {
    start() {
      sendOne();
      timer = setInterval(sendOne, everyMs);
    },
    stop: () => clearInterval(timer),
    measure() {
      measuring = true;
      lastAt = null;
    },
    measured() {
      pause();
      measuring = false;
    },
    report: () => ({
      sent,
      received,
      missing: missing.size,
      doubled,
      outOfOrder,
      corrupt,
      longestPauseMs,
    }),
    pauses: () => pauses,
  };
}
