/** The same relay as `bare_deno.ts`, with `ws` on Node. */

import { WebSocketServer } from "ws";
import { report } from "./report.mjs";

const waiting = new Map();
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  perMessageDeflate: false,
});
server.on("connection", (socket) => {
  socket.on("message", (data, binary) => {
    if (socket.partner) {
      socket.partner.send(data, { binary });
      return;
    }
    const code = String(data);
    const first = waiting.get(code);
    if (first) {
      waiting.delete(code);
      first.partner = socket;
      socket.partner = first;
      first.send("found");
      socket.send("found");
    } else waiting.set(code, socket);
  });
  socket.on("close", () => socket.partner?.close());
  socket.on("error", () => {});
});
server.on("listening", () => report(server.address().port));
