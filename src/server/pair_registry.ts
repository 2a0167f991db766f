/**
 * The registry of pairs: pair codes, and the two places behind each.
 *
 * @module
 */

import {
  BUSY,
  ENDED_BY_SERVER,
  PEER_LEFT,
  PEER_TIMEOUT,
  REPLACED,
  TAKEN_OVER,
} from "../protocol/close_code.ts";
import type { PairRequest, Ticket } from "../protocol/control.ts";
import { MAX_RESUME_TIMEOUT_MS } from "../protocol/limits.ts";
import type { Cancel } from "../runtime.ts";
import type { Partner } from "./partner.ts";

/** What a peer asks for; one of version 1 has a pair code and nothing else. */
export type PlaceRequest =
  & Pick<PairRequest, "code">
  & Partial<PairRequest>;

/** A peer that is here: the one that asks for a place, or has one. */
export interface Member extends Partner {
  /** What the member asked for. */
  readonly request: PlaceRequest;
  /** When the member asked, by the registry's clock. */
  readonly askedAt: number;
  /** Whether its code is a number that was drawn for it, and told nobody yet. */
  readonly isDrawn?: boolean;
  /** Whether it will leave at once: it takes the place of nobody who waits. */
  readonly isLeaving?: boolean;
  /** Somebody was sooner at the number that was drawn for it: it has no place. */
  outrun?(): void;
  /** The member has its place; the other peer is not here. */
  waiting(): void;
  /** The other peer is here, now or again. */
  found(partner: Partner, initiator: boolean): void;
  /** The other peer's socket broke, and its place is kept, if it has an id. */
  lost(): void;
  /** Somebody asks for the place of the other peer, whose socket broke. */
  knocked(): void;
  /** The member gets no place, or has lost the one that it had. */
  dismiss(code: number, reason: string): void;
}

/** Where peers ask for their places. */
export interface Registry {
  /** Whether anything is behind a code, so far as can be said. */
  has(code: string): boolean | Promise<boolean>;
  /** Gives a peer its place, or dismisses it; now or later. */
  join(member: Member): void;
  /**
   * A peer is gone: for good, or until its next socket. One that has no place
   * any more is passed over.
   */
  leave(member: Member, forGood: boolean): void;
  /** The peer that is here does not hear the one that is away either. */
  letIn(member: Member): void;
  /** A peer will leave for good as soon as all that it has sent has arrived. */
  leaveSoon(member: Member): void;
}

/** A place of a pair: kept for its owner while that is away. */
interface Seat {
  /** Missing in version 1: nobody can say that the place is his. */
  readonly id: string | undefined;
  readonly key: string | undefined;
  member: Member | null;
  /** Since when it has looked for a partner; `null` while it has one. */
  aloneSince: number | null;
  /** Whether its owner has said that it is about to leave for good. */
  isLeaving?: boolean;
}

/** How a conversation ended, for a peer that may not know. */
interface Ending {
  readonly code: number;
  readonly reason: string;
  /** Until when the ending is remembered. */
  readonly until: number;
}

/**
 * How long one that has lost its socket has to come back before a newcomer gets
 * its place, in milliseconds. Dialing again takes it much less, and the program
 * that was started again in its stead should not wait much longer.
 */
const KNOCK_MS = 3000;
/** How long one that is leaving may take, in milliseconds: it lingers for 5 s. */
const LEAVE_MS = 6000;
/**
 * For how long endings are remembered, in milliseconds: long enough for one
 * that has lost its socket to be back.
 */
export const REMEMBER_MS = 120_000;
/** What is remembered at most: a few megabytes. */
const MAX_REMEMBERED = 10_000;

const LEFT = "the other peer has left";

/** A newcomer that waits for the place of one that may not come back. */
interface Knock {
  readonly member: Member;
  readonly timer: Cancel;
  /** Whether the peer that is here does not hear that one either. */
  isLetIn: boolean;
}

interface Slot {
  readonly code: string;
  /** In the order of arrival: the second is the initiator. */
  readonly seats: Seat[];
  /** Whom the first waits for alone, where it resumes a conversation. */
  expected: string | undefined;
  /** How long it is kept while nobody is here, in milliseconds. */
  resumeTimeoutMs: number;
  timer: Cancel | null;
  knock: Knock | null;
  /** How many present peers `#counts` has this slot down for. */
  counted: number;
}

/** What a {@linkcode PairRegistry} needs. */
export interface PairRegistryOptions {
  /** How long a peer may wait alone, in milliseconds; 0 for ever. */
  readonly peerTimeoutMs: number;
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
  /**
   * Two have found each other, at first or again: how long the one that has
   * looked for longer did so, and how long the other, in milliseconds.
   */
  paired?(waitedMs: number, pairingMs: number): void;
  /**
   * Nothing is behind a code any more; whether a conversation was, whose ending
   * is remembered for {@linkcode REMEMBER_MS}.
   */
  freed?(code: string, met: boolean): void;
}

