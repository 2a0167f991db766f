/**
 * socket.io as a relay: a room per pair code, and messages to the others in
 * the room. WebSockets alone, as the upgrade from polling is not what counts.
 * With `BROKER` set, over its own adapter for Redis.
 */

import { createServer } from "node:http";
import { createRequire } from "node:module";
import process from "node:process";
import { report } from "./report.mjs";

// The packages are not imported, as Deno checks this file and does not know
// them.
const load = createRequire(import.meta.url);
const { Server } = load("socket.io");

const http = createServer();
const server = new Server(http, {
  cors: { origin: "*" },
  maxHttpBufferSize: 2 ** 21,
  transports: ["websocket"],
});
if (process.env.BROKER) {
  const { createAdapter } = load("@socket.io/redis-adapter");
  const { createClient } = load("@redis/client");
  const clients = [1, 2].map(() => createClient({ url: process.env.BROKER }));
  await Promise.all(clients.map((client) => client.connect()));
  server.adapter(createAdapter(...clients));
}
server.on("connection", (socket) => {
  socket.on("join", async (code, joined) => {
    await socket.join(code);
    joined?.();
    const { size } = server.sockets.adapter.rooms.get(code);
    if (size === 2) server.to(code).emit("found");
  });
  socket.on("message", (data) => {
    for (const room of socket.rooms) {
      if (room !== socket.id) socket.to(room).emit("message", data);
    }
  });
});
http.listen(0, "127.0.0.1", () => report(http.address().port));
