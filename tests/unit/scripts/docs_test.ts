import { assertEquals, assertMatch } from "@std/assert";
import { staleDocuments, TABLES } from "../../../scripts/docs.ts";
import { settingRows } from "../../../src/server/flags.ts";
import { OPTION_ROWS } from "../../../src/server/option_table.ts";

Deno.test("staleDocuments() finds none: every table is as the code has it", async () => {
  const stale = (await staleDocuments()).map(({ path }) => path);
  assertEquals(stale, [], "run deno task docs");
});

Deno.test("TABLES have a row for each option, each setting and each limit", () => {
  const cells = Object.entries(TABLES).map(([name, write]) => {
    const [head, , ...rows] = write().split("\n");
    for (const row of rows) {
      assertEquals(row.split(" | ").length, head.split(" | ").length, row);
    }
    return [name, rows.length];
  });
  const rows = Object.fromEntries(cells);
  assertEquals(rows.options, OPTION_ROWS.length);
  assertEquals(rows.flags, settingRows().length);
  assertMatch(TABLES.limits(), /`maxPacketBytes` \| 65,536 bytes \| 4001 \|/);
});
