/** PeerJS's own server. */

import { PeerServer } from "peer";
import { report } from "./report.mjs";

PeerServer({ host: "127.0.0.1", port: 0, path: "/" }, (server) => {
  report(server.address().port);
});
