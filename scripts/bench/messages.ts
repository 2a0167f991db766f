/**
 * What a message of a user costs the server, where many are sent at once: from
 * API to API, as it is the clients that put small messages together.
 *
 * @module
 */

import { SocketPeer } from "../../client.ts";
import { contest, OURS, type Work } from "./contest.ts";
import type { Plan } from "./plan.ts";
import { bareWire, closePairs, openPair } from "./relay_link.ts";
import { BenchServer, type ServerName } from "./servers.ts";
import { openSocketIo } from "./socket_io.ts";

/** Messages that are sent in one turn. */
const BURST = 100;
const PAIRS = 10;
const TEXT = "x".repeat(64);

/** One direction between two clients. */
interface Pipe {
  send(text: string): void;
  received: () => void;
  close(): Promise<void> | void;
}

const CONTENDERS: Partial<
  Record<ServerName, (port: number, code: string) => Promise<Pipe>>
> = {
  [OURS]: openPeers,
  "bare Deno": openBare,
  "bare ws": openBare,
  "socket.io": openSocketIoPipe,
};

/** Bursts of small messages on a few pairs. */
export async function measureMessages(plan: Plan): Promise<Work[]> {
  await using stack = new AsyncDisposableStack();
  const notes: string[] = [];
  const runs: Record<string, () => Promise<number>> = {};
  for (const [name, open] of Object.entries(CONTENDERS)) {
    try {
      const server = stack.use(await BenchServer.start(name as ServerName));
      const pipes = await Promise.all(
        Array.from({ length: PAIRS }, (_, i) => open(server.port, `code ${i}`)),
      );
      stack.defer(async () => {
        await Promise.all(pipes.map((pipe) => pipe.close()));
      });
      const bursts = Math.ceil(plan.userMessages / BURST / PAIRS);
      await sendBursts(pipes, bursts);
      runs[name] = async () => {
        const before = await server.usage();
        await sendBursts(pipes, bursts);
        const { cpuUs } = await server.usage();
        return (cpuUs - before.cpuUs) / (bursts * BURST * PAIRS);
      };
    } catch (error) {
      notes.push(`${name} failed: ${(error as Error).message}`);
    }
  }
  const outcome = await contest(plan.rounds, runs);
  return [{
    name: `server CPU per user message, 64 B in bursts of ${BURST}`,
    unit: "µs",
    better: "less",
    samples: outcome.samples,
    targets: [{
      against: ["socket.io", "bare Deno", "bare ws"],
      ratio: 1 / 5,
    }],
    notes: [...notes, ...outcome.notes],
  }];
}

/** Each pipe sends its next burst when it has got the last. */
async function sendBursts(
  pipes: readonly Pipe[],
  bursts: number,
): Promise<void> {
  await Promise.all(pipes.map(async (pipe) => {
    for (let burst = 0; burst < bursts; burst++) {
      await new Promise<void>((resolve) => {
        let left = BURST;
        pipe.received = () => --left === 0 && resolve();
        for (let i = 0; i < BURST; i++) pipe.send(TEXT);
      });
    }
  }));
}

async function openPeers(port: number, pairCode: string): Promise<Pipe> {
  const options = { pairCode, url: `http://127.0.0.1:${port}` };
  const peers = [new SocketPeer(options), new SocketPeer(options)];
  await Promise.all(
    peers.map((peer) => new Promise<void>((go) => peer.once("connect", go))),
  );
  const pipe: Pipe = {
    send: (text) => peers[0].send(text),
    received() {},
    close: () => peers.forEach((peer) => peer.destroy()),
  };
  peers[1].on("data", () => pipe.received());
  return pipe;
}

async function openBare(port: number, _code: string): Promise<Pipe> {
  const [a, b] = await openPair(bareWire, port);
  const pipe: Pipe = {
    send: (text) => a.socket.send(text),
    received() {},
    close: () => closePairs([[a, b]]),
  };
  b.receive = () => pipe.received();
  return pipe;
}

async function openSocketIoPipe(port: number, code: string): Promise<Pipe> {
  const sockets = await openSocketIo(code, [port, port]);
  const pipe: Pipe = {
    send: (text) => sockets[0].emit("message", text),
    received() {},
    close: () => sockets.forEach((socket) => socket.disconnect()),
  };
  sockets[1].on("message", () => pipe.received());
  return pipe;
}
