/**
 * Keeps a link to an engine: dials it, and dials again whenever that breaks.
 *
 * @module
 */

import { after, type Cancel, systemRuntime } from "../../runtime.ts";
import type { BrokerHandlers } from "./broker.ts";

/** One link to an engine, from when it is made until it breaks. */
export interface Link {
  /** Connects, and tries what would fail later. */
  open(): Promise<void>;
  /** Ends it, and leaves no socket and no timer behind. */
  close(): Promise<void>;
}

/** What a {@linkcode Dialer} needs. */
export interface DialerOptions<Made extends Link> {
  /** What the engine is called. */
  readonly engine: string;
  /** Makes a link, which says once it is open that it has broken. */
  make(broken: (reason: Error) => void): Made;
  /** Says why trying again is no use, if it is none. */
  whyHopeless(error: Error): string | undefined;
}

/** The longest wait before the first retry, and before any, in milliseconds. */
const RETRY_MS = { first: 100, most: 2000 };

/** How long what is said last may take, in milliseconds. */
const CLOSE_MS = 1000;

/** Keeps one link to the engine at a time, none while the engine is away. */
export class Dialer<Made extends Link> {
  readonly #options: DialerOptions<Made>;
  #handlers!: Pick<BrokerHandlers, "onUp" | "onDown">;
  /** What is of use, or is to become it. */
  #made: Made | null = null;
  #ready = false;
  /** How often it was tried since it was of use. */
  #attempt = 0;
  #cancelRetry: Cancel | null = null;
  /** Why the engine is not reached, as it was told. */
  #told: string | null = null;
  #closed = false;
  /** All that was closed leaves nothing behind. */
  #ended: Promise<unknown> = Promise.resolve();

  /** Creates a dialer that waits to be opened. */
  constructor(options: DialerOptions<Made>) {
    this.#options = options;
  }

  /** The link, while it is of use. */
  get link(): Made | null {
    return this.#ready ? this.#made : null;
  }

  /**
   * The link, for whoever has something to ask.
   *
   * @throws {Error} If it is of no use.
   */
  reached(): Made {
    const { link } = this;
    if (link) return link;
    throw new Error(
      `Cannot ask ${this.#options.engine} as ` + (
        this.#closed
          ? "the broker is closed"
          : "it is not reached: wait for up()"
      ),
    );
  }

  /**
   * Dials once, and then for as long as it takes.
   *
   * @throws {Error} If trying again is no use.
   */
  async open(handlers: Pick<BrokerHandlers, "onUp" | "onDown">): Promise<void> {
    this.#handlers = handlers;
    const error = await this.#dial();
    if (!error) return;
    const hopeless = this.#options.whyHopeless(error);
    if (!hopeless) return this.#failed(error);
    await this.close();
    throw new Error(hopeless);
  }

  /** Ends the link, after a last word that may take a moment. */
  async close(lastWord?: (link: Made) => Promise<unknown>): Promise<void> {
    this.#closed = true;
    this.#cancelRetry?.();
    const { link } = this;
    const made = this.#made;
    this.#forget();
    if (link && lastWord) {
      const said = lastWord(link).catch(() => {});
      await new Promise<void>((resolve) => {
        const cancel = after(CLOSE_MS, resolve);
        said.then(cancel).then(resolve);
      });
    }
    if (made) this.#end(made);
    await this.#ended;
  }

  /** Tries to reach the engine once; says why it did not. */
  async #dial(): Promise<Error | undefined> {
    const made: Made = this.#options.make((reason) => {
      if (made !== this.link) return;
      this.#forget();
      this.#end(made);
      this.#failed(reason);
    });
    this.#made = made;
    try {
      await made.open();
    } catch (error) {
      this.#end(made);
      // It was closed meanwhile.
      if (made !== this.#made) return;
      this.#made = null;
      return error as Error;
    }
    if (made !== this.#made) return;
    this.#ready = true;
    this.#attempt = 0;
    this.#told = null;
    this.#handlers.onUp();
  }

  #failed(reason: Error): void {
    const { first, most } = RETRY_MS;
    // Drawn, so that nodes that were cut off together do not return together.
    const delayMs = systemRuntime().random() *
      Math.min(most, first * 2 ** this.#attempt++);
    this.#cancelRetry = after(delayMs, async () => {
      const error = await this.#dial();
      if (error) this.#failed(error);
    });
    if (reason.message === this.#told) return;
    this.#told = reason.message;
    this.#handlers.onDown(reason);
  }

  #forget(): void {
    this.#made = null;
    this.#ready = false;
  }

  #end(made: Made): void {
    const closing = made.close();
    this.#ended = this.#ended.then(() => closing);
  }
}
