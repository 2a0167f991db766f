/** This project's server, on whatever runs it. */

import process from "node:process";
import { SocketPeerServer } from "../../../server.ts";
import { report } from "./report.mjs";

const { BROKER } = process.env;
const broker = BROKER
  ? await (await import("../../../src/server/brokers/at.ts")).brokerAt(BROKER)
  : undefined;
const peerServer = new SocketPeerServer({
  host: "127.0.0.1",
  port: 0,
  maxConnections: 0,
  maxConnectionsPerAddress: 0,
  broker,
  brokerSecret: "a secret that nobody else is told",
});
const { port } = await peerServer.ready;
report(port);
