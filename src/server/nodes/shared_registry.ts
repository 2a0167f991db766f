/**
 * A registry that spans nodes: each pair code has one owner among them, whose
 * own registry decides everything about it.
 *
 * @module
 */

import type { Cancel } from "../../runtime.ts";
import type { Broker } from "../brokers/broker.ts";
import type { Member, PairRegistry, Registry } from "../pair_registry.ts";
import type {
  LinkLoss,
  ServerObserver,
  SharingStats,
} from "../server_event.ts";
import { Claims } from "./claims.ts";
import { Entrant } from "./entrant.ts";
import { AGAIN_MS, Entrants, GRACE_MS } from "./entrants.ts";
import type { Forwarded } from "./link.ts";
import { Membership } from "./membership.ts";
import {
  type Introduction,
  type Item,
  type Message,
  NOTE,
  type Note,
  readNote,
} from "./message.ts";
import type { Names } from "./names.ts";
import { RemoteNode } from "./remote_node.ts";
import { RemoteMember } from "./remote_peer.ts";

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

/** Waits for the end of a conversation at another node. */
interface Call {
  /** Whether there was one, as soon as somebody has said so. */
  was: boolean | undefined;
  /** Something was heard of it. */
  wake(): void;
}

/** The registry of a node, as a part of that of all nodes. */
export class SharedRegistry implements Registry {
  /** The places that this node owns, and the peers that have them. */
  readonly local: PairRegistry;
  readonly #options: SharedRegistryOptions;
  readonly #membership: Membership;
  readonly #claims: Claims;
  readonly #entrants: Entrants;
  readonly #remotes = new Map<string, RemoteNode>();
  /** Since when nodes are known to be dead. */
  readonly #dead = new Map<string, number>();
  /** Calls that wait for the end of a conversation at another node. */
  readonly #calls = new Map<number, Call>();
  /** Counts attempts to join, streams, calls, and what members are told. */
  #count = 0;
  #lives = 0;
  #nodes = 1;
  /** Since when this node is cut off; `null` while it is not. */
  #downAt: number | null;
  readonly #forwarded: Forwarded = {
    forwardedMessages: 0,
    forwardedPackets: 0,
    forwardedBytes: 0,
  };
  #draining = false;
  #away: Cancel = () => {};

  /** Stays alone until it is opened. */
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
    this.#entrants = new Entrants({
      ...options,
      claims: this.#claims,
      local: this.local,
      node: () => this.#membership.node,
      remote: (node) => this.#remote(node),
      deadAt: (node) => this.#dead.get(node),
      nextNumber: () => this.#next(),
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

  /** The name of this node now; `null` while it is cut off. */
  get node(): string | null {
    return this.#membership.node;
  }

  /** How many peers it keeps in mind, of this node and of others. */
  get size(): number {
    return this.#entrants.size + this.stats.remotePeers;
  }

  /** Counts of what this node shares with others. */
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
    this.#entrants.join(member);
  }

  leave(member: Member, forGood: boolean): void {
    // Where this node stood still, its slots may be others' by now.
    this.#membership.alive();
    this.#entrants.leave(member, forGood);
  }

  letIn(member: Member): void {
    this.#entrants.say(member, "letIn");
  }

  leaveSoon(member: Member): void {
    this.#entrants.say(member, "leaveSoon");
  }

  /**
   * Ends the conversation behind a code, whichever node owns it.
   *
   * @returns Whether there was one, or a peer waiting for one.
   * @throws {Error} If nobody answers in time.
   */
  async end(code: string): Promise<boolean> {
    const number = this.#next();
    const call: Call = { was: undefined, wake() {} };
    this.#calls.set(number, call);
    try {
      return await this.#end(this.#options.names.slot(code), number, call);
    } finally {
      this.#calls.delete(number);
    }
  }

  async #end(slot: string, number: number, call: Call): Promise<boolean> {
    const { now } = this.#options;
    const since = now();
    while (now() - since < END_MS) {
      if (this.#claims.has(slot)) return this.local.end(slot);
      try {
        const owner = await this.#membership.ask((broker) => broker.find(slot));
        if (owner !== undefined && !this.#isGone(owner)) {
          await this.#endAt(owner, slot, number, call);
        } else if (this.#entrants.open) {
          // Before, whoever has it may still be about to claim it again.
          return false;
        }
      } catch {
        // The engine may be back in time.
      }
      if (call.was === undefined) await this.#wake(call, AGAIN_MS);
      if (call.was !== undefined) return call.was;
    }
    throw new Error(
      "Cannot end the conversation as the node that has it did not answer " +
        `within ${END_MS} ms: try again when the broker is reached`,
    );
  }

  /** Takes nobody any more, and forgets who is here. */
  drain(): void {
    this.#draining = true;
    this.#away();
    this.local.clear();
  }

  /** Lets other nodes take over, once this one is drained. */
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

  // This node.

  #born(): void {
    this.#away();
    this.#downAt = null;
    this.#options.observer({ type: "broker", up: true });
    if (this.#lives++ === 0) this.#entrants.release();
    else this.#reclaim(this.#options.now() + GRACE_MS);
  }

  /**
   * Claims codes again that this node owned: they come before those that others
   * merely ask for.
   */
  async #reclaim(releaseAt: number): Promise<void> {
    const { now, after } = this.#options;
    const { node } = this.#membership;
    const later = (delayMs: number, callback: () => void) =>
      after(Math.max(0, delayMs), () => {
        if (node === this.#membership.node) callback();
      });
    try {
      await this.#claims.reclaim();
      later(releaseAt - now(), () => this.#entrants.release());
    } catch {
      later(GRACE_MS, () => this.#reclaim(releaseAt));
    }
  }

  #died(node: string, { message }: Error): void {
    this.#claims.died(node);
    const { now, after } = this.#options;
    this.#downAt = now();
    this.#tellDown(message);
    const remotes = [...this.#remotes.values()];
    this.#remotes.clear();
    for (const remote of remotes) this.#lost(remote, "reborn");
    this.#entrants.hold();
    for (const { wake } of this.#calls.values()) wake();
    this.#away();
    this.#away = after(AWAY_MS, () => this.#entrants.sendAway());
  }

  #tellDown(reason: string): void {
    this.#options.observer({ type: "broker", up: false, reason });
  }

  #moved(slot: string): void {
    this.#entrants.moved(slot);
    for (const member of this.local.evict(slot)) {
      if (member instanceof Entrant) this.#entrants.again(member);
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
    for (const entrant of entrants) this.#entrants.again(entrant);
  }

  #receive({ head, items }: Message): void {
    // What a dead node has sent may be late.
    if (this.#dead.has(head.node)) return;
    this.#remote(head.node).link.receive(head, items);
  }

  #take(remote: RemoteNode, item: Item): void {
    if (item.kind !== NOTE) {
      this.#entrants.take(remote, item);
      return;
    }
    const note = readNote(item);
    if (note) this.#heed(remote, note);
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
        this.#entrants.introduce(note);
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
      case "ended": {
        const call = this.#calls.get(note.call);
        if (!call) break;
        // The first counts: what it has ended a second one does not find.
        call.was ??= note.was;
        call.wake();
        break;
      }
      case "bye":
        this.#bury(remote.node, "bye");
        break;
      case "refuse":
        this.#entrants.refuse(remote, note);
        break;
      default:
        this.#entrants.heed(remote, note);
    }
  }

  #joinFrom(remote: RemoteNode, note: Note & { readonly type: "join" }): void {
    const { member: number, slot, request, aloneMs } = note;
    const { version, hello, leaving } = note;
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
      leaving,
    }, () => this.#next());
    remote.members.set(number, member);
    this.local.join(member);
    this.#claims.settle(slot);
  }

  #pass(introduction: Introduction & { readonly node: string }): void {
    const { node, ...rest } = introduction;
    if (node === this.#membership.node) this.#entrants.introduce(rest);
    else this.#remote(node).tell({ type: "found", ...rest });
  }

  /**
   * Makes the owner of a slot end the conversation, if it is still that one.
   */
  #endAt(
    node: string,
    slot: string,
    number: number,
    call: Call,
  ): Promise<void> {
    const answered = this.#wake(call, GRACE_MS);
    this.#remote(node).tell({ type: "end", call: number, slot });
    return answered;
  }

  /** Resolves when something is heard of a call, or so much later. */
  #wake(call: Call, withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.after(withinMs, resolve);
      call.wake = () => {
        cancel();
        resolve();
      };
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
