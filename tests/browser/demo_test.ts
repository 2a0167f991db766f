/** The command, and the page that it serves, used as a person would. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { delay } from "@std/async";
import type { Page } from "puppeteer";
import decodeQR from "qr/decode.js";
import { SocketPeer } from "../../client.ts";
import {
  type BrowserName,
  browserPair,
  exceptFailedSockets,
  FAR_HOST,
  shareBrowser,
} from "../support/browser_pair.ts";
import { findFirefox } from "../support/find_browser.ts";
import { type Command, startCommand } from "../support/start_command.ts";

const hasFirefox = await findFirefox() !== undefined;
shareBrowser(hasFirefox ? ["chromium", "firefox"] : ["chromium"]);

const LIMIT_MS = 60_000;

/** Waits until a person would see such words in an element. */
async function untilSeen(
  page: Page,
  selector: string,
  words: string,
): Promise<void> {
  // In the page, but not by waitForFunction(): that evaluates a text, which
  // the page's policy forbids.
  const found = await page.evaluate(
    async (selector, words, limitMs) => {
      const element = document.querySelector<HTMLElement>(selector)!;
      for (const end = performance.now() + limitMs; performance.now() < end;) {
        const seen = element.checkVisibility() &&
          element.innerText.toLowerCase().includes(words);
        if (seen) return true;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return false;
    },
    selector,
    words,
    LIMIT_MS,
  );
  if (found) return;
  const shown = await page.evaluate(() => document.body.innerText);
  throw new Error(`No "${words}" in ${selector}:\n${shown}`);
}

async function textOf(page: Page, selector: string): Promise<string> {
  return await page.$eval(selector, (element) => element.textContent) ?? "";
}

/** Waits for the code that a page gives away. */
async function codeOf(page: Page): Promise<string> {
  await untilSeen(page, "#code", "-");
  return await textOf(page, "#code");
}

/** A code of the same number with another last word. */
function withOtherWords(code: string): string {
  const other = code.endsWith("zebra") ? "acorn" : "zebra";
  return code.replace(/\w+$/, other);
}

async function say(page: Page, text: string): Promise<void> {
  await page.type("#text", text);
  await page.keyboard.press("Enter");
}

async function enter(page: Page, code: string): Promise<void> {
  await page.type("#other-code", code);
  await page.keyboard.press("Enter");
}

Deno.test("The demo page lets two people who say a code meet in private, and then without the server", async () => {
  await using command = await startCommand();
  await using pair = await browserPair(command.url);
  const [a, b] = pair.pages;
  await untilSeen(a, "#state", "waiting");
  await untilSeen(a, "header", new URL(command.url).host);
  const code = await codeOf(a);
  assertMatch(code, /^\d+(-[a-z]+){3}$/);
  // What is written meanwhile waits.
  await say(a, "is anybody there?");

  const [number, ...words] = code.split("-");
  await b.type("#other-code", `${number} `);
  for (const word of words) {
    await b.keyboard.type(word.slice(0, 3).toUpperCase());
    await untilSeen(b, "#words [role=option]", word);
    await b.keyboard.press("ArrowDown");
    await b.keyboard.press("Enter");
  }
  assertEquals(
    await b.$eval("#other-code", (e) => "value" in e && e.value),
    code,
  );
  await b.keyboard.press("Enter");
  await untilSeen(b, "#messages", "is anybody there?");
  await say(b, "here i am");
  await untilSeen(a, "#messages", "here i am");

  for (const page of pair.pages) {
    await untilSeen(page, "#lock", "same three words");
    await untilSeen(page, "#path", "direct");
    await untilSeen(page, "#events", "upgrade");
    // A log may get into other hands.
    assertEquals((await textOf(page, "#events")).includes(code), false);
  }
  const compared = await textOf(a, "#verification");
  assertMatch(compared, /^[a-z]+ [a-z]+ [a-z]+$/);
  assertEquals(await textOf(b, "#verification"), compared);
  assertNotEquals(compared, words.join(" "));
  await say(a, "<b>still there?</b>");
  await untilSeen(b, "#messages", "<b>still there?</b>");

  const third = await pair.open(command.url);
  await enter(third, code);
  await untilSeen(third, "#problem", "two others");
  await untilSeen(third, "#problem button", "new code");
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

Deno.test("The demo page joins by a link or its QR code, once", async () => {
  await using command = await startCommand();
  await using pair = await browserPair(command.url, "about:blank");
  const [a, b] = pair.pages;
  const code = await codeOf(a);
  const link = await textOf(a, "#link");
  assertEquals(link, `${command.url}#${code}`);
  await a.emulateMediaFeatures([
    { name: "prefers-color-scheme", value: "dark" },
  ]);
  assertEquals(await scan(a, "#qr"), link);

  await b.goto(link);
  for (const page of pair.pages) await untilSeen(page, "#path", "direct");
  assertEquals(b.url(), command.url);
  await b.reload();
  await untilSeen(a, "#state", "over");
  assertNotEquals(await codeOf(b), code);
  // To open another link in the same tab is to join by that.
  await a.click("#again");
  const next = await codeOf(a);
  await b.goto(
    `${command.url}#${encodeURIComponent(next.replaceAll("-", " "))}`,
  );
  await untilSeen(b, "#path", "direct");
  assertEquals(b.url(), command.url);
  assertEquals(pair.errors, []);
});

Deno.test("The demo page says to both that the words are wrong, and what to do", async () => {
  await using command = await startCommand();
  await using pair = await browserPair(command.url);
  const [a, b] = pair.pages;
  const code = await codeOf(a);
  await enter(b, withOtherWords(code));
  await untilSeen(b, "#problem", "ask for the code again");
  await untilSeen(b, "#problem button", "new code");
  await untilSeen(a, "#problem", "three such attempts");
  await untilSeen(a, "#problem button", "new code");
  await untilSeen(a, "#state", "waiting");
  await enter(b, code);
  for (const page of pair.pages) await untilSeen(page, "#lock", "same three");
  await untilSeen(a, "#path", "direct");
  assertEquals(await a.$("#problem:not([hidden])"), null);
  await b.click("#close");

  // One attempt too many.
  await untilSeen(a, "#again", "new code");
  await a.click("#again");
  const guessed = await codeOf(a);
  for (let attempt = 1; attempt <= 3; attempt++) {
    await untilSeen(a, "#state", "waiting");
    await enter(b, withOtherWords(guessed));
    await untilSeen(b, "#problem", "ask for the code again");
  }
  await untilSeen(a, "#problem", "used up");
  assertEquals(await a.$eval("#code", (e) => e.checkVisibility()), false);
  await a.click("#problem button");
  assertNotEquals(await codeOf(a), guessed);
  assertEquals(pair.errors, []);
});

Deno.test("The demo page says that the other side is not private", async () => {
  await using command = await startCommand();
  await using pair = await browserPair(command.url, "about:blank");
  const [a] = pair.pages;
  const [pairCode] = (await codeOf(a)).split("-");
  const plain = new SocketPeer({ pairCode, url: command.url });
  await untilSeen(a, "#problem", "does not talk in private");
  plain.destroy();
});

Deno.test("The demo page says that a message was changed on its way, and gets the right one", async () => {
  await using command = await startCommand();
  await using pair = await browserPair(command.url, "about:blank");
  const [a, b] = pair.pages;
  await b.evaluateOnNewDocument(() => {
    // Only what the server relays can be changed at the socket.
    Object.assign(globalThis, { RTCPeerConnection: undefined });
    const { prototype } = WebSocket;
    const { set } = Object.getOwnPropertyDescriptor(prototype, "onmessage")!;
    let changed = false;
    Object.defineProperty(prototype, "onmessage", {
      set(listener: (event: MessageEvent) => void) {
        set!.call(this, (event: MessageEvent) => {
          if (event.data instanceof ArrayBuffer && !changed) {
            changed = true;
            new Uint8Array(event.data)[0] ^= 1;
          }
          listener(event);
        });
      },
    });
  });
  await b.goto(`${command.url}#${await codeOf(a)}`);
  await untilSeen(b, "#lock", "same three");
  await say(a, "the right one");
  await untilSeen(b, "#problem", "has changed what the other sent");
  await untilSeen(b, "#messages", "the right one");
  await untilSeen(b, "#path", "relay");
  await untilSeen(b, "#problem", "has changed what the other sent");
  assertEquals(pair.errors, []);
});

Deno.test("The demo page says what is wrong with a code before it sends anything", async () => {
  await using command = await startCommand();
  await using pair = await browserPair(command.url);
  const [a, b] = pair.pages;
  await untilSeen(a, "#state", "waiting");
  const code = await codeOf(a);
  const events = await textOf(a, "#events");
  const clear = () => a.click("#other-code", { count: 3 });
  const faults = {
    "otter-lunar-basin": "begin with its number",
    "7-otter-lunar": "add 1",
    "7-otter-lunar-foo": "not in the list",
    [code]: "your own code",
  };
  for (const [text, words] of Object.entries(faults)) {
    await clear();
    await enter(a, text);
    await untilSeen(a, "#join-error", words);
  }
  await a.keyboard.press("Backspace");
  assertEquals(await textOf(a, "#join-error"), "");
  assertEquals(await textOf(a, "#events"), events);

  // A link may be cut short, too.
  await b.goto(`${command.url}#7-otter`);
  await untilSeen(b, "#join-error", "add 2");
  await codeOf(b);
  await b.click("#other-code", { count: 3 });
  await enter(b, code);
  for (const page of pair.pages) await untilSeen(page, "#path", "direct");
  assertEquals(pair.errors, []);
});

Deno.test("The demo page ends a conversation and begins the next one with a new code", async () => {
  await using command = await startCommand();
  await using pair = await browserPair(command.url);
  const [a, b] = pair.pages;
  const code = await codeOf(a);
  await enter(b, code);
  for (const page of pair.pages) await untilSeen(page, "#path", "direct");

  await a.click("#close");
  await untilSeen(b, "#messages", "left");
  for (const page of pair.pages) {
    await untilSeen(page, "#state", "over");
    await untilSeen(page, "#path", "none");
    await untilSeen(page, "#hint", "one conversation");
  }
  await a.click("#again");
  const next = await codeOf(a);
  assertNotEquals(next, code);
  await enter(b, next);
  for (const page of pair.pages) await untilSeen(page, "#path", "direct");
  await a.type("#text", "back again");
  await a.click("#send");
  await untilSeen(b, "#messages", "back again");
  assertEquals(pair.errors, []);
});

Deno.test("The demo page says that the server is out of reach, and goes on when it is back", async () => {
  await using command = await startCommand();
  await using pair = await browserPair(command.url);
  const [a, b] = pair.pages;
  const code = await codeOf(a);
  await command.kill();
  await untilSeen(a, "#problem", "out of reach");
  await command.start();
  // The page may have tried by itself by now, and then the button is gone.
  await a.evaluate(() => document.getElementById("connect")!.click());
  await untilSeen(a, "#state", "waiting");
  assertEquals(await a.$("#problem:not([hidden])"), null);
  await enter(b, code);
  for (const page of pair.pages) await untilSeen(page, "#path", "direct");
  assertEquals(exceptFailedSockets(pair.errors), []);
});

Deno.test("The demo page says that a browser has no cryptography, and is not plain instead", async () => {
  await using command = await startCommand();
  await using pair = await browserPair("about:blank");
  const [page] = pair.pages;
  await page.evaluateOnNewDocument(() => {
    Object.defineProperty(Crypto.prototype, "subtle", { value: undefined });
  });
  await page.goto(`${command.url}#7-otter-lunar-basin`);
  await untilSeen(page, "#problem", "too old");
  assertFalse(await isSeen(page, "main"));
  assertEquals(await clientsOf(page), ["socketpeer.private.min.js"]);
  assertEquals(pair.errors, []);
});

/** Whether a person would see an element. */
async function isSeen(page: Page, selector: string): Promise<boolean> {
  return await page.$eval(selector, (element) => element.checkVisibility());
}

/** Which of the library's bundles a page has loaded. */
async function clientsOf(page: Page): Promise<string[]> {
  return await page.evaluate(() =>
    performance.getEntriesByType("resource").map(({ name }) =>
      name.replace(/.*\//, "")
    ).filter((name) => name.startsWith("socketpeer"))
  );
}

/** Where a command's page is not in a secure context. */
function farUrl({ port }: Command): string {
  return `http://${FAR_HOST}:${port}/`;
}

Deno.test("The demo page lets two people meet without https, and says that this is not private", async () => {
  await using command = await startCommand();
  const url = farUrl(command);
  await using pair = await directPair(command, url);
  const [a, b] = pair.pages;
  for (const page of pair.pages) {
    assertEquals(await clientsOf(page), ["socketpeer.min.js"]);
    await untilSeen(page, "#state", "not in private");
    assertFalse(await isSeen(page, "#lock"));
  }
  await say(a, "by the link");
  await untilSeen(b, "#messages", "by the link");
  await drop(b, "plain.bin", FILE_BYTES);
  await untilSaved(a, "plain.bin");
  assertEquals(await savedBytes(a, "plain.bin"), FILE_BYTES);
  // Which events follow depends on the path of that moment.
  await a.click("#cut-both");
  await untilSeen(a, "#broken", "nothing is left");
  await say(a, "after a break");
  await untilSeen(b, "#messages", "after a break");

  // It is over for both, though a plain peer could wait for another.
  await b.click("#close");
  for (const page of pair.pages) await untilSeen(page, "#state", "over");
  // The warning may be before it.
  await a.focus("#again");
  await a.keyboard.press("Enter");
  const code = await codeOf(a);
  const promises = await a.evaluate(() => document.body.innerText);
  assertFalse(/\btalk in private\.|neither|never/.test(promises), promises);
  assertMatch(code, /^([b-df-hjkmnp-tv-z]{4}-){3}[b-df-hjkmnp-tv-z]{4}$/);
  const link = await textOf(a, "#link");
  assertEquals(link, `${url}#${code}`);
  assertEquals(await scan(a, "#qr"), link);
  await enter(b, code.toUpperCase().replaceAll("-", ""));
  for (const page of pair.pages) await untilSeen(page, "#path", "direct");
  await say(b, "by the typed code");
  await untilSeen(a, "#messages", "by the typed code");

  for (const page of pair.pages) {
    await untilSeen(page, "#warning", "can read and change");
    const { top, covered } = await page.evaluate(() => {
      scrollTo(0, document.body.scrollHeight);
      const warning = document.getElementById("warning")!;
      const { top, left } = warning.getBoundingClientRect();
      const there = document.elementFromPoint(left + 20, top + 20);
      return { top, covered: !warning.contains(there) };
    });
    assertEquals({ top, covered }, { top: 0, covered: false });
  }
  assertEquals(pair.errors, []);
});

Deno.test("The demo page refuses codes of the other kind, and sends nothing of them", async () => {
  await using command = await startCommand();
  await using pair = await browserPair(command.url, farUrl(command));
  const [secure, far] = pair.pages;
  const [code, plainCode] = [await codeOf(secure), await codeOf(far)];
  assertEquals(await clientsOf(secure), ["socketpeer.private.min.js"]);
  assertFalse(await isSeen(secure, "#warning"));
  // The command listens on this machine alone.
  assertFalse(await isSeen(secure, "#network"));
  for (const page of pair.pages) await untilSeen(page, "#state", "ready");
  const refused: [Page, string, string][] = [
    [secure, plainCode, "page without https"],
    [far, code, "of a private page"],
    // Without its hyphens it would have as many characters as a plain one.
    [far, "7-otter-stone-basin", "of a private page"],
    [far, "yolo", "16 letters"],
    [far, plainCode, "your own code"],
  ];
  for (const [page, text, words] of refused) {
    const events = await textOf(page, "#events");
    await page.click("#other-code", { count: 3 });
    await enter(page, text);
    await untilSeen(page, "#join-error", words);
    assertEquals(await textOf(page, "#events"), events);
  }
  // By a link it is no other.
  await far.goto(`${farUrl(command)}#${code}`);
  await untilSeen(far, "#join-error", "of a private page");
  assertEquals(await textOf(far, "#joined"), "");
  assertEquals(pair.errors, []);
});

Deno.test("The demo page on localhost leads to where a phone finds it", async () => {
  // The last one counts.
  await using command = await startCommand(["--host", "0.0.0.0"]);
  await using pair = await browserPair(command.url, farUrl(command));
  const [page, far] = pair.pages;
  await untilSeen(page, "#local", "this machine alone");
  await codeOf(far);
  assertFalse(await isSeen(far, "#local"));
  const urls = Deno.networkInterfaces()
    .filter(({ family, address }) =>
      family === "IPv4" && !/^(127|169\.254)\./.test(address)
    )
    .map(({ address }) => `http://${address}:${command.port}/`);
  const hrefs = await page.$$eval(
    "#addresses a",
    (all) => all.map((each) => each.href),
  );
  assertEquals(hrefs, urls);
  assertEquals(await isSeen(page, "#network"), urls.length > 0);
  if (urls.length > 0) {
    await Promise.all([page.waitForNavigation(), page.click("#addresses a")]);
    await untilSeen(page, "#warning", "not private");
    await untilSeen(page, "#state", "ready");
    assertEquals(
      await textOf(page, "#link"),
      `${urls[0]}#${await codeOf(page)}`,
    );
  }
  assertEquals(pair.errors, []);
});

Deno.test({
  name: "The demo page does the same in Firefox",
  ignore: !hasFirefox,
  async fn() {
    await using command = await startCommand();
    await using pair = await directPair(command, command.url, "firefox");
    const [a, b] = pair.pages;
    assertEquals(
      await textOf(a, "#verification"),
      await textOf(b, "#verification"),
    );
    await say(a, "by fox");
    await untilSeen(b, "#messages", "by fox");
    await b.click("#pause");
    await drop(a, "held up.bin", FILE_BYTES);
    await untilSeen(a, "#messages", "the other does not read");
    await b.click("#pause");
    await untilSaved(b, "held up.bin");
    assertEquals(await savedBytes(b, "held up.bin"), FILE_BYTES);
    assertEquals(pair.errors, []);
  },
});

/** Waits until a page has all of a file that it was sent. */
async function untilSaved(page: Page, name: string): Promise<void> {
  await untilSeen(page, "#messages", `save ${name}`);
}

/** Drops a file of so many bytes on a page: each is told by where it stands. */
async function drop(page: Page, name: string, size: number): Promise<void> {
  await page.evaluate(
    (name, size) => {
      const bytes = new Uint8Array(size).map((_, i) => i * 31 + (i >> 8));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], name));
      document.querySelector(".chat")!.dispatchEvent(
        new DragEvent("drop", {
          dataTransfer,
          bubbles: true,
          cancelable: true,
        }),
      );
    },
    name,
    size,
  );
}

/** What is behind the link to a received file, if it is as it was dropped. */
async function savedBytes(page: Page, name: string): Promise<number> {
  return await page.$eval(`a[download="${name}"]`, async (link) => {
    // The page's policy lets it load no blob, but a link may point at one.
    const { files } = globalThis as unknown as { files: Map<string, Blob> };
    const blob = files.get((link as HTMLAnchorElement).href)!;
    const bytes = new Uint8Array(await blob.arrayBuffer());
    return bytes.every((byte, i) => byte === ((i * 31 + (i >> 8)) & 255))
      ? bytes.length
      : NaN;
  });
}

/** Remembers what the page makes links to, and how far its files have come. */
function watchFiles(): void {
  const files = new Map<string, Blob>();
  const seen: number[] = [];
  Object.assign(globalThis, { files, seen });
  const { createObjectURL } = URL;
  URL.createObjectURL = (blob: Blob) => {
    const url = createObjectURL(blob);
    files.set(url, blob);
    return url;
  };
  const { set } = Object.getOwnPropertyDescriptor(
    HTMLProgressElement.prototype,
    "value",
  )!;
  Object.defineProperty(HTMLProgressElement.prototype, "value", {
    set(value: number) {
      seen.push(value);
      set!.call(this, value);
    },
  });
}

/** All that pages show, for whoever wonders why a test failed. */
async function stateOf(pages: readonly Page[]): Promise<string> {
  const texts = pages.map((page) =>
    page.evaluate(() => document.querySelector("main")!.innerText)
  );
  return (await Promise.all(texts)).join("\n\n");
}

/** Two pages of the demo that talk directly. */
async function directPair(
  command: Command,
  url = command.url,
  browser: BrowserName = "chromium",
) {
  const blank = "about:blank";
  const pair = await browserPair(blank, blank, [browser, browser]);
  const [a, b] = pair.pages;
  for (const page of pair.pages) await page.evaluateOnNewDocument(watchFiles);
  await a.goto(url);
  await b.goto(`${url}#${await codeOf(a)}`);
  for (const page of pair.pages) await untilSeen(page, "#path", "direct");
  return pair;
}

const FILE_BYTES = 3_000_000;

Deno.test("The demo page takes files to the other side, both ways at once, and chat between them", async () => {
  await using command = await startCommand();
  await using pair = await directPair(command);
  const [a, b] = pair.pages;
  await drop(a, "from a.bin", FILE_BYTES);
  await drop(b, "from b.bin", FILE_BYTES);
  await drop(a, "empty.bin", 0);
  await say(a, "still chatting");
  await untilSeen(b, "#messages", "still chatting");
  await untilSaved(a, "from b.bin");
  await untilSaved(b, "from a.bin");
  await untilSaved(b, "empty.bin");
  assertEquals(await savedBytes(a, "from b.bin"), FILE_BYTES);
  assertEquals(await savedBytes(b, "from a.bin"), FILE_BYTES);
  assertEquals(await savedBytes(b, "empty.bin"), 0);
  for (const page of pair.pages) {
    await untilSeen(page, "#messages .own", "the other has it all");
    assertEquals(await page.$("progress"), null);
    assertEquals(
      await page.evaluate(() => Math.max(...Reflect.get(globalThis, "seen"))),
      FILE_BYTES,
    );
  }
  assertEquals(pair.errors, []);
});

Deno.test("The demo page holds the sender up while the receiver does not read, and lets either cancel", async () => {
  await using command = await startCommand();
  await using pair = await directPair(command);
  const [a, b] = pair.pages;
  const progress = () =>
    a.$eval("progress", (e) => (e as HTMLProgressElement).value);
  await b.click("#pause");
  await drop(a, "held up.bin", FILE_BYTES);
  await untilSeen(a, "#messages", "the other does not read");
  await say(a, "behind the file?");
  const before = await progress();
  await delay(1500);
  assertEquals(await progress(), before);
  assert(before < FILE_BYTES / 2, `${before}`);
  assertEquals((await textOf(b, "#messages")).includes("behind"), false);
  await untilSeen(b, "#hint", "you read nothing");
  await b.click("#pause");
  await untilSeen(b, "#messages", "behind the file?");
  await untilSaved(b, "held up.bin");
  assertEquals(await savedBytes(b, "held up.bin"), FILE_BYTES);
  await untilSeen(a, "#messages", "the other has it all");

  // The sender cancels a file.
  await b.click("#pause");
  await drop(a, "second.bin", FILE_BYTES);
  await untilSeen(a, "#messages", "the other does not read");
  await a.click(".file button");
  await untilSeen(a, "#messages", "you cancelled it");
  await b.click("#pause");
  await untilSeen(b, "#messages", "the other has cancelled it");

  // The receiver, who pauses by the button of the file, cancels one too.
  await drop(a, "third.bin", 60_000_000);
  await b.waitForSelector(".file button");
  await b.click(".file button");
  await untilSeen(b, ".file button", "read on");
  await untilSeen(a, "#messages", "the other does not read");
  await b.click(".file button:last-child");
  await untilSeen(b, "#messages", "you did not want it");
  await b.click("#pause");
  await untilSeen(a, "#messages", "the other did not want it");
  await say(a, "after all");
  await untilSeen(b, "#messages", "after all");
  assertEquals(await b.$$eval("a[download]", (e) => e.length), 1);
  assertEquals(pair.errors, []);
});

Deno.test("The demo page shows an image, and makes no page of a received file", async () => {
  await using command = await startCommand();
  await using pair = await directPair(command);
  const [a, b] = pair.pages;
  await a.evaluate(async () => {
    const canvas = new OffscreenCanvas(40, 30);
    canvas.getContext("2d")!.fillRect(0, 0, 40, 30);
    const image = await canvas.convertToBlob({ type: "image/png" });
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(
      new File([image], "photo.png", { type: "image/png" }),
    );
    dataTransfer.items.add(
      new File(["<h1>"], "page.html", { type: "text/html" }),
    );
    dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
  });
  await untilSaved(b, "page.html");
  await untilSaved(b, "photo.png");
  await b.evaluate(() => document.images[0].decode());
  assertEquals(
    await b.$$eval("img", (all) => all.map((e) => [e.alt, e.naturalWidth])),
    [["photo.png", 40]],
  );
  assertEquals(
    await b.evaluate(() =>
      [...(Reflect.get(globalThis, "files") as Map<string, Blob>).values()]
        .map(({ type }) => type).sort()
    ),
    ["application/octet-stream", "image/png"],
  );
  assertEquals(pair.errors, []);
});

Deno.test("The demo page breaks what carries its messages, and loses none", async () => {
  await using command = await startCommand(["--demo-chaos"]);
  await using pair = await directPair(command);
  const [a, b] = pair.pages;
  const number = async (page: Page, id: string) =>
    Number(await textOf(page, `#pings-${id}`));
  /** Waits until more have come at both sides than had been sent by now. */
  const untilMore = async () => {
    for (const page of pair.pages) {
      const sent = await number(page, "out-sent");
      for (const end = Date.now() + LIMIT_MS;;) {
        if (await number(page, "out-arrived") > sent + 5) break;
        assert(Date.now() < end, await stateOf(pair.pages));
        await delay(100);
      }
    }
  };
  await untilMore();
  for (
    const [button, event] of [
      ["stop-channel", "downgrade"],
      ["cut-socket", ""],
      ["cut-both", "reconnect"],
      ["kill-server", ""],
    ]
  ) {
    const events = (await textOf(a, "#events")).length;
    await a.click(`#${button}`);
    await untilMore();
    await untilSeen(a, "#path", "direct");
    const told = (await textOf(a, "#events")).slice(events);
    assert(told.includes(event), `${button}: ${told}`);
  }
  const untilServed = async (wanted: boolean) => {
    const isServed = () =>
      fetch(command.url).then((answer) => answer.body!.cancel())
        .then(() => true, () => false);
    for (const end = Date.now() + LIMIT_MS; await isServed() !== wanted;) {
      assert(Date.now() < end, `The server is there: ${!wanted}`);
      await delay(20);
    }
  };
  await untilServed(true);
  // Nothing is left but to dial the server when it is there once more.
  await a.click("#cut-both");
  await a.click("#kill-server");
  await untilSeen(a, "#state", "the connection broke");
  await untilSeen(a, "#path", "none");
  await untilServed(false);
  await untilServed(true);
  // By themselves the pages may wait a while longer before they try.
  for (const page of pair.pages) {
    await page.evaluate(() => document.getElementById("connect")!.click());
  }
  await untilMore();
  await untilSeen(a, "#path", "direct");
  for (const page of pair.pages) {
    assertEquals(await number(page, "out-lost"), 0);
    assertEquals(await number(page, "in-lost"), 0);
    for (const way of ["arrived", "delivered", "direct"]) {
      assertMatch(
        await page.$eval(`#plot .${way}`, (e) => e.getAttribute("d")!),
        /^M/,
      );
    }
  }
  assertMatch(await a.$eval("#plot .mark", (e) => e.getAttribute("d")!), /^M/);
  assertEquals(await b.$eval("#plot .mark", (e) => e.getAttribute("d")), "");
  assertEquals(exceptFailedSockets(pair.errors), []);
});

Deno.test("The demo page kills no server that does not want it", async () => {
  await using command = await startCommand();
  await using pair = await directPair(command);
  assertEquals(
    await pair.pages[0].$eval("#kill-server", (e) => e.checkVisibility()),
    false,
  );
  const response = await fetch(new URL("demo-chaos", command.url), {
    method: "POST",
    headers: { origin: new URL(command.url).origin },
  });
  await response.body?.cancel();
  assertEquals(response.status, 404);
});

/** Reads a QR code as a camera would: from what is seen of it. */
async function scan(page: Page, selector: string): Promise<string> {
  const picture = await page.$(selector)
    .then((element) => element!.screenshot({ encoding: "base64" }));
  const { width, height, data } = await page.evaluate(async (picture) => {
    const bytes = Uint8Array.from(atob(picture), (char) => char.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes]));
    const { width, height } = image;
    const context = new OffscreenCanvas(width, height).getContext("2d")!;
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return { width, height, data: [...data] };
  }, picture);
  return decodeQR({ width, height, data: new Uint8Array(data) });
}
