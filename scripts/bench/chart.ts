/**
 * The chart of the last kept result: bars beside each other, for a few works
 * that say most.
 *
 * @module
 */

import { median, OURS, type Work } from "./contest.ts";
import type { Results } from "./results.ts";

const FILE = new URL("chart.svg", import.meta.url);

/** The works that the chart shows, by how their names begin. */
const SHOWN = [
  "64 B messages over the relay",
  "64 B messages on the channel",
  "bulk on the channel, 64 KiB",
  "page start to first message",
  "page start to open channel",
  "server CPU per user message",
  "memory per idle connection",
  "bundle",
];

const WIDTH = 760;
const BARS_AT = 130;
const BARS_WIDTH = 480;
const BAR = 16;
const STEP = 22;

/** Writes the chart of some results. */
export async function drawChart(results: Results): Promise<void> {
  await Deno.writeTextFile(FILE, chartOf(results));
}

/** The chart as SVG, whose colors follow the reader's. */
export function chartOf({ works, when, deno, cores }: Results): string {
  const parts: string[] = [];
  let y = 0;
  for (const shown of SHOWN) {
    const work = works.find(({ name }) => name.startsWith(shown));
    if (!work?.samples[OURS]) continue;
    const { svg, height } = drawWork(work, y);
    parts.push(svg);
    y += height;
  }
  const foot = `Medians, ${when.slice(0, 10)}, Deno ${deno}, ${cores} cores, ` +
    "everything on one machine";
  return `<svg xmlns="http://www.w3.org/2000/svg" ` +
    `viewBox="0 0 ${WIDTH} ${y + 30}" role="img">
<title>What socketpeer and others take for the same work</title>
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.name { font-weight: 600 }
.foot { font-size: 11px }
.ours { fill: #0969da }
.other { fill: #8c959f }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .ours { fill: #4493f8 }
  .other { fill: #6e7681 }
}
</style>
${parts.join("\n")}
${text(0, y + 20, foot, 'class="foot"')}
</svg>
`;
}

function drawWork(
  { name, unit, better, samples }: Work,
  top: number,
): { svg: string; height: number } {
  const bars = Object.entries(samples)
    .map(([contender, values]) => [contender, median(values)] as const);
  const most = Math.max(...bars.map(([, value]) => value));
  const title = `${name} (${unit}, ${better} is better)`;
  const lines = [text(0, top + 16, title, 'class="name"')];
  bars.forEach(([contender, value], index) => {
    const y = top + 28 + index * STEP;
    const width = Math.max(1, BARS_WIDTH * value / most);
    const kind = contender === OURS ? "ours" : "other";
    lines.push(
      text(BARS_AT - 10, y + 13, contender, 'text-anchor="end"'),
      `<rect class="${kind}" x="${BARS_AT}" y="${y}" ` +
        `width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`,
      text(BARS_AT + width + 8, y + 13, label(value)),
    );
  });
  return { svg: lines.join("\n"), height: 28 + bars.length * STEP + 20 };
}

function label(value: number): string {
  return value >= 100
    ? Math.round(value).toLocaleString("en")
    : String(Number(value.toPrecision(3)));
}

function text(x: number, y: number, content: string, attributes = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y}" ${attributes}>${content}</text>`;
}
