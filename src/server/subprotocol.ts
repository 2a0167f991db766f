/**
 * The subprotocol of a WebSocket: socketpeer has none of its own, but a client
 * that offers some fails if it is given none of them.
 *
 * @module
 */

/** A token of HTTP (RFC 9110), which the name of a subprotocol is. */
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;

/** Whether this may be the name of a subprotocol. */
export function isSubprotocol(name: unknown): boolean {
  return typeof name === "string" && TOKEN.test(name);
}

/**
 * The first of the offered ones that is allowed; of all, if that is not given.
 *
 * @param offered The header `Sec-WebSocket-Protocol`.
 */
export function chooseSubprotocol(
  offered: string | null | undefined,
  allowed: readonly string[] | undefined,
): string | undefined {
  return offered?.split(",").map((name) => name.trim())
    .find((name) => TOKEN.test(name) && (allowed?.includes(name) ?? true));
}
