/**
 * The program that one simulated peer runs in.
 *
 * @module
 */

import type { SocketPeer } from "../client/socket_peer.ts";
import { type Cancel, systemRuntime } from "../runtime.ts";
import { Link } from "./link.ts";
import type { Network } from "./network.ts";

/** What waits for a frozen program. */
interface Waiting {
  readonly events: (() => void)[];
  readonly timers: (() => void)[];
}

/**
 * The program that one peer runs in: a page, or a process. All that calls the
 * peer passes through it, so that it can be frozen or die.
 */
export class Host {
  /** Set as soon as there is one; a client by hand never is. */
  peer?: SocketPeer;
  /** Whether the program has died. */
  dead = false;
  /** Callbacks for when the page is left, and for when it is shown again. */
  readonly pageHide = new Set<() => void>();
  readonly pageShow = new Set<() => void>();
  /** Callbacks for when the network may have changed. */
  readonly wake = new Set<() => void>();
  /** The link from the host to the network. */
  readonly up: Link;
  readonly down: Link;
  /** When its link is there again. */
  brokenUntil = 0;
  readonly #network: Network;
  #frozenUntil = 0;
  /** Null while it runs. */
  #waiting: Waiting | null = null;

  /** Creates a host in a network. */
  constructor(network: Network) {
    this.#network = network;
    this.up = new Link(network);
    this.down = new Link(network);
  }

  /** Whether the program stands still. */
  get frozen(): boolean {
    return this.#waiting !== null;
  }

  /** For how long nothing will pass the host's link. */
  get gapMs(): number {
    return Math.max(0, this.brokenUntil - this.#network.clock.now());
  }

  /** Calls back once, unless it is frozen then: in that case afterwards. */
  readonly after = (delayMs: number, callback: () => void): Cancel => {
    let cancelled = false;
    const run = () => {
      if (!cancelled) callback();
    };
    const cancel = this.#network.clock.after(
      delayMs,
      () => this.#run(run, "timers"),
    );
    return () => {
      cancelled = true;
      cancel();
    };
  };

  /** Calls back when the code that runs now is done. */
  readonly soon = (callback: () => void): void => {
    systemRuntime().soon(() => this.run(callback));
  };

  /** Brings an event: now, or when it is no longer frozen. */
  run(event: () => void): void {
    this.#run(event, "events");
  }

  /**
   * Makes the program stand still; longer than before, where it does already.
   */
  freeze(ms: number): void {
    const { clock } = this.#network;
    this.#frozenUntil = Math.max(this.#frozenUntil, clock.now() + ms);
    this.#waiting ??= { events: [], timers: [] };
    clock.after(ms, () => {
      if (clock.now() >= this.#frozenUntil) this.#thaw();
    });
  }

  /** Tells what the page listens for. */
  tell(listeners: ReadonlySet<() => void>): void {
    this.run(() => {
      for (const listener of [...listeners]) listener();
    });
  }

  #run(callback: () => void, kind: keyof Waiting): void {
    if (this.dead) return;
    if (this.#waiting) this.#waiting[kind].push(callback);
    else callback();
  }

  #thaw(): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    const { events, timers } = waiting;
    // Browsers promise no order between the two.
    const queues = this.#network.random() < 0.5
      ? [events, timers]
      : [timers, events];
    const next = () => {
      // It was frozen again, before it had caught up.
      if (this.#network.clock.now() < this.#frozenUntil) return;
      const callback = queues.find(({ length }) => length > 0)?.shift();
      if (!callback) {
        if (this.#waiting === waiting) this.#waiting = null;
        return;
      }
      if (!this.dead) callback();
      // What comes meanwhile waits its turn.
      this.#network.clock.after(0, next);
    };
    next();
  }
}
