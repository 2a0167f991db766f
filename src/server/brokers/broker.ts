/**
 * What joins several nodes, each a server process, to one: an engine that
 * somebody runs already, such as Redis or NATS.
 *
 * @module
 */

/** How much of a message nodes need beside a packet in it, in bytes. */
export const ENVELOPE_BYTES = 64;

/** How long a node is taken for alive after its last renewal, in milliseconds. */
export const LEASE_MS = 5000;

/** How long a key is a node's that does not keep it, in milliseconds. */
export const CLAIM_MS = 900_000;

/**
 * One node's way to an engine. It knows nothing of pairs: it carries bytes to
 * an inbox, and says which node a key belongs to.
 *
 * A call that the engine does not answer may stay open for as long as the
 * engine is away, and one that it cannot take rejects: whoever calls has a
 * limit of its own. A broker MUST NOT repeat by itself what it was asked
 * before a `down`. What is asked about one key MUST take effect in the order in
 * which it was asked.
 */
export interface Broker {
  /** The longest message that it carries. */
  readonly maxMessageBytes: number;
  /**
   * Connects, and connects again whenever that breaks, until it is closed.
   * Called once, before all else.
   *
   * @throws {Error} Where trying again is no use: a wrong password, an engine
   * that is too old. An engine that is away is waited for.
   */
  open(handlers: BrokerHandlers): Promise<void>;
  /**
   * Begins to live as a node, in place of the one before: listens to that inbox
   * alone, and takes a lease of {@linkcode LEASE_MS}. When it resolves, what
   * others send arrives.
   */
  enter(node: string): Promise<void>;
  /**
   * Renews the lease.
   *
   * @returns How many nodes hold one, this one too; 0 if its own had run out,
   * which it MUST NOT mend.
   */
  renew(): Promise<number>;
  /**
   * Sends to the inbox of a node, maybe its own: at most once, and in the order
   * in which this node sends. While the engine is away it MUST drop the
   * message, not keep it for later. The bytes are the broker's from then on.
   */
  send(node: string, message: Uint8Array<ArrayBuffer>): void;
  /**
   * Makes a key this node's for {@linkcode CLAIM_MS}, if it is nobody's, this
   * node's or that of `instead`, in one step of the engine's.
   *
   * @returns Whose it is then.
   */
  claim(key: string, instead?: string): Promise<string>;
  /** Says whose a key is. */
  find(key: string): Promise<string | undefined>;
  /**
   * Keeps keys this node's for so long from now, at most for {@linkcode
   * CLAIM_MS}.
   *
   * @returns Those that are not this node's, which it MUST NOT touch.
   */
  keep(keys: readonly string[], forMs: number): Promise<readonly string[]>;
  /** Makes keys nobody's; it MUST NOT touch those that are not this node's. */
  free(keys: readonly string[]): Promise<void>;
  /** Whether a node holds its lease and listens to its inbox. */
  isAlive(node: string): Promise<boolean>;
  /** Gives the lease up, and leaves no socket and no timer behind. */
  close(): Promise<void>;
}

/** What a {@linkcode Broker} reports; no handler throws. */
export interface BrokerHandlers {
  /** A message has come, whose bytes belong to the receiver. */
  onMessage(message: ArrayBuffer | Uint8Array<ArrayBuffer>): void;
  /** The engine is reached, at first or again. What was sent meanwhile is lost. */
  onUp(): void;
  /**
   * The engine is not reached, or not any more. Told at first too, and again
   * where it is another reason.
   */
  onDown(reason: Error): void;
  /** Nobody listens to the inbox of a node, where the engine can tell. */
  onUnheard(node: string): void;
}
