/** The same relay as `bare_deno.ts`, with `Bun.serve`. */

import { report } from "./report.mjs";

const waiting = new Map();
const server = globalThis.Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    server.upgrade(request, { data: { partner: null } });
  },
  websocket: {
    perMessageDeflate: false,
    message(socket, data) {
      const { partner } = socket.data;
      if (partner) {
        partner.send(data);
        return;
      }
      const code = String(data);
      const first = waiting.get(code);
      if (first) {
        waiting.delete(code);
        first.data.partner = socket;
        socket.data.partner = first;
        first.send("found");
        socket.send("found");
      } else waiting.set(code, socket);
    },
    close: (socket) => socket.data.partner?.close(),
  },
});
report(server.port);
