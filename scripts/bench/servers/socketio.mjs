/**
 * socket.io as a relay: a room per pair code, and messages to the others in
 * the room. WebSockets alone, as the upgrade from polling is not what counts.
 */

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { report } from "./report.mjs";

// Not imported, as Deno checks this file and does not know the package.
const { Server } = createRequire(import.meta.url)("socket.io");

const http = createServer();
const server = new Server(http, {
  cors: { origin: "*" },
  maxHttpBufferSize: 2 ** 21,
  transports: ["websocket"],
});
server.on("connection", (socket) => {
  socket.on("join", async (code) => {
    await socket.join(code);
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
