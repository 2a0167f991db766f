import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { serveDir, serveFile } from "@std/http";
import { fileURLToPath } from "node:url";
import {
  type Browser,
  type BrowserContext,
  launch,
  type Page,
  type WebWorker,
} from "puppeteer";
import type { JsonValue, SocketPeer, SocketPeerOptions } from "../../client.ts";
import type { PrivateOptions } from "../../private.ts";
import { findBrowser, findFirefox } from "./find_browser.ts";

const PAGES = fileURLToPath(new URL("../browser/pages", import.meta.url));
const BUNDLES = ["/socketpeer.min.js", "/socketpeer.private.min.js"];

/**
 * Longest that a test waits for anything, in milliseconds: many times what that
 * takes, as what hangs is to fail, and what is slow is not.
 */
const LIMIT_MS = 60_000;

/**
 * A name by which Chromium finds this machine and does not know that it is it:
 * without https, its pages are in no secure context.
 */
export const FAR_HOST = "demo.test";

const FLAGS = [
  // Containers and CI run as root, where Chromium's sandbox cannot start.
  "--no-sandbox",
  "--disable-gpu",
  // Nothing that Chromium asks of its maker's servers matters here.
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
  `--host-resolver-rules=MAP ${FAR_HOST} 127.0.0.1`,
];

/** What `tests/browser/pages/recorder.js` puts into a page. */
export interface Recorder {
  peer: SocketPeer;
  readonly events: RecordedEvent[];
  readonly messages: unknown[];
  readonly controls: string[];
  readonly sockets: WebSocket[];
  readonly connections: RTCPeerConnection[];
  relayed: number;
  direct: number;
  relayedBytes: number;
  directBytes: number;
  swapFingerprints(): void;
  start(options: SocketPeerOptions): void;
  when(test: () => boolean): Promise<void>;
  until(name: string, count?: number): Promise<unknown[]>;
  digest(message: string | Uint8Array): Promise<MessageDigest>;
  startTraffic(paddingBytes: number): void;
  stopTraffic(): void;
  untilTraffic(count: number): Promise<void>;
  trafficReport(): Promise<{ sent: number; received: number; wrong: number[] }>;
}

/** What a large message is, in short. */
export interface MessageDigest {
  kind: string;
  bytes: number;
  hash: string;
}

/** An event of a peer in a page. */
export interface RecordedEvent {
  name: string;
  /** The code of an error, else what the event tells. */
  detail?: unknown;
  /** Which way messages left at that moment. */
  path: string | null;
}

declare global {
  /** The recorder of a page. */
  var recorder: Recorder;
}

/** The peer of one page, or of one worker, at arm's length. */
export class PagePeer {
  readonly #page: Page | WebWorker;
  readonly #limitMs: number;

  /**
   * Takes a page that has loaded `recorder.js`, and how long a test waits for
   * anything in it.
   */
  constructor(page: Page | WebWorker, limitMs = LIMIT_MS) {
    this.#page = page;
    this.#limitMs = limitMs;
  }

