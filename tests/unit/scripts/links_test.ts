/** Links between the documents, and into the source, lead somewhere. */

import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../../../", import.meta.url);

/** A text without what no reader follows: fences, and code in a line. */
function prose(text: string): string {
  return text
    .replace(/^( *)(```+)[^]*?^\1\2$/gm, "")
    .replace(/`[^`\n]+`/g, (code) => "`" + "x".repeat(code.length - 2) + "`");
}

/** The addresses that a document names. */
function linksOf(text: string): string[] {
  const inline = prose(text).matchAll(/\]\(\s*<?([^\s)>]+)>?\s*\)/g);
  const tags = prose(text).matchAll(/ (?:href|src)="([^"]+)"/g);
  return [...inline, ...tags].map(([, link]) => link);
}

/**
 * What a document's headings may be reached by, as GitHub and JSR name them.
 */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  const headings = text
    .replace(/^( *)(```+)[^]*?^\1\2$/gm, "")
    .matchAll(/^#{1,6} +(.+)$/gm);
  for (const [, heading] of headings) {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}\p{Pc} -]/gu, "")
      .replaceAll(" ", "-");
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count++) {
      anchor = `${slug}-${count}`;
    }
    anchors.add(anchor);
  }
  return anchors;
}

/** Every document that strangers read. */
async function documents(): Promise<URL[]> {
  const found = [
    new URL("README.md", ROOT),
    new URL("src/protocol/PROTOCOL.md", ROOT),
  ];
  for await (const { name } of Deno.readDir(new URL("docs/", ROOT))) {
    if (name.endsWith(".md")) found.push(new URL(`docs/${name}`, ROOT));
  }
  return found;
}

/** What is wrong with the links of a document. */
async function broken(document: URL, text: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const link of linksOf(text)) {
    if (/^(?:https?|mailto):/.test(link)) continue;
    const target = new URL(link, document);
    const anchor = decodeURIComponent(target.hash.slice(1));
    target.hash = "";
    const own = target.href === document.href;
    const found = own || await Deno.stat(target).catch(() => null);
    if (link.startsWith("/") || !target.href.startsWith(ROOT.href)) {
      wrong.push(`${link} leads out of the project`);
    } else if (!found) wrong.push(`${link}: there is no such file`);
    else if (anchor) {
      const there = own ? text : await Deno.readTextFile(target);
      if (!anchorsOf(there).has(anchor)) {
        wrong.push(`${link}: there is no such heading`);
      }
    }
  }
  return wrong;
}

Deno.test("documents link to files and headings that are there", async () => {
  const wrong: string[] = [];
  let links = 0;
  for (const document of await documents()) {
    const text = await Deno.readTextFile(document);
    links += linksOf(text).length;
    const name = document.href.slice(ROOT.href.length);
    for (const what of await broken(document, text)) {
      wrong.push(`${name}: ${what}`);
    }
  }
  assertEquals(wrong, []);
  assert(links > 100, `Only ${links} links were found`);
});

Deno.test("every document can be reached from README.md", async () => {
  const reached = new Set<string>();
  const follow = async (document: URL) => {
    if (reached.has(document.href)) return;
    reached.add(document.href);
    for (const link of linksOf(await Deno.readTextFile(document))) {
      if (/^https?:|^#/.test(link)) continue;
      const target = new URL(link.replace(/#.*/, ""), document);
      if (target.pathname.endsWith(".md")) await follow(target);
    }
  };
  await follow(new URL("README.md", ROOT));
  for (const document of await documents()) {
    assert(reached.has(document.href), document.href);
  }
});

Deno.test("a broken link is found", async () => {
  const document = new URL("docs/made_up.md", ROOT);
  const text = "# A `b` and c\n\n[1](#a-b-and-c) [2](#d) [3](no.md) " +
    "[4](../README.md#what-it-costs) [5](../../x.md) `[6](no.md)`\n\n" +
    "```text\n[7](no.md)\n```\n";
  assertEquals(await broken(document, text), [
    "#d: there is no such heading",
    "no.md: there is no such file",
    "../../x.md leads out of the project",
  ]);
});

Deno.test("README.md fits on a few screens", async () => {
  const text = await Deno.readTextFile(new URL("README.md", ROOT));
  const lines = text.split("\n").length - 1;
  assert(lines <= 150, `${lines} lines: what is longer belongs into docs/`);
});
