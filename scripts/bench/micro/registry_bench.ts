/** Pairs that come and go, beside ten thousand that stay. */

import { newMembers, newRegistry } from "../registry_load.ts";

const members = newMembers(10_100);
const registry = newRegistry();
const [comers, stayers] = [members.slice(0, 200), members.slice(200)];
for (const member of stayers) registry.join(member);

Deno.bench("PairRegistry, 100 pairs join and leave", () => {
  for (const member of comers) registry.join(member);
  for (const member of comers) registry.leave(member, true);
});