  /** Runs a function in the page, where `recorder` is what it knows. */
  async run<Args extends unknown[], Result>(
    script: (...args: Args) => Result,
    ...args: Args
  ): Promise<Awaited<Result>> {
    // Pages and workers have the same method, of two types.
    const page = this.#page as Page;
    const result = page.evaluate(
      script as (...args: unknown[]) => Result,
      ...args,
    );
    try {
      return await deadline(result, this.#limitMs);
    } catch (cause) {
      if (!(cause instanceof DOMException)) throw cause;
      const events = page.evaluate(() => JSON.stringify(recorder.events));
      const log = await deadline(events, LIMIT_MS).catch(String);
      throw new Error(`Not done in ${this.#limitMs} ms: ${script}\n${log}`, {
        cause,
      });
    }
  }

  /** Makes the peer. */
  start(options: SocketPeerOptions & PrivateOptions): Promise<void> {
    return this.run((options) => recorder.start(options), options);
  }

  /** Sends what JSON can carry. */
  send(message: JsonValue): Promise<boolean> {
    return this.run((message) => recorder.peer.send(message), message);
  }

  /** Waits for so many events of a name; resolves to what they told. */
  until(name: string, count = 1): Promise<unknown[]> {
    return this.run((...args) => recorder.until(...args), name, count);
  }

  /** Waits for so many control messages of a type on its WebSockets. */
  untilControl(type: string, count = 1): Promise<void> {
    return this.run(
      (type, count) =>
        recorder.when(() =>
          recorder.controls.filter((each) => each === type).length >= count
        ),
      type,
      count,
    );
  }

  /** Waits for so many messages, the numbered ones aside. */
  untilMessages(count: number): Promise<void> {
    return this.run(
      (count) => recorder.when(() => recorder.messages.length >= count),
      count,
    );
  }

  /** Waits until the other peer has acknowledged everything. */
  untilIdle(): Promise<void> {
    return this.run(() =>
      recorder.when(() => recorder.peer.bufferedAmount === 0)
    );
  }

  /** Names of the events so far, in order, without `statechange`. */
  async events(): Promise<string[]> {
    const names = await this.run(() => recorder.events.map(({ name }) => name));
    return names.filter((name) => name !== "statechange");
  }

  /** Binary messages so far, both ways, by what carried them. */
  packets(): Promise<{ relayed: number; direct: number }> {
    return this.run(() => {
      const { relayed, direct } = recorder;
      return { relayed, direct };
    });
  }
}

/** Numbered messages that both peers send all the time, until it is stopped. */
export class Traffic {
  readonly #peers: readonly PagePeer[];

  private constructor(peers: readonly PagePeer[]) {
    this.#peers = peers;
  }

  /** Starts the traffic. Every message has so many bytes beside its number. */
  static async start(
    peers: readonly PagePeer[],
    paddingBytes = 0,
  ): Promise<Traffic> {
    await Promise.all(
      peers.map((peer) =>
        peer.run((bytes) => recorder.startTraffic(bytes), paddingBytes)
      ),
    );
    return new Traffic(peers);
  }

  /** Waits until the traffic has gone on for so many messages at each peer. */
  async flow(messages = 100): Promise<void> {
    await Promise.all(
      this.#peers.map((peer) =>
        peer.run((count) => recorder.untilTraffic(count), messages)
      ),
    );
  }

  /**
   * Stops the traffic, and checks that every message came once and in order.
   */
  async stop(): Promise<void> {
    const peers = this.#peers;
    await Promise.all(
      peers.map((peer) => peer.run(() => recorder.stopTraffic())),
    );
    for (const peer of peers) {
      const report = await peer.run(() => recorder.trafficReport());
      const { sent } = report;
      assertEquals(report, { sent, received: sent, wrong: [] });
    }
  }
}

/** What a page can be in. */
export type BrowserName = "chromium" | "firefox";

const LAUNCHERS = { chromium: () => launchBrowser(), firefox: launchFirefox };

const shared = new Map<BrowserName, Browser>();

/**
 * Lets the tests of a file share one browser of each name, as to start one
 * takes a second, and Firefox three. They share nothing else: each page has a
 * context of its own.
 */
export function shareBrowser(
  names: readonly BrowserName[] = ["chromium"],
): void {
  for (const name of names) {
    Deno.test.beforeAll(async () => {
      shared.set(name, await LAUNCHERS[name]());
    });
  }
  Deno.test.afterAll(async () => {
    await Promise.all(shared.values().map(closeBrowser));
  });
}

/** Starts a Chromium of its own. */
export async function launchBrowser(
  flags: readonly string[] = [],
): Promise<Browser> {
  const { executablePath, env } = await findBrowser();
  return await launch({
    executablePath,
    env: { ...Deno.env.toObject(), ...env },
    args: [...FLAGS, ...flags],
    // A browser that is stopped for a while answers nothing meanwhile.
    protocolTimeout: 300_000,
  });
}

/**
 * Starts a Firefox of its own. WebRTC needs no preference: like Chromium, it
 * hides its addresses behind names of mDNS, and each resolves the other's.
 */
