/**
 * All peers that are connected to this node: each asks the owner of its code
 * for its place, and asks again when that owner is lost.
 *
 * @module
 */

import {
  closeReason,
  PEER_LEFT,
  SERVICE_RESTART,
} from "../../protocol/close_code.ts";
import type { Cancel } from "../../runtime.ts";
import type { Member, PairRegistry } from "../pair_registry.ts";
import { sendAway } from "../retry_delay.ts";
import type { ServerObserver } from "../server_event.ts";
import type { Claims } from "./claims.ts";
import { Entrant, Neighbour } from "./entrant.ts";
import {
  type Acquaintance,
  type Introduction,
  type Item,
  itemText,
  MESSAGE_1,
  type Note,
  PACKET,
  SIGNAL,
} from "./message.ts";
import type { Names } from "./names.ts";
import { RemoteNode } from "./remote_node.ts";
import { RemotePeer } from "./remote_peer.ts";

/**
 * Whoever has lost an owner asks again within so many milliseconds, not all at
 * once.
 */
export const AGAIN_MS = 200;
/**
 * How long one that is dead may take to be born again and keep its slots, and
 * how long one that is born again leaves to others that come with what they
 * owned, in milliseconds.
 */
export const GRACE_MS = 1000;

/** What {@linkcode Entrants} need. */
export interface EntrantsOptions {
  readonly names: Names;
  readonly claims: Claims;
  /** The places that this node owns, and the peers that have them. */
  readonly local: PairRegistry;
  /** The name of this node now. */
  node(): string | null;
  /** Returns another node by its name. */
  remote(node: string): RemoteNode;
  /** Since when a node is known to be dead, if it is. */
  deadAt(node: string): number | undefined;
  /** A number that nothing has had. */
  nextNumber(): number;
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
  /** A number from 0 up to 1. */
  random(): number;
  readonly observer: ServerObserver;
}

/** The peers of this node, wherever their places are. */
export class Entrants {
  readonly #options: EntrantsOptions;
  readonly #byMember = new Map<Member, Entrant>();
  readonly #byNumber = new Map<number, Entrant>();
  /** Entrants that cannot ask for a place yet. */
  readonly #held = new Set<Entrant>();
  /**
   * Entrants that have left a place here for good since it is not known any
   * more whether their slots are this node's.
   */
  #unsure: Set<Entrant> | null = null;
  #open = false;

  /** Begins without an entrant. */
  constructor(options: EntrantsOptions) {
    this.#options = options;
  }

  /** How many there are. */
  get size(): number {
    return this.#byNumber.size;
  }

  /** Whether new codes are asked about. */
  get open(): boolean {
    return this.#open;
  }

  /** Asks for a peer's place. */
  join(member: Member): void {
    const entrant = new Entrant(
      member,
      this.#options.names,
      (entrant) => this.#forget(entrant),
    );
    this.#byMember.set(member, entrant);
    this.#enter(entrant);
  }

  /** A peer is gone, for good or not. */
  leave(member: Member, forGood: boolean): void {
    const entrant = this.#byMember.get(member);
    if (!entrant) return;
    this.#byMember.delete(member);
    this.#leave(entrant, forGood);
  }

  /** Tells the owner of a peer's place what the peer says. */
  say(member: Member, type: "letIn" | "leaveSoon"): void {
    const entrant = this.#byMember.get(member);
    if (!entrant) return;
    const { owner, number } = entrant;
    if (owner === "here") this.#options.local[type](entrant);
    else owner?.tell({ type, member: number });
  }

