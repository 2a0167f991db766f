/**
 * Deep equality as `@std/assert` has it. It differs from that of `node:util`
 * in what tests of classes notice: getters count, those of a prototype too,
 * and what is private does not; an error's stack counts; `-0` is `0`.
 *
 * @module
 */

/** Values of these classes are equal where they are as text. */
const TEXTUAL = new Set<unknown>(
  ["Intl.Locale", "RegExp", "URL", "URLSearchParams"]
    .concat(
      ["Duration", "Instant", "PlainDate", "PlainDateTime", "PlainTime"]
        .concat("PlainYearMonth", "PlainMonthDay", "ZonedDateTime")
        .map((name) => `Temporal.${name}`),
    )
    .map(findGlobal)
    // Temporal is not everywhere.
    .flatMap((found) => typeof found === "function" ? [found.prototype] : []),
);

const TypedArray = Object.getPrototypeOf(Uint8Array);

/** Whether two values are deeply equal. */
export function equal(actual: unknown, expected: unknown): boolean {
  return compare(actual, expected, new Map());
}

function compare(
  a: unknown,
  b: unknown,
  begun: Map<object, object>,
): boolean {
  if (a === b || Object.is(a, b)) return true;
  // Functions are equal to themselves alone.
  if (!isObject(a) || !isObject(b)) return false;
  if (a instanceof Date && b instanceof Date) {
    return Object.is(a.getTime(), b.getTime());
  }
  const prototype = prototypeOf(a);
  if (prototype !== prototypeOf(b)) return false;

  if (a instanceof TypedArray) {
    return sameItems(a as Uint8Array, b as Uint8Array);
  }
  if (a instanceof ArrayBuffer || a instanceof SharedArrayBuffer) {
    return sameItems(new Uint8Array(a), new Uint8Array(b as ArrayBuffer));
  }
  if (a instanceof WeakMap || a instanceof WeakSet) {
    throw new TypeError("Cannot compare what is weak: its items are secret");
  }
  if (a instanceof WeakRef) {
    return compare(a.deref(), (b as WeakRef<object>).deref(), begun);
  }

  // What refers to itself is compared once.
  if (begun.get(a) === b) return true;
  if (Object.keys(a).length !== Object.keys(b).length) return false;
  begun.set(a, b);

  if (a instanceof Map || a instanceof Set) {
    return sameEntries(a, b as typeof a, begun);
  }
  if (TEXTUAL.has(prototype)) return String(a) === String(b);

  const plain = prototype === Object.prototype || prototype === Array.prototype;
  const keys = plain
    ? Reflect.ownKeys({ ...a, ...b })
    : [...keysOf(a), ...keysOf(b)];
  return new Set(keys).values().every((key) =>
    compare(Reflect.get(a, key), Reflect.get(b, key), begun) &&
    key in a === key in b
  );
}

function sameItems(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && !Object.is(a[i], b[i])) return false;
  }
  return true;
}

function sameEntries(
  a: Map<unknown, unknown> | Set<unknown>,
  b: Map<unknown, unknown> | Set<unknown>,
  begun: Map<object, object>,
): boolean {
  if (a.size !== b.size) return false;
  const valueOf = (key: unknown) => b instanceof Map ? b.get(key) : key;
  return a.entries().every(([key, value]) => {
    if (typeof key !== "object" || key === null) {
      return b.has(key) && compare(value, valueOf(key), begun);
    }
    return b.entries().some(([otherKey, otherValue]) =>
      compare(key, otherKey, begun) && compare(value, otherValue, begun)
    );
  });
}

/** All keys of an object and of its prototypes, up to the built-in ones. */
function* keysOf(object: object): Generator<string | symbol> {
  for (
    let owner = object;
    owner && owner !== Object.prototype && owner !== Array.prototype;
    owner = Object.getPrototypeOf(owner)
  ) yield* Reflect.ownKeys(owner);
}

function prototypeOf(object: object): object {
  return Object.getPrototypeOf(object) ?? Object.prototype;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function findGlobal(path: string): unknown {
  return path.split(".").reduce<unknown>(
    (owner, name) => (owner as Record<string, unknown> | undefined)?.[name],
    globalThis,
  );
}