/**
 * Pairs by code.
 *
 * A place belongs to whoever has its `id` and `key`, and is kept while a
 * conversation may still go on: as long as one of its peers is here, and for
 * the resume timeout after both are gone. Whoever else comes with the code
 * meanwhile is busy, with two exceptions. Where one of the two is away, does not
 * come back soon, and is not heard by the other on their data channel either, it
 * is taken to be gone, as a page that has crashed is, and its place is given
 * away. Where one is leaving, the newcomer waits for its place.
 *
 * A peer of version 1 has no `id`. Its conversation ends with its socket or
 * its partner's, and it waits for the next one for as long as it is here.
 */
export class PairRegistry implements Registry {
  readonly #options: PairRegistryOptions;
  readonly #slots = new Map<string, Slot>();
  /** Slots by how many of their peers are here: none, one, both. */
  readonly #counts = [0, 0, 0];
  /**
   * What peers are told that come back to a conversation that is over: they
   * were away, or the close frame was lost with a connection that broke. By
   * `id` and code, in the order in which they ended.
   */
  readonly #endings = new Map<string, Ending>();

  /** Creates an empty registry. */
  constructor(options: PairRegistryOptions) {
    this.#options = options;
  }

  /** How many pair codes are in use. */
  get size(): number {
    return this.#slots.size;
  }

  /** How many peers are here alone. */
  get waiting(): number {
    return this.#counts[1];
  }

  /** How many pairs have both peers here. */
  get pairs(): number {
    return this.#counts[2];
  }

  has(code: string): boolean {
    return this.#slots.has(code);
  }

  join(member: Member): void {
    const { code, id, key, partner, leaves } = member.request;
    if (member.isDrawn && this.#slots.has(code)) {
      // Nobody who is there can be waiting for it.
      member.outrun?.();
      return;
    }
    if (leaves) this.#giveUp(code, leaves);
    const place = id === undefined ? undefined : placeKey(id, code);
    const ending = place && this.#endings.get(place);
    if (ending && ending.until > this.#options.now()) {
      // Who names no partner was never told of one that could have left.
      if (partner !== undefined || ending.code !== PEER_LEFT) {
        member.dismiss(ending.code, ending.reason);
        return;
      }
      this.#endings.delete(place);
    }
    let slot = this.#slots.get(code);
    const seat = id === undefined
      ? undefined
      : slot?.seats.find((seat) => seat.id === id);
    if (slot && seat) {
      if (seat.key !== key) {
        dismissBusy(member);
        return;
      }
      const old = seat.member;
      seat.member = member;
      seat.aloneSince = member.askedAt;
      if (slot.seats.length === 1) slot.expected = partner;
      this.#count(slot);
      old?.dismiss(TAKEN_OVER, "a newer socket of this peer has its place");
    } else {
      const taken = slot;
      slot = this.#placeFor(member, taken);
      if (!slot) {
        this.#knock(taken!, member);
        return;
      }
      slot.seats.push({ id, key, member, aloneSince: member.askedAt });
      slot.resumeTimeoutMs = Math.max(
        slot.resumeTimeoutMs,
        Math.min(member.request.resumeTimeout ?? 0, MAX_RESUME_TIMEOUT_MS),
      );
      this.#count(slot);
    }
    this.#meet(slot, member);
    if (partner === undefined) this.#waitForAnyone(slot, member);
  }

