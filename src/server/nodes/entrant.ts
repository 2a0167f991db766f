/**
 * Peers that are connected to this node, on their way to a place that may be
 * at another.
 *
 * @module
 */

import type { Hello, Ticket } from "../../protocol/control.ts";
import type { Member, PlaceRequest } from "../pair_registry.ts";
import type { Partner } from "../partner.ts";
import type { RefusalReason } from "../server_event.ts";
import type { Bytes } from "../server_socket.ts";
import type { Names } from "./names.ts";
import type { RemoteNode } from "./remote_node.ts";
import type { RemotePeer } from "./remote_peer.ts";

/** A peer that is connected here, as it is known to the owner of its slot. */
export class Entrant implements Member {
  /** The member that the entrant stands for. */
  readonly member: Member;
  /** Stands for its pair code. */
  readonly slot: string;
  /** What it asks for, now; with names in place of the code and the keys. */
  request: PlaceRequest;
  /** When the peer last asked, by the clock of this node. */
  askedAt: number;
  /** The number of this attempt to join; each attempt has another. */
  number = 0;
  /** The node that owns its slot; `null` where none has been found yet. */
  owner: RemoteNode | "here" | null = null;
  /** Whether the peer has been told of its place. */
  placed = false;
  /** The turn of the owner's last word. */
  turn = 0;
  /** The partner, where the owner has said who that is. */
  partner: Entrant | Neighbour | RemotePeer | null = null;
  /** Whether it is gone for good, and the owner is not told yet. */
  isLeaving = false;
  readonly #refused: (entrant: Entrant) => void;

  /** Stands for a member that has not asked for its place yet. */
  constructor(
    member: Member,
    names: Names,
    refused: (entrant: Entrant) => void,
  ) {
    this.member = member;
    this.askedAt = member.askedAt;
    this.#refused = refused;
    const { code, key, leaves } = member.request;
    this.slot = names.slot(code);
    this.request = {
      ...member.request,
      code: this.slot,
      key: key === undefined ? undefined : names.key(key),
      leaves: leaves && nameTicket(leaves, names),
    };
  }

  get version(): 1 | 2 {
    return this.member.version;
  }

  get id(): string | undefined {
    return this.member.id;
  }

  get hello(): Hello {
    return this.member.hello;
  }

  get isDrawn(): boolean | undefined {
    return this.member.isDrawn;
  }

  outrun(): void {
    this.#refused(this);
    this.member.outrun?.();
  }

  waiting(): void {
    this.placed = true;
    this.partner = null;
    this.member.waiting();
  }

  found(partner: Partner, initiator: boolean): void {
    this.placed = true;
    this.partner = partner as Entrant | Neighbour | RemotePeer;
    // If it has to ask again, it resumes this conversation; in version 1 there
    // is no such thing.
    const resumed = this.version === 1 ? undefined : partner.id;
    this.request = { ...this.request, partner: resumed, leaves: undefined };
    const { partner: other } = this;
    this.member.found(
      other instanceof Entrant ? other.member : other,
      initiator,
    );
  }

  lost(): void {
    this.partner = null;
    if (this.placed) this.member.lost();
    else this.waiting();
  }

  knocked(): void {
    this.member.knocked();
  }

  dismiss(code: number, reason: string): void {
    this.#refused(this);
    this.member.dismiss(code, reason);
  }

  // As a partner it is only ever taken for whom it stands for.

  signal(text: string): void {
    this.member.signal(text);
  }

  packet(data: string | Bytes): void {
    this.member.packet(data);
  }

  refuse(reason: RefusalReason, code: number, text: string): void {
    this.member.refuse(reason, code, text);
  }
}

/**
 * A partner that is connected here, too, while another node owns the slot:
 * what one of them was told the other may not know yet.
 */
export class Neighbour implements Partner {
  readonly #from: Entrant;
  readonly #to: Entrant;

  /** Stands for `to` as the partner of `from`. */
  constructor(from: Entrant, to: Entrant) {
    this.#from = from;
    this.#to = to;
  }

  get version(): 1 | 2 {
    return this.#to.version;
  }

  get id(): string | undefined {
    return this.#to.id;
  }

  get hello(): Hello {
    return this.#to.hello;
  }

  signal(text: string): void {
    if (this.#isMutual) this.#to.member.signal(text);
  }

  packet(data: string | Bytes): void {
    if (this.#isMutual) this.#to.member.packet(data);
  }

  refuse(reason: RefusalReason, code: number, text: string): void {
    if (this.#isMutual) this.#to.member.refuse(reason, code, text);
  }

  get #isMutual(): boolean {
    const { partner } = this.#to;
    return partner instanceof Neighbour && partner.#to === this.#from;
  }
}

function nameTicket({ id, key }: Ticket, names: Names): Ticket {
  return { id, key: names.key(key) };
}
