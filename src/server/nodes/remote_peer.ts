/**
 * Peers that are connected to other nodes.
 *
 * @module
 */

import { UNRESPONSIVE } from "../../protocol/close_code.ts";
import type { Hello } from "../../protocol/control.ts";
import type { Member, PlaceRequest } from "../pair_registry.ts";
import type { Partner } from "../partner.ts";
import type { RefusalReason } from "../server_event.ts";
import type { Bytes } from "../server_socket.ts";
import type { Entrant } from "./entrant.ts";
import type { Account } from "./link.ts";
import {
  type Acquaintance,
  type Introduction,
  MESSAGE_1,
  type Note,
  PACKET,
  SIGNAL,
  textBytes,
} from "./message.ts";
import type { RemoteNode } from "./remote_node.ts";

/** The partner, at another node, of a peer that is connected here. */
export class RemotePeer implements Partner, Account {
  readonly version: 1 | 2;
  readonly id: string | undefined;
  readonly hello: Hello;
  /** The node that the peer is connected to. */
  readonly remote: RemoteNode;
  /** The peer's number at that node. */
  readonly number: number;
  /** Bytes that wait to be sent there. */
  waitingBytes = 0;
  /** The number of its partner, here. */
  protected from: number;
  #refused = false;

  /** Takes a peer as it was introduced. */
  constructor(
    remote: RemoteNode,
    peer: Omit<Acquaintance, "node">,
    from = 0,
  ) {
    this.remote = remote;
    this.number = peer.member;
    this.version = peer.version;
    this.id = peer.id;
    this.hello = peer.hello;
    this.from = from;
  }

  signal(text: string): void {
    this.#push(SIGNAL, textBytes(text));
  }

  packet(data: string | Bytes): void {
    if (typeof data === "string") this.#push(MESSAGE_1, textBytes(data));
    else {
      this.#push(
        PACKET,
        data instanceof ArrayBuffer ? new Uint8Array(data) : data,
      );
    }
  }

  refuse(reason: RefusalReason, code: number, text: string): void {
    const { number: member, from } = this;
    this.remote.tell({ type: "refuse", member, from, reason, code, text });
  }

  #push(kind: number, bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#refused) return;
    const { remote, number: to, from } = this;
    remote.link.push({ kind, to, from, bytes }, this);
    // As if it were here and did not read.
    if (this.waitingBytes > remote.maxBufferedBytes) {
      this.#refused = true;
      const text = "its server does not take what it is sent";
      this.refuse("unread", UNRESPONSIVE, text);
    }
  }
}

/** What a peer at another node asks of this one, which owns its slot. */
export interface RemoteRequest extends Omit<Acquaintance, "node" | "id"> {
  readonly request: PlaceRequest;
  /** When the peer asked, by the clock of this node. */
  readonly askedAt: number;
  /** Whether the peer has left since. */
  readonly leaving?: boolean;
}

/** A peer that is connected to another node and has its place here. */
export class RemoteMember extends RemotePeer implements Member {
  readonly request: PlaceRequest;
  readonly askedAt: number;
  readonly isLeaving: boolean | undefined;
  readonly #nextTurn: () => number;
  /** What it was not told yet, as its partner was not. */
  #introduction: Introduction | null = null;

  /**
   * Begins without a place; what the peer is told is in the order of its turns.
   */
  constructor(
    remote: RemoteNode,
    asks: RemoteRequest,
    nextTurn: () => number,
  ) {
    super(remote, { ...asks, id: asks.request.id });
    this.request = asks.request;
    this.askedAt = asks.askedAt;
    this.isLeaving = asks.leaving;
    this.#nextTurn = nextTurn;
  }

  waiting(): void {
    this.#tell({
      type: "waiting",
      member: this.number,
      turn: this.#nextTurn(),
    });
  }

  found(partner: Partner, initiator: boolean): void {
    const other = partner as Entrant | RemoteMember;
    this.from = other.number;
    const introduction: Introduction = {
      member: this.number,
      turn: this.#nextTurn(),
      initiator,
      partner: {
        node: other instanceof RemoteMember
          ? other.remote.node
          : this.remote.self,
        member: other.number,
        version: other.version,
        id: other.id,
        hello: other.hello,
      },
    };
    if (!(other instanceof RemoteMember)) {
      this.#tell({ type: "found", ...introduction });
    } else if (other.#introduction === null) {
      // The other is told in a moment: to its node goes both, so that whatever
      // that peer sends to this one comes after this.
      this.#introduction = introduction;
    } else {
      const { remote: { node } } = other;
      const pass = { node, ...other.#introduction };
      other.#introduction = null;
      this.#tell({ type: "found", ...introduction, pass });
    }
  }

  lost(): void {
    this.#tell({ type: "lost", member: this.number, turn: this.#nextTurn() });
  }

  knocked(): void {
    this.#tell({ type: "knocked", member: this.number });
  }

  dismiss(code: number, reason: string): void {
    // Its node may have lost it already.
    if (!this.remote.members.delete(this.number)) return;
    this.#tell({ type: "dismiss", member: this.number, code, reason });
  }

  #tell(note: Note): void {
    this.remote.tell(note);
  }
}
