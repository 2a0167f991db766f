import { assertEquals, assertMatch } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);

Deno.test("The benchmark of the relay runs, and prints its table", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "scripts/bench/main.ts", "relay", "--tiny"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  const errors = new TextDecoder().decode(stderr);
  assertEquals(code, 0, errors);
  // A server that is there and can't be bundled is no row of the table less.
  assertEquals(
    `${text}${errors}`.match(/could not resolve|build failed/i),
    null,
  );
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
