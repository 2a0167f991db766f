import type { Buffer } from "node:buffer";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { AccessLink } from "./link.ts";

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
  /**
   * Moves one side to another address: what it sends comes from new ports from
   * then on, and what is sent to its old ones never arrives. The other side's
   * ICE has to find the new ones, as with a NAT that has forgotten.
   */
  move(side: Side): Promise<void>;
}

/** The port that stands in for a peer's own. */
interface StandIn {
  readonly socket: Socket;
  readonly side: Side;
  readonly address: string;
  readonly port: number;
}

/** Headers of IP and UDP. */
const HEADER_BYTES = 28;

/**
 * Waits for addresses to stand in for. What passes takes the sender's link to
 * the network and then the receiver's, where there are such.
 */
export function udpProxy(
  links: readonly [AccessLink, AccessLink] = [
    new AccessLink(),
    new AccessLink(),
  ],
): UdpProxy {
  const standIns = new Map<string, Promise<StandIn>>();
  const sockets = new Set<Socket>();
  const dropped: [number, number] = [0, 0];
  let passed = 0;

  const open = async (
    side: Side,
    address: string,
    port: number,
  ): Promise<StandIn> => {
    const socket = createSocket("udp4");
    sockets.add(socket);
    const standIn = { socket, side, address, port };
    socket.on("error", () => {}); // The peer's own port may be closed.
    socket.on("message", (packet: Buffer, from) => {
      if (Math.random() < dropped[side]) return;
      pass(packet, from.address, from.port, standIn);
    });
    socket.bind(0);
    await once(socket, "listening");
    return standIn;
  };
  // Who gets a packet sees it come from the sender's stand-in, which is what
  // it knows the sender by.
  const pass = async (
    packet: Buffer,
    address: string,
    port: number,
    to: StandIn,
  ) => {
    const now = performance.now();
    const { side } = to;
    const other = side === 0 ? 1 : 0;
    const sender = await standInFor(other, address, port);
    const bytes = packet.length + HEADER_BYTES;
    const arrived = async () => {
      // The peer has moved meanwhile.
      if (await standInFor(side, to.address, to.port) !== to) return;
      passed++;
      sender.socket.send(packet, to.port, to.address, () => {});
    };
    links[other].up.carry(bytes, {
      arrived: (at) => links[side].down.carry(bytes, { arrived }, at),
    }, now);
  };
  const standInFor = (side: Side, address: string, port: number) => {
    const key = `${side} ${address}:${port}`;
    let standIn = standIns.get(key);
    if (!standIn) standIns.set(key, standIn = open(side, address, port));
    return standIn;
  };

  return {
    get passed() {
      return passed;
    },
    async standIn(side, address, port) {
      return (await standInFor(side, address, port)).socket.address().port;
    },
    drop(part, to = [0, 1]) {
      for (const side of to) dropped[side] = part;
    },
    async move(side) {
      const old = await Promise.all(standIns.values());
      for (const standIn of old) {
        if (standIn.side !== side) continue;
        standIns.delete(`${side} ${standIn.address}:${standIn.port}`);
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(standIns.values());
      for (const socket of sockets) socket.close();
    },
  };
}
