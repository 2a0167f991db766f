/** PeerJS's own server. */

import { createRequire } from "node:module";
import { report } from "./report.mjs";

// The package is not imported, as Deno checks this file and does not know it.
const { PeerServer } = createRequire(import.meta.url)("peer");

PeerServer({ host: "127.0.0.1", port: 0, path: "/" }, (server) => {
  report(server.address().port);
});
