import * as std from "@std/assert";
import { deadline as stdDeadline } from "@std/async";
import * as own from "../../support/std/assert.ts";
import { deadline as ownDeadline } from "../../support/std/async.ts";

// Where JSR is reached this compares the original with what stands in for it;
// where not, the latter with what the original was seen to do.

class Secret {
  #secret: number;
  constructor(secret: number) {
    this.#secret = secret;
  }
  reveal(): number {
    return this.#secret;
  }
}

class Getter extends Secret {
  get secret(): number {
    return this.reveal();
  }
}

class Other extends Getter {}

class Items extends Array<number> {}

function bare(properties: object): object {
  return Object.assign(Object.create(null), properties);
}

function cyclic(name: string): object {
  const object: Record<string, unknown> = { name };
  object.self = object;
  return object;
}

const hidden = (value: number) =>
  Object.defineProperty({}, "value", { value, enumerable: false });

const hiddenInClass = (value: number) =>
  Object.defineProperty(new Secret(1), "value", { value, enumerable: false });

const symbol = Symbol("key");
const failure = new Error("A");
const { Temporal } = globalThis as unknown as {
  Temporal?: { Instant: { from(text: string): unknown } };
};
const instant = (text: string) => Temporal?.Instant.from(text) ?? text;

/** What is compared, and whether it is equal. */
const TABLE: [name: string, a: unknown, b: unknown, equal: boolean][] = [
  ["0 and -0", 0, -0, true],
  ["0 and -0 inside", [0], [-0], true],
  ["NaN", NaN, NaN, true],
  ["a number and its text", 1, "1", false],
  ["null and undefined", null, undefined, false],
  ["null and an object", null, {}, false],
  ["bigints", 1n, 1n, true],
  ["a number as an object", new Number(1), new Number(2), true],
  ["functions alike", () => 1, () => 1, false],
  ["methods alike", { f() {} }, { f() {} }, false],
  ["the order of keys", { a: 1, b: 2 }, { b: 2, a: 1 }, true],
  ["a key that is undefined", { a: undefined }, {}, false],
  ["keys that are undefined", { a: undefined }, { b: undefined }, false],
  ["a symbol as a key", { [symbol]: 1 }, { [symbol]: 2 }, false],
  ["a symbol as a key that one lacks", { [symbol]: 1 }, {}, false],
  ["a key that is not enumerable", hidden(1), hidden(2), true],
  ["the same in a class", hiddenInClass(1), hiddenInClass(2), false],
  ["no prototype and a plain one", bare({ a: 1 }), { a: 1 }, true],
  ["a class and a plain object", new Secret(1), {}, false],
  ["an array and an object", [1], { 0: 1 }, false],
  ["a sparse array", [1, , 2], [1, undefined, 2], false],
  ["a sparse array's end", [1, ,], [1], true],
  ["an array and a longer one", [1], [1, undefined], false],
  ["arrays of a class", Items.of(1), Items.of(1), true],
  ["arrays of a class and not", Items.of(1), [1], false],
  ["arrays of a class that differ", Items.of(1), Items.of(2), false],
  ["private state", new Secret(1), new Secret(2), true],
  ["what a getter tells", new Getter(1), new Getter(2), false],
  ["what a getter tells alike", new Getter(1), new Getter(1), true],
  ["a class and one that extends it", new Getter(1), new Other(1), false],
  ["dates", new Date(1), new Date(1), true],
  ["dates that differ", new Date(1), new Date(2), false],
  ["invalid dates", new Date(NaN), new Date(NaN), true],
  ["patterns", /a/g, /a/g, true],
  ["flags", /a/g, /a/i, false],
  ["URLs", new URL("http://a/"), new URL("http://a"), true],
  ["URLs that differ", new URL("http://a/"), new URL("http://b"), false],
  ["errors of two places", new Error("A"), new Error("A"), false],
  ["an error", failure, failure, true],
  ["Sets", new Set([1, 2]), new Set([2, 1]), true],
  ["Sets that differ", new Set([1, 2]), new Set([1, 3]), false],
  ["Sets of objects", new Set([{ a: 1 }]), new Set([{ a: 1 }]), true],
  ["Sets of others", new Set([{ a: 1 }]), new Set([{ a: 2 }]), false],
  ["Sets of both", new Set([1, { a: 1 }]), new Set([{ a: 1 }, 1]), true],
  ["a Set and a Map", new Set(), new Map(), false],
  ["Maps", new Map([[1, { a: 1 }]]), new Map([[1, { a: 1 }]]), true],
  ["Maps of others", new Map([[1, { a: 1 }]]), new Map([[1, { a: 2 }]]), false],
  ["Maps by objects", new Map([[{ a: 1 }, 1]]), new Map([[{ a: 1 }, 1]]), true],
  ["Maps of keys", new Map([[1, undefined]]), new Map([[2, undefined]]), false],
  ["bytes", Uint8Array.of(1), Uint8Array.of(1), true],
  ["bytes that differ", Uint8Array.of(1), Uint8Array.of(2), false],
  ["bytes and integers", Uint8Array.of(1), Uint16Array.of(1), false],
  ["bytes and an array", Uint8Array.of(1), [1], false],
  ["floats", Float64Array.of(-0, NaN), Float64Array.of(0, NaN), true],
  ["buffers", Uint8Array.of(1).buffer, Uint8Array.of(1).buffer, true],
  ["buffers that differ", new ArrayBuffer(1), new ArrayBuffer(2), false],
  ["a buffer and its bytes", new ArrayBuffer(1), new Uint8Array(1), false],
  ["WeakRefs", new WeakRef({ a: 1 }), new WeakRef({ a: 1 }), true],
  ["cycles", cyclic("a"), cyclic("a"), true],
  ["cycles that differ", cyclic("a"), cyclic("b"), false],
  ["Blobs of other sizes", new Blob(["a"]), new Blob(["ab"]), false],
  [
    "instants",
    instant("2020-01-01T00:00Z"),
    instant("2020-01-01T00:00Z"),
    true,
  ],
  [
    "instants that differ",
    instant("2020-01-01T00:00Z"),
    instant("2020-01-02T00:00Z"),
    false,
  ],
];

