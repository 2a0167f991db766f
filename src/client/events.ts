/**
 * The events of a peer.
 *
 * @module
 */

import type { SocketPeerError } from "../errors.ts";
import type { Message } from "../protocol/message.ts";
import type { ConnectionState } from "./connection_state.ts";

/**
 * Why a conversation ended:
 *
 * - `local`: `close()` or `destroy()` was called here, or the page was left.
 * - `remote`: the other peer did so.
 * - `replaced`: another peer has taken the place of the other one, which did not
 *   come back and was not heard on the data channel either; or this one's.
 * - `away`: no path was regained within `resumeTimeout`.
 * - `lost`: no path was left, and none is to be regained: `reconnect` is
 *   `false`, or the server refuses this peer.
 * - `server`: the server has ended it.
 * - `error`: the other peer broke the protocol or a limit; see `error`.
 */
export type CloseReason =
  | "local"
  | "remote"
  | "replaced"
  | "away"
  | "lost"
  | "server"
  | "error";

/** How a conversation ended. */
export interface CloseInfo {
  /** Why it ended. */
  readonly reason: CloseReason;
  /**
   * How many messages `send()` had accepted that the other peer did not
   * acknowledge: they may or may not have arrived.
   */
  readonly unacknowledged: number;
  /**
   * Whether the other peer has called `close()`, and all that it had sent was
   * received: the reason is `remote` then. Else its last messages may be
   * missing.
   */
  readonly clean: boolean;
}

/**
 * Events of a `SocketPeer`, by name, with their listeners' arguments.
 *
 * @typeParam Received What the other peer sends.
 */
export interface SocketPeerEvents<Received = Message> {
  /** A conversation with a new peer has begun. */
  connect: [];
  /**
   * An attempt to begin a conversation failed. With `reconnect`, another
   * follows unless the server refuses this peer for good.
   */
  connect_error: [error: SocketPeerError];
  /**
   * No conversation began within `timeout`. With `reconnect`, the peer goes on
   * waiting where the server has accepted it, which is no error; else
   * `connect_error` follows, and with `reconnect` it dials again.
   */
  connect_timeout: [error: SocketPeerError];
  /**
   * A message of the other peer: each once, in the order they were sent. Without
   * a listener, and without the stream of `readable`, none is taken: they wait,
   * and the other peer is held up by its window.
   */
  data: [message: Received];
  /**
   * The server has given the number of a spoken code, which can be shown from
   * now on: in `socketpeer/private` alone, and without the option `pairCode`.
   */
  code: [code: string];
  /** There is room in the send queue again, after `send()` returned false. */
  drain: [];
  /** The conversation goes on, after no path had been left. */
  reconnect: [];
  /** An attempt to regain the conversation failed; another follows. */
  reconnect_error: [error: SocketPeerError];
  /**
   * An attempt to regain the conversation took longer than `timeout`;
   * `reconnect_error` follows.
   */
  reconnect_timeout: [error: SocketPeerError];
  /** An attempt to open a data channel begins. */
  upgrade_attempt: [];
  /** Messages leave on the data channel from now on. */
  upgrade: [];
  /** An attempt to open a data channel failed; another follows. */
  upgrade_error: [error: SocketPeerError];
  /** Messages leave over the relay again. */
  downgrade: [];
  /**
   * The conversation has ended, whoever ended it, or `close()` ended the wait
   * for one. With `reconnect`, after `remote`, `replaced` and `away` the peer
   * looks for a new one, and `connect` may follow.
   */
  close: [info: CloseInfo];
  /**
   * Two others hold this pair code; `connect_error` or `reconnect_error`
   * follows. With `reconnect`, it is tried again. Where one of the two is away,
   * this is told only after 3 seconds, if that one is back or still heard.
   */
  busy: [error: SocketPeerError];
  /** Every error, after the event that is named for it. */
  error: [error: SocketPeerError];
  /** Every move between connection states, for logs and tests. */
  statechange: [to: ConnectionState, from: ConnectionState];
}
