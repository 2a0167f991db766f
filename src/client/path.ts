/**
 * Carries one session over the transports that there are: upgrade to the
 * better one, downgrade to the other.
 *
 * Each peer chooses for what it sends, and takes packets from all. New packets
 * take the best transport as soon as it is open; nothing is paused or sent
 * again for that, as the session puts what arrives in order. Every transport
 * is watched alike: what one had that ended, or went silent, and was not
 * acknowledged, is sent again on another as soon as one works.
 *
 * @module
 */

import type { SocketPeerError } from "../errors.ts";
import { probeNumber } from "../protocol/frame.ts";
import { ACK_DELAY_MS } from "../protocol/limits.ts";
import type { Cancel, Runtime } from "../runtime.ts";
import { afterAwake } from "./awake.ts";
import { Carrier, LEAST_PACKET_BYTES } from "./carrier.ts";
import type { Session } from "../protocol/session.ts";
import type { Transport } from "./transports/transport.ts";

/** Which way packets leave; null for none. */
export type PathKind = "relay" | "direct" | null;

/** The kinds of transports, best first. */
const PREFERENCE: readonly Transport["kind"][] = ["direct", "relay"];

const rank = ({ transport }: Carrier) => PREFERENCE.indexOf(transport.kind);

/** How often one looks whether a sign of life is missing, in milliseconds. */
const LOOK_MS = 50;
/** The same where nothing is to be done about it. */
const SILENT_LOOK_MS = 1000;

/** What a {@linkcode Path} reports. */
export interface PathHandlers {
  /** Packets leave another way from now on. */
  onChange(to: PathKind, from: PathKind): void;
  /** The other peer acknowledged something. */
  onProgress(): void;
  /**
   * Nothing was heard of the other peer on a transport for half as long as one
   * waits, which is `patienceMs`; reported again and again.
   */
  onDoubt(patienceMs: number): void;
  /** The other peer breaks the protocol: the conversation cannot go on. */
  onError(error: SocketPeerError): void;
}

/** Carries one session over the best of the transports that live. */
export class Path {
  readonly #session: Session;
  readonly #runtime: Runtime;
  readonly #handlers: PathHandlers;
  /** What packets leave on. */
  #current?: Carrier;
  /** What a packet comes on while it is taken in. */
  #arriving?: Carrier;
  /** What the last packet to acknowledge came on. */
  #ackVia?: Carrier;
  #ackTimer?: Cancel;
  #watchTimer?: Cancel;
  /** The transports, best first. */
  readonly #carriers: Carrier[] = [];
  #flushing = false;
  #closed = false;

  /** Carries nothing until a transport is given. */
  constructor(session: Session, runtime: Runtime, handlers: PathHandlers) {
    session.packetBytes = LEAST_PACKET_BYTES;
    this.#session = session;
    this.#runtime = runtime;
    this.#handlers = handlers;
  }

  /** Which way packets leave now. */
  get kind(): PathKind {
    return this.#current?.transport.kind ?? null;
  }

  /** A transport is open, in place of the one of its kind before. */
  add(transport: Transport): void {
    const carrier = new Carrier(transport, this.#runtime.now(), this.#current);
    this.#carriers.unshift(carrier);
    this.#carriers.sort((one, other) => rank(one) - rank(other));
    transport.open({
      onPacket: (packet) => this.#arrive(carrier, packet),
      onDrain: () => this.#pump(),
      onClose: () => this.#remove(carrier),
    });
    const before = this.#carriers.find((other) =>
      other !== carrier && other.transport.kind === transport.kind
    );
    // With the one before, its end has the next one chosen.
    if (before) before.transport.close();
    else this.#choose();
  }

