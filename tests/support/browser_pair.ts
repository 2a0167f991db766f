import { deadline } from "@std/async";
import { serveDir, serveFile } from "@std/http";
import { fileURLToPath } from "node:url";
import { type Browser, launch, type Page } from "puppeteer";
import { findBrowser } from "./find_browser.ts";

const PAGES = fileURLToPath(new URL("../browser/pages", import.meta.url));
const BUNDLE = fileURLToPath(
  new URL("../../socketpeer.min.js", import.meta.url),
);

const FLAGS = [
  // Containers and CI run as root, where Chromium's sandbox cannot start.
  "--no-sandbox",
  "--disable-gpu",
  // Nothing that it asks of its maker's servers matters here.
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
];

/** Two pages of one browser that share nothing but the network. */
export interface BrowserPair extends AsyncDisposable {
  /** Each is in a context of its own, as if in two people's browsers. */
  readonly pages: readonly [Page, Page];
  /** Uncaught errors and `console.error` of every page, as they come. */
  readonly errors: string[];
  /** Opens a further page in a further context. */
  open(url?: string): Promise<Page>;
}

/**
 * Starts a browser with two pages. `url` may be anything; what is relative is
 * a file in `tests/browser/pages/`, where the bundle is `/socketpeer.min.js`.
 *
 * @example
 * ```ts ignore
 * await using pair = await browserPair();
 * const [a, b] = pair.pages;
 * ```
 */
export async function browserPair(
  options: { url?: string } = {},
): Promise<BrowserPair> {
  // Closes what was started, last first: also when a later step fails.
  await using stack = new AsyncDisposableStack();

  const server = Deno.serve({ port: 0, onListen() {} }, serveStatic);
  stack.defer(() => server.shutdown());
  const origin = `http://localhost:${server.addr.port}`;

  const { executablePath, env } = await findBrowser();
  const browser = await launch({
    executablePath,
    env: { ...Deno.env.toObject(), ...env },
    args: FLAGS,
  });
  stack.defer(() => close(browser));

  const errors: string[] = [];
  const open = async (url = options.url ?? "/"): Promise<Page> => {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      errors.push(`${message.text()} (${message.location().url ?? "page"})`);
    });
    await page.goto(new URL(url, origin).href);
    return page;
  };
  const pages = [await open(), await open()] as const;

  const owned = stack.move();
  return {
    pages,
    errors,
    open,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function serveStatic(request: Request): Promise<Response> | Response {
  switch (new URL(request.url).pathname) {
    case "/favicon.ico": // Every browser asks, and a 404 is an error in a page.
      return new Response(null, { status: 204 });
    case "/socketpeer.min.js":
      return serveFile(request, BUNDLE);
    default:
      return serveDir(request, { fsRoot: PAGES, quiet: true });
  }
}

/** A browser whose page hangs in a loop does not close when it is asked to. */
async function close(browser: Browser): Promise<void> {
  await deadline(browser.close(), 5_000).catch(() => {
    browser.process()?.kill("SIGKILL");
  });
}
