/**
 * What the tests use of `@std/assert`, for where JSR cannot be reached. What
 * passes or fails there does so here; only the words are others.
 *
 * @module
 */

import { inspect, stripVTControlCharacters } from "node:util";
import { equal } from "./equal.ts";

export { equal };

// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;
// deno-lint-ignore no-explicit-any
type AnyClass = abstract new (...args: any[]) => any;

/** What every assertion here throws. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Fails, whatever comes. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${suffix(msg)}`);
}

/** Fails where the code should never have come. */
export function unreachable(msg?: string): never {
  throw new AssertionError(`Unreachable${suffix(msg)}`);
}

/** Asserts that a value is truthy. */
export function assert(value: unknown, msg = ""): asserts value {
  if (!value) throw new AssertionError(msg);
}

/** Asserts that a value is falsy. */
export function assertFalse(value: unknown, msg = ""): void {
  if (value) throw new AssertionError(msg);
}

/** Asserts that a value is neither `null` nor `undefined`. */
export function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  throw new AssertionError(
    `Expected a value, but got ${actual}${suffix(msg)}`,
  );
}

/** Asserts that two values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  throw new AssertionError(
    `Values are not equal${suffix(msg)}\n${difference(actual, expected)}`,
  );
}

/** Asserts that two values are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(
    `Expected another value than ${show(expected)}${suffix(msg)}`,
  );
}

/** Asserts that two values are the very same, as `Object.is` says. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  throw new AssertionError(
    `Values are not the same${suffix(msg)}\n${difference(actual, expected)}`,
  );
}

/** Asserts that two values are not the very same. */
export function assertNotStrictEquals<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (!Object.is(actual, expected)) return;
  throw new AssertionError(
    `Expected another value than ${show(expected)}${suffix(msg)}`,
  );
}

/** Asserts that a value is an instance of a class. */
export function assertInstanceOf<T extends AnyClass>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is InstanceType<T> {
  if (actual instanceof expected) return;
  throw new AssertionError(
    `Expected an instance of ${expected.name}, but got ` +
      `${show(actual)}${suffix(msg)}`,
  );
}

/** Asserts that a string matches a pattern. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (expected.test(actual)) return;
  throw new AssertionError(
    `Expected ${show(actual)} to match ${expected}${suffix(msg)}`,
  );
}

/** Asserts that a string contains another. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(
    `Expected ${show(actual)} to contain ${show(expected)}${suffix(msg)}`,
  );
}

/** Asserts that each expected value is, by deep equality, in the actual ones. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  msg?: string,
): void {
  const have = Array.from(actual);
  const missing = Array.from(expected)
    .filter((value) => !have.some((other) => equal(other, value)));
  if (missing.length === 0) return;
  throw new AssertionError(
    `Expected ${show(actual)} to contain ${show(expected)}${suffix(msg)}\n` +
      `missing: ${show(missing)}`,
  );
}

/** Asserts `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  compare(actual > expected, actual, ">", expected, msg);
}

/** Asserts `actual >= expected`. */
export function assertGreaterOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  compare(actual >= expected, actual, ">=", expected, msg);
}

/** Asserts `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  compare(actual < expected, actual, "<", expected, msg);
}

/** Asserts `actual <= expected`. */
export function assertLessOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  compare(actual <= expected, actual, "<=", expected, msg);
}

/** Asserts that a value is an error, of a class and with words in its message. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  errorClass?: ErrorClass<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  assertInstanceOf(error, Error, msg);
  if (errorClass) assertInstanceOf(error, errorClass, msg);
  const message = stripVTControlCharacters(error.message);
  if (msgMatches instanceof RegExp) {
    assertMatch(message, msgMatches, msg);
  } else if (msgMatches) {
    assertStringIncludes(message, stripVTControlCharacters(msgMatches), msg);
  }
}

/** Asserts that a function throws, and returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that a function throws such an error, and returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ...expected: Expected<E>
): unknown {
  try {
    fn();
  } catch (error) {
    checkError(error, expected);
    return error;
  }
  throw new AssertionError(
    `Expected function to throw${suffix(messageOf(expected))}`,
  );
}

/** Asserts that a promise is rejected, and resolves to the reason. */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/** Asserts that a promise is rejected with such an error, and resolves to it. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ...expected: Expected<E>
): Promise<unknown> {
  const msg = messageOf(expected);
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    throw new AssertionError(
      `Function throws when expected to reject${suffix(msg)}`,
      { cause: error },
    );
  }
  if (typeof promise !== "object" || typeof promise?.then !== "function") {
    throw new AssertionError(
      `Expected function to return a promise${suffix(msg)}`,
    );
  }
  try {
    await promise;
  } catch (error) {
    checkError(error, expected);
    return error;
  }
  throw new AssertionError(`Expected function to reject${suffix(msg)}`);
}

/** The arguments of both overloads of assertThrows() and assertRejects(). */
type Expected<E extends Error> =
  | [msg?: string]
  | [errorClass: ErrorClass<E>, msgIncludes?: string, msg?: string];

function messageOf(expected: Expected<Error>): string | undefined {
  return typeof expected[0] === "string" ? expected[0] : expected[2];
}

function checkError(error: unknown, expected: Expected<Error>): void {
  const [errorClass, msgIncludes] = expected;
  if (typeof errorClass !== "function") return;
  assertIsError(error, errorClass, msgIncludes, messageOf(expected));
}

function compare(
  holds: boolean,
  actual: unknown,
  operator: string,
  expected: unknown,
  msg?: string,
): void {
  if (holds) return;
  throw new AssertionError(
    `Expected ${show(actual)} ${operator} ${show(expected)}${suffix(msg)}`,
  );
}

function suffix(msg?: string): string {
  return msg ? `: ${msg}` : ".";
}

function show(value: unknown): string {
  return inspect(value, {
    compact: false,
    depth: Infinity,
    // Megabytes of bytes would take minutes to print.
    maxArrayLength: 500,
    maxStringLength: 10_000,
    sorted: true,
  });
}

/** The lines in which two values differ, with what stands around them. */
function difference(actual: unknown, expected: unknown): string {
  const left = show(actual).split("\n");
  const right = show(expected).split("\n");
  let start = 0;
  while (start < left.length && left[start] === right[start]) start++;
  if (start === left.length && start === right.length) {
    return `    (they differ beyond what is printed)\n${inspect(actual)}`;
  }
  let end = 0;
  while (
    end < Math.min(left.length, right.length) - start &&
    left.at(-1 - end) === right.at(-1 - end)
  ) end++;

  const mark = (sign: string, lines: string[]) =>
    lines.map((line) => `${sign}   ${line}`);
  return [
    "",
    "    [Diff] - Actual / + Expected",
    "",
    ...mark(" ", left.slice(Math.max(0, start - 5), start)),
    ...mark("-", left.slice(start, left.length - end)),
    ...mark("+", right.slice(start, right.length - end)),
    ...mark(" ", left.slice(left.length - end, left.length - end + 5)),
  ].join("\n");
}
