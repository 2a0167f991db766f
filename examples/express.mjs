/** Peers beside routes of Express, on one port, in Node, Deno or Bun. */

// deno-lint-ignore-file no-console
import { SocketPeerServer } from "@socketpeer/socketpeer/server";
import express from "express";
import { createServer } from "node:http";
import process from "node:process";

const app = express();
// Upgrades at "/socketpeer/" never come here.
const server = createServer(app);
const peerServer = new SocketPeerServer(server);

app.get("/", (_request, response) => response.send("My own page"));
app.get("/stats", (_request, response) => response.json(peerServer.stats));

server.listen(Number(process.env.PORT ?? 3000));
const { port } = await peerServer.ready;
console.log(`Listening on http://localhost:${port}/`);

process.on("SIGTERM", async () => {
  // Peers first: they are told to dial again, and lose nothing.
  await peerServer.close();
  server.close();
});
