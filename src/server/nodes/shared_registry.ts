/**
 * A registry that spans nodes: each pair code has one owner among them, whose
 * own registry decides everything about it.
 *
 * @module
 */

import { closeReason, SERVICE_RESTART } from "../../protocol/close_code.ts";
import type { Cancel } from "../../runtime.ts";
import type { Broker } from "../brokers/broker.ts";
import type { Member, PairRegistry, Registry } from "../pair_registry.ts";
import { sendAway } from "../retry_delay.ts";
import { Claims } from "./claims.ts";
import { Entrant, Neighbour } from "./entrant.ts";
import type {
  LinkLoss,
  ServerObserver,
  SharingStats,
} from "../server_event.ts";
import type { Forwarded } from "./link.ts";
import { Membership } from "./membership.ts";
import {
  type Acquaintance,
  type Introduction,
  type Item,
  itemText,
  type Message,
  MESSAGE_1,
  NOTE,
  type Note,
  PACKET,
  readNote,
  SIGNAL,
} from "./message.ts";
import type { Names } from "./names.ts";
import { RemoteNode } from "./remote_node.ts";
import { RemoteMember, RemotePeer } from "./remote_peer.ts";

/**
 * Whoever has lost an owner asks again within so many milliseconds, not all at
 * once.
 */
const AGAIN_MS = 200;
/**
 * How long one that is dead may take to be born again and keep its slots, and
 * how long one that is born again leaves to others that come with what they
 * owned, in milliseconds.
 */
const GRACE_MS = 1000;
/** For how long a node may be silent before it is asked about. */
const SUSPECT_MS = 1500;
/**
 * How long peers that need other nodes are kept while the engine is away, in
 * milliseconds: another node may reach it.
 */
const AWAY_MS = 30_000;
/** How long `end()` looks for who knows, in milliseconds. */
const END_MS = 10_000;
/** How many nodes that are dead are known to be. */
const MAX_DEAD = 1000;

/** What a {@linkcode SharedRegistry} needs. */
export interface SharedRegistryOptions {
  readonly broker: Broker;
  readonly names: Names;
  /** How much may wait for one peer, in bytes. */
  readonly maxBufferedBytes: number;
  /**
   * Makes the registry of this node, of which it has to hear which codes are
   * free.
   */
  local(freed: (code: string, met: boolean) => void): PairRegistry;
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
  /** Calls back when the events that have come already are dealt with. */
  soon(callback: () => void): void;
  /** A number from 0 up to 1. */
  random(): number;
  readonly observer: ServerObserver;
  /** How many nodes there are, so far as is known; now and then. */
  counted(nodes: number): void;
}

