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
 * const { port } = await peerServer.ready;
 * console.log(`Peers connect to http://localhost:${port}`);
 *
 * await peerServer.close();
 * ```
 *
 * @module
 */

export * from "./src/server/mod.ts";

// Node and Bun call a bundle that has this in it their main module, too. No
// top-level await: Node does not require() what has one.
if (import.meta.main && "Deno" in globalThis) {
  import("./src/server/cli.ts").then(({ run }) => run());
}
