/**
 * Bulk between two browsers on networks as people have them, which proxies of
 * ours stand for: each side's access link is so slow, far or lossy.
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { markdownTable } from "../../tests/support/breakage_table.ts";
import { AccessLink, type LinkShape } from "../../tests/support/link.ts";
import { proxyFlags, proxyWebRtc } from "../../tests/support/proxy_web_rtc.ts";
import { tcpProxy } from "../../tests/support/tcp_proxy.ts";
import { type Side, udpProxy } from "../../tests/support/udp_proxy.ts";
import { BenchBrowser, type LibraryName } from "./browser.ts";
import { contest, median, OURS, pick, type Work } from "./contest.ts";
import type { Plan } from "./plan.ts";
import { wait } from "./relay_load.ts";
import { BenchServer, type ServerName } from "./servers.ts";

const KiB = 2 ** 10;
const MESSAGE_BYTES = 64 * KiB;
/** On the slowest link a message takes two seconds, and some are queued. */
const PATIENCE_MS = 60_000;

interface Network {
  readonly name: string;
  /** The link of each side, in both directions. */
  readonly shape: LinkShape;
  /**
   * How long it takes Chromium's SCTP to get over its start, in milliseconds:
   * it fills the queue, loses hundreds of packets, and sends those again.
   */
  readonly startMs?: number;
}

function mbit(megabits: number): number {
  return megabits * 1e6 / 8;
}

/** A round trip takes each side's delay twice. */
const NETWORKS: readonly Network[] = [
  {
    name: "256 kbit/s, queue 64 KB",
    startMs: 20_000,
    shape: {
      ...{ bytesPerSecond: mbit(0.256), delayMs: 10 },
      queueBytes: 64 * KiB,
    },
  },
  {
    name: "1 Mbit/s, queue 64 KB",
    startMs: 10_000,
    shape: { bytesPerSecond: mbit(1), delayMs: 10, queueBytes: 64 * KiB },
  },
  {
    name: "1 Mbit/s, queue 256 KB",
    startMs: 10_000,
    shape: { bytesPerSecond: mbit(1), delayMs: 10, queueBytes: 256 * KiB },
  },
  { name: "round trip 50 ms", shape: { delayMs: 12.5 } },
  { name: "round trip 200 ms", shape: { delayMs: 50 } },
  { name: "round trip 1 s", shape: { delayMs: 250 } },
  {
    name: "50 Mbit/s, 4 ± 4 ms, 0.2 % loss",
    shape: {
      ...{ bytesPerSecond: mbit(50), delayMs: 4, jitterMs: 4, loss: 0.002 },
      queueBytes: 256 * KiB,
    },
  },
  {
    name: "20 Mbit/s, 12.5 ± 2 ms, 2 % loss",
    shape: {
      ...{ bytesPerSecond: mbit(20), delayMs: 12.5, jitterMs: 2, loss: 0.02 },
      queueBytes: 256 * KiB,
    },
  },
];

/** A library on one of the ways that it has. */
interface Contender {
  readonly library: LibraryName;
  readonly server: ServerName;
  readonly path: "relay" | "direct";
}

const CONTENDERS = {
  "bare channel": {
    ...{ library: "bare channel", server: "bare Deno", path: "direct" },
  },
  "PeerJS": { library: "PeerJS", server: "PeerJS", path: "direct" },
  "ours, channel": { library: OURS, server: OURS, path: "direct" },
  "bare relay": {
    ...{ library: "bare relay", server: "bare Deno", path: "relay" },
  },
  "ours, relay": { library: OURS, server: OURS, path: "relay" },
} as const satisfies Record<string, Contender>;

type ContenderName = keyof typeof CONTENDERS;

/** What a contender made of a network. */
interface Run {
  readonly megabytesPerSecond: number;
  readonly downgrades: number;
  /** What the sender's link carried for each byte that arrived. */
  readonly sentPerByte: number;
}

const HEAD = [
  "net (each side's access link)",
  ...Object.keys(CONTENDERS).map((name) => `${name}, MB/s`),
  "downgrades",
  "sent per byte: bare channel, ours",
];

/** Every network, or those whose name has such a part. */
export async function measureNetworks(
  plan: Plan,
  part: string,
): Promise<Work[]> {
  await using stage = await NetworkStage.start();
  const works: Work[] = [];
  const rows: string[][] = [];
  for (const network of NETWORKS) {
    if (!network.name.includes(part)) continue;
    const { samples, notes } = await contest(
      plan.networkRounds,
      Object.fromEntries(
        (Object.keys(CONTENDERS) as ContenderName[]).map((name) => [
          name,
          () => stage.run(network, CONTENDERS[name], plan.networkMs),
        ]),
      ),
    );
    works.push(...worksOf(network, samples, notes));
    rows.push(rowOf(network, samples));
    console.error(rows.at(-1)!.join(" | "));
  }
  console.log(`${markdownTable([HEAD, ...rows])}\n`);
  return works;
}

