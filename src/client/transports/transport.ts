/**
 * What carries packets between the two peers.
 *
 * @module
 */

/** What a transport reports; given before anything can be missed. */
export interface TransportHandlers {
  /** A packet of the other peer, which the receiver may keep. */
  onPacket(packet: Uint8Array): void;
  /** A transport that was congested takes packets again. */
  onDrain(): void;
  /**
   * The last call of all, made once, whoever ended the transport: `close()`,
   * the platform, or the link that opened it.
   */
  onClose(): void;
}

/**
 * One way for packets to reach the other peer: reliable and in order while it
 * lives. It knows no pairing, no numbers and no retries. A link opens it and
 * hands it to the path.
 */
export interface Transport {
  /** Which way it goes; a path has one transport of each kind. */
  readonly kind: "direct" | "relay";
  /**
   * Bytes taken by `send()` that the network has not taken yet; undefined where
   * that is not known.
   */
  readonly bufferedAmount?: number;
  /**
   * Whether to wait for `drain` before sending more. A WebSocket tells of no
   * drain.
   */
  readonly congested?: boolean;
  /** A round trip as measured while it was opened, in milliseconds. */
  readonly roundTripMs?: number;
  /** Starts reporting. */
  open(handlers: TransportHandlers): void;
  /**
   * Sends a packet, and copies it before returning. On a transport that is
   * closing, nothing is sent.
   */
  send(packet: Uint8Array): void;
  /** Closes it. */
  close(): void;
}
