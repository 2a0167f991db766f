import { assertEquals } from "@std/assert";
import { wayOf } from "../../../src/demo/hooks.js";

/** A report as a browser makes it, of a pair with such ends. */
function reportOf(
  local: string,
  remote: string,
  pair: Record<string, unknown> = {},
): Map<string, Record<string, unknown>> {
  return new Map(Object.entries({
    other: { type: "candidate-pair", state: "succeeded", nominated: false },
    pair: {
      type: "candidate-pair",
      localCandidateId: "local",
      remoteCandidateId: "remote",
      ...pair,
    },
    local: { type: "local-candidate", candidateType: local },
    remote: { type: "remote-candidate", candidateType: remote },
  }));
}

const TRANSPORT = { type: "transport", selectedCandidatePairId: "pair" };

Deno.test("wayOf() tells a TURN server on either side from a direct way", () => {
  for (
    const [local, remote, way] of [
      ["host", "host", "direct"],
      ["srflx", "prflx", "direct"],
      ["relay", "host", "turn"],
      ["host", "relay", "turn"],
    ]
  ) {
    const chromium = reportOf(local, remote).set("transport", TRANSPORT);
    assertEquals(wayOf(chromium), way);
    const firefox = reportOf(local, remote, { selected: true });
    assertEquals(wayOf(firefox), way);
    const ended = reportOf(local, remote, {
      nominated: true,
      state: "succeeded",
    });
    assertEquals(wayOf(ended), way);
  }
});

Deno.test("wayOf() tells nothing where no way was chosen yet", () => {
  assertEquals(wayOf(reportOf("host", "host")), undefined);
  assertEquals(wayOf(new Map()), undefined);
});
