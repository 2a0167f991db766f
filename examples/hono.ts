/** Peers beside routes of Hono, on one port. */

import { SocketPeerServer } from "@socketpeer/socketpeer/server";
import { Hono } from "hono";

const peerServer = new SocketPeerServer({ listen: false });

// What Deno.serve tells of a connection is in `env`, which limits by address
// need.
const app = new Hono<{ Bindings: Deno.ServeHandlerInfo }>();
app.get("/socketpeer/", ({ req, env }) => peerServer.handler(req.raw, env));
app.get("/", (context) => context.text("My own page"));
app.get("/stats", (context) => context.json(peerServer.stats));

const port = Number(Deno.env.get("PORT") ?? 3000);
const server = Deno.serve({ port }, app.fetch);

Deno.addSignalListener("SIGTERM", async () => {
  // Peers first: they are told to dial again, and lose nothing.
  await peerServer.close();
  await server.shutdown();
});
