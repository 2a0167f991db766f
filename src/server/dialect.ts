/**
 * What a server says in a version of the protocol, and takes.
 *
 * @module
 */

import {
  type ControlSchemas,
  encodeControl,
  type Heartbeat,
} from "../protocol/control.ts";
import { FROM_CLIENT } from "../protocol/from_client.ts";
import type { Partner } from "./partner.ts";
import type { Bytes } from "./server_socket.ts";

/** What a peer is told of its partner beside what that says itself. */
export interface Introduction extends Heartbeat {
  /** Whether the peer is to make the first offer, if both speak alike. */
  readonly initiator: boolean;
  /** STUN and TURN servers; none of them is left out. */
  readonly iceServers: readonly object[];
}

/** How to speak with a client of one version. */
export interface Dialect {
  readonly version: 1 | 2;
  /** The messages that its clients may send. */
  readonly schemas: ControlSchemas;
  /** Whether its clients answer heartbeats, and have a use for ICE servers. */
  readonly heartbeats: boolean;
  /** What tells that two others hold the pair code, before the close does. */
  readonly busy?: string;
  /** What tells that the other peer is not there any more, if anything does. */
  readonly lost?: string;
  /**
   * What tells that the place is taken and nobody else there, if anything does;
   * and under which number, if it was drawn.
   */
  waiting(heartbeat: Heartbeat, code?: string): string | undefined;
  /** What tells that the other peer is there, from now on. */
  found(partner: Partner, introduction: Introduction): string;
  /** What tells that a message could not be handled. */
  complaint(message: string): string;
  /** Forgets the partner. */
  part?(): void;
  /** Takes a message of the user that came as a control message. */
  data?(text: string, data: unknown): void;
  /** Takes what the partner sends, where it cannot be handed on as it is. */
  packet?(data: string | Bytes): void;
}

/** The present version. */
export const VERSION_2: Dialect = {
  version: 2,
  schemas: FROM_CLIENT,
  heartbeats: true,
  waiting: (heartbeat, code) =>
    encodeControl({ type: "peer.waiting", data: { ...heartbeat, code } }),
  found: (partner, { interval, initiator, iceServers }) => {
    const { id, hello } = partner;
    // The two versions do not understand each other's negotiation.
    const alike = partner.version === 2;
    return encodeControl({
      type: "peer.found",
      data: {
        interval,
        initiator: initiator && alike,
        id,
        hello,
        iceServers: alike && iceServers.length > 0 ? iceServers : undefined,
      },
    });
  },
  lost: encodeControl({ type: "peer.lost" }),
  complaint: (message) => encodeControl({ type: "error", data: { message } }),
};
