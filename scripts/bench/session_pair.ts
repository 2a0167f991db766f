/**
 * Two sessions with nothing between them: what messages cost the clients.
 *
 * @module
 */

import { Session } from "../../src/protocol/session.ts";
import type { EncodedMessage } from "../../src/protocol/message.ts";

/** Two sessions, one of which sends messages to the other. */
export class SessionPair {
  /** Messages that have arrived. */
  received = 0;
  readonly #from = new Session({ onMessage() {}, onEnd() {} }, 2 ** 26);
  readonly #to = new Session({
    onMessage: () => this.received++,
    onEnd() {},
  }, 2 ** 26);

  /** Queues messages, before anything is sent. */
  queue(message: EncodedMessage, count: number): void {
    for (let i = 0; i < count; i++) this.#from.queue(message);
  }

  /** Carries everything, with at most so many packets not acknowledged. */
  carry(packetsUnderWay = 2): void {
    for (;;) {
      let packets = 0;
      while (packets < packetsUnderWay) {
        const packet = this.#from.nextPacket(this, 0);
        if (!packet) break;
        packets++;
        this.#to.receive(packet);
      }
      if (packets === 0) return;
      this.#from.receive(this.#to.ackPacket());
    }
  }
}
