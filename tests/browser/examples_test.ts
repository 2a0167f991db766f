/** Every example that is for a page, in one. */

import { assertEquals, assertMatch } from "@std/assert";
import type { Page } from "puppeteer";
import { root } from "../../scripts/deno.ts";
import { browserPair, shareBrowser } from "../support/browser_pair.ts";
import { temporaryFolder } from "../support/example.ts";
import { startCommand } from "../support/start_command.ts";

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

/** The text of an example, for a server that is not on port 3000. */
async function readFor(url: string, example: string): Promise<string> {
  const text = await Deno.readTextFile(new URL(`examples/${example}`, root));
  return text.replaceAll("http://localhost:3000", new URL(url).origin);
}

Deno.test("examples/chat.html joins two people who open the same address, from a disk", async () => {
  await using server = await startCommand();
  await using folder = await temporaryFolder();
  const path = `${folder.path}/chat.html`;
  await Deno.writeTextFile(path, await readFor(server.url, "chat.html"));
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
