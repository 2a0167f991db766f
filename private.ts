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

export { SocketPeer } from "./src/private/socket_peer.ts";
export type { SocketPeer as PlainSocketPeer } from "./src/client/socket_peer.ts";
export type { SocketPeerOptions } from "./src/client/options.ts";
export type { PrivateOptions } from "./src/private/secret.ts";
export { completeCode } from "./src/private/spoken_code.ts";
export type {
  Bytes,
  Carried,
  Sendable,
  SendableValue,
} from "./src/client/sendable.ts";
export type { ConnectionState } from "./src/client/connection_state.ts";
export type { PathKind } from "./src/client/path.ts";
export type {
  CloseInfo,
  CloseReason,
  SocketPeerEvents,
} from "./src/client/events.ts";
export {
  Emitter,
  type EventMap,
  type Listener,
  type RawListener,
} from "./src/client/emitter.ts";
export type { JsonValue, Message } from "./src/protocol/message.ts";
export type {
  Cancel,
  IceServer,
  RtcConfiguration,
  Runtime,
  Subtle,
  WebRtc,
  WebSocketLike,
} from "./src/runtime.ts";
export {
  ConversationEndedError,
  MessageTooLargeError,
  PeerClosedError,
  SendQueueFullError,
  SocketPeerError,
  type SocketPeerErrorCode,
  WrongPeerError,
} from "./src/errors.ts";
