/** The draft's vectors of CPace in the runtimes beside Deno and browsers. */

import { assert, assertEquals } from "@std/assert";
import { bundleFor, findRuntime } from "../support/node_process.ts";

for (const [runtime, leastMajor] of [["node", 20], ["bun", 1]] as const) {
  Deno.test({
    name: `the draft's vectors of CPace hold in ${runtime}`,
    ignore: "missing" in findRuntime(runtime, leastMajor),
    async fn() {
      const { stdout, stderr } = await new Deno.Command(runtime, {
        args: [await bundleFor(runtime, "cpace")],
      }).output();
      const [out, error] = [stdout, stderr]
        .map((bytes) => new TextDecoder().decode(bytes));
      assert(out, error);
      const { checked, wrong } = JSON.parse(out);
      assertEquals(wrong, []);
      assert(checked > 10);
    },
  });
}
