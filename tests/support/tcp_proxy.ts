/** A TCP path to a server that can be broken. */
export interface TcpProxy extends AsyncDisposable {
  /** Where it listens. */
  readonly port: number;
  /** Connections that are open. */
  readonly open: number;
  /** Breaks every connection, without a closing handshake. */
  cut(): void;
  /** Lets nothing through any more, and tells neither end; or goes on. */
  stall(stalled: boolean): void;
  /**
   * Lets nothing through on the connections that are open, tells neither end,
   * and keeps it so; later ones work.
   */
  strand(): void;
  /** Passes on later connections to another port; those that are open stay. */
  aim(port: number): void;
}

/** Listens on a port of its own, and passes on what comes to `port`. */
export function tcpProxy(port: number): TcpProxy {
  const hostname = "127.0.0.1";
  const listener = Deno.listen({ hostname, port: 0 });
  const connections = new Set<Deno.TcpConn>();
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const stranded = new WeakSet<Deno.TcpConn>();
  const end = Promise.withResolvers<void>();

  const drop = (connection: Deno.TcpConn) => {
    if (connections.delete(connection)) connection.close();
  };
  const pass = async (from: Deno.TcpConn, to: Deno.TcpConn) => {
    const buffer = new Uint8Array(65_536);
    try {
      for (let read; (read = await from.read(buffer)) !== null;) {
        await gate.promise;
        if (stranded.has(from)) await end.promise;
        for (let written = 0; written < read;) {
          written += await to.write(buffer.subarray(written, read));
        }
      }
    } catch {
      // Cut, by this proxy or by one of the ends.
    }
    drop(from);
    drop(to);
  };
  const accept = async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname, port }).catch(() => null);
      if (!server) {
        client.close();
        continue;
      }
      connections.add(client).add(server);
      pass(client, server);
      pass(server, client);
    }
  };
  const accepting = accept();

  return {
    port: listener.addr.port,
    get open() {
      return connections.size / 2;
    },
    cut() {
      for (const connection of connections) drop(connection);
    },
    stall(stalled) {
      gate.resolve();
      gate = Promise.withResolvers();
      if (!stalled) gate.resolve();
    },
    strand() {
      for (const connection of connections) stranded.add(connection);
    },
    aim(other) {
      port = other;
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
