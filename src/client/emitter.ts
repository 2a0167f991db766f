/**
 * Typed events with the methods of Node's EventEmitter, which browsers lack.
 *
 * @module
 */

/**
 * A listener of one event. It may ask for arguments of narrower types, as a
 * method may: only the program knows what it sends itself.
 */
export type Listener<Args extends unknown[]> = {
  call(...args: Args): void;
}["call"];

/** A listener as it is kept: that of `once()` stands in a wrapper. */
export interface RawListener<Args extends unknown[]> {
  /** Calls the listener; a wrapper removes itself, and calls it only once. */
  (...args: Args): void;
  /** What `once()` was given, if this is its wrapper. */
  listener?: Listener<Args>;
}

/** What the events of an {@linkcode Emitter} are called, and their arguments. */
export type EventMap<Events> = { [Name in keyof Events]: unknown[] };

/**
 * Typed events that work as those of Node's EventEmitter do, but:
 *
 * - An `error` that nobody listens to is not thrown.
 * - `off()` may be given an event alone, and takes no offence at a listener
 *   that is no function.
 * - No number of listeners is warned of.
 * - Its own `newListener` and `removeListener` are not emitted; what extends
 *   this is told by a method.
 */
export class Emitter<Events extends EventMap<Events>> {
  /** No event has an empty list. */
  readonly #lists = new Map<keyof Events, unknown[]>();
  #maxListeners = 10;

  /**
   * Calls the listener each time the event happens. One that is added twice
   * is called twice.
   *
   * @throws {TypeError} If the listener is not a function.
   */
  on<Name extends keyof Events>(
    event: Name,
    listener: Listener<Events[Name]>,
  ): this {
    return this.#add(event, listener);
  }

  /** The same as {@linkcode Emitter.on}. */
  addListener<Name extends keyof Events>(
    event: Name,
    listener: Listener<Events[Name]>,
  ): this {
    return this.#add(event, listener);
  }

  /**
   * Does what {@linkcode Emitter.on} does, but ahead of the listeners that are
   * there.
   */
  prependListener<Name extends keyof Events>(
    event: Name,
    listener: Listener<Events[Name]>,
  ): this {
    return this.#add(event, listener, true);
  }

  /**
   * Calls the listener the next time the event happens.
   *
   * @throws {TypeError} If the listener is not a function.
   */
  once<Name extends keyof Events>(
    event: Name,
    listener: Listener<Events[Name]>,
  ): this {
    return this.#add(event, listener, false, true);
  }

  /**
   * Does what {@linkcode Emitter.once} does, but ahead of the listeners that
   * are there.
   */
  prependOnceListener<Name extends keyof Events>(
    event: Name,
    listener: Listener<Events[Name]>,
  ): this {
    return this.#add(event, listener, true, true);
  }

  /**
   * Removes a listener, or, given an event alone, all of its listeners. Of one
   * that was added twice the later is removed.
   */
  off<Name extends keyof Events>(
    event: Name,
    ...listeners: [listener?: Listener<Events[Name]>]
  ): this {
    const list = this.rawListeners(event);
    const index = list.findLastIndex(is(listeners[0]));
    if (index >= 0) list.splice(index, 1);
    return this.#set(event, listeners.length > 0 ? list : []);
  }

  /** The same as {@linkcode Emitter.off}. */
  removeListener<Name extends keyof Events>(
    event: Name,
    ...listeners: [listener?: Listener<Events[Name]>]
  ): this {
    return this.off(event, ...listeners);
  }

  /** Removes all listeners, or those of one event. */
  removeAllListeners(...events: [event?: keyof Events]): this {
    for (const event of events.length > 0 ? events : this.eventNames()) {
      this.#set(event!, []);
    }
    return this;
  }

  /** The listeners of an event, as they were given. */
  listeners<Name extends keyof Events>(event: Name): Listener<Events[Name]>[] {
    return this.rawListeners(event).map(unwrap);
  }

  /** The listeners of an event, those of `once()` in their wrappers. */
  rawListeners<Name extends keyof Events>(
    event: Name,
  ): RawListener<Events[Name]>[] {
    const list = this.#lists.get(event) ?? [];
    return [...list as RawListener<Events[Name]>[]];
  }

  /** How many listeners an event has, or how often it has this one. */
  listenerCount<Name extends keyof Events>(
    event: Name,
    listener?: Listener<Events[Name]>,
  ): number {
    const list = this.rawListeners(event);
    return (listener ? list.filter(is(listener)) : list).length;
  }

  /** Whether an event has listeners. */
  hasListeners(event: keyof Events): boolean {
    return this.#lists.has(event);
  }

  /** The events that have listeners. */
  eventNames(): (keyof Events)[] {
    return [...this.#lists.keys()];
  }

  /**
   * Calls the listeners that an event has now, in their order, even those that
   * are removed meanwhile. One that throws stops those behind it.
   *
   * @returns Whether there were any.
   */
  emit<Name extends keyof Events>(
    event: Name,
    ...args: Events[Name]
  ): boolean {
    const list = this.rawListeners(event);
    for (const listener of list) listener.apply(this, args);
    return list.length > 0;
  }

  /** Keeps a number for {@linkcode Emitter.getMaxListeners}, and no more. */
  setMaxListeners(count: number): this {
    this.#maxListeners = count;
    return this;
  }

  /** What {@linkcode Emitter.setMaxListeners} was given last, at first 10. */
  getMaxListeners(): number {
    return this.#maxListeners;
  }

  /** Called when listeners of an event were added, or may have been removed. */
  protected listening(_event: keyof Events): void {}

  #add<Name extends keyof Events>(
    event: Name,
    listener: Listener<Events[Name]>,
    first?: boolean,
    once?: boolean,
  ): this {
    if (typeof listener !== "function") {
      throw new TypeError(
        `Cannot listen with this ${typeof listener}: it must be a function`,
      );
    }
    let called = false;
    const wrapper: RawListener<Events[Name]> = (...args) => {
      // It may be in the list of an emit() that goes on.
      if (called) return;
      called = true;
      this.off(event, wrapper);
      listener.apply(this, args);
    };
    wrapper.listener = listener;
    const list = this.rawListeners(event);
    list.splice(first ? 0 : list.length, 0, once ? wrapper : listener);
    return this.#set(event, list);
  }

  #set(event: keyof Events, list: unknown[]): this {
    if (list.length > 0) this.#lists.set(event, list);
    else this.#lists.delete(event);
    this.listening(event);
    return this;
  }
}

/** What was given to `on()` or `once()`. */
function unwrap<Args extends unknown[]>(
  raw: RawListener<Args>,
): Listener<Args> {
  return raw.listener ?? raw;
}

/** Whether a listener is this one, wrapped or not. */
function is<Args extends unknown[]>(
  listener: Listener<Args> | undefined,
): (raw: RawListener<Args>) => boolean {
  return (raw) => raw === listener || unwrap(raw) === listener;
}
