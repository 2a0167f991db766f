import { assert, assertEquals } from "@std/assert";
import config from "../../../deno.json" with { type: "json" };
import { root } from "../../../scripts/deno.ts";
import { ENTRIES } from "../../../scripts/entries.ts";

Deno.test("ENTRIES are modules of the package, each published", () => {
  assert(ENTRIES.includes("mod.ts"));
  const missing = ENTRIES.filter((path) =>
    !config.publish.include.includes(path)
  );
  assertEquals(missing, []);
  for (const path of ENTRIES) assert(Deno.statSync(new URL(path, root)).isFile);
});
