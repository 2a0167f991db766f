/**
 * Who is paired with whom: pair codes, and the two places behind each.
 *
 * @module
 */

import {
  BUSY,
  ENDED_BY_SERVER,
  PEER_LEFT,
  PEER_TIMEOUT,
  TAKEN_OVER,
} from "../protocol/close_code.ts";
import type { PairRequest, Ticket } from "../protocol/control.ts";
import { MAX_RESUME_TIMEOUT_MS } from "../protocol/limits.ts";
import type { Cancel } from "../runtime.ts";

/** A peer that is here: the one that asks for a place, or has one. */
export interface Member {
  /** What it asked for. */
  readonly request: PairRequest;
  /** It has its place; the other peer is not here. */
  waiting(): void;
  /** The other peer is here, now or again. */
  found(partner: Member, initiator: boolean): void;
  /** The other peer's socket broke; its place is kept. */
  lost(): void;
  /** It has no place, or none any more. */
  dismiss(code: number, reason: string): void;
}

/** A place of a pair: kept for its owner while that is away. */
interface Seat {
  readonly id: string;
  readonly key: string;
  member: Member | null;
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
}

/** What a {@linkcode PairRegistry} needs. */
export interface PairRegistryOptions {
  /** How long a peer may wait alone, in milliseconds; 0 for ever. */
  readonly peerTimeoutMs: number;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
}

/**
 * Pairs by code.
 *
 * A place belongs to whoever has its `id` and `key`, and is kept while a
 * conversation may still go on: as long as one of its peers is here, and for
 * the resume timeout after both are gone. Whoever else comes with the code
 * meanwhile is busy.
 */
export class PairRegistry {
  readonly #options: PairRegistryOptions;
  readonly #slots = new Map<string, Slot>();

  /** Creates an empty registry. */
  constructor(options: PairRegistryOptions) {
    this.#options = options;
  }

  /** How many pair codes are in use. */
  get size(): number {
    return this.#slots.size;
  }

  /** Gives a peer its place, or dismisses it. */
  join(member: Member): void {
    const { code, id, key, partner, leaves } = member.request;
    if (leaves) this.#giveUp(code, leaves);
    let slot = this.#slots.get(code);
    const seat = slot?.seats.find((seat) => seat.id === id);
    if (slot && seat) {
      if (seat.key !== key) {
        dismissBusy(member);
        return;
      }
      const old = seat.member;
      seat.member = member;
      if (slot.seats.length === 1) slot.expected = partner;
      old?.dismiss(TAKEN_OVER, "a newer socket of this peer has its place");
    } else {
      slot = this.#placeFor(member, slot);
      if (!slot) {
        dismissBusy(member);
        return;
      }
      slot.seats.push({ id, key, member });
      slot.resumeTimeoutMs = Math.max(
        slot.resumeTimeoutMs,
        Math.min(member.request.resumeTimeout, MAX_RESUME_TIMEOUT_MS),
      );
    }
    this.#meet(slot, member);
    if (partner === undefined) this.#waitForAnyone(slot, member);
  }

  /**
   * A peer is gone: for good, or until its next socket. One that has no place
   * any more is passed over.
   */
  leave(member: Member, forGood: boolean): void {
    const slot = this.#slots.get(member.request.code);
    const seat = slot?.seats.find((seat) => seat.member === member);
    if (!slot || !seat) return;
    seat.member = null;
    const other = slot.seats.find((other) => other !== seat)?.member;
    const conversation = slot.seats.length === 2 || slot.expected !== undefined;
    if (forGood || !conversation) {
      this.#remove(slot);
      dismissLeft(other);
    } else if (other) {
      other.lost();
    } else {
      slot.timer?.();
      slot.timer = this.#options.after(
        slot.resumeTimeoutMs,
        () => this.#remove(slot),
      );
    }
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
    for (const { member } of slot.seats) {
      member?.dismiss(ENDED_BY_SERVER, "the server has ended the conversation");
    }
    return true;
  }

  /** Forgets everything, and stops all timers. */
  clear(): void {
    for (const slot of this.#slots.values()) this.#remove(slot);
  }

  /** A conversation ended while its peer had no socket to say so. */
  #giveUp(code: string, { id, key }: Ticket): void {
    const slot = this.#slots.get(code);
    if (!slot?.seats.some((seat) => seat.id === id && seat.key === key)) return;
    this.#remove(slot);
    for (const { member } of slot.seats) dismissLeft(member);
  }

  /** The slot that has a place for a peer that has none yet. */
  #placeFor({ request }: Member, slot: Slot | undefined): Slot | undefined {
    const { code, id, partner } = request;
    if (slot) {
      const [first, second] = slot.seats;
      if (second) return undefined;
      const open = slot.expected === undefined;
      const wanted = open || slot.expected === id;
      const wants = partner === undefined || partner === first.id;
      if (wanted && wants) return slot;
      if (!open) return undefined;
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
    };
    this.#slots.set(code, created);
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
    // Being told may have been the end of the first.
    if (first.member) second.member.found(first.member, true);
    else second.member.waiting();
  }

  /**
   * A peer that names no partner has heard of none, so it can't give one up:
   * whoever has the other place and is away loses it here.
   */
  #waitForAnyone(slot: Slot, member: Member): void {
    const own = slot.seats.find((seat) => seat.member === member);
    // Being told may have been the end of it.
    if (!own) return;
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
    if (peerTimeoutMs === 0) return;
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
    if (this.#slots.get(slot.code) === slot) this.#slots.delete(slot.code);
  }
}

function dismissLeft(member: Member | null | undefined): void {
  member?.dismiss(PEER_LEFT, "the other peer has left");
}

function dismissBusy(member: Member): void {
  member.dismiss(BUSY, "two other peers hold this pair code");
}
