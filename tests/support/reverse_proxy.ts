/** A reverse proxy, as nginx is one: in front of a server, with headers. */
export interface ReverseProxy extends AsyncDisposable {
  readonly port: number;
}

/**
 * Listens on a port of its own, takes `/app` off the paths of requests, adds
 * the address `client` to `X-Forwarded-For`, and passes on the rest unread.
 */
export function reverseProxy(port: number, client: string): ReverseProxy {
  const hostname = "127.0.0.1";
  const listener = Deno.listen({ hostname, port: 0 });
  const open = new Set<Deno.TcpConn>();
  const pipes: Promise<unknown>[] = [];

  const pass = async (connection: Deno.TcpConn) => {
    const server = await Deno.connect({ hostname, port });
    open.add(connection).add(server);
    try {
      await writeAll(server, await readHead(connection, client));
      await Promise.all([
        pipe(connection, server),
        pipe(server, connection),
      ]);
    } catch {
      // Either end may close when it likes.
    }
    for (const each of [connection, server]) {
      if (open.delete(each)) each.close();
    }
  };
  const accept = async () => {
    for await (const connection of listener) pipes.push(pass(connection));
  };
  const accepting = accept();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const connection of open) {
        open.delete(connection);
        connection.close();
      }
      await Promise.all(pipes);
    },
  };
}

/** Reads a request up to the end of its headers, and changes them. */
async function readHead(
  connection: Deno.TcpConn,
  client: string,
): Promise<Uint8Array> {
  let head = "";
  const buffer = new Uint8Array(4096);
  while (!head.includes("\r\n\r\n")) {
    const count = await connection.read(buffer);
    if (count === null) break;
    head += new TextDecoder().decode(buffer.subarray(0, count));
  }
  head = head.replace(" /app/", " /");
  const name = /^x-forwarded-for: .*$/im;
  head = name.test(head)
    ? head.replace(name, (line) => `${line}, ${client}`)
    : head.replace("\r\n", `\r\nX-Forwarded-For: ${client}\r\n`);
  return new TextEncoder().encode(head);
}

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await to.write(bytes.subarray(written));
  }
}

async function pipe(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let count; (count = await from.read(buffer)) !== null;) {
    await writeAll(to, buffer.subarray(0, count));
  }
  await to.closeWrite();
}
