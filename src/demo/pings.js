/**
 * Numbered messages, both ways, all the time: whoever breaks something sees
 * how many were sent, how many arrived, and that none is missing.
 */

/** How often one is sent, in milliseconds. */
const EVERY_MS = 200;

/** What was counted of one conversation. */
export class Pings {
  /** Pings of this peer, and how many of them the other one has had. */
  sent = 0;
  answered = 0;
  /** How many of those the other one says that it missed. */
  lost = 0;
  /** The last ping of the other peer, how many came, and how many did not. */
  heard = 0;
  arrived = 0;
  missed = 0;
  /** How long the last one and its answer took, in milliseconds. */
  roundTripMs = undefined;

  #send;
  #timer;
  #sentAt = new Map();

  /** Takes what sends a message. */
  constructor(send) {
    this.#send = send;
  }

  /** Begins, as the other side is known to answer. */
  start() {
    this.#timer ??= setInterval(() => this.#ping(), EVERY_MS);
  }

  /** Ends it. */
  stop() {
    clearInterval(this.#timer);
  }

  #ping() {
    const number = this.sent + 1;
    if (!this.#send({ demo: "ping", number })) return;
    this.sent = number;
    this.#sentAt.set(number, performance.now());
  }

  /** Takes a ping of the other peer. */
  ping({ number }) {
    if (!Number.isSafeInteger(number)) return;
    // One that is not the next is missing, or came twice, or out of order.
    if (number !== this.heard + 1) {
      this.missed += Math.abs(number - this.heard - 1);
    }
    this.heard = Math.max(number, this.heard);
    this.arrived++;
    this.#send({ demo: "pong", number, lost: this.missed });
  }

  /** Takes the answer to one. */
  pong({ number, lost }) {
    const sentAt = this.#sentAt.get(number);
    if (sentAt === undefined) return;
    this.#sentAt.delete(number);
    this.roundTripMs = performance.now() - sentAt;
    this.answered++;
    if (Number.isSafeInteger(lost)) this.lost = lost;
  }
}