  leave(member: Member, forGood: boolean): void {
    const slot = this.#slots.get(member.request.code);
    if (slot?.knock?.member === member) endKnock(slot);
    const seat = seatOf(slot, member);
    if (!slot || !seat) return;
    seat.member = null;
    const other = slot.seats.find((other) => other !== seat);
    const conversation = other !== undefined || slot.expected !== undefined;
    if (other?.member && isLegacy(other)) {
      slot.seats.splice(slot.seats.indexOf(seat), 1);
      this.#count(slot);
      this.#lose(other);
    } else if (forGood || !conversation || isLegacy(seat)) {
      const newcomer = endKnock(slot);
      this.#remove(slot);
      if (other) this.#end(slot, other, PEER_LEFT, LEFT);
      else if (forGood && slot.expected !== undefined) {
        // That one has not come back yet, to a server that has forgotten it.
        this.#remember(slot, slot.expected, PEER_LEFT, LEFT);
      }
      if (newcomer) this.join(newcomer);
    } else if (other?.member) {
      this.#count(slot);
      this.#lose(other);
    } else {
      this.#count(slot);
      slot.timer?.();
      slot.timer = this.#options.after(
        slot.resumeTimeoutMs,
        () => this.#remove(slot),
      );
    }
  }

  letIn(member: Member): void {
    const slot = this.#slots.get(member.request.code);
    if (slot?.knock && seatOf(slot, member)) slot.knock.isLetIn = true;
  }

  leaveSoon(member: Member): void {
    const seat = seatOf(this.#slots.get(member.request.code), member);
    if (seat) seat.isLeaving = true;
  }

  /**
   * Ends the conversation behind a code.
   *
   * @returns Whether there was one, or a peer waiting for one.
   */
  end(code: string): boolean {
    const slot = this.#slots.get(code);
    if (!slot) return false;
    this.#remove(slot);
    const reason = "the server has ended the conversation";
    for (const seat of slot.seats) {
      this.#end(slot, seat, ENDED_BY_SERVER, reason);
    }
    return true;
  }

  /** Forgets what is behind a code, and says who was here. */
  evict(code: string): readonly Member[] {
    const slot = this.#slots.get(code);
    if (!slot) return [];
    const newcomer = endKnock(slot);
    this.#remove(slot);
    const here = slot.seats.flatMap(({ member }) => member ?? []);
    return newcomer ? [...here, newcomer] : here;
  }

  /**
   * Forgets everything, and hands over who was here, the two of a pair
   * together: told the same, they come back together, and none of them is told
   * first that the other is lost.
   */
  drain(dismiss: (members: readonly Member[]) => void): void {
    this.#endings.clear();
    for (const slot of [...this.#slots.values()]) {
      this.#remove(slot);
      const here = slot.seats.flatMap(({ member }) => member ?? []);
      if (here.length > 0) dismiss(here);
    }
  }

  /** Forgets everything, and stops all timers. */
  clear(): void {
    this.drain(() => {});
  }

  /** A newcomer without a place waits for one, or is busy. */
  #knock(slot: Slot, member: Member): void {
    const [first, second] = slot.seats;
    const here = first.member && second?.member ? null : first.member ??
      second?.member;
    const leaving = slot.seats.some(({ isLeaving }) => isLeaving);
    if (
      slot.knock || !here && !leaving || !second || isLegacy(first) ||
      isLegacy(second) || member.request.id === undefined
    ) {
      dismissBusy(member);
      return;
    }
    const waitMs = leaving ? LEAVE_MS : KNOCK_MS;
    const timer = this.#options.after(waitMs, () => {
      const { isLetIn } = slot.knock!;
      endKnock(slot);
      // A data channel may be alive, whose two ends are cut off from here.
      if (!isLetIn) {
        dismissBusy(member);
        return;
      }
      this.#remove(slot);
      for (const seat of slot.seats) {
        this.#end(slot, seat, REPLACED, "another peer has taken a place");
      }
      this.join(member);
    });
    slot.knock = { member, timer, isLetIn: false };
    here?.knocked();
  }

  /** A conversation ended while its peer had no socket to say so. */
  #giveUp(code: string, { id, key }: Ticket): void {
    const slot = this.#slots.get(code);
    const seat = slot?.seats.find((seat) => seat.id === id && seat.key === key);
    // Of one that has not come back to a server that has forgotten it nobody
    // knows the key; only its partner knows its id.
    const unseen = slot?.expected === id &&
      !slot?.seats.some((seat) => seat.id === id);
    if (!slot || !seat && !unseen) return;
    const others = slot.seats.filter((other) => other !== seat);
    if (others.some(isLegacy)) {
      // It waits for the next one, as always when its partner is gone.
      const member = seat?.member;
      if (!member) return;
      this.leave(member, false);
      member.dismiss(PEER_LEFT, LEFT);
      return;
    }
    this.#remove(slot);
    // Of what it has given up itself it needs no word.
    seat?.member?.dismiss(PEER_LEFT, LEFT);
    for (const other of others) this.#end(slot, other, PEER_LEFT, LEFT);
  }

  /** The conversation of a place is over; its peer is told, now or later. */
  #end(slot: Slot, seat: Seat, code: number, reason: string): void {
    const { id, member } = seat;
    if (id !== undefined) this.#remember(slot, id, code, reason);
    member?.dismiss(code, reason);
  }

  #remember(slot: Slot, id: string, code: number, reason: string): void {
    // Who asks for no place meanwhile does not come back.
    if (slot.resumeTimeoutMs === 0) return;
    const now = this.#options.now();
    for (const [key, { until }] of this.#endings) {
      const kept = until > now && this.#endings.size < MAX_REMEMBERED;
      if (kept) break;
      this.#endings.delete(key);
    }
    const ending = { code, reason, until: now + REMEMBER_MS };
    this.#endings.set(placeKey(id, slot.code), ending);
  }

  /** The slot that has a place for a peer that has none yet. */
  #placeFor(
    { request, isLeaving }: Member,
    slot: Slot | undefined,
  ): Slot | undefined {
    const { code, id, partner } = request;
    if (slot) {
      const [first, second] = slot.seats;
      if (second) return undefined;
      const open = slot.expected === undefined;
      const wanted = open || slot.expected === id;
      const wants = partner === undefined || partner === first.id;
      if (wanted && wants) return slot;
      if (!open) return undefined;
      if (isLeaving) {
        // The one that it leaves may still come.
        if (partner !== undefined) {
          this.#remember(slot, partner, PEER_LEFT, LEFT);
        }
        return undefined;
      }
      // Who resumes a conversation, after this server has forgotten it, goes
      // before a stranger who came first.
      this.#remove(slot);
      if (first.member) dismissBusy(first.member);
    }
    const created: Slot = {
      code,
      seats: [],
      expected: partner,
      resumeTimeoutMs: 0,
      timer: null,
      knock: null,
      counted: 0,
    };
    this.#slots.set(code, created);
    this.#counts[0]++;
    return created;
  }

  #meet(slot: Slot, arrived: Member): void {
    slot.timer?.();
    slot.timer = null;
    const [first, second] = slot.seats;
    if (!first.member || !second?.member) {
      arrived.waiting();
      return;
    }
    first.member.found(second.member, false);
    // Being told may have been the end of the first, and of both.
    if (first.member && second.member) {
      this.#report(first, second);
      second.member.found(first.member, true);
    } else second.member?.waiting();
  }

  /** Says how long each of two has looked for the other. */
  #report(...seats: readonly Seat[]): void {
    const now = this.#options.now();
    const waits = seats.map(({ aloneSince }) => now - (aloneSince ?? now));
    for (const seat of seats) seat.aloneSince = null;
    this.#options.paired?.(Math.max(...waits), Math.min(...waits));
  }

  /** A peer has lost its partner, and looks for it. */
  #lose(seat: Seat): void {
    seat.aloneSince = this.#options.now();
    seat.member!.lost();
  }

  /**
   * A peer that names no partner has heard of none, so it can't give one up:
   * whoever has the other place and is away loses it here.
   */
  #waitForAnyone(slot: Slot, member: Member): void {
    const own = seatOf(slot, member);
    // Being told may have been the end of it.
    if (!own || this.#slots.get(slot.code) !== slot) return;
    const other = slot.seats.find((seat) => seat !== own);
    if (!other) {
      if (slot.expected === undefined) this.#waitAlone(slot);
    } else if (!other.member) {
      slot.timer = this.#options.after(slot.resumeTimeoutMs, () => {
        slot.seats.splice(slot.seats.indexOf(other), 1);
        this.#waitAlone(slot);
      });
    }
  }

  #waitAlone(slot: Slot): void {
    const { peerTimeoutMs } = this.#options;
    // Version 1 waits for as long as it likes: it does not know of an end.
    if (peerTimeoutMs === 0 || isLegacy(slot.seats[0])) return;
    slot.timer = this.#options.after(peerTimeoutMs, () => {
      this.#remove(slot);
      slot.seats[0].member?.dismiss(
        PEER_TIMEOUT,
        `no other peer came within ${peerTimeoutMs} ms`,
      );
    });
  }

  #remove(slot: Slot): void {
    slot.timer?.();
    dismissBusy(endKnock(slot));
    if (this.#slots.get(slot.code) !== slot) return;
    this.#slots.delete(slot.code);
    this.#counts[slot.counted]--;
    const met = slot.seats.length > 1 || slot.expected !== undefined;
    this.#options.freed?.(slot.code, met);
  }

  /** Counts a slot anew, after who is here has changed. */
  #count(slot: Slot): void {
    let here = 0;
    for (const { member } of slot.seats) if (member) here++;
    this.#counts[slot.counted]--;
    this.#counts[here]++;
    slot.counted = here;
    // The one that was away is back, or nobody is here to be asked.
    if (here !== 1) dismissBusy(endKnock(slot));
  }
}

/** Names a peer's place: nobody keeps two peers from choosing one `id`. */
function placeKey(id: string, code: string): string {
  return `${id.length} ${id}${code}`;
}

/** The place that a peer has, as long as it is here. */
function seatOf(slot: Slot | undefined, member: Member): Seat | undefined {
  return slot?.seats.find((seat) => seat.member === member);
}

function isLegacy({ id }: Seat): boolean {
  return id === undefined;
}

function dismissBusy(member?: Member): void {
  member?.dismiss(BUSY, "two other peers hold this pair code");
}

/** Stops waiting for an answer, and says who was waiting. */
function endKnock(slot: Slot): Member | undefined {
  const { knock } = slot;
  slot.knock = null;
  knock?.timer();
  return knock?.member;
}
