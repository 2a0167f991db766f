import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { EventEmitter, once } from "node:events";
import { Emitter, SocketPeer } from "../../../client.ts";

type Events = Record<string | symbol, unknown[]>;
type Listener = ((...args: unknown[]) => void) & { listener?: Listener };

const EVENTS = [
  "data",
  "close",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  Symbol("private"),
];

/** What is done to an emitter; listeners are numbers. */
type Action =
  | {
    do: "add";
    how: typeof ADDERS[number];
    event: string | symbol;
    id: number;
  }
  | {
    do: "remove";
    how: typeof REMOVERS[number];
    event: string | symbol;
    id: number;
  }
  | { do: "removeRaw"; event: string | symbol; at: number }
  | { do: "callRaw"; event: string | symbol; at: number }
  | { do: "addRaw"; event: string | symbol; at: number }
  | { do: "removeAll"; event: string | symbol }
  | { do: "removeEverything" }
  | { do: "emit"; event: string | symbol; args: number[] };

const ADDERS = [
  "on",
  "addListener",
  "prependListener",
  "once",
  "prependOnceListener",
] as const;
const REMOVERS = ["off", "removeListener"] as const;

const event = fc.constantFrom(...EVENTS);
const id = fc.nat({ max: 4 });
const at = fc.nat({ max: 3 });
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("add" as const),
      how: fc.constantFrom(...ADDERS),
      event,
      id,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("remove" as const),
      how: fc.constantFrom(...REMOVERS),
      event,
      id,
    }),
  },
  fc.record({ do: fc.constant("removeRaw" as const), event, at }),
  fc.record({ do: fc.constant("callRaw" as const), event, at }),
  fc.record({ do: fc.constant("addRaw" as const), event, at }),
  fc.record({ do: fc.constant("removeAll" as const), event }),
  fc.record({ do: fc.constant("removeEverything" as const) }),
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("emit" as const),
      event,
      args: fc.array(fc.nat({ max: 9 }), { maxLength: 3 }),
    }),
  },
);

/** The same listeners and actions on either class, and what came of them. */
class Run {
  readonly emitter: EventEmitter;
  readonly log: unknown[] = [];
  readonly #listeners: Listener[];
  readonly #events: readonly (string | symbol)[];
  /** How many calls are left, so that listeners that emit come to an end. */
  #callsLeft = 60;

  constructor(
    emitter: EventEmitter,
    events: readonly (string | symbol)[],
    reactions: readonly Action[][],
  ) {
    this.emitter = emitter;
    this.#events = events;
    const { log } = this;
    const called = (args: unknown[], reactions: Action[]) => {
      if (this.#callsLeft-- <= 0) return;
      for (const reaction of reactions) this.perform(reaction);
      if (args[0] === 9) throw new Error("A listener failed");
    };
    this.#listeners = reactions.map((reactions, id) =>
      function (this: unknown, ...args: unknown[]) {
        log.push([id, this === emitter, ...args]);
        called(args, reactions);
      }
    );
  }

  perform(action: Action): void {
    try {
      this.log.push(this.#name(this.#perform(action)));
    } catch (error) {
      this.log.push(String(error));
    }
  }

  /** What can be asked, of all events. */
  state(): unknown {
    const { emitter } = this;
    return {
      // Node has strings ahead of symbols, whichever came first.
      names: new Set(emitter.eventNames()),
      events: this.#events.map((event) => ({
        count: emitter.listenerCount(event),
        counts: this.#listeners.map((one) => emitter.listenerCount(event, one)),
        listeners: emitter.listeners(event).map((one) => this.#name(one)),
        raw: emitter.rawListeners(event).map((one) => this.#name(one)),
      })),
    };
  }

  #perform(action: Action): unknown {
    const { emitter } = this;
    switch (action.do) {
      case "add":
      case "remove":
        return emitter[action.how](action.event, this.#listeners[action.id]);
      case "emit":
        return emitter.emit(action.event, ...action.args);
      case "removeAll":
        return emitter.removeAllListeners(action.event);
      case "removeEverything":
        return emitter.removeAllListeners();
    }
    const raw = emitter.rawListeners(action.event).at(action.at);
    if (!raw) return "none";
    switch (action.do) {
      case "addRaw":
        return emitter.on(action.event, raw as Listener);
      case "removeRaw":
        return emitter.off(action.event, raw as Listener);
      case "callRaw":
        return raw(1, 2);
    }
  }

  /** A value in terms that are the same for both classes. */
  #name(value: unknown): unknown {
    if (value === this.emitter) return "this";
    if (typeof value !== "function") return value;
    const { listener } = value as Listener;
    return listener
      ? `once ${this.#listeners.indexOf(listener)}`
      : this.#listeners.indexOf(value as Listener);
  }
}

