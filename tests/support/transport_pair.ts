import wrtc from "@roamhq/wrtc";
import type { Transport } from "../../src/client/transports/transport.ts";
import { DataChannel } from "../../src/client/transports/data_channel.ts";
import { WebSocketRelay } from "../../src/client/transports/websocket_relay.ts";
import type { WebSocketLike } from "../../src/runtime.ts";
import { encodeControl } from "../../src/protocol/control.ts";
import { startServer } from "./start_server.ts";

/** Two transports, each the other's far end. */
export interface TransportPair extends AsyncDisposable {
  readonly ends: readonly [Transport, Transport];
  /** Breaks what joins them. */
  cut(): void;
}

/** The relay: two sockets that a real server has paired. */
export async function relayPair(): Promise<TransportPair> {
  const server = startServer();
  const sockets = [0, 1].map(() =>
    new WebSocket(`${server.url.replace("http", "ws")}/socketpeer/`)
  );
  await Promise.all(sockets.map((socket, index) => join(socket, `${index}`)));
  const [a, b] = sockets.map(relayOver);
  return {
    ends: [a, b],
    cut: () => sockets.forEach((socket) => socket.close()),
    async [Symbol.asyncDispose]() {
      const closed = sockets.map(closing);
      await server[Symbol.asyncDispose]();
      await Promise.all(closed);
    },
  };
}

/** What a server link does with its socket. */
function relayOver(socket: WebSocket): Transport {
  const relay = new WebSocketRelay(socket as WebSocketLike, 0);
  socket.onmessage = ({ data }) => {
    if (typeof data !== "string") relay.receive(new Uint8Array(data));
  };
  socket.onclose = () => relay.close();
  return relay;
}

async function join(socket: WebSocket, id: string): Promise<void> {
  socket.binaryType = "arraybuffer";
  await new Promise((resolve) => socket.onopen = resolve);
  const hello = { received: 0, webrtc: false, relay: true, maxMessageBytes: 1 };
  const data = {
    code: "pair",
    version: 2,
    id,
    key: "key",
    resumeTimeout: 0,
    hello,
  };
  await new Promise<void>((resolve) => {
    socket.onmessage = ({ data }) => {
      if (String(data).includes("peer.found")) resolve();
    };
    socket.send(encodeControl({ type: "pair", data }));
  });
}

function closing(socket: WebSocket): Promise<unknown> {
  if (socket.readyState === WebSocket.CLOSED) return Promise.resolve();
  return new Promise((resolve) => socket.addEventListener("close", resolve));
}

/** The direct path: a real data channel, of WebRTC's own library. */
export async function dataChannelPair(): Promise<TransportPair> {
  const connections = [0, 1].map(() => new wrtc.RTCPeerConnection());
  const [a, b] = connections;
  a.onicecandidate = ({ candidate }) =>
    candidate && b.addIceCandidate(candidate);
  b.onicecandidate = ({ candidate }) =>
    candidate && a.addIceCandidate(candidate);
  const opened = connections.map((connection) => {
    const channel = connection.createDataChannel("test", {
      negotiated: true,
      id: 0,
    });
    return new Promise<DataChannel>((resolve) => {
      channel.onopen = () => {
        const transport: DataChannel = new DataChannel(channel as never, {
          now: () => performance.now(),
          ready: () => resolve(transport),
          ended: () => {},
        });
        transport.greet();
      };
    });
  });
  await a.setLocalDescription(await a.createOffer());
  await b.setRemoteDescription(a.localDescription!);
  await b.setLocalDescription(await b.createAnswer());
  await a.setRemoteDescription(b.localDescription!);
  const ends = await Promise.all(opened);
  return {
    ends: [ends[0], ends[1]],
    cut: () => a.close(),
    // deno-lint-ignore require-await -- closing is not awaited by WebRTC
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.close();
    },
  };
}
