/** Numbers for Prometheus: those of the peers beside numbers of one's own. */

import { Metrics } from "@socketpeer/socketpeer/metrics";
import { SocketPeerServer } from "@socketpeer/socketpeer/server";
import { collectDefaultMetrics, Counter, register } from "prom-client";

// Of the process and of the application, in the registry that it has anyway.
collectDefaultMetrics();
const views = new Counter({
  name: "my_page_views_total",
  help: "Answers to requests for the page.",
});

// Of the peers. Those of the process are in the other registry already.
const metrics: Metrics = new Metrics(() => peerServer.stats, {
  process: false,
});
const peerServer: SocketPeerServer = new SocketPeerServer({
  listen: false,
  observer: metrics.observe,
});

const port = Number(Deno.env.get("PORT") ?? 3000);
Deno.serve({ port }, async (request, info) => {
  switch (new URL(request.url).pathname) {
    case "/socketpeer/":
      return peerServer.handler(request, info);
    case "/metrics": {
      // For everybody who can reach this port: keep it from the public.
      const texts = [await register.metrics(), await metrics.text()];
      return new Response(texts.join("\n"), {
        headers: { "content-type": metrics.contentType },
      });
    }
    default:
      views.inc();
      return new Response("My own page");
  }
});
