/**
 * The client of socketpeer: a message pipe to exactly one other peer, over a
 * relay at once and over WebRTC as soon as that is possible, in which nothing
 * is lost, doubled or out of order.
 *
 * It runs unchanged in browsers, workers, Deno, Node and Bun; importing it
 * does nothing.
 *
 * @example Two peers in one program
 * ```ts ignore
 * import { SocketPeer } from "@socketpeer/socketpeer/client";
 *
 * const url = "http://localhost:3000";
 * const alice = new SocketPeer({ pairCode: "yolo", url });
 * const bob = new SocketPeer({ pairCode: "yolo", url });
 * bob.on("data", (message) => console.log("Bob got", message));
 * alice.send({ hello: "Bob" });
 * ```
 *
 * @module
 */

export { SocketPeer } from "./src/client/socket_peer.ts";
export type {
  Bytes,
  Carried,
  Sendable,
  SendableValue,
} from "./src/client/sendable.ts";
export type { SocketPeerOptions } from "./src/client/options.ts";
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
} from "./src/errors.ts";
