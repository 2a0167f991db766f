/**
 * Attaches a server, and prints what the `ws` server beneath it is told: with
 * listeners that are there from the start, as in the first socketpeer.
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exit, stdout } from "node:process";
import { WebSocket } from "ws";
import { SocketPeerServer } from "../../../server.ts";

const server = createServer();
const { socket } = new SocketPeerServer(server);
const alone = new SocketPeerServer({ host: "127.0.0.1", port: 0 });
if (!alone.socket || !alone.server) stdout.write("nothing beneath, alone ");
if (!socket) stdout.write("no socket", () => exit());
socket?.on("connection", () => stdout.write("connection", () => exit()));
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  new WebSocket(`ws://127.0.0.1:${port}/socketpeer/`);
});
