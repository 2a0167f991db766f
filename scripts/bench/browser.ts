/**
 * Two pages of one Chromium, each in a context of its own, with one library.
 *
 * @module
 */

import { launch, type Page } from "puppeteer";
import { findBrowser } from "../../tests/support/find_browser.ts";
import { packagesFolder } from "./packages.ts";

/** Nothing between two pages takes nearly as long. */
const LIMIT_MS = 300_000;

const FLAGS = [
  // Containers run as root, where Chromium's sandbox cannot start.
  "--no-sandbox",
  "--disable-gpu",
  // Nothing that Chromium asks of its maker's servers matters here.
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
];

/** What a page loads. */
interface Library {
  readonly adapter: string;
  readonly bundle?: URL;
}

const LIBRARIES = {
  socketpeer: {
    adapter: "socketpeer.js",
    bundle: new URL("../../socketpeer.min.js", import.meta.url),
  },
  "private": {
    adapter: "socketpeer.js",
    bundle: new URL("../../socketpeer.private.min.js", import.meta.url),
  },
  "bare relay": { adapter: "bare_relay.js" },
  "bare channel": { adapter: "bare_channel.js" },
  "socket.io": {
    adapter: "socketio.js",
    bundle: new URL("socket.io-client/dist/socket.io.min.js", packagesFolder),
  },
  "simple-peer": {
    adapter: "simple_peer.js",
    bundle: new URL("simple-peer/simplepeer.min.js", packagesFolder),
  },
  PeerJS: {
    adapter: "peerjs.js",
    bundle: new URL("peerjs/dist/peerjs.min.js", packagesFolder),
  },
} as const satisfies Record<string, Library>;

/** The name of a library that a page can have. */
export type LibraryName = keyof typeof LIBRARIES;

/** How a page makes its pipe. */
export interface PipeOptions {
  readonly port: number;
  readonly code: string;
  /** The path that socketpeer's pipe has to be open on. */
  readonly path?: "relay" | "direct";
  readonly initiator?: boolean;
}

/**
 * How many bytes had come when a message came, and when, by a clock that every
 * process has.
 */
export interface Arrival {
  readonly received: number;
  readonly at: number;
}

/** What `pages/work.js` puts into a page. */
interface PageBench {
  open(options: PipeOptions): Promise<void>;
  expect(total: number): void;
  transfer(total: number, messageBytes: number): Promise<number>;
  stream(total: number, chunkBytes: number): Promise<number | null>;
  echo(): void;
  roundTrips(count: number): Promise<number>;
  wait(options: PipeOptions): void;
  count(): void;
  flood(messageBytes: number): void;
  arrival(): Promise<Arrival>;
  downgrades(): number;
  start(options: PipeOptions): Promise<{ openedMs: number; firstMs: number }>;
}

/** A page with a library. */
export class BenchPage {
  /** The page itself. */
  readonly page: Page;

  /** Takes a page that has loaded. */
  constructor(page: Page) {
    this.page = page;
  }

  /** Calls a function of the page's {@linkcode PageBench}. */
  async call<Name extends keyof PageBench>(
    name: Name,
    ...args: Parameters<PageBench[Name]>
  ): Promise<Awaited<ReturnType<PageBench[Name]>>> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${name}() takes over ${LIMIT_MS} ms`)),
        LIMIT_MS,
      );
    });
    const result = this.page.evaluate(
      // deno-lint-ignore no-explicit-any -- the page has what it has
      (name, args) => (globalThis as any).bench[name](...args),
      name,
      args,
    );
    try {
      return await Promise.race([result, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Bytes that the page's scripts hold, after a collection of garbage. */
  async heapBytes(): Promise<number> {
    const session = await this.page.createCDPSession();
    await session.send("HeapProfiler.collectGarbage");
    const usage = await session.send("Runtime.getHeapUsage");
    await session.detach();
    return usage.usedSize + (usage.backingStorageSize ?? 0);
  }
}

/** A browser, and the server of its pages. */
export class BenchBrowser implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #origin: string;
  readonly #newPage: () => Promise<Page>;

  private constructor(
    stack: AsyncDisposableStack,
    origin: string,
    newPage: () => Promise<Page>,
  ) {
    this.#stack = stack;
    this.#origin = origin;
    this.#newPage = newPage;
  }

  /** Starts a browser; throws where there is none. */
  static async start(flags: readonly string[] = []): Promise<BenchBrowser> {
    await using stack = new AsyncDisposableStack();
    const { executablePath, env } = await findBrowser();
    const browser = await launch({
      executablePath,
      env: { ...Deno.env.toObject(), ...env },
      args: [...FLAGS, ...flags],
    });
    stack.defer(() => browser.close());
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      serveFile,
    );
    stack.defer(() => server.shutdown());
    const newPage = async () =>
      await (await browser.createBrowserContext()).newPage();
    const origin = `http://localhost:${server.addr.port}`;
    return new BenchBrowser(stack.move(), origin, newPage);
  }

  /** Opens a page in a context of its own. */
  async open(
    library: LibraryName,
    prepare?: (page: Page) => Promise<void>,
  ): Promise<BenchPage> {
    const page = new BenchPage(await this.#newPage());
    await prepare?.(page.page);
    await this.load(page, library);
    return page;
  }

  /** Loads a page with a library, from the start. */
  async load({ page }: BenchPage, library: LibraryName): Promise<void> {
    await page.goto(`${this.#origin}/${encodeURIComponent(library)}/`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** `/<library>/` is its page, what lies under that its scripts. */
async function serveFile(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const [, name, file] = decodeURIComponent(pathname).split("/");
  if (!Object.hasOwn(LIBRARIES, name)) {
    return new Response(null, { status: 204 });
  }
  const { adapter, bundle }: Library = LIBRARIES[name as LibraryName];
  if (file === "") {
    const library = bundle ? '<script src="library.js"></script>' : "";
    return new Response(
      `<!doctype html><title>${name}</title>` +
        `<script>globalThis.startedAt = performance.now()</script>${library}` +
        `<script src="adapter.js"></script><script src="work.js"></script>`,
      {
        headers: {
          "content-type": "text/html",
          // Isolated pages have a clock of microseconds.
          "cross-origin-opener-policy": "same-origin",
          "cross-origin-embedder-policy": "require-corp",
        },
      },
    );
  }
  const url = file === "library.js"
    ? bundle!
    : new URL(`pages/${file === "work.js" ? file : adapter}`, import.meta.url);
  return new Response(await Deno.readFile(url), {
    headers: { "content-type": "text/javascript", "cache-control": "no-store" },
  });
}
