/**
 * Prints which packages of npm are loaded by the command, by a server that
 * listens by itself, and by one that is attached, each on Deno and in turn.
 */

// deno-lint-ignore-file no-console
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { main } from "../../src/server/cli.ts";
import { SocketPeerServer } from "../../server.ts";

// All that these packages have is CommonJS.
const { cache } = createRequire(import.meta.url);
const packages = () => {
  const names = Object.keys(cache)
    .map((path) => /npmjs\.org\/(.+?)\/\d|node_modules\/([^.].+?)\//.exec(path))
    .map((match) => match?.[1] ?? match?.[2]);
  return [...new Set(names)].sort().join() || "none";
};
const { log } = console;
let command = "it does not listen";
console.log = (text: string) => {
  command = text.includes("listens") ? packages() : text;
  Deno.kill(Deno.pid, "SIGTERM");
};
const code = await main(["--host", "127.0.0.1", "--port", "0"]);
console.log = log;

const alone = new SocketPeerServer({ host: "127.0.0.1", port: 0 });
await alone.ready;
const listening = packages();
await alone.close();
const attached = new SocketPeerServer(createServer());
console.log(
  `command ${command} (${code}), alone ${listening}, attached ${packages()}`,
);
await attached.close();
