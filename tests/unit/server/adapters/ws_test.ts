import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { EventEmitter } from "node:events";
import { recognizeServer } from "../../../../src/server/adapters/host.ts";
import {
  attach,
  open,
  PING_INTERVAL_MS,
  type WsClient,
} from "../../../../src/server/adapters/ws.ts";
import { type Gate, refusal } from "../../../../src/server/admission.ts";
import type {
  Bytes,
  ServerSocket,
} from "../../../../src/server/server_socket.ts";

/** A client of ws, and what becomes of it. */
class FakeClient extends EventEmitter implements WsClient {
  readonly calls: unknown[] = [];
  bufferedAmount = 0;
  readyState = 1;
  binaryType = "";
  send(data: string | ArrayBuffer | Uint8Array) {
    this.calls.push(data);
  }
  ping() {
    this.calls.push("ping");
  }
  close(code: number) {
    this.readyState = 2;
    this.calls.push(code);
  }
  terminate() {
    this.calls.push("terminate");
    this.emit("close", 1006, "");
  }
}

/** A client that is open, on a clock that is driven by hand. */
function opened(url = "/socketpeer/") {
  const client = new FakeClient();
  const heard: unknown[] = [];
  const timers = new Map<() => void, number>();
  let socket!: ServerSocket;
  const gate: Gate = {
    path: "/",
    closing: () => false,
    protocol: () => undefined,
    admit: () => ({ accepted: true, address: undefined }),
    release() {},
    open(given) {
      socket = given;
      return {
        onText: (text) => heard.push(text),
        onBinary: (bytes: Bytes) => heard.push(bytes),
        onClose: (code, reason) => heard.push([code, reason]),
      };
    },
  };
  open(
    client,
    url,
    { accepted: true, address: undefined },
    gate,
    (delayMs, callback) => {
      // Each timer is a function of its own, as two may share one callback.
      const timer = () => callback();
      timers.set(timer, delayMs);
      return () => timers.delete(timer);
    },
  );
  /** Lets the timers that wait so long run out. */
  const expire = (delayMs: number) => {
    for (const [timer, waits] of [...timers]) {
      if (waits !== delayMs) continue;
      timers.delete(timer);
      timer();
    }
  };
  return { client, heard, socket, timers, expire };
}

Deno.test("open() hands bytes on without copying them", () => {
  const { client, heard, socket } = opened();
  const bytes = new Uint8Array(3);
  client.emit("message", bytes, true);
  assertStrictEquals(heard[0], bytes);
  socket.send(bytes);
  assertStrictEquals(client.calls[0], bytes);
});

Deno.test("open() asks for a sign of life, and cuts off who gives none", () => {
  for (const sign of ["pong", "ping", "message"]) {
    const { client, expire, heard, timers } = opened();
    expire(PING_INTERVAL_MS);
    client.emit(sign, "hello", false);
    expire(PING_INTERVAL_MS);
    assertEquals(client.calls, ["ping", "ping"]);
    expire(PING_INTERVAL_MS);
    assertEquals(client.calls, ["ping", "ping", "terminate"]);
    assertEquals(heard.at(-1), [1006, ""]);
    assertEquals(timers.size, 0);
  }
});

Deno.test("open() sends no pings to who answers heartbeats", () => {
  for (const query of ["?v=2", "?a=1&v=2", "?v=2&a=1"]) {
    assertEquals(opened(`/${query}`).timers.size, 0);
  }
  for (const query of ["", "?v=1", "?v=22", "?xv=2", "?v=2x"]) {
    assertEquals(opened(`/${query}`).timers.size, 1);
  }
});

Deno.test("open() cuts off who does not answer a close", () => {
  const { client, expire, socket, timers } = opened();
  socket.close(4008, "ended");
  socket.close(4008, "ended");
  socket.send("too late");
  assertEquals(client.calls, [4008]);
  expire(5000);
  assertEquals(client.calls, [4008, "terminate"]);
  assertEquals(timers.size, 0);
});

