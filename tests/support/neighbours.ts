/**
 * A server of peers beside other servers of WebSockets, all on one server of
 * node:http, on whatever runs this: Deno or Node.
 */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import { SocketPeerServer } from "../../server.ts";

const HOST = "127.0.0.1";
const PAIR = JSON.stringify({
  type: "pair",
  data: {
    code: "code",
    version: 2,
    id: "a",
    key: "key of a",
    resumeTimeout: 30_000,
    hello: { received: 0, webrtc: false, relay: true, maxMessageBytes: 1024 },
  },
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  return `ws://${HOST}:${(server.address() as AddressInfo).port}`;
}

/** The first message that comes, or why none does. */
function dial(url: string): Promise<string> {
  const socket = new WebSocket(url, { handshakeTimeout: 5000 });
  return new Promise<string>((resolve) => {
    socket.on("open", () => socket.send(PAIR));
    socket.on("message", (data: unknown) => resolve(String(data)));
    socket.on("error", ({ message }: Error) => resolve(message));
    socket.on("close", (code: number) => resolve(`closed with ${code}`));
  }).finally(() => socket.terminate());
}

function greet(sockets: WebSocketServer): void {
  sockets.on("connection", (client: WebSocket) => client.send("hello"));
}

function stop(server: Server): void {
  server.close();
  server.closeAllConnections();
}

const GREETED = "hello";
const PLACED = /^\{"type":"peer\.waiting"/;
/** What is wrong; nothing, if all is as it should be. */
const check = (what: string, right: boolean) => right ? [] : [what];

/** A server of ws with a path refuses what comes on every other. */
async function besideWs(): Promise<string[]> {
  const faults: string[] = [];
  for (const order of ["before", "after"]) {
    const server = createServer();
    const add = () => greet(new WebSocketServer({ server, path: "/app" }));
    if (order === "before") add();
    const peerServer = new SocketPeerServer(server);
    if (order === "after") add();
    const url = await listen(server);
    const [peer, other] = await Promise.all([
      dial(`${url}/socketpeer/`),
      dial(`${url}/app`),
    ]);
    faults.push(
      ...check(`a peer, ws ${order}: ${peer}`, PLACED.test(peer)),
      ...check(`a client of ws ${order}: ${other}`, other === GREETED),
    );
    await peerServer.close({ drainTimeout: 0 });
    const left = await dial(`${url}/app`);
    faults.push(...check(`ws ${order}, left alone: ${left}`, left === GREETED));
    stop(server);
  }
  return faults;
}

/** A listener that answers upgrades of its path when it has time. */
async function besideSlow(): Promise<string[]> {
  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  greet(sockets);
  const peerServers = ["/socketpeer/", "/two/"]
    .map((path) => new SocketPeerServer(server, { path }));
  let refuse = () => {};
  const refused = new Promise<void>((resolve) => refuse = resolve);
  server.on("upgrade", async (request, socket: Duplex, head) => {
    if (request.url !== "/slow") return;
    socket.on("error", () => {});
    await refused;
    sockets.handleUpgrade(request, socket, head, (client: WebSocket) => {
      sockets.emit("connection", client, request);
    });
  });
  const url = await listen(server);
  const slow = dial(`${url}/slow`);
  const answers = await Promise.all(
    ["/socketpeer/", "/two/", "/three/"].map((path) => dial(url + path)),
  );
  refuse();
  answers.push(await slow);
  for (const peerServer of peerServers) {
    await peerServer.close({ drainTimeout: 0 });
  }
  stop(server);
  const [one, two, three, four] = answers;
  return [
    ...check(`a peer: ${one}`, PLACED.test(one)),
    ...check(`a peer of the second server: ${two}`, PLACED.test(two)),
    ...check(`on nobody's path: ${three}`, /\b404$/.test(three)),
    ...check(`on a slow one's path: ${four}`, four === GREETED),
  ];
}

/** A program that is loaded again makes its servers again. */
async function besideItself(): Promise<string[]> {
  const server = createServer();
  const first = new SocketPeerServer(server);
  let message = "nothing is thrown";
  try {
    new SocketPeerServer(server);
  } catch (error) {
    message = (error as Error).message;
  }
  const closing = first.close();
  const second = new SocketPeerServer(server);
  await closing;
  const url = await listen(server);
  const peer = await dial(`${url}/socketpeer/`);
  await second.close({ drainTimeout: 0 });
  stop(server);
  return [
    ...check(message, message.includes("as another SocketPeerServer does")),
    ...check(`a peer of the second: ${peer}`, PLACED.test(peer)),
  ];
}

/** What a server that is closed leaves on the one beneath. */
async function afterwards(): Promise<string[]> {
  const server = createServer();
  const { emit } = server;
  const count = () =>
    server.eventNames().map((name) =>
      `${String(name)} ${server.listenerCount(name)}`
    ).sort().join();
  const before = count();
  for (let round = 0; round < 3; round++) {
    const peerServer = new SocketPeerServer(server);
    const { ready } = peerServer;
    await peerServer.close();
    const rejected = await ready.then(() => "no", (error) => error.message);
    if (!rejected.includes("closed first")) return [`ready: ${rejected}`];
  }
  const left = count();
  return [
    ...check(`${before} has become ${left}`, left === before),
    ...check("emit() is another", server.emit === emit),
  ];
}

/** What is wrong beside each neighbour; nothing, if all is as it should be. */
export async function neighbourFaults(): Promise<string[]> {
  const all = [besideWs, besideSlow, besideItself, afterwards];
  return (await Promise.all(all.map((each) => each()))).flat();
}
