/** Every example that is for a page, in one. */

import { assertEquals, assertMatch } from "@std/assert";
import type { Page } from "puppeteer";
import { root } from "../../scripts/deno.ts";
import { browserPair, shareBrowser } from "../support/browser_pair.ts";
import { Example } from "../support/example.ts";
import { startCommand } from "../support/start_command.ts";
import { startServer } from "../support/start_server.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

shareBrowser();

/** Waits until an element has such a text. */
async function untilShown(
  page: Page,
  selector: string,
  text: string,
): Promise<void> {
  await page.waitForFunction(
    (selector: string, text: string) =>
      document.querySelector(selector)?.textContent?.includes(text),
    { timeout: 15_000 },
    selector,
    text,
  );
}

/** Types a message into the one field of a page, and sends it. */
async function say(page: Page, text: string): Promise<void> {
  await page.type("input", text);
  await page.keyboard.press("Enter");
}

/** The text of a file, for a server that is not on port 3000. */
async function readFor(server: string, path: string | URL): Promise<string> {
  const text = await Deno.readTextFile(path);
  return text.replaceAll("http://localhost:3000", new URL(server).origin);
}

Deno.test("examples/chat.html joins two people who open the same address, from a disk", async () => {
  await using server = await startCommand();
  await using folder = await temporaryFolder();
  const path = `${folder.path}/chat.html`;
  const source = new URL("examples/chat.html", root);
  await Deno.writeTextFile(path, await readFor(server.url, source));
  await using pair = await browserPair(`file://${path}`, "/blank.html");
  const [a, b] = pair.pages;
  await say(a, "before you came");
  const link = await a.$eval("#link", (link) => link.textContent);
  assertMatch(link!, /chat\.html#(\w{4}-){3}\w{4}$/);
  await b.goto(link!);
  for (const page of pair.pages) {
    await untilShown(page, "#state", "Connected, direct");
  }
  await say(b, "<b>hello</b>");
  await untilShown(a, "li:last-child", "The other: <b>hello</b>");
  await untilShown(b, "li", "The other: before you came");
  assertEquals(
    await a.$$eval("li", (items) => items.map((item) => item.textContent)),
    ["You: before you came", "The other: <b>hello</b>"],
  );
  await b.close();
  await untilShown(a, "#state", "The other has left");
  assertEquals(pair.errors, []);
});

/** A page from a disk with an example in it that is bundled. */
async function writePage(folder: string, script: string): Promise<string> {
  await Deno.writeTextFile(`${folder}/react.js`, script);
  const path = `${folder}/react.html`;
  await Deno.writeTextFile(path, `<body><script src="react.js"></script>`);
  return `file://${path}`;
}

Deno.test("examples/react.tsx has one conversation, though StrictMode runs its effect twice", async () => {
  const events: string[] = [];
  const count = (type: string) => events.filter((each) => each === type).length;
  await using server = startServer({
    observer: ({ type }) => void events.push(type),
  });
  await using folder = await temporaryFolder();
  await using bundling = Example.start("react.tsx", { cwd: folder.path });
  assertEquals(await bundling.code(), 0, bundling.output);
  const script = await readFor(server.url, `${folder.path}/react.js`);

  const url = await writePage(folder.path, script);
  {
    await using pair = await browserPair(url);
    const [a, b] = pair.pages;
    for (const page of pair.pages) {
      await untilShown(page, "[role=status]", "connected");
    }
    for (const text of ["one", "two"]) {
      await say(a, text);
      await untilShown(b, "li:last-child", text);
    }
    await say(b, "three");
    await untilShown(a, "li", "three");
    assertEquals(
      await b.$$eval("li", (items) => items.map((item) => item.textContent)),
      ["one", "two"],
    );
    assertEquals([count("open"), count("pair")], [2, 1]);
    assertEquals(pair.errors, []);
  }

  // Where the effect leaves its peer behind, a page talks to itself.
  events.length = 0;
  const careless = script.replace(/(off\("data"\))\.close\(\)/, "$1");
  await using alone = await browserPair(
    await writePage(folder.path, careless),
    "/blank.html",
  );
  await untilShown(alone.pages[0], "[role=status]", "connected");
  assertEquals([count("open"), count("pair")], [2, 1]);
});
