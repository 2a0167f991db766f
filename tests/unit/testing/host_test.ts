import { assertEquals } from "@std/assert";
import { Host } from "../../../src/testing/host.ts";
import { VirtualClock } from "../../../src/testing/virtual_clock.ts";

Deno.test("Host tells a program that stands still of its waking when it goes on", async () => {
  const clock = new VirtualClock();
  const host = new Host({
    clock,
    latencyMs: 0,
    random: () => 0,
    watch() {},
  });
  const woken: number[] = [];
  host.wake.add(() => woken.push(clock.now()));
  host.tell(host.wake);
  host.freeze(1000);
  host.tell(host.wake);
  await clock.pass(2000);
  assertEquals(woken, [0, 1000]);
});