for (const [name, library] of Object.entries({ std, own })) {
  Deno.test(`equal() of ${name} tells what is equal`, () => {
    const wrong = TABLE.flatMap(([name, a, b, equal]) =>
      library.equal(a, b) === equal && library.equal(b, a) === equal
        ? []
        : [name]
    );
    std.assertStrictEquals(wrong.join(), "");
    for (const weak of [() => new WeakMap(), () => new WeakSet()]) {
      std.assertThrows(() => library.equal(weak(), weak()), TypeError);
    }
  });

  Deno.test(`assertThrows() and assertRejects() of ${name} take no less than what was asked for`, async () => {
    const { AssertionError } = library;
    /** Throws what `checked` ends with; each is to refuse it or not. */
    type Expected = Parameters<typeof std.assertThrows<Error>>;
    const cases: [thrown: unknown, expected: unknown[], passes: boolean][] = [
      [new TypeError("A b"), [], true],
      [new TypeError("A b"), ["a message of the test"], true],
      [new TypeError("A b"), [TypeError], true],
      [new TypeError("A b"), [Error, "b"], true],
      [new TypeError("\x1b[1mA\x1b[0m b"), [Error, "A b"], true],
      [new TypeError("A b"), [TypeError, "c"], false],
      [new TypeError("A b"), [RangeError], false],
      [new DOMException("A", "AbortError"), [DOMException, "A"], true],
      ["A b", [], true],
      ["A b", [Error], false],
    ];
    for (const [thrown, rest, passes] of cases) {
      const expected = rest as unknown as Expected extends
        [unknown, ...infer Rest] ? Rest : never;
      const throws = () =>
        library.assertThrows(() => {
          throw thrown;
        }, ...expected);
      const rejects = () =>
        library.assertRejects(() => Promise.reject(thrown), ...expected);
      if (passes) {
        std.assertStrictEquals(throws(), thrown);
        std.assertStrictEquals(await rejects(), thrown);
      } else {
        std.assertThrows(throws, AssertionError);
        await std.assertRejects(rejects, AssertionError);
      }
    }
    std.assertThrows(() => library.assertThrows(() => {}), AssertionError);
    for (
      const fn of [
        () => Promise.resolve(),
        () => 1 as unknown as Promise<void>,
        () => {
          throw new Error("At once");
        },
      ]
    ) {
      await std.assertRejects(() => library.assertRejects(fn), AssertionError);
    }
  });
}

for (
  const [name, deadline] of [["std", stdDeadline], [
    "own",
    ownDeadline,
  ]] as const
) {
  Deno.test(`deadline() of ${name} ends with what comes first`, async () => {
    // The timer keeps the program going, which deadline() need not do.
    const timer = setTimeout(() => {}, 60_000);
    const never = new Promise<void>(() => {});
    const failed = new Error("Failed");
    std.assertStrictEquals(await deadline(Promise.resolve(1), 60_000), 1);
    std.assertStrictEquals(await deadline(Promise.resolve(1), Infinity), 1);
    const late = await std.assertRejects(() => deadline(never, 1));
    std.assert(late instanceof DOMException && late.name === "TimeoutError");
    std.assertStrictEquals(
      await std.assertRejects(() => deadline(Promise.reject(failed), 60_000)),
      failed,
    );
    const aborted = { signal: AbortSignal.abort(failed) };
    for (const promise of [never, Promise.resolve()]) {
      std.assertStrictEquals(
        await std.assertRejects(() => deadline(promise, 60_000, aborted)),
        failed,
      );
    }
    clearTimeout(timer);
  });
}
