/**
 * Where a peer stands, and what may follow what.
 *
 * @module
 */

/** Where a peer stands between its first `connect()` and its last `close()`. */
export type ConnectionState =
  /** Not connecting, and not asked to; messages wait. */
  | "idle"
  /** Opening a socket to the server. */
  | "connecting"
  /** At the server, alone in the pair. */
  | "waiting"
  /** Both peers are here, and a path joins them. */
  | "connected"
  /** The connection broke; a conversation or an attempt is to go on. */
  | "reconnecting"
  /** Ended; a call of `connect()` begins anew. */
  | "closed";

const NEXT: Readonly<Record<ConnectionState, readonly ConnectionState[]>> = {
  idle: ["connecting", "closed"],
  connecting: ["waiting", "connected", "reconnecting", "idle", "closed"],
  waiting: ["connecting", "connected", "reconnecting", "idle", "closed"],
  connected: ["waiting", "reconnecting", "closed"],
  reconnecting: ["connecting", "waiting", "connected", "idle", "closed"],
  closed: [],
};

/** Whether a peer in state `from` may enter state `to`. */
export function mayEnter(from: ConnectionState, to: ConnectionState): boolean {
  return NEXT[from].includes(to);
}