function ours(): EventEmitter {
  return new Emitter<Events>() as unknown as EventEmitter;
}

Deno.test("Emitter does as Node's EventEmitter does", () => {
  fc.assert(
    fc.property(
      fc.array(action, { minLength: 1, maxLength: 30 }),
      fc.array(fc.array(action, { maxLength: 3 }), {
        minLength: 5,
        maxLength: 5,
      }),
      fc.boolean(),
      (actions, reactions, oneEvent) => {
        // Most of what can go wrong needs several listeners of one event.
        const narrow = (action: Action): Action =>
          oneEvent && "event" in action ? { ...action, event: "data" } : action;
        const [mine, nodes] = [ours(), new EventEmitter()].map((emitter) => {
          // Many listeners would be warned of.
          emitter.setMaxListeners(0);
          return new Run(
            emitter,
            EVENTS,
            reactions.map((of) => of.map(narrow)),
          );
        });
        for (const action of actions.map(narrow)) {
          mine.perform(action);
          nodes.perform(action);
          assertEquals(mine.log, nodes.log);
          assertEquals(mine.state(), nodes.state());
        }
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("Emitter has every method of Node's EventEmitter", () => {
  const names = Object.getOwnPropertyNames(EventEmitter.prototype)
    .filter((name) => !name.startsWith("_"));
  assert(names.includes("rawListeners"));
  const emitter = ours() as unknown as Record<string, unknown>;
  assertEquals(names.filter((name) => typeof emitter[name] !== "function"), []);
});

Deno.test("Emitter.rawListeners() has once() listeners in wrappers that go with their first call", () => {
  const emitter = new Emitter<Events>();
  const calls: unknown[] = [];
  const listener = (value: unknown) => calls.push(value);
  emitter.once("data", listener);
  const [raw] = emitter.rawListeners("data");
  assertStrictEquals(raw.listener, listener);
  raw(1);
  raw(2);
  assertEquals(calls, [1]);
  assertEquals(emitter.listenerCount("data"), 0);
});

Deno.test("Emitter.emit() ignores an error that nobody listens to", () => {
  const emitter = new Emitter<Events>();
  assertEquals(emitter.emit("error", new Error("Unheard")), false);
  assertThrows(() => new EventEmitter().emit("error", new Error("Unheard")));
});

Deno.test("Emitter.off() removes all listeners of an event that is given alone", () => {
  const emitter = new Emitter<Events>();
  for (const remove of ["off", "removeListener"] as const) {
    const kept = () => {};
    emitter.on("data", kept).once("data", kept).on("close", kept);
    // A variable that is not set yet removes nothing.
    emitter[remove]("data", undefined);
    assertEquals(emitter.listenerCount("data"), 2);
    emitter[remove]("data");
    assertEquals(emitter.eventNames(), ["close"]);
    assertEquals(emitter.hasListeners("data"), false);
    emitter.removeAllListeners();
  }
});

Deno.test("Emitter.on() and its like refuse what is no function", () => {
  for (const add of ADDERS) {
    const emitter = new Emitter<Events>();
    for (const listener of [undefined, null, {}, "on"]) {
      assertThrows(
        () => emitter[add]("data", listener as never),
        TypeError,
        "it must be a function",
      );
    }
    assertEquals(emitter.eventNames(), []);
  }
});

Deno.test("Emitter.setMaxListeners() is what getMaxListeners() tells, as in Node", () => {
  for (const emitter of [ours(), new EventEmitter()]) {
    assertEquals(emitter.getMaxListeners(), 10);
    assertStrictEquals(emitter.setMaxListeners(0), emitter);
    assertEquals(emitter.getMaxListeners(), 0);
  }
});

Deno.test("Emitter tells what extends it that listeners were added or removed", () => {
  const counts: unknown[] = [];
  class Attentive extends Emitter<Events> {
    protected override listening(event: string | symbol): void {
      counts.push([event, this.listenerCount(event)]);
    }
  }
  const emitter = new Attentive();
  const listener = () => {
    // A listener of `once()` has gone when it is called.
    counts.push("called");
  };
  emitter.prependListener("data", listener).once("data", listener);
  emitter.emit("data");
  emitter.off("data", listener).on("close", listener);
  emitter.removeAllListeners();
  assertEquals(counts, [
    ["data", 1],
    ["data", 2],
    "called",
    ["data", 1],
    "called",
    ["data", 0],
    ["close", 1],
    ["close", 0],
  ]);
});

Deno.test("SocketPeer is what Node's once() waits for", async () => {
  const peer = new SocketPeer({ autoconnect: false });
  const closed = once(peer as unknown as EventEmitter, "close");
  peer.close();
  assertEquals((await closed)[0].reason, "local");
});