/** The registry of a node, as a part of that of all nodes. */
export class SharedRegistry implements Registry {
  /** Who has a place that this node owns. */
  readonly local: PairRegistry;
  readonly #options: SharedRegistryOptions;
  readonly #membership: Membership;
  readonly #claims: Claims;
  readonly #entrants = new Map<Member, Entrant>();
  readonly #byNumber = new Map<number, Entrant>();
  /** Those that cannot ask for a place yet. */
  readonly #held = new Set<Entrant>();
  readonly #remotes = new Map<string, RemoteNode>();
  /** Since when nodes are known to be dead. */
  readonly #dead = new Map<string, number>();
  /** Who waits for the end of a conversation at another node. */
  readonly #calls = new Map<number, (was: boolean | undefined) => void>();
  /** Counts attempts to join, streams, calls, and what members are told. */
  #count = 0;
  /** Whether new codes are asked about. */
  #open = false;
  #lives = 0;
  #nodes = 1;
  /** Since when it is cut off. */
  #downAt: number | null;
  readonly #forwarded: Forwarded = {
    forwardedMessages: 0,
    forwardedPackets: 0,
    forwardedBytes: 0,
  };
  #draining = false;
  #away: Cancel = () => {};

  /** Is alone until it is opened. */
  constructor(options: SharedRegistryOptions) {
    this.#options = options;
    const { broker, now, after } = options;
    this.#downAt = now();
    this.local = options.local((slot, met) => this.#claims.release(slot, met));
    this.#membership = new Membership({
      broker,
      now,
      after,
      nextNode: () => this.#nextNode(),
      born: () => this.#born(),
      died: (node, reason) => this.#died(node, reason),
      away: ({ message }) => this.#tellDown(message),
      message: (message) => this.#receive(message),
      unheard: (node) => this.#bury(node, "unheard"),
      beat: (nodes) => this.#beat(nodes),
    });
    this.#claims = new Claims({
      ask: (call) => this.#membership.ask(call),
      node: () => this.#membership.node,
      inUse: (slot) => this.local.has(slot),
      moved: (slot) => this.#moved(slot),
      now,
      after,
    });
  }

  /**
   * Begins, with the engine in reach or not.
   *
   * @throws {Error} As {@linkcode Broker.open}.
   */
  open(): Promise<void> {
    return this.#membership.open();
  }

  /** Who this node is now; `null` while it is cut off. */
  get node(): string | null {
    return this.#membership.node;
  }

  /** How many peers it keeps in mind, of this node and of others. */
  get size(): number {
    return this.#byNumber.size + this.stats.remotePeers;
  }

  /** What it shares with other nodes. */
  get stats(): SharingStats {
    const { now } = this.#options;
    let links = 0;
    let remotePeers = 0;
    let waitingBytes = 0;
    for (const { busy, members, link } of this.#remotes.values()) {
      if (busy) links++;
      remotePeers += members.size;
      waitingBytes += link.waitingBytes;
    }
    return {
      up: this.#downAt === null,
      downMs: this.#downAt === null ? 0 : now() - this.#downAt,
      births: this.#lives,
      nodes: this.#nodes,
      links,
      claims: this.#claims.size,
      remotePeers,
      ...this.#forwarded,
      waitingBytes,
    };
  }

  /**
   * Whether anything is behind a code at any node, or was a while ago. Where the
   * engine is away nobody can say so, and to claim the slot will tell.
   */
  async has(code: string): Promise<boolean> {
    const slot = this.#options.names.slot(code);
    if (this.#claims.has(slot)) return true;
    try {
      const owner = await this.#membership.ask((broker) => broker.find(slot));
      return owner !== undefined;
    } catch {
      return false;
    }
  }

  join(member: Member): void {
    const entrant = new Entrant(
      member,
      this.#options.names,
      (entrant) => this.#forget(entrant),
    );
    this.#entrants.set(member, entrant);
    this.#enter(entrant);
  }

  leave(member: Member, forGood: boolean): void {
    const entrant = this.#entrants.get(member);
    if (!entrant) return;
    this.#entrants.delete(member);
    this.#leave(entrant, forGood);
  }

  letIn(member: Member): void {
    this.#say(member, "letIn");
  }

  leaveSoon(member: Member): void {
    this.#say(member, "leaveSoon");
  }

  /**
   * Ends the conversation behind a code, whichever node owns it.
   *
   * @returns Whether there was one, or a peer waiting for one.
   * @throws {Error} If nobody answers in time.
   */
  async end(code: string): Promise<boolean> {
    const slot = this.#options.names.slot(code);
    const { now } = this.#options;
    const since = now();
    while (now() - since < END_MS) {
      if (this.#claims.has(slot)) return this.local.end(slot);
      try {
        const owner = await this.#membership.ask((broker) => broker.find(slot));
        if (owner !== undefined && !this.#isGone(owner)) {
          const was = await this.#endAt(owner, slot);
          if (was !== undefined) return was;
        } else if (this.#open) {
          // Before, whoever has it may still be about to claim it again.
          return false;
        }
      } catch {
        // The engine may be back in time.
      }
      await new Promise<void>((go) => this.#options.after(AGAIN_MS, go));
    }
    throw new Error(
      "Cannot end the conversation: the node that has it did not answer " +
        `within ${END_MS} ms. Try again when the broker is reached.`,
    );
  }

  /** Takes nobody any more, and forgets who is here. */
  drain(): void {
    this.#draining = true;
    this.#away();
    this.local.clear();
  }

  /** Has other nodes take over, once it is drained. */
  async close(): Promise<void> {
    // Whoever hears of it looks at once whose the slots are.
    await this.#claims.freeAll().catch(() => {});
    for (const remote of this.#remotes.values()) {
      remote.tell({ type: "bye" });
      remote.link.flush();
    }
    this.#remotes.clear();
    await this.#membership.close();
  }

  // Peers that are connected here.

  /** Has a peer ask for its place. */
  #enter(entrant: Entrant): void {
    this.#renumber(entrant);
    entrant.turn = 0;
    if (this.#claims.has(entrant.slot)) this.#joinHere(entrant);
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
      owner = await this.#claims.claim(slot, instead);
      observer({ type: "claim", ms: now() - askedAt });
    } catch {
      // Where this life has ended it is held already.
      if (this.#byNumber.get(number) === entrant) {
        this.#again(entrant, GRACE_MS);
      }
      return;
    }
    if (this.#byNumber.get(number) !== entrant) {
      this.#settle(slot);
      return;
    }
    if (owner === this.#membership.node) {
      this.#joinHere(entrant);
      return;
    }
    if (entrant.isDrawn) {
      // Between the question whether it is free, and this.
      entrant.outrun();
      return;
    }
    const deadAt = this.#dead.get(owner);
    if (deadAt === undefined) {
      this.#joinAt(entrant, this.#remote(owner));
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
    this.local.join(entrant);
    this.#settle(entrant.slot);
    if (entrant.leaving) this.#leave(entrant, true);
  }

  /** Gives a slot up again that nobody has come into. */
  #settle(slot: string): void {
    if (!this.local.has(slot)) this.#claims.release(slot, false);
  }

  #joinAt(entrant: Entrant, owner: RemoteNode): void {
    entrant.owner = owner;
    owner.entrants.add(entrant);
    const { number: member, slot, version, hello } = entrant;
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
    });
    if (entrant.leaving) this.#leave(entrant, true);
  }

  #leave(entrant: Entrant, forGood: boolean): void {
    const { owner, number: member } = entrant;
    const known = owner !== null || isAwaited(entrant);
    if (owner !== "here" && forGood && known) {
      // Its partner is not to wait for one that will not come: it stays until
      // an owner knows.
      entrant.leaving = true;
      owner?.tell({ type: "leave", member, forGood });
      return;
    }
    this.#forget(entrant);
    if (owner === "here") this.local.leave(entrant, forGood);
    else owner?.tell({ type: "leave", member, forGood });
  }

  /** Has a peer ask again, which has no owner any more. */
  #again(entrant: Entrant, delayMs = this.#options.random() * AGAIN_MS): void {
    const { partner, member, version } = entrant;
    if (partner !== null && version === 1) {
      // Nobody could say that the place is his, or what was lost. Its owner may
      // be none of those that were lost.
      this.#leave(entrant, false);
      member.dismiss(SERVICE_RESTART, "the server of its partner was lost");
      return;
    }
    this.#forget(entrant);
    // A place that it took and left at once would be told to whoever is there.
    if (entrant.leaving && !isAwaited(entrant)) return;
    if (!entrant.leaving) this.#entrants.set(member, entrant);
    const number = this.#renumber(entrant);
    entrant.askedAt = this.#options.now();
    if (partner !== null) entrant.lost();
    this.#options.after(delayMs, () => {
      if (this.#byNumber.get(number) === entrant) this.#enter(entrant);
    });
  }

  /** Whatever was meant for its last attempt to join does not reach it. */
  #renumber(entrant: Entrant): number {
    this.#byNumber.delete(entrant.number);
    entrant.number = this.#next();
    this.#byNumber.set(entrant.number, entrant);
    return entrant.number;
  }

  /** Nothing that is said to it concerns it any more. */
  #forget(entrant: Entrant): void {
    const { member, number, owner, partner } = entrant;
    if (this.#entrants.get(member) === entrant) this.#entrants.delete(member);
    this.#byNumber.delete(number);
    this.#held.delete(entrant);
    if (owner instanceof RemoteNode) owner.entrants.delete(entrant);
    if (partner instanceof RemotePeer) partner.remote.entrants.delete(entrant);
    entrant.owner = entrant.partner = null;
  }

  #say(member: Member, type: "letIn" | "leaveSoon"): void {
    const entrant = this.#entrants.get(member);
    if (!entrant) return;
    const { owner, number } = entrant;
    if (owner === "here") this.local[type](entrant);
    else owner?.tell({ type, member: number });
  }

  // This node.

  #born(): void {
    this.#away();
    this.#downAt = null;
    this.#options.observer({ type: "broker", up: true });
    if (this.#lives++ === 0) this.#release();
    else this.#reclaim(this.#options.now() + GRACE_MS);
  }

  /** Who owned a code comes before who merely asks for it. */
  async #reclaim(releaseAt: number): Promise<void> {
    const { now, after } = this.#options;
    const { node } = this.#membership;
    const later = (delayMs: number, callback: () => void) =>
      after(Math.max(0, delayMs), () => {
        if (node === this.#membership.node) callback();
      });
    try {
      await this.#claims.reclaim();
      later(releaseAt - now(), () => this.#release());
    } catch {
      later(GRACE_MS, () => this.#reclaim(releaseAt));
    }
  }

  /** Has those ask for a place who could not. */
  #release(): void {
    this.#open = true;
    for (const entrant of [...this.#held]) {
      this.#held.delete(entrant);
      this.#enter(entrant);
    }
  }

  #died(node: string, { message }: Error): void {
    this.#claims.died(node);
    this.#open = false;
    const { now, after } = this.#options;
    this.#downAt = now();
    this.#tellDown(message);
    const remotes = [...this.#remotes.values()];
    this.#remotes.clear();
    for (const remote of remotes) this.#lost(remote, "reborn");
    for (const entrant of [...this.#byNumber.values()]) {
      // A claim that is under way answers nobody any more.
      if (entrant.owner !== null) continue;
      this.#renumber(entrant);
      this.#held.add(entrant);
    }
    for (const ended of this.#calls.values()) ended(undefined);
    this.#calls.clear();
    this.#away();
    this.#away = after(AWAY_MS, () => this.#sendAway());
  }

  #tellDown(reason: string): void {
    this.#options.observer({ type: "broker", up: false, reason });
  }

  /** Peers that need other nodes may find one that reaches them. */
  #sendAway(): void {
    const away: Member[] = [];
    for (const entrant of this.#held) {
      if (entrant.leaving) this.#forget(entrant);
      else if (entrant.placed) away.push(entrant.member);
    }
    sendAway(away, "the server is cut off", this.#options.random);
  }

  #moved(slot: string): void {
    for (const member of this.local.evict(slot)) {
      if (member instanceof Entrant) this.#again(member);
      else {
        const { remote, number } = member as RemoteMember;
        remote.members.delete(number);
        remote.tell({ type: "astray", member: number });
      }
    }
  }

  #beat(nodes: number): void {
    this.#claims.tend();
    this.#nodes = nodes;
    this.#options.counted(nodes);
    for (const remote of [...this.#remotes.values()]) {
      if (!remote.busy) continue;
      if (remote.link.silentMs > SUSPECT_MS) this.#suspect(remote.node);
      remote.link.ask();
    }
  }

  // Other nodes.

  #remote(node: string): RemoteNode {
    const known = this.#remotes.get(node);
    if (known) return known;
    const { broker, maxBufferedBytes, now, soon } = this.#options;
    const remote: RemoteNode = new RemoteNode(node, maxBufferedBytes, {
      node: this.#membership.node!,
      maxMessageBytes: broker.maxMessageBytes,
      nextGeneration: () => this.#next(),
      send: (message) => {
        if (this.#remotes.get(node) === remote) broker.send(node, message);
      },
      take: (item) => this.#take(remote, item),
      lost: (reason) => this.#lost(remote, reason),
      forwarded: this.#forwarded,
      soon,
      now,
    });
    this.#remotes.set(node, remote);
    return remote;
  }

  async #suspect(node: string): Promise<void> {
    try {
      const alive = await this.#membership.ask((broker) =>
        broker.isAlive(node)
      );
      if (!alive) this.#bury(node, "unheard");
    } catch {
      // It is asked again.
    }
  }

  /** A node is dead: its name is never used again. */
  #bury(node: string, reason: LinkLoss): void {
    if (!this.#dead.has(node)) {
      this.#dead.set(node, reason === "bye" ? -Infinity : this.#options.now());
    }
    const [oldest] = this.#dead.keys();
    if (this.#dead.size > MAX_DEAD) this.#dead.delete(oldest);
    const remote = this.#remotes.get(node);
    if (!remote) return;
    this.#remotes.delete(node);
    this.#lost(remote, reason);
  }

  /** Whether nobody who is left needs what a node owned. */
  #isGone(node: string): boolean {
    const deadAt = this.#dead.get(node);
    return deadAt !== undefined &&
      this.#options.now() - deadAt > GRACE_MS + 2 * AGAIN_MS;
  }

  /** What was under way to a node and from there may be lost. */
  #lost(remote: RemoteNode, reason: LinkLoss): void {
    if (remote.busy) this.#options.observer({ type: "link", reason });
    const entrants = [...remote.entrants];
    const members = [...remote.members.values()];
    remote.entrants.clear();
    remote.members.clear();
    for (const member of members) this.local.leave(member, false);
    for (const entrant of entrants) this.#again(entrant);
  }

  #receive({ head, items }: Message): void {
    // What a dead node has sent may be late.
    if (this.#dead.has(head.node)) return;
    this.#remote(head.node).link.receive(head, items);
  }

  #take(remote: RemoteNode, item: Item): void {
    if (item.kind === NOTE) {
      const note = readNote(item);
      if (note) this.#heed(remote, note);
      return;
    }
    const to = this.#byNumber.get(item.to);
    if (!to || !isPartner(to, remote, item.from)) return;
    if (item.kind === PACKET) to.member.packet(item.bytes);
    else if (item.kind === SIGNAL) to.member.signal(itemText(item));
    else if (item.kind === MESSAGE_1) to.member.packet(itemText(item));
  }

  #heed(remote: RemoteNode, note: Note): void {
    switch (note.type) {
      case "join":
        this.#joinFrom(remote, note);
        break;
      case "leave": {
        const member = remote.members.get(note.member);
        remote.members.delete(note.member);
        if (member) this.local.leave(member, note.forGood);
        if (note.forGood) remote.tell({ type: "left", member: note.member });
        break;
      }
      case "letIn":
      case "leaveSoon": {
        const member = remote.members.get(note.member);
        if (member) this.local[note.type](member);
        break;
      }
      case "found":
        this.#introduce(note);
        if (note.pass) this.#pass(note.pass);
        break;
      case "end":
        remote.tell({
          type: "ended",
          call: note.call,
          was: this.#claims.has(note.slot)
            ? this.local.end(note.slot)
            : undefined,
        });
        break;
      case "ended":
        this.#calls.get(note.call)?.(note.was);
        break;
      case "bye":
        this.#bury(remote.node, "bye");
        break;
      case "refuse": {
        const { member, from, reason, code, text } = note;
        const entrant = this.#byNumber.get(member);
        if (entrant && isPartner(entrant, remote, from)) {
          entrant.member.refuse(reason, code, text);
        }
        break;
      }
      default:
        this.#tellEntrant(remote, note);
    }
  }

  /** What only the owner of a peer's slot says. */
  #tellEntrant(
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
        this.#again(entrant);
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

  #joinFrom(remote: RemoteNode, note: Note & { readonly type: "join" }): void {
    const { member: number, slot, request, aloneMs, version, hello } = note;
    if (this.#draining || !this.#claims.has(slot)) {
      remote.tell({ type: "astray", member: number });
      return;
    }
    const member = new RemoteMember(remote, {
      member: number,
      request: { ...request, code: slot },
      askedAt: this.#options.now() - aloneMs,
      version,
      hello,
    }, () => this.#next());
    remote.members.set(number, member);
    this.local.join(member);
    this.#settle(slot);
  }

  /** Tells a peer of this node who its partner is. */
  #introduce({ member, turn, initiator, partner }: Introduction): void {
    const entrant = this.#byNumber.get(member);
    if (!entrant || turn <= entrant.turn) return;
    entrant.turn = turn;
    this.#part(entrant);
    if (partner.node === this.#membership.node) {
      this.#introduceNeighbour(entrant, partner, initiator);
      return;
    }
    const remote = this.#remote(partner.node);
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

  #pass(introduction: Introduction & { readonly node: string }): void {
    const { node, ...rest } = introduction;
    if (node === this.#membership.node) this.#introduce(rest);
    else this.#remote(node).tell({ type: "found", ...rest });
  }

  /** A peer has no partner any more, or another. */
  #part(entrant: Entrant): void {
    const { partner, owner } = entrant;
    if (partner instanceof RemotePeer && partner.remote !== owner) {
      partner.remote.entrants.delete(entrant);
    }
  }

  /** Has the owner of a slot end the conversation; undefined if it is not. */
  #endAt(node: string, slot: string): Promise<boolean | undefined> {
    const call = this.#next();
    return new Promise((resolve) => {
      const ended = (was: boolean | undefined) => {
        this.#calls.delete(call);
        cancel();
        resolve(was);
      };
      const cancel = this.#options.after(GRACE_MS, () => ended(undefined));
      this.#calls.set(call, ended);
      this.#remote(node).tell({ type: "end", call, slot });
    });
  }

  #next(): number {
    return ++this.#count;
  }

  /** Eleven characters of base64url: 66 bits. */
  #nextNode(): string {
    const letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let node = "";
    for (let at = 0; at < 11; at++) {
      node += letters[Math.floor(this.#options.random() * 64)];
    }
    return node;
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
