/**
 * The least that a relay can do on Deno.serve: the first message of a socket
 * is its pair code, and what follows goes to the other socket of that code. It
 * has no limits, no heartbeats and no memory of anybody.
 */

import { report } from "./report.mjs";

interface Waiting {
  readonly socket: WebSocket;
  found(partner: WebSocket): void;
}

const waiting = new Map<string, Waiting>();

const server = Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen() {} },
  (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request, {
      idleTimeout: 0,
    });
    socket.binaryType = "arraybuffer";
    let partner: WebSocket | undefined;
    const found = (other: WebSocket) => {
      partner = other;
      socket.send("found");
    };
    socket.onmessage = ({ data }) => {
      if (partner) {
        if (partner.readyState === WebSocket.OPEN) partner.send(data);
        return;
      }
      const first = waiting.get(data);
      if (first) {
        waiting.delete(data);
        first.found(socket);
        found(first.socket);
      } else waiting.set(data, { socket, found });
    };
    socket.onclose = () => partner?.close();
    socket.onerror = (event) => event.preventDefault();
    return response;
  },
);
report(server.addr.port);
