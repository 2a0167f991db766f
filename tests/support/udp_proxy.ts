import type { Buffer } from "node:buffer";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

/** Either of two peers. */
export type Side = 0 | 1;

/** A UDP path between two peers that can be broken. */
export interface UdpProxy extends AsyncDisposable {
  /** Packets that it has passed on. */
  readonly passed: number;
  /**
   * Stands in for an address of one side: the other side is told this port
   * instead, so that everything between the two goes through here.
   */
  standIn(side: Side, address: string, port: number): Promise<number>;
  /** Drops such a part of the packets to these sides, and tells nobody. */
  drop(part: number, to?: readonly Side[]): void;
}

/** Waits for addresses to stand in for. */
export function udpProxy(): UdpProxy {
  const sockets = new Map<string, Promise<Socket>>();
  let passed = 0;
  const dropped: [number, number] = [0, 0];

  // Who gets a packet sees it come from the sender's stand-in, which is what
  // it knows the sender by.
  const open = async (side: Side, address: string, port: number) => {
    const socket = createSocket("udp4");
    socket.on("error", () => {}); // The peer's own port may be closed.
    socket.on("message", async (packet: Buffer, from) => {
      if (Math.random() < dropped[side]) return;
      passed++;
      const sender = await standInFor(
        side === 0 ? 1 : 0,
        from.address,
        from.port,
      );
      sender.send(packet, port, address, () => {});
    });
    socket.bind(0);
    await once(socket, "listening");
    return socket;
  };
  const standInFor = (side: Side, address: string, port: number) => {
    const key = `${side} ${address}:${port}`;
    let socket = sockets.get(key);
    if (!socket) sockets.set(key, socket = open(side, address, port));
    return socket;
  };

  return {
    get passed() {
      return passed;
    },
    async standIn(side, address, port) {
      return (await standInFor(side, address, port)).address().port;
    },
    drop(part, to = [0, 1]) {
      for (const side of to) dropped[side] = part;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of await Promise.all(sockets.values())) socket.close();
    },
  };
}
