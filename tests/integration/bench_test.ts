import { assertEquals, assertMatch } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);

Deno.test("The benchmark of the relay runs, and prints its table", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "scripts/bench/main.ts", "relay", "--tiny"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  // Node, and what npm installs, may be missing here: only that is left out.
  for (
    const name of [
      "server CPU per packet, 64 B, 2 pairs",
      "p99 of the round trip, 2 pairs busy",
      "server CPU per user message, 64 B in bursts of 100",
      "pairings per second",
      "server CPU per pairing",
      "memory per idle connection, 20 of them",
    ]
  ) {
    assertMatch(text, new RegExp(`^${name} +\\S+ \\S+ .*bare Deno +\\d`, "m"));
  }
});
