import { assertEquals } from "@std/assert";
import { quiet } from "../../../src/server/server_event.ts";
import { OpenSockets } from "../../../src/server/open_sockets.ts";
import type { ServerEvent } from "../../../src/server/server_event.ts";
import type { ServerSocket } from "../../../src/server/server_socket.ts";

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
  /** Opens one; `close` is how its adapter reports the end. */
  const open = (address: string) => {
    const calls: unknown[] = [];
    let given!: ServerSocket;
    const socket: ServerSocket = {
      bufferedAmount: 7,
      send: (data) => calls.push(["send", data]),
      close: (code, reason) => calls.push(["close", code, reason]),
      terminate: () => terminated.push(address),
    };
    const { close, text, binary } = sockets.open(socket, address, (socket) => {
      given = socket;
      return {
        text: (text) => calls.push(text),
        binary: (bytes) => calls.push(bytes),
        close: (code) => calls.push(code),
      };
    });
    return { calls, given, close, text, binary };
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

Deno.test("OpenSockets.open() passes everything on", () => {
  const { open } = world();
  const { calls, given, text, binary } = open("a");
  const bytes = new Uint8Array(3);
  assertEquals(given.bufferedAmount, 7);
  given.send("one");
  given.close(1000, "two");
  text("three");
  binary(bytes);
  assertEquals(calls, [
    ["send", "one"],
    ["close", 1000, "two"],
    "three",
    bytes,
  ]);
});

Deno.test("OpenSockets.open() counts a socket out once, however often it is closed", () => {
  const { open, released, heard, pass } = world();
  const { calls, close } = open("192.0.2.1");
  pass(250);
  close(1001, "gone");
  // Deno reports 1005 again for one that answered no ping.
  close(1005, "");
  assertEquals(calls, [1001]);
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

Deno.test("OpenSockets.open() tells the code that the server has closed with", () => {
  const { open, heard, released } = world();
  const { given, close } = open("a");
  given.close(4009, "it does not read");
  given.close(1012, "the server restarts");
  // It still has its memory until the platform says that it is closed.
  assertEquals(released, []);
  close(1006, "");
  const { code, reason } = heard.at(-1) as { code: number; reason: string };
  assertEquals([code, reason], [4009, "it does not read"]);
});

Deno.test("OpenSockets.open() tells of a limit that was met beneath it", () => {
  const { open, heard } = world();
  open("192.0.2.1").close(1009, "");
  assertEquals(heard[1], {
    type: "refuse",
    address: "192.0.2.1",
    reason: "size",
  });
});

Deno.test("OpenSockets.closed() resolves when the last is closed", async () => {
  const { sockets, open } = world();
  await sockets.closed(1000);
  const [a, b] = [open("a"), open("b")];
  let done = false;
  const closed = sockets.closed(1000).then(() => done = true);
  a.close(1000, "");
  await Promise.resolve();
  assertEquals(done, false);
  b.close(1000, "");
  await closed;
});

Deno.test("OpenSockets.closed() gives up after its time, and terminate() cuts off the rest", async () => {
  const { sockets, open, expire, terminated } = world();
  const [a, b] = [open("a"), open("b")];
  const closed = sockets.closed(1000);
  a.close(1000, "");
  expire();
  await closed;
  sockets.terminate();
  assertEquals(terminated, ["b"]);
  b.close(1006, "");
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