async function launchFirefox(): Promise<Browser> {
  return await launch({
    browser: "firefox",
    executablePath: await findFirefox(),
    extraPrefsFirefox: {
      // With the last tab of a process Firefox ends its scripts wherever they
      // are. Half of the listeners of "pagehide" do not come as far as the
      // close() of their WebSocket, so that the server gets 1001, not 4000.
      // To be deleted when 1001 from a page means that it leaves.
      "dom.abort_script_on_child_shutdown": false,
    },
  });
}

/** Serves the pages of the tests, and the bundle. */
export function servePages(): AsyncDisposable & { readonly origin: string } {
  const server = Deno.serve({ port: 0, onListen() {} }, serveStatic);
  return {
    origin: `http://localhost:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Two pages that share nothing but the network. */
export interface BrowserPair extends AsyncDisposable {
  /**
   * The pages, each in a context of its own, as if in two people's browsers.
   */
  readonly pages: readonly [Page, Page];
  /** The peers of those pages, once they are made. */
  readonly peers: readonly [PagePeer, PagePeer];
  /** Where the pages come from. */
  readonly origin: string;
  /** Uncaught errors and `console.error` of every page, as they come. */
  readonly errors: string[];
  /** Opens a further page in a further context of the first page's browser. */
  open(url?: string): Promise<Page>;
  /** Makes both peers, of one pair code unless the options say another. */
  start(options: SocketPeerOptions & PrivateOptions): Promise<void>;
  /** Does something with both peers at once. */
  each<T>(action: (peer: PagePeer) => Promise<T>): Promise<[T, T]>;
}

/**
 * Opens two pages in browsers of {@linkcode shareBrowser}. An address may be
 * anything; what is relative is a file in `tests/browser/pages/`, where the
 * bundles are `/socketpeer.min.js` and `/socketpeer.private.min.js`.
 *
 * @example
 * ```ts ignore
 * await using pair = await browserPair();
 * const [a, b] = pair.peers;
 * ```
 */
export async function browserPair(
  urlA = "/",
  urlB = urlA,
  browsers: readonly [BrowserName, BrowserName] = ["chromium", "chromium"],
): Promise<BrowserPair> {
  // Closes what was started, last first: also when a later step fails.
  await using stack = new AsyncDisposableStack();

  const { origin } = stack.use(servePages());

  const contexts: BrowserContext[] = [];
  stack.defer(async () => {
    await Promise.all(contexts.map((context) => context.close()));
  });

  const errors: string[] = [];
  const open = async (url = urlA, browser = browsers[0]): Promise<Page> => {
    const context = await shared.get(browser)!.createBrowserContext();
    contexts.push(context);
    // Firefox has one window for all contexts, where one page hides another,
    // and slows down the timers of the hidden one.
    const page = await context.newPage(
      browser === "firefox" ? { type: "window" } : {},
    );
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      errors.push(`${message.text()} (${message.location().url ?? "page"})`);
    });
    await page.goto(new URL(url, origin).href);
    return page;
  };
  const pages = await Promise.all([open(), open(urlB, browsers[1])] as const);

  const peers = [new PagePeer(pages[0]), new PagePeer(pages[1])] as const;
  const each: BrowserPair["each"] = (action) =>
    Promise.all([action(peers[0]), action(peers[1])]);

  const owned = stack.move();
  return {
    pages,
    peers,
    origin,
    errors,
    open,
    each,
    async start(options) {
      await each((peer) => peer.start({ pairCode: "pair", ...options }));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Errors but those that a browser logs where no WebSocket can be opened. */
export function exceptFailedSockets(errors: readonly string[]): string[] {
  return errors.filter((error) => !error.startsWith("WebSocket connection to"));
}

function serveStatic(request: Request): Promise<Response> | Response {
  const { pathname } = new URL(request.url);
  // Every browser asks, and a 404 is an error in a page.
  if (pathname === "/favicon.ico") return new Response(null, { status: 204 });
  return BUNDLES.includes(pathname)
    ? serveFile(
      request,
      fileURLToPath(new URL(`../..${pathname}`, import.meta.url)),
    )
    : serveDir(request, { fsRoot: PAGES, quiet: true });
}

/** A browser whose page hangs in a loop does not close when it is asked to. */
export async function closeBrowser(browser: Browser): Promise<void> {
  await deadline(browser.close(), 5_000).catch(() => {
    browser.process()?.kill("SIGKILL");
  });
}
