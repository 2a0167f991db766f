/**
 * Raw WebSockets of the load, paired by the server: by protocol version 2 at
 * ours, by their first message at a bare forwarder. After that both carry
 * anything.
 *
 * @module
 */

import { encodeControl } from "../../src/protocol/control.ts";
import { PROTOCOL_VERSION } from "../../src/protocol/limits.ts";

/** How sockets are paired at a server. */
export interface Wire {
  readonly path: string;
  /** What a socket sends to be paired. */
  request(code: string, id: string): string;
  /** Whether a text says that the socket is paired. */
  isFound(text: string): boolean;
}

/** Ours: version 2 of the protocol. */
export const protocolWire: Wire = {
  path: "/socketpeer/?v=2",
  request: (code, id) =>
    encodeControl({
      type: "pair",
      data: {
        code,
        version: PROTOCOL_VERSION,
        id,
        key: `key of ${id}`,
        resumeTimeout: 0,
        hello: {
          received: 0,
          webrtc: false,
          relay: true,
          maxMessageBytes: 2 ** 20,
        },
      },
    }),
  isFound: (text) => text.startsWith('{"type":"peer.found"'),
};

/** The way of bare forwarders: the first message is the pair code. */
export const bareWire: Wire = {
  path: "/",
  request: (code) => code,
  isFound: (text) => text === "found",
};

const PONG = encodeControl({ type: "pong" });

/** One end of a pair. */
export interface End {
  readonly socket: WebSocket;
  /** Takes what the other end sends. */
  receive: (data: ArrayBuffer | string) => void;
}

let codes = 0;

/** Dials twice, and resolves when the server has paired the two. */
export function openPair(wire: Wire, port: number): Promise<[End, End]> {
  return openPairOf(wire, port, port);
}

/** Opens a pair whose two ends dial a port each. */
export async function openPairOf(
  wire: Wire,
  ...ports: [number, number]
): Promise<[End, End]> {
  const code = `pair ${codes++}`;
  const [first, second] = ports.map((port) =>
    `ws://127.0.0.1:${port}${wire.path}`
  );
  return await Promise.all([
    openEnd(wire, first, code, `${code} a`),
    openEnd(wire, second, code, `${code} b`),
  ]);
}

/** Opens so many pairs, a few at a time. */
export async function openPairs(
  wire: Wire,
  port: number,
  count: number,
): Promise<[End, End][]> {
  const pairs: [End, End][] = [];
  const work = async () => {
    while (count-- > 0) pairs.push(await openPair(wire, port));
  };
  await Promise.all(Array.from({ length: 50 }, work));
  return pairs;
}

/** Closes both ends, and resolves when they are closed. */
export async function closePairs(pairs: readonly End[][]): Promise<void> {
  await Promise.all(
    pairs.flat().map(({ socket }) => {
      if (socket.readyState === WebSocket.CLOSED) return;
      const closed = new Promise((resolve) =>
        socket.addEventListener("close", resolve)
      );
      socket.close();
      return closed;
    }),
  );
}

function openEnd(
  wire: Wire,
  url: string,
  code: string,
  id: string,
): Promise<End> {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    const end: End = { socket, receive() {} };
    let found = false;
    socket.onopen = () => socket.send(wire.request(code, id));
    socket.onmessage = ({ data }) => {
      if (found) {
        // Packets are binary and heartbeats are text, but not at a bare
        // forwarder.
        if (typeof data !== "string" || wire === bareWire) end.receive(data);
        else if (data.startsWith('{"type":"ping"')) socket.send(PONG);
      } else if (wire.isFound(data)) {
        found = true;
        resolve(end);
      }
    };
    socket.onerror = (event) => event.preventDefault();
    socket.onclose = ({ code, reason }) => {
      reject(new Error(`The server closes with ${code} ${reason}`));
    };
  });
}
