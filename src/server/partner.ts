/**
 * The other peer of a pair, wherever it is connected.
 *
 * @module
 */

import type { Hello } from "../protocol/control.ts";
import type { RefusalReason } from "./server_event.ts";
import type { Bytes } from "./server_socket.ts";

/** What one peer of a pair may know of the other, and do to it. */
export interface Partner {
  /** The version of the protocol that the peer speaks. */
  readonly version: 1 | 2;
  /** The `id` of the peer; version 1 has none. */
  readonly id: string | undefined;
  /** What the peer tells its partner. */
  readonly hello: Hello;
  /** Hands it a control message of its partner, as it came. */
  signal(text: string): void;
  /** Hands it a packet, or between two of version 1 a message, as it came. */
  packet(data: string | Bytes): void;
  /** Ends its connection for what it has done, saying why. */
  refuse(reason: RefusalReason, code: number, text: string): void;
}
