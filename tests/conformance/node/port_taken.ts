/**
 * Two servers on a port that is taken: one that is asked whether it listens,
 * one that nobody looks at. Prints why the first does not.
 */

import { argv, stdout } from "node:process";
import { SocketPeerServer } from "../../../server.ts";

const options = { host: "127.0.0.1", port: Number(argv[2]) };
const unwatched = new SocketPeerServer(options);
const peerServer = new SocketPeerServer(options);
let message = "it listens";
await peerServer.ready.catch((error) => message = error.code);
await peerServer.close();
await unwatched.close();
stdout.write(message);
