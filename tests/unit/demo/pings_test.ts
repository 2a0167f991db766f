import { assertEquals } from "@std/assert";
import { Pings } from "../../../src/demo/pings.js";

Deno.test("Pings counts what is missing, and what comes twice or too late", () => {
  const answers: unknown[] = [];
  const pings = new Pings((message: unknown) => answers.push(message));
  for (const number of [1, 2, 3]) pings.ping({ number });
  assertEquals([pings.heard, pings.arrived, pings.missed], [3, 3, 0]);
  pings.ping({ number: 5 });
  assertEquals([pings.heard, pings.arrived, pings.missed], [5, 4, 1]);
  pings.ping({ number: 5 });
  assertEquals([pings.heard, pings.arrived, pings.missed], [5, 5, 2]);
  assertEquals(answers.at(-1), { demo: "pong", number: 5, lost: 2 });
});

Deno.test("Pings takes nothing that makes no sense", () => {
  const pings = new Pings(() => {
    throw new Error("nothing to say");
  });
  pings.ping({ number: "1" });
  pings.ping({ number: undefined });
  pings.pong({ number: 1, lost: 0 });
  assertEquals([pings.heard, pings.answered, pings.missed], [0, 0, 0]);
});
