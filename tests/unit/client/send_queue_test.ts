import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  MessageTooLargeError,
  SendQueueFullError,
  type SocketPeerError,
} from "../../../src/errors.ts";
import { SendQueue } from "../../../src/client/send_queue.ts";
import { Session } from "../../../src/protocol/session.ts";
import type { Message } from "../../../src/protocol/message.ts";

/** A queue whose other side reads at once when told to. */
function testQueue(
  limits: Partial<ConstructorParameters<typeof SendQueue>[1]> = {},
) {
  const messages: Message[] = [];
  const errors: SocketPeerError[] = [];
  const handlers = { onMessage: () => {}, onEnd: () => {} };
  const session = new Session(handlers, 1_000_000);
  const other = new Session({
    ...handlers,
    onMessage: (message) => messages.push(message),
  }, 1_000_000);
  const queue = new SendQueue(session, {
    highWaterMark: 100,
    maxBufferedBytes: 1000,
    maxMessageBytes: 500,
    ...limits,
  }, { onReady: () => {}, onUnreadable: (error) => errors.push(error) });
  const deliver = () => {
    for (let packet; (packet = session.nextPacket("relay", 0));) {
      other.receive(packet.slice());
    }
    session.receive(other.ackPacket());
  };
  const empty = () => new Promise<void>((resolve) => queue.onceEmpty(resolve));
  return { queue, messages, errors, deliver, empty };
}

Deno.test("SendQueue.send() returns false above the high-water mark, and drain is due below half of it", () => {
  const { queue, deliver } = testQueue();
  assertEquals(queue.send("a".repeat(50)), true);
  assertEquals(queue.takeDrain(), false);
  assertEquals(queue.send("a".repeat(50)), false);
  assertEquals(queue.takeDrain(), false);
  deliver();
  assertEquals(queue.takeDrain(), true);
  assertEquals(queue.takeDrain(), false);
});

Deno.test("SendQueue.send() throws where the queue is full, and takes nothing", () => {
  const { queue, messages, deliver } = testQueue();
  queue.send("a".repeat(480));
  queue.send("b".repeat(480));
  const before = queue.bufferedBytes;
  const error = assertThrows(
    () => queue.send("c".repeat(100)),
    SendQueueFullError,
    "100 bytes",
  );
  assertEquals(error.queuedBytes, before);
  assertEquals(error.code, "QUEUE_FULL");
  assertEquals(queue.bufferedBytes, before);
  assertEquals(queue.unacknowledged, 2);
  deliver();
  assertEquals(messages.length, 2);
  assert(queue.send("c".repeat(100)) === false);
});

Deno.test("SendQueue.send() measures text in bytes, and only rejects what is too large", () => {
  const { queue } = testQueue();
  // 400 bytes as 400 characters, 600 as 300.
  queue.send("a".repeat(400));
  const error = assertThrows(
    () => queue.send("é".repeat(300)),
    MessageTooLargeError,
  );
  assertEquals([error.messageBytes, error.maxBytes], [600, 500]);
});

Deno.test("SendQueue.limitMessages() lowers what is taken, and never raises it", () => {
  const { queue } = testQueue();
  queue.limitMessages(10);
  queue.limitMessages(1000);
  queue.send("a".repeat(10));
  assertThrows(() => queue.send("a".repeat(11)), MessageTooLargeError);
  assertThrows(
    () => queue.send(new Blob(["a".repeat(11)])),
    MessageTooLargeError,
  );
});

Deno.test("SendQueue.send() keeps a Blob's place in the order", async () => {
  const { queue, messages, deliver, empty } = testQueue();
  queue.send("before");
  queue.send(new Blob(["blob"]));
  const bytes = new Uint8Array([1]);
  queue.send(bytes);
  bytes[0] = 2;
  queue.send(new Blob([]));
  queue.send("after");
  assertEquals(queue.unacknowledged, 5);
  await empty();
  deliver();
  assertEquals(messages, [
    "before",
    new TextEncoder().encode("blob"),
    new Uint8Array([1]),
    new Uint8Array(0),
    "after",
  ]);
  assertEquals(queue.bufferedBytes, 0);
  assertEquals(queue.unacknowledged, 0);
});

Deno.test("SendQueue goes on after a Blob that cannot be read, and says so", async () => {
  const { queue, messages, errors, deliver, empty } = testQueue();
  const broken = new Blob(["12345"]);
  broken.arrayBuffer = () => Promise.reject(new Error("file is gone"));
  queue.send(broken);
  queue.send("after");
  await empty();
  deliver();
  assertEquals(messages, ["after"]);
  assertEquals(errors.map(({ code }) => code), ["MESSAGE_UNREADABLE"]);
  assertEquals((errors[0].cause as Error).message, "file is gone");
  assertEquals(queue.bufferedBytes, 0);
});

for (
  const bad of [undefined, () => {}, Symbol("s"), 1n, NaN, -Infinity, cycle()]
) {
  Deno.test(`SendQueue.send() refuses ${Deno.inspect(bad)}`, () => {
    const { queue } = testQueue();
    assertThrows(() => queue.send(bad), TypeError);
    assertEquals(queue.unacknowledged, 0);
    assertEquals(queue.bufferedBytes, 0);
  });
}

function cycle(): unknown {
  const value: { self?: unknown } = {};
  value.self = value;
  return value;
}

Deno.test("SendQueue.send() reads a File of another realm", async () => {
  // Such a File is no instance of this realm's Blob, and no name can be had of
  // its own.
  class File {
    readonly [Symbol.toStringTag] = "File";
    readonly size = 3;
    arrayBuffer() {
      return Promise.resolve(Uint8Array.of(1, 2, 3).buffer);
    }
  }
  const { queue, messages, deliver, empty } = testQueue();
  queue.send(new File());
  await empty();
  deliver();
  assertEquals(messages, [Uint8Array.of(1, 2, 3)]);
});
