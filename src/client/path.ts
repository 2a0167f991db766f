/**
 * Which transport carries the session now: upgrade to the direct path,
 * downgrade to the relay.
 *
 * Each peer chooses for what it sends, and takes packets from both. New
 * packets take the direct path as soon as it is open; nothing is paused or
 * sent again for that, as the session puts what arrives in order. When a
 * transport breaks, what it had and was not acknowledged is sent again on the
 * other.
 *
 * @module
 */

import { ACK_DELAY_MS } from "../protocol/limits.ts";
import type { Cancel, Runtime } from "../runtime.ts";
import { afterAwake } from "./awake.ts";
import type { Session } from "./session.ts";
import type { DataChannel } from "./transports/data_channel.ts";
import type { Transport } from "./transports/transport.ts";

/** Which way packets leave; null for none. */
export type PathKind = "relay" | "direct" | null;

/**
 * A data channel that acknowledges nothing for this long, in milliseconds, is
 * taken for dead: WebRTC's own timers take 5 to 30 seconds to say so. On a
 * healthy one under load SCTP's own retransmission is silent for 400 to 500 ms
 * often enough (measured in Chromium 156). Half-way it is asked for a sign of
 * life: a program that reads slowly acknowledges late, but answers.
 */
const SILENCE_MS = 800;
/** How often a silent data channel is asked for a sign of life. */
const PING_INTERVAL_MS = 1000;

/** What a {@linkcode Path} reports. */
export interface PathHandlers {
  /** Packets leave another way from now on. */
  changed(to: PathKind, from: PathKind): void;
  /** The open data channel broke. */
  directLost(): void;
  /** The other peer acknowledged something. */
  progress(): void;
  /** The other peer breaks the protocol: the conversation cannot go on. */
  failed(error: unknown): void;
}

/** Carries one session over the best of the transports that live. */
export class Path {
  readonly #session: Session;
  readonly #runtime: Runtime;
  readonly #handlers: PathHandlers;
  #relay?: Transport;
  #direct?: DataChannel;
  /** The data channel is open but has gone silent. */
  #directSilent = false;
  /** When it last answered. */
  #answeredAt = 0;
  #kind: PathKind = null;
  #flushing = false;
  /** What the last packet to acknowledge came on. */
  #ackVia?: Transport;
  #closed = false;
  #ackTimer?: Cancel;
  #watchTimer?: Cancel;

  /** Carries nothing until a transport is given. */
  constructor(session: Session, runtime: Runtime, handlers: PathHandlers) {
    this.#session = session;
    this.#runtime = runtime;
    this.#handlers = handlers;
  }

  /** Which way packets leave now. */
  get kind(): PathKind {
    return this.#kind;
  }

