/**
 * The one table that a run prints.
 *
 * @module
 */

import { bestOf, median, OURS, ratioOf, spread, type Work } from "./contest.ts";

const HEAD = [
  "work",
  "ours",
  "against",
  "theirs",
  "ratio",
  "target",
  "",
  "last",
];

/** A row for everybody that ours is compared with at a work. */
export function formatTable(
  works: readonly Work[],
  last: readonly Work[] = [],
): string {
  const rows = works.flatMap((work) =>
    rowsOf(work, last.find(({ name }) => name === work.name))
  );
  const widths = HEAD.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column].length))
  );
  const line = (row: readonly string[]) =>
    row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd();
  return [
    line(HEAD),
    widths.map((width) => "-".repeat(width)).join("  "),
    ...rows.map(line),
  ].join("\n");
}

/** The works that miss what they must reach. */
export function missed(works: readonly Work[]): string[] {
  return works.flatMap((work) =>
    comparisons(work)
      .filter(({ met }) => met === false)
      .map(({ against }) =>
        against === "" ? work.name : `${work.name}, against ${against}`
      )
  );
}

/** Ours beside one other, or beside a limit. */
interface Comparison {
  readonly against: string;
  readonly theirs: string;
  readonly ratio: string;
  readonly target: string;
  readonly met: boolean | undefined;
}

function comparisons(work: Work): Comparison[] {
  const { samples, better, limit, targets } = work;
  const ours = samples[OURS];
  const rows: Comparison[] = [];
  const sign = better === "less" ? "≤" : "≥";
  if (limit !== undefined) {
    rows.push({
      against: "",
      theirs: "",
      ratio: "",
      target: `${sign} ${number(limit)} ${work.unit}`,
      met: ours && reaches(median(ours), limit, better),
    });
  }
  const wanted = new Map<string, number>();
  for (const { against, ratio } of targets) {
    wanted.set(bestOf(work, against) ?? against.join(" / "), ratio);
  }
  const others = Object.keys(samples).filter((name) => name !== OURS);
  for (const against of new Set([...wanted.keys(), ...others])) {
    const theirs = samples[against];
    const wantedRatio = wanted.get(against);
    const ratio = ours && theirs && ratioOf(ours, theirs);
    rows.push({
      against,
      theirs: theirs ? quantity(theirs, work.unit) : "not run",
      ratio: ratio === undefined ? "" : `${ratio.toFixed(2)}x`,
      target: wantedRatio === undefined
        ? ""
        : `${sign} ${wantedRatio.toFixed(2)}x`,
      met: wantedRatio === undefined || ratio === undefined
        ? undefined
        : reaches(ratio, wantedRatio, better),
    });
  }
  if (rows.length > 0) return rows;
  // What has nobody to be compared with has its own row all the same.
  return [{ against: "", theirs: "", ratio: "", target: "", met: undefined }];
}

function rowsOf(work: Work, last: Work | undefined): string[][] {
  const ours = work.samples[OURS];
  const before = last?.samples[OURS];
  return comparisons(work).map((row, index) => [
    index === 0 ? work.name : "",
    index === 0 ? ours ? quantity(ours, work.unit) : "not run" : "",
    row.against,
    row.theirs,
    row.ratio,
    row.target,
    row.met === undefined ? "" : row.met ? "met" : "MISSED",
    index === 0 && before
      ? quantity(before, work.unit)
      : last && last.samples[row.against] && before
      ? `${ratioOf(before, last.samples[row.against]).toFixed(2)}x`
      : "",
  ]);
}

function reaches(value: number, limit: number, better: Work["better"]) {
  return better === "less" ? value <= limit : value >= limit;
}

function quantity(values: readonly number[], unit: string): string {
  const percent = Math.round(100 * spread(values));
  const around = values.length > 1 ? ` ±${percent}%` : "";
  return `${number(median(values))} ${unit}${around}`;
}

/** Three digits that count. */
function number(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  return value.toPrecision(3);
}
