import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertStrictEquals,
} from "@std/assert";
import {
  MessageTooLargeError,
  PeerClosedError,
  ProtocolError,
  SendQueueFullError,
  SocketPeerError,
} from "../../src/errors.ts";

const ERRORS: readonly (readonly [SocketPeerError, string, string])[] = [
  [new SocketPeerError("BUSY", "Cannot x"), "SocketPeerError", "BUSY"],
  [new SendQueueFullError(30, 80, 100), "SendQueueFullError", "QUEUE_FULL"],
  [
    new MessageTooLargeError(200, 100),
    "MessageTooLargeError",
    "MESSAGE_TOO_LARGE",
  ],
  [new PeerClosedError(), "PeerClosedError", "PEER_CLOSED"],
  [new ProtocolError("Cannot read this"), "ProtocolError", "PROTOCOL"],
];

Deno.test("every error is an Error and a SocketPeerError with its name and code", () => {
  for (const [error, name, code] of ERRORS) {
    assertInstanceOf(error, Error);
    assertInstanceOf(error, SocketPeerError);
    assertEquals([error.name, error.code], [name, code]);
    assert(String(error).startsWith(`${name}: Cannot `));
    assert(error.stack?.includes(import.meta.filename!));
  }
});

Deno.test("every error says what could not be done, with no period and no contraction", () => {
  for (const [{ message }] of ERRORS) {
    assert(message.startsWith("Cannot "), message);
    assertFalse(message.endsWith("."), message);
    assertFalse(/n't\b/.test(message), message);
  }
});

Deno.test("SocketPeerError keeps the error beneath it, and has none by default", () => {
  const cause = new TypeError("beneath");
  const error = new SocketPeerError("SOCKET", "Cannot dial", { cause });
  assertStrictEquals(error.cause, cause);
  assertFalse("cause" in new SocketPeerError("SOCKET", "Cannot dial"));
});

Deno.test("SendQueueFullError tells how full the queue was and what to do", () => {
  const error = new SendQueueFullError(30, 80, 100);
  assertEquals(error.queuedBytes, 80);
  assertEquals(
    error.message,
    "Cannot queue a message of 30 bytes behind 80 of at most 100: wait for " +
      '"drain", or raise "maxBufferedBytes"',
  );
});

Deno.test("MessageTooLargeError tells the sizes and what to do", () => {
  const error = new MessageTooLargeError(200, 100);
  assertEquals([error.messageBytes, error.maxBytes], [200, 100]);
  assertEquals(
    error.message,
    "Cannot send a message of 200 bytes of at most 100: send it in parts, or " +
      'raise "maxMessageBytes" on both peers',
  );
});

Deno.test("ProtocolError keeps the error beneath it", () => {
  const cause = new SyntaxError("beneath");
  assertStrictEquals(new ProtocolError("Cannot read", { cause }).cause, cause);
});