  /** The relay reaches the other peer, over a new transport; or not. */
  setRelay(relay?: Transport): void {
    this.#drop(this.#relay);
    this.#relay = relay;
    if (relay) this.#listen(relay);
    if (this.#directSilent) this.#session.carrierLost(this.#direct);
    this.#choose();
  }

  /** A data channel is open. */
  setDirect(direct: DataChannel): void {
    this.#drop(this.#direct);
    this.#direct = direct;
    // What was being watched, or asked, is the channel before.
    this.#trustDirect();
    direct.onpong = () => this.#directAnswers();
    this.#listen(direct);
    this.#choose();
  }

  /** The data channel was given up. */
  dropDirect(direct: DataChannel): void {
    if (this.#direct !== direct) return;
    this.#drop(direct);
    this.#direct = undefined;
    this.#choose();
  }

  /** Sends what is queued, when the code that runs now is done. */
  sendSoon(): void {
    if (this.#flushing || this.#kind === null) return;
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

  /** Acknowledges at once what has arrived, on every transport that lives. */
  acknowledgeNow(): void {
    this.#toAll(this.#session.ackPacket());
  }

  /** Tells the other peer, on every transport, that this one is gone. */
  abandon(): void {
    this.#toAll(this.#session.abortPacket());
  }

  /** Closes the transports; nothing is reported afterwards. */
  close(): void {
    this.#closed = true;
    this.#drop(this.#relay);
    this.#drop(this.#direct);
    this.#relay = this.#direct = undefined;
    this.#kind = null;
    this.#ackTimer?.();
    this.#watchTimer?.();
  }

  get #current(): Transport | undefined {
    if (this.#direct && !(this.#directSilent && this.#relay)) {
      return this.#direct;
    }
    return this.#relay;
  }

  #listen(transport: Transport): void {
    transport.open({
      packet: (packet) =>
        this.#take(
          () => this.#session.receive(packet, this.#runtime.now(), transport),
          transport,
        ),
      drain: () => this.#pump(),
      close: () => {
        if (transport === this.#relay) this.setRelay();
        else {
          this.dropDirect(transport as DataChannel);
          this.#handlers.directLost();
        }
      },
    });
  }

  #drop(transport?: Transport): void {
    if (!transport) return;
    transport.close();
    this.#session.carrierLost(transport);
    if (this.#ackVia === transport) this.#ackVia = undefined;
  }

  #choose(): void {
    const from = this.#kind;
    const transport = this.#current;
    const way = transport === this.#direct ? "direct" : "relay";
    const to = transport ? way : null;
    this.#kind = to;
    if (to !== from) this.#handlers.changed(to, from);
    if (this.#closed) return;
    // The other side learns where to go on from, and what to let go of.
    if (this.#session.received > 0) {
      this.#current?.send(this.#session.ackPacket());
    }
    this.#pump();
  }

  #pump(): void {
    const transport = this.#current;
    if (!transport) return;
    const now = this.#runtime.now();
    while (transport === this.#current && !transport.congested) {
      const packet = this.#session.nextPacket(transport, now);
      if (!packet) break;
      transport.send(packet);
    }
    if (transport === this.#direct) this.#watch();
  }

  /** Has the session take in what came on a transport. */
  #take(taking: () => void, transport?: Transport): void {
    const session = this.#session;
    const before = session.bufferedBytes;
    try {
      taking();
    } catch (error) {
      if (!this.#closed) this.#handlers.failed(error);
      return;
    }
    if (this.#closed) return;
    if (session.bufferedBytes !== before) {
      this.#handlers.progress();
      this.sendSoon();
    }
    if (!session.owesAck) return;
    // Back the way it came: the other peer may have found this peer's own
    // choice to be dead. But not where this peer has found that itself.
    this.#ackVia = this.#directSilent ? this.#current : transport;
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
    this.#relay?.send(packet);
    this.#direct?.send(packet);
  }

  /** Watches over the data channel, and asks a silent one again and again. */
  #watch(): void {
    const direct = this.#direct;
    if (this.#watchTimer || !direct) return;
    let delayMs = PING_INTERVAL_MS;
    if (this.#directSilent) direct.ping();
    else {
      const since = this.#session.waitingSince(direct);
      // Without a relay there is nowhere else to send; a new one looks again.
      if (since === undefined || !this.#relay) return;
      const quietMs = this.#runtime.now() - Math.max(since, this.#answeredAt);
      const half = quietMs < SILENCE_MS / 2;
      if (!half) direct.ping();
      if (quietMs >= SILENCE_MS) {
        this.#directSilent = true;
        this.#session.carrierLost(direct);
        this.#choose();
      } else {delayMs = Math.ceil(
          (half ? SILENCE_MS / 2 : SILENCE_MS) - quietMs,
        );}
    }
    this.#watchTimer = afterAwake(this.#runtime, delayMs, () => {
      this.#watchTimer = undefined;
      this.#watch();
    });
  }

  #directAnswers(): void {
    this.#answeredAt = this.#runtime.now();
    if (!this.#directSilent) return;
    this.#trustDirect();
    this.#choose();
  }

  #trustDirect(): void {
    this.#directSilent = false;
    this.#watchTimer?.();
    this.#watchTimer = undefined;
  }
}
