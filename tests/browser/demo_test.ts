/** The command, and the page that it serves, used as a person would. */

import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { Page } from "puppeteer";
import {
  browserPair,
  exceptFailedSockets,
  shareBrowser,
} from "../support/browser_pair.ts";
import { startCommand } from "../support/start_command.ts";

shareBrowser();

const LIMIT_MS = 15_000;

/** Waits until a person would see such words in an element. */
async function untilSeen(
  page: Page,
  selector: string,
  words: string,
): Promise<void> {
  const seen = (selector: string, words: string) => {
    const element = document.querySelector<HTMLElement>(selector)!;
    return element.checkVisibility() &&
      element.innerText.toLowerCase().includes(words);
  };
  const options = { timeout: LIMIT_MS };
  await page.waitForFunction(seen, options, selector, words)
    .catch(async (cause) => {
      const shown = await page.evaluate(() => document.body.innerText);
      throw new Error(`No "${words}" in ${selector}:\n${shown}`, { cause });
    });
}

async function say(page: Page, text: string): Promise<void> {
  await page.type("#text", text);
  await page.keyboard.press("Enter");
}

Deno.test("The demo page lets two people chat, first through the server and then without it", async () => {
  await using command = await startCommand();
  await using pair = await browserPair(command.url, "about:blank");
  const [a, b] = pair.pages;

  // One person passes the link on; what they write meanwhile waits.
  const link = await a.$eval("#link", (element) => element.textContent);
  const code = await a.$eval("#code", (element) => element.textContent);
  assertNotEquals(code, "");
  assertMatch(link, new RegExp(`^${command.url}.*${code}$`));
  await say(a, "is anybody there?");
  await b.goto(link);
  await untilSeen(b, "#messages", "is anybody there?");
  await say(b, "here i am");
  await untilSeen(a, "#messages", "here i am");

  for (const page of pair.pages) {
    await untilSeen(page, "#path", "direct");
    await untilSeen(page, "#events", "upgrade");
  }
  await say(a, "<b>still there?</b>");
  await untilSeen(b, "#messages", "<b>still there?</b>");

  const third = await pair.open(link);
  await untilSeen(third, "#problem", "two other");
  await untilSeen(third, "#events", "busy");
  await third.close();
  assertEquals(pair.errors, []);

  await command.kill();
  await say(a, "the server is gone");
  await untilSeen(b, "#messages", "the server is gone");
  await say(b, "who needs it");
  await untilSeen(a, "#messages", "who needs it");
  for (const page of pair.pages) await untilSeen(page, "#path", "direct");

  await b.close();
  await untilSeen(a, "#messages", "left");
  await untilSeen(a, "#events", "close");
  assertEquals(exceptFailedSockets(pair.errors), []);
});

Deno.test("The demo page ends a conversation and begins the next one by its buttons", async () => {
  await using command = await startCommand();
  await using pair = await browserPair(command.url, "about:blank");
  const [a, b] = pair.pages;
  await b.goto(await a.$eval("#link", (element) => element.textContent));
  for (const page of pair.pages) await untilSeen(page, "#path", "direct");

  await a.click("#close");
  await untilSeen(b, "#messages", "left");
  await untilSeen(a, "#path", "none");
  await a.click("#connect");
  for (const page of pair.pages) await untilSeen(page, "#path", "direct");
  await a.type("#text", "back again");
  await a.click("#send");
  await untilSeen(b, "#messages", "back again");
  assertEquals(pair.errors, []);
});
