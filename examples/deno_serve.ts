/** Peers beside routes of `Deno.serve`, on one port. */

import { SocketPeerServer } from "@socketpeer/socketpeer/server";

const peerServer = new SocketPeerServer({ listen: false });

const routes: Record<string, Deno.ServeHandler> = {
  // As it is: limits by address need `info`, too.
  "/socketpeer/": peerServer.handler,
  "/": () => new Response("My own page"),
  "/stats": () => Response.json(peerServer.stats),
};

const port = Number(Deno.env.get("PORT") ?? 3000);
const server = Deno.serve({ port }, (request, info) => {
  const route = routes[new URL(request.url).pathname];
  return route?.(request, info) ?? new Response("Not found", { status: 404 });
});

Deno.addSignalListener("SIGTERM", async () => {
  // Peers first: they are told to dial again, and lose nothing.
  await peerServer.close();
  await server.shutdown();
});
