/**
 * Clients of socket.io in the load.
 *
 * @module
 */

import { packagesFolder } from "./packages.ts";

/** What is used here of socket.io's client. */
export interface SocketIo {
  emit(event: string, data: unknown, joined?: () => void): void;
  on(event: string, listener: () => void): void;
  disconnect(): void;
}

/** Dials each port, and resolves when all are in the room of a code. */
export async function openSocketIo(
  code: string,
  ports: readonly number[],
): Promise<SocketIo[]> {
  // The client's build for browsers has no WebSocket of its own: it uses
  // Deno's.
  const path = "socket.io-client/dist/socket.io.esm.min.js";
  const { io } = await import(new URL(path, packagesFolder).href);
  const sockets: SocketIo[] = ports.map((port) =>
    io(`http://127.0.0.1:${port}`, {
      forceNew: true,
      transports: ["websocket"],
    })
  );
  await Promise.all(
    sockets.map((socket) =>
      new Promise<void>((joined) => socket.emit("join", code, joined))
    ),
  );
  return sockets;
}