  /** Asks anew for the place of a peer that has no owner any more. */
  again(entrant: Entrant, delayMs = this.#options.random() * AGAIN_MS): void {
    const { partner, member, version } = entrant;
    if (partner !== null && version === 1) {
      // Nobody could say that the place is his, or what was lost. Its owner may
      // be none of those that were lost.
      this.#leave(entrant, false);
      member.dismiss(SERVICE_RESTART, "the server of its partner was lost");
      return;
    }
    if (partner?.version === 1) {
      // That one does not come back to it. What it has sent and is still on its
      // way here is not to reach the next.
      this.#leave(entrant, false);
      member.dismiss(PEER_LEFT, "the server of its partner was lost");
      return;
    }
    this.#forget(entrant);
    // A place that it took and left at once would be told to whoever is there.
    if (entrant.isLeaving && !isAwaited(entrant)) return;
    if (!entrant.isLeaving) this.#byMember.set(member, entrant);
    const number = this.#renumber(entrant);
    entrant.askedAt = this.#options.now();
    if (partner !== null) entrant.lost();
    this.#options.after(delayMs, () => {
      if (this.#byNumber.get(number) === entrant) this.#enter(entrant);
    });
  }

  /** A slot is another node's: who has left it here is not known to be gone there. */
  moved(slot: string): void {
    for (const entrant of this.#unsure ?? []) {
      if (entrant.slot !== slot) continue;
      this.#unsure!.delete(entrant);
      entrant.isLeaving = true;
      // Before others, which might be the same peer in its next conversation.
      this.again(entrant, 0);
    }
  }

  /**
   * Asks for the places of all that had to wait for this. What this node had
   * and has not lost by now is its own.
   */
  release(): void {
    this.#open = true;
    this.#unsure = null;
    for (const entrant of [...this.#held]) {
      this.#held.delete(entrant);
      this.#enter(entrant);
    }
  }

  /** Makes peers wait, as nobody can ask for a place for now. */
  hold(): void {
    this.#open = false;
    this.#unsure ??= new Set();
    for (const entrant of [...this.#byNumber.values()]) {
      // A claim that is under way answers nobody any more.
      if (entrant.owner !== null) continue;
      this.#renumber(entrant);
      this.#held.add(entrant);
    }
  }

  /** Peers that need other nodes may find one that reaches them. */
  sendAway(): void {
    // Not more and more of them, for as long as it is cut off.
    this.#unsure = null;
    const away: Member[] = [];
    for (const entrant of this.#held) {
      if (entrant.isLeaving) this.#forget(entrant);
      else if (entrant.placed) away.push(entrant.member);
    }
    sendAway(away, "the server is cut off", this.#options.random);
  }

  /** Hands a peer what its partner at another node has sent. */
  take(remote: RemoteNode, item: Item): void {
    const to = this.#byNumber.get(item.to);
    if (!to || !isPartner(to, remote, item.from)) return;
    if (item.kind === PACKET) to.member.packet(item.bytes);
    else if (item.kind === SIGNAL) to.member.signal(itemText(item));
    else if (item.kind === MESSAGE_1) to.member.packet(itemText(item));
  }

  /** The node of a peer's partner refuses the peer. */
  refuse(remote: RemoteNode, note: Note & { readonly type: "refuse" }): void {
    const { member, from, reason, code, text } = note;
    const entrant = this.#byNumber.get(member);
    if (entrant && isPartner(entrant, remote, from)) {
      entrant.member.refuse(reason, code, text);
    }
  }

  /** What only the owner of a peer's slot says. */
  heed(
    remote: RemoteNode,
    note: Note & {
      readonly type:
        | "left"
        | "astray"
        | "waiting"
        | "lost"
        | "knocked"
        | "dismiss";
    },
  ): void {
    const entrant = this.#byNumber.get(note.member);
    if (!entrant || entrant.owner !== remote) return;
    switch (note.type) {
      case "left":
        this.#forget(entrant);
        break;
      case "astray":
        this.again(entrant);
        break;
      case "waiting":
      case "lost":
        if (note.turn <= entrant.turn) break;
        entrant.turn = note.turn;
        this.#part(entrant);
        entrant[note.type]();
        break;
      case "knocked":
        entrant.knocked();
        break;
      case "dismiss":
        entrant.dismiss(note.code, closeReason(note.reason));
        break;
    }
  }

  /** Tells a peer of this node who its partner is. */
  introduce({ member, turn, initiator, partner }: Introduction): void {
    const entrant = this.#byNumber.get(member);
    if (!entrant || turn <= entrant.turn) return;
    entrant.turn = turn;
    this.#part(entrant);
    if (partner.node === this.#options.node()) {
      this.#introduceNeighbour(entrant, partner, initiator);
      return;
    }
    const remote = this.#options.remote(partner.node);
    remote.entrants.add(entrant);
    entrant.found(new RemotePeer(remote, partner, entrant.number), initiator);
  }

  #introduceNeighbour(
    entrant: Entrant,
    { member }: Acquaintance,
    initiator: boolean,
  ): void {
    const other = this.#byNumber.get(member);
    // Where it is gone its owner says so in a moment.
    if (other) entrant.found(new Neighbour(entrant, other), initiator);
  }

  #enter(entrant: Entrant): void {
    this.#renumber(entrant);
    entrant.turn = 0;
    if (this.#options.claims.has(entrant.slot)) this.#joinHere(entrant);
    else if (this.#open) this.#ask(entrant);
    else this.#held.add(entrant);
  }

  /** Asks whose its slot is, and there for the place. */
  async #ask(entrant: Entrant, instead?: string): Promise<void> {
    const { number, slot } = entrant;
    let owner: string;
    const { now, observer } = this.#options;
    const askedAt = now();
    try {
      owner = await this.#options.claims.claim(slot, instead);
      observer({ type: "claim", ms: now() - askedAt });
    } catch {
      // Where this life has ended it is held already.
      if (this.#byNumber.get(number) === entrant) {
        this.again(entrant, GRACE_MS);
      }
      return;
    }
    if (this.#byNumber.get(number) !== entrant) {
      this.#options.claims.settle(slot);
      return;
    }
    if (owner === this.#options.node()) {
      this.#joinHere(entrant);
      return;
    }
    if (entrant.isDrawn) {
      // Between the question whether it is free, and this.
      entrant.outrun();
      return;
    }
    const deadAt = this.#options.deadAt(owner);
    if (deadAt === undefined) {
      this.#joinAt(entrant, this.#options.remote(owner));
      return;
    }
    // It may be born again, and have it made its own.
    const waitMs = deadAt + GRACE_MS - this.#options.now();
    if (waitMs <= 0 && instead !== owner) this.#ask(entrant, owner);
    else {
      this.#options.after(Math.max(0, waitMs), () => {
        if (this.#byNumber.get(number) === entrant) this.#ask(entrant, owner);
      });
    }
  }

  #joinHere(entrant: Entrant): void {
    entrant.owner = "here";
    this.#options.local.join(entrant);
    this.#options.claims.settle(entrant.slot);
    if (entrant.isLeaving) this.#leave(entrant, true);
  }

  #joinAt(entrant: Entrant, owner: RemoteNode): void {
    entrant.owner = owner;
    owner.entrants.add(entrant);
    const { number: member, slot, version, hello, isLeaving } = entrant;
    const { code: _, ...request } = entrant.request;
    const aloneMs = this.#options.now() - entrant.askedAt;
    owner.tell({
      type: "join",
      member,
      slot,
      request,
      version,
      hello,
      aloneMs,
      leaving: isLeaving || undefined,
    });
    if (entrant.isLeaving) this.#leave(entrant, true);
  }

  #leave(entrant: Entrant, forGood: boolean): void {
    const { owner, number: member } = entrant;
    const known = owner !== null || isAwaited(entrant);
    if (owner !== "here" && forGood && known) {
      // Its partner is not to wait for one that will not come: it stays until
      // an owner knows.
      entrant.isLeaving = true;
      owner?.tell({ type: "leave", member, forGood });
      return;
    }
    this.#forget(entrant);
    if (owner === "here") {
      this.#options.local.leave(entrant, forGood);
      if (forGood && isAwaited(entrant)) this.#unsure?.add(entrant);
    } else owner?.tell({ type: "leave", member, forGood });
  }

  /** Whatever was meant for its last attempt to join does not reach it. */
  #renumber(entrant: Entrant): number {
    this.#byNumber.delete(entrant.number);
    entrant.number = this.#options.nextNumber();
    this.#byNumber.set(entrant.number, entrant);
    return entrant.number;
  }

  /** Nothing that is said to it concerns it any more. */
  #forget(entrant: Entrant): void {
    const { member, number, owner, partner } = entrant;
    if (this.#byMember.get(member) === entrant) this.#byMember.delete(member);
    this.#byNumber.delete(number);
    this.#held.delete(entrant);
    if (owner instanceof RemoteNode) owner.entrants.delete(entrant);
    if (partner instanceof RemotePeer) partner.remote.entrants.delete(entrant);
    entrant.owner = entrant.partner = null;
  }

  /** A peer has no partner any more, or another. */
  #part(entrant: Entrant): void {
    const { partner, owner } = entrant;
    if (partner instanceof RemotePeer && partner.remote !== owner) {
      partner.remote.entrants.delete(entrant);
    }
  }
}

/** Whether somebody may wait for this one and no other. */
function isAwaited({ request }: Entrant): boolean {
  return request.partner !== undefined;
}

function isPartner(
  { partner }: Entrant,
  remote: RemoteNode,
  number: number,
): boolean {
  return partner instanceof RemotePeer && partner.remote === remote &&
    partner.number === number;
}
