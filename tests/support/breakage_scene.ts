import { delay } from "@std/async";
import type { Browser, BrowserContext, Page } from "puppeteer";
import type { SocketPeerOptions } from "../../client.ts";
import {
  closeBrowser,
  launchBrowser,
  PagePeer,
  servePages,
} from "./browser_pair.ts";
import {
  createMeter,
  type Meter,
  type MeterOptions,
  type MeterReport,
  type Pause,
} from "./meter.ts";
import { AccessLink } from "./link.ts";
import { type Command, startCommand } from "./start_command.ts";
import { proxyFlags, proxyWebRtc } from "./proxy_web_rtc.ts";
import { type TcpProxy, tcpProxy } from "./tcp_proxy.ts";
import { type Side, type UdpProxy, udpProxy } from "./udp_proxy.ts";

const SIDES = [0, 1] as const;

/** Longest wait for anything in a page, in milliseconds. */
const LIMIT_MS = 90_000;

declare global {
  /** The meter of a page. */
  var meter: Meter;
}

/** A browser whose processes can be stopped and killed, all at once. */
class BreakableBrowser implements AsyncDisposable {
  readonly #browser: Browser;
  #killed = false;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async launch(): Promise<BreakableBrowser> {
    return new BreakableBrowser(
      await launchBrowser(proxyFlags),
    );
  }

  get killed(): boolean {
    return this.#killed;
  }

  createContext(): Promise<BrowserContext> {
    return this.#browser.createBrowserContext();
  }

  /** Signals all its processes: they are one group. */
  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void {
    const pid = this.#browser.process()?.pid;
    if (pid === undefined) throw new Error("The browser has no process");
    if (signal === "SIGKILL") this.#killed = true;
    Deno.kill(-pid, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#killed) await this.#browser.disconnect();
    else await closeBrowser(this.#browser);
  }
}

/** What scenes share: two browsers, the server's process, the pages. */
export class Stage implements AsyncDisposable {
  readonly server: Command;
  readonly origin: string;
  readonly #owned: AsyncDisposableStack;
  readonly #browsers: [BreakableBrowser | null, BreakableBrowser | null] = [
    null,
    null,
  ];
  #codes = 0;

  private constructor(
    server: Command,
    origin: string,
    owned: AsyncDisposableStack,
  ) {
    this.server = server;
    this.origin = origin;
    this.#owned = owned;
  }

  /** Starts the server; browsers follow when they are needed. */
  static async open(): Promise<Stage> {
    await using stack = new AsyncDisposableStack();
    const { origin } = stack.use(servePages());
    const server = stack.use(await startCommand());
    return new Stage(server, origin, stack.move());
  }

  /** The browser of one side; a new one if the last one was killed. */
  async browser(side: Side): Promise<BreakableBrowser> {
    const present = this.#browsers[side];
    if (present && !present.killed) return present;
    await present?.[Symbol.asyncDispose]();
    return this.#browsers[side] = await BreakableBrowser.launch();
  }

  /** A pair code that nobody else has. */
  newCode(): string {
    return `breakage ${this.#codes++}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const browser of this.#browsers) {
      await browser?.[Symbol.asyncDispose]();
    }
    await this.#owned.disposeAsync();
  }
}

/** One side of a {@linkcode Scene}. */
export interface Actor {
  readonly page: Page;
  readonly peer: PagePeer;
  readonly browser: BreakableBrowser;
  /** Between this page and the server. */
  readonly tcp: TcpProxy;
  /**
   * The way of the page's packets to the other page; of its TCP too, if one was
   * given.
   */
  readonly access: AccessLink;
}

/** How a {@linkcode Scene} begins. */
export interface SceneOptions {
  /** Which path has to be there before anything breaks; null: none. */
  readonly path: "relay" | "direct" | null;
  readonly peer?: SocketPeerOptions;
  /** How the traffic is; null for none. */
  readonly meter?: MeterOptions | null;
  /** How each side reaches the network; both are at the server by default. */
  readonly access?: readonly [AccessLink | null, AccessLink | null];
}

/**
 * Two peers, each in a browser process of its own, with proxies on every way
 * between them and to the server, and numbered messages both ways all the time.
 */
export class Scene implements AsyncDisposable {
  readonly server: Command;
  readonly actors: readonly [Actor, Actor];
  /** Between the two pages. */
  readonly udp: UdpProxy;
  readonly #owned: AsyncDisposableStack;

  private constructor(
    server: Command,
    actors: readonly [Actor, Actor],
    udp: UdpProxy,
    owned: AsyncDisposableStack,
  ) {
    this.server = server;
    this.actors = actors;
    this.udp = udp;
    this.#owned = owned;
  }

  /** Makes the two, has them send, and waits for the path. */
  static async open(stage: Stage, options: SceneOptions): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const { access = [null, null] } = options;
    const links = access.map((link) => stack.use(link ?? new AccessLink()));
    const udp = stack.use(udpProxy([links[0], links[1]]));
    const pairCode = stage.newCode();
    const open = async (side: Side): Promise<Actor> => {
      const tcp = stack.use(
        tcpProxy(stage.server.port, access[side] ?? undefined),
      );
      await tcp.ready;
      const browser = await stage.browser(side);
      const context = await browser.createContext();
      stack.defer(async () => {
        if (!browser.killed) await context.close();
      });
      const page = await context.newPage();
      await proxyWebRtc(
        page,
        (address, port) => udp.standIn(side === 0 ? 1 : 0, address, port),
      );
      const query = options.path === "relay" ? "?no-webrtc" : "";
      await page.goto(`${stage.origin}/${query}`);
      const peer = new PagePeer(page, LIMIT_MS);
      const url = `http://127.0.0.1:${tcp.port}`;
      // What came before there is a meter would never be counted.
      await peer.start({ pairCode, url, ...options.peer, autoconnect: false });
      if (options.meter !== null) {
        await createMeterOf(peer, options.meter);
        await peer.run(() => meter.start());
      }
      await peer.run(() => recorder.peer.connect());
      return { page, peer, browser, tcp, access: links[side] };
    };
    // The second to arrive makes the offers.
    const actors = [await open(0), await open(1)] as const;
    const scene = new Scene(stage.server, actors, udp, stack.move());
    try {
      if (options.path === "relay") await scene.until("connect");
      if (options.path === "direct") await scene.until("upgrade");
      if (options.path !== null && options.meter !== null) {
        await scene.flow(300);
      }
    } catch (error) {
      await scene[Symbol.asyncDispose]();
      throw error;
    }
    return scene;
  }

  /** Begins to count anew, where a new conversation has begun. */
  async startMeters(): Promise<void> {
    await this.each((peer) => createMeterOf(peer));
    // Neither sends before both count.
    await this.each((peer) => peer.run(() => meter.start()));
  }

  /** Does something with both peers at once. */
  each<T>(action: (peer: PagePeer) => Promise<T>): Promise<[T, T]> {
    const [a, b] = this.actors;
    return Promise.all([action(a.peer), action(b.peer)]);
  }

  /** Waits until both have seen so many events of a name. */
  async until(name: string, count = 1): Promise<void> {
    await this.each((peer) => peer.until(name, count));
  }

  /** Waits until messages have come to both for so long. */
  async flow(durationMs = 1000): Promise<void> {
    const count = () =>
      this.each((peer) => peer.run(() => meter.report().received));
    const before = await count();
    await delay(durationMs);
    for (const side of SIDES) {
      await this.actors[side].peer.run(
        (count) => recorder.when(() => meter.report().received > count),
        before[side],
      );
    }
  }

  /** Names of events so far, without `statechange`, each only once. */
  async events(): Promise<[Set<string>, Set<string>]> {
    return await this.each(async (peer) => new Set(await peer.events()));
  }

  /** Ends the traffic, waits for what is under way, and reports. */
  async finish(): Promise<[MeterReport, MeterReport]> {
    await this.each((peer) => peer.run(() => meter.measured()));
    await this.each((peer) => peer.run(() => meter.stop()));
    const sent = await this.each((peer) => peer.run(() => meter.report().sent));
    for (const side of SIDES) {
      await this.actors[side].peer.run(
        (sent) => recorder.when(() => meter.report().received >= sent),
        sent[side === 0 ? 1 : 0],
      );
    }
    // A duplicate would come now at the latest.
    await this.each((peer) => peer.untilIdle());
    return await this.each((peer) => peer.run(() => meter.report()));
  }

  /**
   * Moves one side to another network: its connections are dead without a word,
   * and its WebRTC has to find the way again. For so long it has none.
   */
  async move(side: Side, awayMs = 0): Promise<void> {
    const { tcp, access } = this.actors[side];
    if (awayMs > 0) access.breakFor(awayMs);
    tcp.strand();
    await this.udp.move(side);
  }

  /** Pauses of over a quarter of a second, of both sides. */
  async pauses(): Promise<Pause[]> {
    return (await this.each((peer) => peer.run(() => meter.pauses()))).flat();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }
}

async function createMeterOf(peer: PagePeer, options = {}): Promise<void> {
  await peer.run(
    (source, options) => {
      // As it refers to nothing, its source is all that the page needs.
      const create: typeof createMeter = (0, eval)(`(${source})`);
      recorder.peer.off("data");
      globalThis.meter = create(recorder.peer, options);
    },
    String(createMeter),
    options,
  );
}
