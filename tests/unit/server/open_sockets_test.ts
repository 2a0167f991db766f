import { assertEquals } from "@std/assert";
import { quiet } from "../../../src/server/server_event.ts";
import { OpenSockets } from "../../../src/server/open_sockets.ts";
import type { ServerEvent } from "../../../src/server/server_event.ts";
import { FakeSocket } from "../../support/fake_server.ts";

/** Sockets on a clock that is driven by hand, and what came of them. */
function world() {
  const heard: unknown[] = [];
  const released: (string | undefined)[] = [];
  const terminated: string[] = [];
  let now = 1000;
  let timer: (() => void) | null = null;
  const sockets = new OpenSockets({
    addresses: { release: (address) => released.push(address) },
    observe: (event: ServerEvent) => heard.push(event),
    now: () => now,
    after(_delayMs, callback) {
      timer = callback;
      return () => timer = null;
    },
  });
  /** Opens one, and returns what closes it. */
  const open = (address: string) => {
    const connection = { address, openedAt: now, visitor: {} };
    const terminate = () => terminated.push(address);
    sockets.opened(connection, Object.assign(new FakeSocket(), { terminate }));
    return (code = 1000, reason = "") =>
      sockets.closed(connection, code, reason);
  };
  return {
    sockets,
    heard,
    released,
    terminated,
    open,
    pass: (delayMs: number) => now += delayMs,
    expire: () => timer?.(),
  };
}

Deno.test("OpenSockets observes each that opens and closes, and counts it out", () => {
  const { open, released, heard, pass } = world();
  const close = open("192.0.2.1");
  pass(250);
  assertEquals(released, []);
  close(1001, "gone");
  assertEquals(released, ["192.0.2.1"]);
  assertEquals(heard, [
    { type: "open", address: "192.0.2.1" },
    {
      type: "close",
      address: "192.0.2.1",
      code: 1001,
      reason: "gone",
      openMs: 250,
    },
  ]);
});

Deno.test("OpenSockets.emptied() resolves when the last is closed", async () => {
  const { sockets, open } = world();
  await sockets.emptied(1000);
  const [closeA, closeB] = [open("a"), open("b")];
  let done = false;
  const emptied = sockets.emptied(1000).then(() => done = true);
  closeA();
  await Promise.resolve();
  assertEquals(done, false);
  closeB();
  await emptied;
});

Deno.test("OpenSockets.emptied() gives up after its time, and terminate() cuts off the rest", async () => {
  const { sockets, open, expire, terminated } = world();
  const [closeA, closeB] = [open("a"), open("b")];
  const emptied = sockets.emptied(1000);
  closeA();
  expire();
  await emptied;
  sockets.terminate();
  assertEquals(terminated, ["b"]);
  closeB(1006);
  sockets.terminate();
  assertEquals(terminated, ["b"]);
});

Deno.test("quiet() drops what an observer throws, now or later", async () => {
  const event: ServerEvent = { type: "wait" };
  const heard: ServerEvent[] = [];
  quiet((event) => {
    heard.push(event);
    throw new Error("broken");
  })(event);
  quiet((event) => {
    heard.push(event);
    return Promise.reject(new Error("broken, too"));
  })(event);
  // An unhandled rejection would fail this test.
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(heard, [event, event]);
});