function rowOf(
  { name }: Network,
  samples: Record<string, readonly Run[]>,
): string[] {
  const middle = (contender: ContenderName, choose: (run: Run) => number) =>
    samples[contender]
      ? median(samples[contender].map(choose)).toPrecision(3)
      : "failed";
  return [
    name,
    ...(Object.keys(CONTENDERS) as ContenderName[]).map((contender) =>
      middle(contender, (run) => run.megabytesPerSecond)
    ),
    middle("ours, channel", ({ downgrades }) => downgrades),
    (["bare channel", "ours, channel"] as const)
      .map((contender) => middle(contender, (run) => run.sentPerByte))
      .join(", "),
  ];
}

/**
 * A network's runs as works, each with ours and those that take the same way.
 */
function worksOf(
  { name }: Network,
  samples: Record<string, readonly Run[]>,
  notes: readonly string[],
): Work[] {
  const among = (ours: ContenderName, ...others: ContenderName[]) =>
    Object.fromEntries(
      [ours, ...others].filter((name) => samples[name])
        .map((name) => [name === ours ? OURS : name, samples[name]]),
    );
  const channel = among("ours, channel", "bare channel", "PeerJS");
  const relay = among("ours, relay", "bare relay");
  return [
    {
      name: `${name}, on the channel`,
      unit: "MB/s",
      better: "more",
      samples: pick(channel, (run) => run.megabytesPerSecond),
      targets: [{ against: ["bare channel"], ratio: 0.95 }],
      notes: notes.map((note) => `${name}: ${note}`),
    },
    {
      name: `${name}, sent per byte`,
      unit: "B",
      better: "less",
      samples: pick(channel, (run) => run.sentPerByte),
      targets: [{ against: ["bare channel"], ratio: 1.02 }],
    },
    {
      name: `${name}, downgrades`,
      unit: "",
      better: "less",
      samples: pick(among("ours, channel"), (run) => run.downgrades),
      limit: 0,
      targets: [],
    },
    {
      name: `${name}, over the relay`,
      unit: "MB/s",
      better: "more",
      samples: pick(relay, (run) => run.megabytesPerSecond),
      targets: [{ against: ["bare relay"], ratio: 0.95 }],
    },
  ];
}

/** Two browsers, and the servers that their pages use. */
class NetworkStage implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #servers = new Map<ServerName, BenchServer>();
  #browsers!: readonly [BenchBrowser, BenchBrowser];
  #codes = 0;

  static async start(): Promise<NetworkStage> {
    const stage = new NetworkStage();
    const start = async () =>
      stage.#stack.use(await BenchBrowser.start(proxyFlags));
    stage.#browsers = [await start(), await start()];
    return stage;
  }

  /** Lets a contender send for so long over a network of its own. */
  async run(
    { shape, startMs = 3000 }: Network,
    { library, server, path }: Contender,
    durationMs: number,
  ): Promise<Run> {
    await using stack = new AsyncDisposableStack();
    const access = [
      stack.use(new AccessLink(shape)),
      stack.use(new AccessLink(shape)),
    ] as const;
    const udp = stack.use(udpProxy(access));
    const code = `network ${this.#codes++}`;
    const serverPort = await this.#port(server);
    const open = async (side: Side) => {
      const tcp = stack.use(tcpProxy(serverPort, access[side]));
      await tcp.ready;
      const page = await this.#browsers[side].open(
        library,
        (page) =>
          proxyWebRtc(
            page,
            (address, port) => udp.standIn(side === 0 ? 1 : 0, address, port),
          ),
      );
      stack.defer(() => page.page.browserContext().close());
      const options = { port: tcp.port, code, path, initiator: side === 1 };
      return { page, opened: page.call("open", options) };
    };
    const [{ page: to, opened }, { page: from, opened: alsoOpened }] = [
      await open(0),
      await open(1),
    ];
    await inTime(Promise.all([opened, alsoOpened]), "open");

    const { up } = access[1];
    const carried = () => up.carriedBytes - up.queuedBytes();
    await to.call("count");
    // The flood goes on until the page is closed.
    from.call("flood", MESSAGE_BYTES).catch(() => {});
    // Rates are taken from one message to another, as a slow link has few of
    // them.
    const arrival = async () => {
      const arrival = await inTime(to.call("arrival"), "receive");
      return { ...arrival, sent: carried() };
    };
    await wait(startMs);
    const first = await arrival();
    await wait(durationMs);
    const last = await arrival();
    const received = last.received - first.received;
    return {
      megabytesPerSecond: received / (last.at - first.at) / 1000,
      downgrades: await from.call("downgrades") + await to.call("downgrades"),
      sentPerByte: (last.sent - first.sent) / received,
    };
  }

  async #port(name: ServerName): Promise<number> {
    let server = this.#servers.get(name);
    if (!server) {
      server = this.#stack.use(await BenchServer.start(name));
      this.#servers.set(name, server);
    }
    return server.port;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`it does not ${what} in ${PATIENCE_MS} ms`)),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
