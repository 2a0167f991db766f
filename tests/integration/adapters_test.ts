import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { deadline } from "@std/async";
import { serveDir } from "@std/http";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { SocketPeerServer } from "../../server.ts";
import { portOf } from "../support/adapter_host.ts";
import { neighbourFaults } from "../support/neighbours.ts";
import { bundleFor, findRuntime } from "../support/node_process.ts";
import { RawPair } from "../support/raw_client.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

const HOST = "127.0.0.1";
const WAIT_MS = 10_000;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("SocketPeerServer on node:http has that server and a ws server of its own", async () => {
  const server = createServer();
  const peerServer = new SocketPeerServer(server);
  assertStrictEquals(peerServer.server, server);
  // The `ws` server is there at once, as in the first socketpeer.
  assert(peerServer.socket instanceof WebSocketServer);
  // Whoever counts sockets there is told of them, as by any server of ws.
  let connections = 0;
  peerServer.socket!.on("connection", () => connections++);
  server.listen(0, HOST);
  const address = await deadline(peerServer.ready, WAIT_MS);
  assertEquals(address, { hostname: HOST, port: portOf(server) });
  {
    const url = `http://${HOST}:${address.port}/socketpeer/`;
    await using pair = await RawPair.open(url, "code");
    await pair.check();
  }
  assertEquals(connections, 2);
  await peerServer.close();
  // The server goes on, with nothing of this one left.
  assertEquals(server.listenerCount("upgrade"), 0);
  assertEquals(server.listenerCount("request"), 0);
  assert(server.listening);
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("SocketPeerServer on ws finds the http server beneath, or none", async () => {
  const server = createServer();
  const onServer = new WebSocketServer({ server });
  const onPort = new WebSocketServer({ port: 0, host: HOST });
  const onNothing = new WebSocketServer({ noServer: true });
  const peerServers = [onServer, onPort, onNothing]
    .map((socket) => new SocketPeerServer(socket));
  const [a, b, c] = peerServers;
  assertStrictEquals(a.server, server);
  assertStrictEquals(a.socket, onServer);
  const { port } = await deadline(b.ready, WAIT_MS);
  assertEquals(port, (onPort.address() as { port: number }).port);
  assertStrictEquals(c.server, null);
  assertStrictEquals(c.socket, onNothing);
  await assertRejects(() => c.ready, Error, "listens nowhere");
  for (const each of peerServers) await each.close();
  assertEquals(onPort.listenerCount("connection"), 0);
  await new Promise<void>((resolve) => onPort.close(() => resolve()));
});

Deno.test("SocketPeerServer on ws takes the sockets that somebody else upgrades", async () => {
  const sockets = new WebSocketServer({ noServer: true });
  const peerServer = new SocketPeerServer(sockets);
  const server = createServer();
  server.on("upgrade", (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client: unknown) => {
      sockets.emit("connection", client, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, () => resolve()));
  {
    const url = `http://${HOST}:${portOf(server)}/wherever`;
    await using pair = await RawPair.open(url, "code");
    await pair.check();
  }
  await peerServer.close();
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("SocketPeerServer.ready rejects where nothing listens, which nobody has to hear", async () => {
  const peerServer = new SocketPeerServer({ listen: false });
  await assertRejects(() => peerServer.ready, Error, "mounted");
  await peerServer.close();
});

Deno.test("SocketPeerServer.handler stands beside routes and files of Deno.serve", async () => {
  const peerServer = new SocketPeerServer({ listen: false, path: "/peers/" });
  const fsRoot = fileURLToPath(new URL("../../src/demo", import.meta.url));
  const hello = new URLPattern({ pathname: "/hello/:name" });
  await using server = Deno.serve(
    { hostname: HOST, port: 0, onListen() {} },
    (request, info) => {
      if (new URL(request.url).pathname === "/peers/") {
        return peerServer.handler(request, info);
      }
      const { name } = hello.exec(request.url)?.pathname.groups ?? {};
      if (name) return new Response(`Hello ${name}`);
      return serveDir(request, { fsRoot, quiet: true });
    },
  );
  const url = `http://${HOST}:${server.addr.port}`;
  assertEquals(await (await fetch(`${url}/hello/Bob`)).text(), "Hello Bob");
  const page = await fetch(`${url}/index.html`);
  assert((await page.text()).includes("<html"));
  const missing = await fetch(`${url}/socketpeer/`);
  assertEquals(missing.status, 404);
  await missing.body?.cancel();
  await using pair = await RawPair.open(`${url}/peers/`, "code");
  await pair.check();
  await peerServer.close();
});

const node = findRuntime("node", 20);
const bun = findRuntime("bun", 1);

Deno.test("SocketPeerServer loads ws on Deno where it is attached, and never else", async () => {
  const program = new URL("../support/loaded_packages.ts", import.meta.url);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", fileURLToPath(program)],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(
    [code, text(stdout)],
    [0, "command none (0), alone none, attached ws\n"],
    text(stderr),
  );
});

Deno.test("SocketPeerServer finds the ws of deno.json where that is not read", async () => {
  const { imports } = JSON.parse(
    await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
  );
  const module = await Deno.readTextFile(
    new URL("../../src/server/adapters/node.ts", import.meta.url),
  );
  assert(module.includes(`import.meta.resolve("${imports.ws}")`));
});

Deno.test({
  name: "SocketPeerServer on Node has a ws server at once",
  ignore: "missing" in node,
  async fn() {
    await using folder = await temporaryFolder();
    // The package lies where a package manager puts it.
    await Deno.mkdir(`${folder.path}/node_modules`);
    await Deno.symlink(
      fileURLToPath(new URL(".", import.meta.resolve("ws"))),
      `${folder.path}/node_modules/ws`,
    );
    const program = `${folder.path}/program.mjs`;
    await Deno.copyFile(await bundleFor("node", "socket_at_once"), program);
    const { code, stdout, stderr } = await new Deno.Command("node", {
      args: [program],
    }).output();
    assertEquals([code, text(stdout), text(stderr)], [0, "connection", ""]);
  },
});

const BESIDE_OTHERS =
  "takes the upgrades of its path alone, whoever else listens on its server, and leaves nothing when it is closed";

Deno.test(`SocketPeerServer on node:http ${BESIDE_OTHERS}`, async () => {
  assertEquals(await neighbourFaults(), []);
});

Deno.test({
  name: `SocketPeerServer on Node ${BESIDE_OTHERS}`,
  ignore: "missing" in node,
  async fn() {
    const { code, stdout, stderr } = await new Deno.Command("node", {
      args: [await bundleFor("node", "neighbours")],
    }).output();
    assertEquals([code, text(stdout), text(stderr)], [0, "", ""]);
  },
});

for (const [command, found] of [["node", node], ["bun", bun]] as const) {
  Deno.test({
    name:
      `SocketPeerServer.ready rejects on ${command} where the port is taken`,
    ignore: "missing" in found,
    async fn() {
      using taken = Deno.listen({ hostname: HOST, port: 0 });
      const { code, stdout, stderr } = await new Deno.Command(command, {
        args: [await bundleFor(command, "port_taken"), `${taken.addr.port}`],
      }).output();
      assertEquals(
        [code, text(stdout), text(stderr)],
        [0, "EADDRINUSE", ""],
      );
    },
  });
}
