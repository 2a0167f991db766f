import { assert, assertEquals, assertFalse } from "@std/assert";
import { ToldRefusals } from "../../../src/server/told_refusals.ts";
import { FakeSocket } from "../../support/fake_server.ts";

/** How many it tells in a row, at most a thousand. */
function times(told: ToldRefusals): number {
  let count = 0;
  while (count < 1000 && told.take()) count++;
  return count;
}

Deno.test("ToldRefusals tells a hundred at a time, and more when they are gone", () => {
  let now = 0;
  const told = new ToldRefusals(() => now);
  assertEquals(times(told), 100);
  now += 60_000;
  assertFalse(told.take());
  told.release();
  assertEquals(times(told), 1);
});

Deno.test("ToldRefusals tells 50 a second, however fast they go", () => {
  let now = 0;
  let count = 0;
  const told = new ToldRefusals(() => now);
  for (; now < 10_000; now += 10) {
    while (told.take()) {
      told.release();
      count++;
    }
  }
  assert(count > 500 && count <= 600, `${count}`);
});

Deno.test("ToldRefusals.tell() closes at once, hears nothing, and is free when it is closed", () => {
  let now = 0;
  const told = new ToldRefusals(() => now);
  times(told);
  const socket = new FakeSocket();
  const reason = "x".repeat(200);
  const handlers = told.tell(socket, { code: 4011, reason });
  assertEquals(socket.closes, [{ code: 4011, reason: reason.slice(0, 123) }]);
  handlers.onText('{"type":"ping"}');
  handlers.onBinary(new ArrayBuffer(1));
  assertEquals(socket.sent, []);
  now += 60_000;
  // A close may be reported more than once.
  handlers.onClose(4011, reason);
  handlers.onClose(1005, "");
  assertEquals(times(told), 1);
});
