/**
 * The server of socketpeer: pairs two peers by code, carries their signaling,
 * and relays their messages while they have no data channel.
 *
 * Run directly, it is the command:
 *
 * ```sh
 * deno run -A server.ts --port 3000
 * ```
 *
 * @example Listen on any free port
 * ```ts
 * import { SocketPeerServer } from "@socketpeer/socketpeer/server";
 *
 * const peerServer = new SocketPeerServer({ port: 0 });
 * const { port } = peerServer.server!.addr;
 *
 * await peerServer.close();
 * ```
 *
 * @module
 */

export { SocketPeerServer } from "./src/server/socket_peer_server.ts";
export type { SocketPeerServerOptions } from "./src/server/options.ts";
export type { ListeningServer } from "./src/server/adapters/deno.ts";

if (import.meta.main) {
  const { main } = await import("./src/server/cli.ts");
  Deno.exit(await main(Deno.args));
}
