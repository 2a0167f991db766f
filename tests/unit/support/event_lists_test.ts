/**
 * Lists of events in pages, which no compiler reads, against the type.
 */

import { assertEquals } from "@std/assert";
import { EVENTS } from "../../support/recorder.ts";

/** The words in quotes between `start` and the first `end` after it. */
async function wordsIn(
  path: string,
  start: string,
  end: string,
): Promise<string[]> {
  const url = new URL(`../../../${path}`, import.meta.url);
  const [, after] = (await Deno.readTextFile(url)).split(start);
  const list = after.split(end)[0];
  return [...list.matchAll(/"([^"]*)"/g)]
    .flatMap(([, words]) => words.match(/\w+/g) ?? []);
}

Deno.test("demo.js shows every event of a peer, but for those of its messages", async () => {
  const shown = await wordsIn("src/demo/demo.js", "const EVENTS =", ";");
  // A listener of "data" more would read on where the page has paused.
  const all = [...shown, "data", "drain"];
  assertEquals(all.toSorted(), EVENTS.toSorted());
});

Deno.test("recorder.js records every event, but for one that says too little and one of /private", async () => {
  const path = "tests/browser/pages/recorder.js";
  const recorded = await wordsIn(path, "const NAMES = [", "]");
  // The recorder keeps messages elsewhere.
  const all = [...recorded, "data", "drain", "code"];
  assertEquals(all.toSorted(), EVENTS.toSorted());
});
