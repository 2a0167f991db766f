import type { MeterReport } from "./meter.ts";

/** How a transition went: what came to each side of what the other sent. */
export interface BreakageRow {
  readonly name: string;
  readonly reports: readonly [MeterReport, MeterReport];
}

/** A Markdown table of what transitions cost, in both directions. */
export function breakageTable(rows: readonly BreakageRow[]): string {
  const cells = rows.map(({ name, reports: [a, b] }) => [
    name,
    both(a.sent, b.sent),
    String(a.sent - b.received + b.sent - a.received),
    String(a.doubled + b.doubled),
    String(a.outOfOrder + b.outOfOrder),
    both(Math.round(b.longestPauseMs), Math.round(a.longestPauseMs)),
  ]);
  return markdownTable([
    [
      "what breaks",
      "sent A→B, B→A",
      "lost",
      "doubled",
      "out of order",
      "longest pause, ms",
    ],
    ...cells,
  ]);
}

/** A Markdown table whose first row is its head. */
export function markdownTable(rows: readonly string[][]): string {
  const widths = rows[0].map((_, column) =>
    Math.max(...rows.map((row) => row[column].length))
  );
  const lines = rows.map((row) =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`
  );
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}

function both(a: number, b: number): string {
  return `${a}, ${b}`;
}
