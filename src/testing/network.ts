/**
 * What all simulated connections share.
 *
 * @module
 */

import type { SocketPeer } from "../client/socket_peer.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** Something that a simulated peer sends or gets. */
export interface Traffic {
  /** The peer that sends or gets it. */
  readonly peer: SocketPeer;
  /** Whether the peer sends it (`out`) or gets it (`in`). */
  readonly direction: "out" | "in";
  /** Whether on its WebSocket or on a data channel. */
  readonly via: "relay" | "direct";
  /** A control message is text, a packet is bytes. */
  readonly data: string | ArrayBuffer;
}

/** What all simulated connections share. */
export interface Network {
  readonly clock: VirtualClock;
  /** How long anything travels, one way. */
  readonly latencyMs: number;
  readonly random: () => number;
  /** Shows what passes to whoever watches. */
  watch(traffic: Traffic): void;
}
