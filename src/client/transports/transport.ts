/**
 * What carries packets between the two peers.
 *
 * @module
 */

/** What a transport reports; given before anything can be missed. */
export interface TransportHandlers {
  /** A packet of the other peer, which the receiver may keep. */
  packet(packet: Uint8Array): void;
  /** A transport that was congested takes packets again. */
  drain(): void;
  /** It carries nothing any more; reported once, and not after `close()`. */
  close(): void;
}

/**
 * One way for packets to reach the other peer: reliable and in order while it
 * lives. It knows no pairing, no numbers and no retries.
 */
export interface Transport {
  /**
   * Whether to wait for `drain` before sending more. A WebSocket tells of no
   * drain, and the session's window bounds what it may hold.
   */
  readonly congested?: boolean;
  /** Starts reporting. */
  open(handlers: TransportHandlers): void;
  /**
   * Sends a packet, and copies it before returning. On a transport that is
   * closing, nothing is sent and `close` is reported soon.
   */
  send(packet: Uint8Array): void;
  /** Closes it; nothing is reported afterwards. */
  close(): void;
}
