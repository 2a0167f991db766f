/**
 * Writes the tables in documents that follow from tables in the code, between
 * markers such as `<!-- options:begin -->` and `<!-- options:end -->`.
 *
 *     deno task docs            writes them
 *     deno task docs --check    fails where one is stale
 *
 * @module
 */

// deno-lint-ignore-file no-console
import {
  defaultInWords,
  isRate,
  MAX_WHOLE,
  OPTION_ROWS,
  type OptionRow,
} from "../src/server/option_table.ts";
import { settingRows } from "../src/server/flags.ts";
import { root, startDeno } from "./deno.ts";

/** The table that stands between two markers, by their name. */
export const TABLES: Readonly<Record<string, () => string>> = {
  options: optionTable,
  flags: flagTable,
  limits: limitTable,
};

/** Every option, for programmers. */
function optionTable(): string {
  return table(
    ["option", "default", "meaning", "close code"],
    OPTION_ROWS.map(([name, row]) => [
      code(name),
      defaultInCode(row),
      meaningOf(row),
      row.code && row.status
        ? `${row.code} (HTTP ${row.status})`
        : `${row.code ?? ""}`,
    ]),
  );
}

/** Every flag and variable of the command, for operators. */
function flagTable(): string {
  return table(
    ["flag", "variable", "default", "meaning"],
    settingRows().map(({ flag, variable, default: fallback, meaning }) => [
      flag && code(flag),
      code(variable),
      fallback,
      meaning,
    ]),
  );
}

/**
 * Every option that bounds what a socket may do, for those who write a client.
 */
function limitTable(): string {
  const limits = OPTION_ROWS.filter(([, { kind, code }]) =>
    code !== undefined && (kind === "whole" || kind === "rate")
  );
  return table(
    ["what", "option", "default", "beyond it"],
    limits.map(([name, row]) => [
      row.says,
      code(name),
      limitInWords(row),
      `${row.code}`,
    ]),
  );
}

/** The sentence of an option, its bounds, and what else there is to say. */
function meaningOf({ says, more, most = MAX_WHOLE }: OptionRow): string {
  const bound = most < MAX_WHOLE ? `; at most ${most}` : "";
  return `${says}${bound}${more ? `. ${more}` : ""}`;
}

/** A default as a program writes it, with what it is a number of. */
function defaultInCode(row: OptionRow): string {
  const { unset, default: value } = row;
  if (unset !== undefined || typeof value === "number") {
    return defaultInWords(row);
  }
  return code(
    isRate(value)
      ? `{ burst: ${value.burst}, perSecond: ${value.perSecond} }`
      : JSON.stringify(value),
  );
}

/** A default as PROTOCOL.md writes it. */
function limitInWords({ default: value, unit }: OptionRow): string {
  const inWords = (count: number) => count.toLocaleString("en-US");
  return isRate(value)
    ? `${inWords(value.burst)} at once, ${inWords(value.perSecond)} a second`
    : `${inWords(value as number)} ${unit ?? ""}`.trim();
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** A table as `deno fmt` aligns it. */
async function formatted(markdown: string): Promise<string> {
  const child = startDeno(["fmt", "--ext", "md", "-"], {
    stdin: "piped",
    stdout: "piped",
  });
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(markdown));
  await writer.close();
  return (await new Response(child.stdout).text()).trim();
}

/** Every Markdown document that may have a table of these. */
function documents(): string[] {
  const docs = [...Deno.readDirSync(new URL("docs/", root))]
    .map(({ name }) => `docs/${name}`);
  return ["README.md", "src/protocol/PROTOCOL.md", ...docs]
    .filter((path) => path.endsWith(".md")).sort();
}

/** A document whose tables are not what they should be. */
export interface StaleDocument {
  readonly path: string;
  /** The document with the tables that it should have. */
  readonly text: string;
}

/**
 * Every document with a stale table.
 *
 * @throws {Error} If a table is in no document, or a marker stands alone.
 */
export async function staleDocuments(): Promise<StaleDocument[]> {
  const texts = new Map<string, string>();
  for (const path of documents()) {
    texts.set(path, await Deno.readTextFile(new URL(path, root)));
  }
  const stale = new Set<string>();
  for (const [name, write] of Object.entries(TABLES)) {
    const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
    const between = new RegExp(`(?<=${begin}\n)[^]*?(?=${end})`);
    const holders = [...texts].filter(([, text]) => text.includes(begin));
    if (holders.length === 0) {
      throw new Error(
        `Cannot write the table "${name}": no document has ${begin} in it`,
      );
    }
    const current = `\n${await formatted(write())}\n\n`;
    for (const [path, text] of holders) {
      if (!between.test(text)) {
        throw new Error(
          `Cannot write the table "${name}": ${path} has no ${end} after its ` +
            `${begin}`,
        );
      }
      const written = text.replace(between, () => current);
      if (written === text) continue;
      texts.set(path, written);
      stale.add(path);
    }
  }
  return [...stale].map((path) => ({ path, text: texts.get(path)! }));
}

if (import.meta.main) {
  const stale = await staleDocuments();
  const check = Deno.args.includes("--check");
  for (const { path, text } of stale) {
    if (check) console.error(`${path} is stale: run deno task docs`);
    else {
      await Deno.writeTextFile(new URL(path, root), text);
      console.log(`wrote ${path}`);
    }
  }
  if (check && stale.length > 0) Deno.exit(1);
  if (stale.length === 0) {
    console.log("The tables in the documents are current");
  }
}