  /** Sends what is queued, when the code that runs now is done. */
  sendSoon(): void {
    if (this.#flushing || !this.#current) return;
    this.#flushing = true;
    this.#runtime.soon(() => {
      this.#flushing = false;
      this.#pump();
    });
  }

  /** Takes no messages out of the session for now, or again. */
  pause(paused: boolean): void {
    const via = this.#ackVia ?? this.#current;
    this.#take(() => this.#session.pause(paused), via);
  }

  /** Looks which transports live: the network may have changed. */
  probe(since?: number): void {
    for (const carrier of this.#carriers) this.#ask(carrier, since);
    this.#watch();
  }

  /** Calls back unless the other peer is heard, on whatever there is. */
  whenDead(callback: () => void): void {
    this.probe();
    afterAwake(this.#runtime, this.#current?.patienceMs ?? 0, () => {
      const carrier = this.#current;
      if (!carrier || carrier.asked || carrier.silent) callback();
    });
  }

  /** Acknowledges at once what has arrived, on every transport that lives. */
  acknowledgeNow(): void {
    this.#toAll(this.#session.ackPacket());
  }

  /** Sends the end of the conversation, ahead of what waits for its turn. */
  end(): void {
    this.#toAll(this.#session.endPacket());
    this.sendSoon();
  }

  /** Tells the other peer, on every transport, that this one is gone. */
  abandon(): void {
    this.#toAll(this.#session.abortPacket());
  }

  /** Closes the transports; nothing is reported afterwards. */
  close(): void {
    this.#closed = true;
    this.#current = undefined;
    for (const { transport } of this.#carriers) transport.close();
    this.#ackTimer?.();
    this.#watchTimer?.();
  }

  #remove(carrier: Carrier): void {
    if (this.#closed) return;
    this.#carriers.splice(this.#carriers.indexOf(carrier), 1);
    this.#lost(carrier);
    if (this.#ackVia === carrier) this.#ackVia = undefined;
    this.#choose();
  }

  /** What a carrier had is sent again, and goes before all else. */
  #lost(carrier: Carrier): void {
    if (this.#session.waitingSince(carrier) === undefined) return;
    this.#session.carrierLost(carrier);
    // Behind it, what is in flight can't be acknowledged: it must not count.
    carrier.forget();
    for (const other of this.#carriers) other.forget();
  }

  #choose(): void {
    const before = this.#current;
    const from = this.kind;
    // One that does not answer either is no better. Where all are silent, the
    // one that answers first will do.
    const carrier =
      this.#carriers.find((one) =>
        !one.silent && (one === before || !one.asked)
      ) ??
        this.#carriers.find((one) => one === before) ?? this.#carriers[0];
    this.#current = carrier;
    const to = this.kind;
    if (to !== from) this.#handlers.onChange(to, from);
    if (this.#closed || !carrier) return;
    if (!carrier.silent) {
      for (const other of this.#carriers) {
        if (other.silent) this.#lost(other);
      }
    }
    // The other peer learns what to send again, and what to let go of.
    if (carrier !== before && this.#session.received > 0) {
      carrier.send(this.#session.ackPacket());
    }
    this.#pump();
  }

  #pump(): void {
    const session = this.#session;
    const now = this.#runtime.now();
    for (let carrier; (carrier = this.#current);) {
      session.packetBytes = carrier.packetBytes;
      // What is sent where nothing moves would only have to be sent again.
      if (carrier.silent || !carrier.hasRoom) break;
      const packet = session.nextPacket(carrier, now);
      if (!packet) break;
      carrier.send(packet, packet.length);
      this.#watch();
    }
  }

  #arrive(carrier: Carrier, packet: Uint8Array): void {
    const wasSilent = carrier.silent;
    this.#arriving = carrier;
    this.#take(() => this.#session.receive(packet), carrier);
    this.#arriving = undefined;
    if (this.#closed) return;
    const number = probeNumber(packet);
    if (number) {
      if (number % 2) carrier.send(this.#session.probePacket(number + 1));
      else carrier.answered(number, this.#runtime.now());
    }
    if (wasSilent || this.#current?.silent) this.#choose();
  }

  /** The other peer has acknowledged what a carrier had. */
  acknowledged(carrier: unknown, bytes: number, sentAt: number): void {
    if (!(carrier instanceof Carrier)) return;
    // Only what comes back the same way shows that this way works.
    if (carrier === this.#arriving) {
      carrier.acknowledged(bytes, sentAt, this.#runtime.now());
    } else carrier.arrived(bytes);
  }

  /** Lets the session take in what came on a transport. */
  #take(taking: () => void, carrier?: Carrier): void {
    const session = this.#session;
    const before = session.bufferedBytes;
    try {
      taking();
    } catch (error) {
      if (!this.#closed) this.#handlers.onError(error as SocketPeerError);
      return;
    }
    if (this.#closed) return;
    if (session.bufferedBytes !== before) {
      this.#handlers.onProgress();
      this.sendSoon();
    }
    if (!session.owesAck) return;
    // Back the way it came: the other peer may have found this peer's own
    // choice to be dead. But not where this peer has found that itself.
    this.#ackVia = carrier?.silent ? this.#current : carrier;
    if (session.owesAckNow) this.#acknowledge();
    else {
      this.#ackTimer ??= this.#runtime.after(
        ACK_DELAY_MS,
        () => this.#acknowledge(),
      );
    }
  }

  #acknowledge(): void {
    this.#ackTimer?.();
    this.#ackTimer = undefined;
    // A packet that left in the meantime carried it.
    if (this.#session.owesAck) this.#ackVia?.send(this.#session.ackPacket());
  }

  #toAll(packet: Uint8Array): void {
    for (const carrier of this.#carriers) carrier.send(packet);
  }

  /**
   * Makes the other peer answer on a transport, and looks after what is
   * beneath.
   */
  #ask(carrier: Carrier, since?: number): void {
    const number = carrier.ask(this.#runtime.now(), since);
    // One that is on its way will be answered when the way is free.
    if (number) carrier.send(this.#session.probePacket(number));
  }

  /** Looks again soon, and for as long as a sign of life is due. */
  #watch(): void {
    if (this.#watchTimer || this.#closed) return;
    this.#watchTimer = afterAwake(
      this.#runtime,
      // One that is silent answers by itself when it can.
      this.#current?.silent ? SILENT_LOOK_MS : LOOK_MS,
      () => {
        this.#watchTimer = undefined;
        this.#look();
      },
    );
  }

  #look(): void {
    const now = this.#runtime.now();
    let due = false;
    let changed = false;
    let doubtSince: number | undefined;
    let patience = 0;
    const waits = this.#carriers.map((carrier) =>
      this.#session.waitingSince(carrier)
    );
    // Those that are in use may share a slow line.
    const sharedMs = Math.max(
      ...this.#carriers.map(({ patienceMs, silent }, at) =>
        waits[at] === undefined || silent ? 0 : patienceMs
      ),
    );
    for (const [at, carrier] of this.#carriers.entries()) {
      const { silent } = carrier;
      const patienceMs = Math.max(sharedMs, carrier.patienceMs);
      const quietMs = carrier.quietMs(waits[at], now);
      if (quietMs !== undefined) {
        due = true;
        if (quietMs >= patienceMs / 2) {
          doubtSince = now - quietMs;
          patience = patienceMs;
        }
        if (quietMs >= patienceMs) carrier.silent = true;
      }
      if (carrier.silent !== silent) changed = true;
    }
    // What one of them suffers from, the others may suffer from too.
    if (doubtSince !== undefined) {
      this.probe(doubtSince);
      this.#handlers.onDoubt(patience);
      if (this.#closed) return;
    }
    if (changed) this.#choose();
    if (due) this.#watch();
  }
}