Deno.test("open() cuts off at once for whom too much waits", () => {
  const { client, socket, timers } = opened();
  client.bufferedAmount = 4_194_305;
  socket.close(4009, "it does not read");
  assertEquals(client.calls, [4009, "terminate"]);
  assertEquals(timers.size, 0);
});

Deno.test("open() leaves no timer behind after a close", () => {
  const { client, heard, socket, timers } = opened();
  socket.close(1012, "restart");
  client.emit("close", 1012, "restart");
  assertEquals(heard, [[1012, "restart"]]);
  assertEquals(timers.size, 0);
});

Deno.test("open() reports a message that is too large by its own code", () => {
  const { client, heard } = opened();
  const code = "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
  client.emit("error", Object.assign(new RangeError("too large"), { code }));
  client.emit("close", 1006, "");
  assertEquals(heard, [[1009, ""]]);
});

/** A server of node:http to which one attaches, and what comes of requests. */
function attached(admission: ReturnType<Gate["admit"]>) {
  const released: unknown[] = [];
  const calls: unknown[] = [];
  const server = Object.assign(new EventEmitter(), {
    listening: true,
    address: () => null,
  });
  // A `ws` server that answers nothing to a handshake that it can't finish.
  const wsServer = Object.assign(new EventEmitter(), {
    handleUpgrade: () => calls.push("handleUpgrade"),
    close() {},
  });
  attach(server, Promise.resolve(wsServer), {
    path: "/peers/",
    closing: () => false,
    protocol: () => undefined,
    admit: () => admission,
    release: ({ address }) => released.push(address),
    open: () => ({ onText() {}, onBinary() {}, onClose() {} }),
  });
  const socket = Object.assign(new EventEmitter(), {
    end: (text: string) => calls.push(text.split(" ")[1]),
    destroy: () => calls.push("destroy"),
  });
  const request = { method: "GET", url: "/peers/", headers: {}, socket: {} };
  server.emit("upgrade", request, socket, new Uint8Array());
  return { socket, released, calls };
}

Deno.test("attach() counts out who is gone before the handshake is done", async () => {
  const { socket, released, calls } = attached({
    accepted: true,
    address: "192.0.2.1",
  });
  await Promise.resolve();
  assertEquals(calls, ["handleUpgrade"]);
  assertEquals(released, []);
  // What nobody listens for would end the process.
  socket.emit("error", new Error("reset"));
  socket.emit("close");
  assertEquals(released, ["192.0.2.1"]);
});

Deno.test("attach() hangs up on who is refused, as they need not", () => {
  const { socket, released, calls } = attached(refusal(429, "Too many"));
  assertEquals(calls, ["429"]);
  socket.emit("finish");
  assertEquals(calls, ["429", "destroy"]);
  socket.emit("error", new Error("reset"));
  socket.emit("close");
  assertEquals(released, []);
});

Deno.test("recognizeServer() knows a server from options", () => {
  const nothing = () => {};
  const events = { on: nothing, off: nothing };
  const http = Object.assign({ listen: nothing, address: nothing }, events);
  const ws = Object.assign({ handleUpgrade: nothing }, events);
  // deno-lint-ignore no-explicit-any -- they are no more than they need to be
  const recognize = (first: any) => recognizeServer(first);
  assertStrictEquals(recognize(http), http);
  assertStrictEquals(recognize(ws), ws);
  assertEquals(recognize({}), null);
  assertEquals(recognize({ port: 3000, listen: false }), null);
});

Deno.test("recognizeServer() throws on what is neither, and says what to give", () => {
  const nothing = () => {};
  for (
    const [wrong, words] of [
      [null, "give options"],
      ["http://localhost", "give options"],
      [3000, "give options"],
      [[], "give options"],
      [nothing, "give options"],
      [{ on: nothing, off: nothing }, "give options"],
      // What Deno.serve() returns.
      [{ shutdown: nothing, addr: {} }, `mount "handler"`],
      // An app of Express.
      [
        Object.assign(() => {}, { on: nothing, listen: nothing }),
        "createServer",
      ],
    ] as const
  ) {
    // deno-lint-ignore no-explicit-any -- which TypeScript would not take
    const call = () => recognizeServer(wrong as any);
    assertThrows(call, TypeError, words);
  }
});
