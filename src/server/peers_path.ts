/**
 * The path that peers connect to: as a program, a client and a proxy write it.
 *
 * @module
 */

/** Where peers connect to by default, and where a bare origin leads them. */
export const DEFAULT_PATH = "/socketpeer/";

/**
 * A path as requests have it: with percent signs for what is not ASCII.
 *
 * @throws {TypeError} If it is no path.
 */
export function resolvePath(path: unknown): string {
  // What follows the path would never be a part of a request's.
  if (typeof path === "string" && /^\/[^?#]*$/.test(path)) {
    return new URL(`http://localhost${path}`).pathname;
  }
  throw new TypeError(
    `Cannot use "${path}" as "path": it must start with a slash, and have ` +
      `no "?" or "#" in it`,
  );
}

/** One way to write the paths that stand for the same. */
export function pathKey(path: string): string {
  return path.replace(/%[\da-f]{2}/gi, (escape) => escape.toUpperCase())
    .replace(/\/{2,}/g, "/")
    .replace(/(.)\/$/, "$1");
}

/** The keys of the paths on which peers are taken where this one is set. */
export function peersPathKeys(path: string): string[] {
  const key = pathKey(path);
  // A client that is given a bare origin, or its root, asks for the default.
  return key === "/" ? [key, pathKey(DEFAULT_PATH)] : [key];
}

/** Whether peers are taken on a path where `expected` is set. */
export function isPeersPath(path: string, expected: string): boolean {
  // Nearly every request is written like this.
  if (path === expected) return true;
  return peersPathKeys(expected).includes(pathKey(path));
}
