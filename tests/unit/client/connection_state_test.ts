import { assertEquals } from "@std/assert";
import { type Phase, PHASES } from "../../../src/client/connection_state.ts";

const ALL = Object.keys(PHASES) as Phase[];

Deno.test("PHASES lets nothing follow the end of a conversation", () => {
  assertEquals(PHASES.over.next, []);
});

Deno.test("PHASES lets every conversation end, and no phase follow itself", () => {
  for (const phase of ALL) {
    const { next } = PHASES[phase];
    assertEquals(next.includes("over"), phase !== "over", phase);
    assertEquals(next.includes(phase), false, phase);
  }
});

Deno.test("PHASES lets a conversation begin once, and be given up only before", () => {
  for (const phase of ALL) {
    const { begun, next } = PHASES[phase];
    if (!begun) continue;
    for (const early of ["idle", "seeking", "met"] as const) {
      assertEquals(next.includes(early), false, `${phase} to ${early}`);
    }
  }
});
