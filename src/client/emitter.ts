/**
 * Typed events with Node's method names: the package of socket.io, which has
 * what matters in half the bytes of eventemitter3.
 *
 * @module
 */

import { Emitter as ComponentEmitter } from "@socket.io/component-emitter";

/** A listener of one event. */
export type Listener<Args extends unknown[]> = (...args: Args) => void;

/** What the events of an {@linkcode Emitter} are called, and their arguments. */
export type EventMap<Events> = { [Name in keyof Events]: unknown[] };

/** Typed events with the method names of Node's EventEmitter. */
export interface Emitter<Events extends EventMap<Events>> {
  /** Calls the listener each time the event happens. */
  on<Name extends keyof Events>(
    event: Name,
    listener: Listener<Events[Name]>,
  ): this;
  /** Calls the listener the next time the event happens. */
  once<Name extends keyof Events>(
    event: Name,
    listener: Listener<Events[Name]>,
  ): this;
  /** Removes a listener, or without one all listeners of the event. */
  off<Name extends keyof Events>(
    event: Name,
    listener?: Listener<Events[Name]>,
  ): this;
  /** The same as `off()`. */
  removeListener<Name extends keyof Events>(
    event: Name,
    listener?: Listener<Events[Name]>,
  ): this;
  /** Removes all listeners, or those of one event. */
  removeAllListeners(event?: keyof Events): this;
  /** The listeners of an event. */
  listeners<Name extends keyof Events>(event: Name): Listener<Events[Name]>[];
  /** Whether an event has listeners. */
  hasListeners(event: keyof Events): boolean;
  /** Calls the listeners of an event. */
  emit<Name extends keyof Events>(event: Name, ...args: Events[Name]): this;
}

/** Makes an {@linkcode Emitter}. */
export interface EmitterConstructor {
  /** Makes one without listeners. */
  new <Events extends EventMap<Events>>(): Emitter<Events>;
}

/** The class behind {@linkcode SocketPeer}: the package's, typed as above. */
export const Emitter: EmitterConstructor =
  ComponentEmitter as unknown as EmitterConstructor;
