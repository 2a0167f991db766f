import { hostServer } from "../support/adapter_host.ts";
import { adapterSuite, KINDS } from "./adapter_suite.ts";

for (const [on, kind] of Object.entries(KINDS)) {
  const name = kind === "alone" ? "Deno.serve" : `Deno ${on}`;
  adapterSuite(`SocketPeerServer of ${name}`, kind, hostServer);
}
