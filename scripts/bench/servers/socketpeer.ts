/** This project's server, on whatever runs it. */

import { SocketPeerServer } from "../../../server.ts";
import { report } from "./report.mjs";

const peerServer = new SocketPeerServer({
  host: "127.0.0.1",
  port: 0,
  maxConnections: 0,
  maxConnectionsPerAddress: 0,
});
const { port } = await peerServer.ready;
report(port);
