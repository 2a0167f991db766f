import {
  type ListeningServer,
  SocketPeerServer,
  type SocketPeerServerOptions,
} from "../../server.ts";

/** A server of this process, on a port of its own. */
export interface TestServer extends AsyncDisposable {
  readonly peerServer: SocketPeerServer;
  readonly port: number;
  /** What peers take as `url`. */
  readonly url: string;
}

/**
 * Starts a server, which is closed when its scope is left.
 *
 * @example
 * ```ts ignore
 * await using server = startServer();
 * const peer = new SocketPeer({ url: server.url });
 * ```
 */
export function startServer(
  options: SocketPeerServerOptions = {},
): TestServer {
  const host = "127.0.0.1";
  const peerServer = new SocketPeerServer({ port: 0, host, ...options });
  const { port } = (peerServer.server as ListeningServer).addr;
  return {
    peerServer,
    port,
    url: `http://${host}:${port}`,
    [Symbol.asyncDispose]: () => peerServer.close(),
  };
}
