/**
 * Typed events with Node's method names, from the package eventemitter3.
 *
 * @module
 */

import { EventEmitter } from "eventemitter3";

/** A listener of one event. */
export type Listener<Args extends unknown[]> = (...args: Args) => void;

/** Typed events with the method names of Node's EventEmitter. */
export class Emitter<Events extends { [Name in keyof Events]: unknown[] }> {
  // The package's own types are looser than ours: each method below types it.
  readonly #emitter: EventEmitter = new EventEmitter();

  /** Calls the listener each time the event happens. */
  on<Name extends keyof Events & string>(
    event: Name,
    listener: Listener<Events[Name]>,
  ): this {
    this.#emitter.on(event, listener as Listener<unknown[]>);
    return this;
  }

  /** Calls the listener the next time the event happens. */
  once<Name extends keyof Events & string>(
    event: Name,
    listener: Listener<Events[Name]>,
  ): this {
    this.#emitter.once(event, listener as Listener<unknown[]>);
    return this;
  }

  /** Removes a listener, or without one all listeners of the event. */
  off<Name extends keyof Events & string>(
    event: Name,
    listener?: Listener<Events[Name]>,
  ): this {
    this.#emitter.off(event, listener as Listener<unknown[]>);
    return this;
  }

  /** The same as {@linkcode Emitter.on}. */
  addListener<Name extends keyof Events & string>(
    event: Name,
    listener: Listener<Events[Name]>,
  ): this {
    return this.on(event, listener);
  }

  /** The same as {@linkcode Emitter.off}. */
  removeListener<Name extends keyof Events & string>(
    event: Name,
    listener?: Listener<Events[Name]>,
  ): this {
    return this.off(event, listener);
  }

  /** Removes all listeners, or those of one event. */
  removeAllListeners(event?: keyof Events & string): this {
    this.#emitter.removeAllListeners(event);
    return this;
  }

  /** The listeners of an event. */
  listeners<Name extends keyof Events & string>(
    event: Name,
  ): Listener<Events[Name]>[] {
    return this.#emitter.listeners(event);
  }

  /** How many listeners an event has. */
  listenerCount(event: keyof Events & string): number {
    return this.#emitter.listenerCount(event);
  }

  /** The events that have listeners. */
  eventNames(): (keyof Events & string)[] {
    return this.#emitter.eventNames() as (keyof Events & string)[];
  }

  /**
   * Calls the listeners of an event.
   *
   * @returns Whether there was one.
   */
  emit<Name extends keyof Events & string>(
    event: Name,
    ...args: Events[Name]
  ): boolean {
    return this.#emitter.emit(event, ...args);
  }
}
