/**
 * The private client of socketpeer: a message pipe to exactly one other peer,
 * whoever else knows the same code, through a server that can neither read,
 * alter nor join.
 *
 * Its `SocketPeer` is used as that of `@socketpeer/socketpeer/client`, and is
 * private always: it has no switch, and takes no peer that is not. It needs the
 * platform's cryptography with X25519: Chrome 133, Firefox 130, Safari 17, Deno,
 * Node 20, Bun 1.3 or later, and in a page https: or localhost.
 *
 * @example Meet by a code that is read aloud
 * ```ts ignore
 * import { SocketPeer } from "@socketpeer/socketpeer/private";
 *
 * const url = "http://localhost:3000";
 * const alice = new SocketPeer({ url });
 * alice.on("code", (code) => console.log(`Say to Bob: ${code}`));
 * alice.on("connect", () => alice.send("for Bob alone"));
 *
 * // At Bob's:
 * const bob = new SocketPeer({ pairCode: "7-otter-lunar-basin", url });
 * bob.on("data", (message) => console.log(message, bob.verification));
 * ```
 *
 * @module
 */

// What is exported here by name takes the place of the plain client's.
export * from "./client.ts";
export { SocketPeer } from "./src/private/socket_peer.ts";
export type { SocketPeer as PlainSocketPeer } from "./src/client/socket_peer.ts";
export type { PrivateOptions } from "./src/private/secret.ts";
export { completeCode } from "./src/private/spoken_code.ts";
export { WrongPeerError } from "./src/errors.ts";
