import {
  shrinkConnection,
  shrinkListener,
  shrinkServer,
} from "./far_sockets.ts";
import type { AccessLink, Passenger } from "./link.ts";
import { type FlowPath, TcpFlow } from "./tcp_flow.ts";

/** A TCP path to a server that can be broken. */
export interface TcpProxy extends AsyncDisposable {
  /** The port that the proxy listens on. */
  readonly port: number;
  /** Resolves when its sockets are as a link needs them. */
  readonly ready: Promise<void>;
  /** Connections that are open. */
  readonly open: number;
  /** Breaks every connection, without a closing handshake. */
  cut(): void;
  /**
   * Lets nothing through any more, and tells neither end; or goes on. On a
   * link, connections go on when TCP would send something again.
   */
  stall(stalled: boolean): void;
  /**
   * Lets nothing through on the connections that are open, tells neither end,
   * and keeps it so; later ones work.
   */
  strand(): void;
  /**
   * Passes on later connections to these ports in turn, and to the next where
   * nobody listens; those that are open stay.
   */
  aim(...ports: number[]): void;
}

/** What two ends of a connection say to each other. */
interface Connection {
  readonly client: Deno.TcpConn;
  server?: Deno.TcpConn;
  stranded: boolean;
  readonly flows: TcpFlow[];
}

const hostname = "127.0.0.1";
/** Small reads, so that little is taken before it can leave. */
const READ_BYTES = 16_384;
/** When a host tries again to connect, in milliseconds after it began. */
const KNOCKS_MS = [0, 1000, 3000, 7000, 15_000, 31_000, 63_000];

/**
 * Listens on a port of its own, and passes on what comes to `port`.
 *
 * Given the client's link to the network, it is as slow, far and lossy as that
 * is, in the way that {@linkcode TcpFlow} tells; a connection begins with a
 * round trip, and with another try after 1, 3 and 7 seconds where that is lost.
 * It reads no more than TCP would have in flight: what the client has beyond
 * that waits in its kernel and its program, as on a real host; `far_sockets.ts`
 * has the kernel hold no more than it would there. What a client
 * sent before it closed still arrives.
 */
export function tcpProxy(port: number, access?: AccessLink): TcpProxy {
  const listener = Deno.listen({ hostname, port: 0 });
  const connections = new Set<Connection>();
  let ports: readonly number[] = [port];
  let turn = 0;
  let stalled = false;
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const end = Promise.withResolvers<void>();

  const drop = (connection: Connection) => {
    if (!connections.delete(connection)) return;
    for (const flow of connection.flows) flow.close();
    connection.client.close();
    connection.server?.close();
  };

  /** Passes everything on at once, where there is no link. */
  const copy = async (
    connection: Connection,
    from: Deno.TcpConn,
    to: Deno.TcpConn,
  ) => {
    const buffer = new Uint8Array(65_536);
    try {
      for (let read; (read = await from.read(buffer)) !== null;) {
        await gate.promise;
        if (connection.stranded) await end.promise;
        await writeAll(to, buffer.subarray(0, read));
      }
    } catch {
      // The connection was cut, by this proxy or by one of the ends.
    }
    drop(connection);
  };

  /** Passes on over a link, as TCP would. Ends when everything has arrived. */
  const flow = async (
    connection: Connection,
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    path: FlowPath,
    roundTripMs: number,
  ) => {
    let writing = Promise.resolve();
    let parts: Uint8Array[] = [];
    const write = async () => {
      const bytes = join(parts);
      parts = [];
      // An end that is closed takes nothing, which the other need not know.
      await writeAll(to, bytes).catch(() => {});
      flow.taken(bytes.length);
    };
    const flow = new TcpFlow(path, roundTripMs, (data) => {
      parts.push(data);
      if (parts.length === 1) writing = writing.then(write);
    });
    connection.flows.push(flow);
    const buffer = new Uint8Array(READ_BYTES);
    try {
      while (await flow.untilRoom()) {
        const read = await from.read(buffer.subarray(0, flow.room));
        if (read === null) break;
        flow.send(buffer.slice(0, read));
      }
    } catch {
      // The connection was reset.
    }
    await flow.untilDone();
    await writing;
    await to.closeWrite().catch(() => {});
  };

  /** Resolves with how long it took to reach the server and come back. */
  const knock = async (link: AccessLink, blocked: () => boolean) => {
    const begun = performance.now();
    for (const knockMs of KNOCKS_MS) {
      await untilTime(begun + knockMs);
      const knocked = performance.now();
      const answered = await new Promise<number | null>((resolve) => {
        if (blocked()) return resolve(null);
        const lost = () => resolve(null);
        const back: Passenger = { arrived: resolve, lost };
        const arrived = (at: number) => link.down.carry(66, back, at);
        link.up.carry(66, { arrived, lost });
      });
      if (answered !== null) return answered - knocked;
    }
    throw new Error("Nobody answers");
  };

  /** Connects to the next port that somebody listens on. */
  const dial = async () => {
    for (let tries = 1;; tries++) {
      const port = ports[turn++ % ports.length];
      try {
        if (access) await shrinkServer(port);
        return await Deno.connect({ hostname, port });
      } catch (error) {
        if (tries === ports.length) throw error;
      }
    }
  };

  const serve = async (connection: Connection) => {
    const { client } = connection;
    const blocked = () => stalled || connection.stranded;
    try {
      const roundTripMs = access ? await knock(access, blocked) : 0;
      const server = await dial();
      if (!connections.has(connection)) return server.close();
      connection.server = server;
      client.setNoDelay();
      server.setNoDelay();
      if (!access) {
        copy(connection, client, server);
        copy(connection, server, client);
        return;
      }
      const { localAddr } = server;
      await shrinkConnection((localAddr as Deno.NetAddr).port);
      const { up, down } = access;
      const there = { forth: up, back: down, blocked };
      const here = { forth: down, back: up, blocked };
      await Promise.all([
        flow(connection, client, server, there, roundTripMs),
        flow(connection, server, client, here, roundTripMs),
      ]);
      drop(connection);
    } catch {
      drop(connection);
    }
  };

  const prepare = async () => {
    if (access) await shrinkListener(listener.addr.port);
  };
  const ready = prepare();
  const accept = async () => {
    for await (const client of listener) {
      const connection: Connection = { client, stranded: false, flows: [] };
      connections.add(connection);
      serve(connection);
    }
  };
  const accepting = accept();

  return {
    port: listener.addr.port,
    ready,
    get open() {
      return [...connections].filter(({ server }) => server).length;
    },
    cut() {
      for (const connection of connections) drop(connection);
    },
    stall(stall) {
      stalled = stall;
      gate.resolve();
      gate = Promise.withResolvers();
      if (!stall) gate.resolve();
    },
    strand() {
      for (const connection of connections) connection.stranded = true;
    },
    aim(...others) {
      ports = others;
    },
    async [Symbol.asyncDispose]() {
      gate.resolve();
      end.resolve();
      listener.close();
      this.cut();
      await accepting;
    },
  };
}

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await to.write(bytes.subarray(written));
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  const bytes = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

function untilTime(time: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, time - performance.now()));
  });
}
