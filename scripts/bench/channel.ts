/**
 * What two pages get, from API to API: over the relay, and on a data channel.
 *
 * @module
 */

import { BenchBrowser, type BenchPage, type LibraryName } from "./browser.ts";
import { contest, OURS, pick, type Target, type Work } from "./contest.ts";
import type { Plan } from "./plan.ts";
import { BenchServer, type ServerName } from "./servers.ts";
import { wait } from "./relay_load.ts";

const KiB = 2 ** 10;
const MiB = 2 ** 20;

/** Which server a library needs: the bare ones, for signaling too. */
const SERVERS: Readonly<Record<LibraryName, ServerName>> = {
  socketpeer: OURS,
  private: OURS,
  "bare relay": "bare Deno",
  "bare channel": "bare Deno",
  "simple-peer": "bare Deno",
  "socket.io": "socket.io",
  PeerJS: "PeerJS",
};

/** Two pages whose pipe is open. */
type Pages = readonly [from: BenchPage, to: BenchPage];
/** The libraries that take part, each with its pair of pages. */
type Field = Map<LibraryName, Pages>;

/** All works of two pages, in one browser. */
export async function measurePages(plan: Plan): Promise<Work[]> {
  await using arena = await Arena.start();
  const relay = await arena.open("relay", [
    OURS,
    "socket.io",
    "bare relay",
  ]);
  const relayWorks = [
    await messages(plan, relay, "over the relay", [
      { against: ["socket.io"], ratio: 5 },
    ]),
    await roundTrip(plan, relay, "over the relay", "bare relay"),
  ];
  const direct = await arena.open("direct", [
    OURS,
    "bare channel",
    "simple-peer",
    "PeerJS",
  ]);
  const bulkTargets: Target[] = [
    { against: ["bare channel"], ratio: 0.95 },
    { against: ["simple-peer"], ratio: 1 },
  ];
  const directWorks = [
    await messages(plan, direct, "on the channel", [
      { against: ["bare channel"], ratio: 3 },
      { against: ["PeerJS"], ratio: 3 },
    ]),
    await bulk(plan, direct, "on the channel", 64 * KiB, bulkTargets),
    await bulk(plan, direct, "on the channel", MiB, bulkTargets),
    await stream(plan, direct),
    await roundTrip(plan, direct, "on the channel", "bare channel"),
  ];
  const startWorks = await starts(plan, arena, [
    OURS,
    "bare relay",
    "bare channel",
    "socket.io",
    "simple-peer",
    "PeerJS",
  ]);
  const works = [...relayWorks, ...directWorks, ...startWorks];
  works.push(await heap(plan, direct));
  works.push(...await privateWorks(plan, arena));
  return works.map((work) => ({
    ...work,
    notes: [...arena.notes, ...work.notes ?? []],
  }));
}

/** What privacy costs: the private client beside the plain one. */
async function privateWorks(plan: Plan, arena: Arena): Promise<Work[]> {
  const relay = await arena.open("relay", ["private", OURS]);
  const direct = await arena.open("direct", ["private", OURS]);
  // The target where two pages, a browser and a server share two processors.
  const saturated = [{ against: [OURS], ratio: 0.87 }];
  const works = [
    await messages(plan, relay, "over the relay", [
      { against: [OURS], ratio: 0.88 },
    ]),
    await bulk(plan, relay, "over the relay", 64 * KiB, saturated),
    await roundTrip(plan, relay, "over the relay", OURS),
    await bulk(plan, direct, "on the channel", 64 * KiB, [
      { against: [OURS], ratio: 0.95 },
    ]),
  ];
  const beside = works.map((work) => ({
    ...work,
    name: `private: ${work.name}`,
    samples: {
      [OURS]: work.samples.private ?? [],
      plain: work.samples[OURS] ?? [],
    },
    targets: work.targets.map(({ ratio }) => ({ against: ["plain"], ratio })),
  }));
  const later = (await starts(plan, arena, ["private", OURS])).map((work) => {
    const { private: own = [], [OURS]: plain = [] } = work.samples;
    return {
      ...work,
      name: `private: what it adds, ${work.name}`,
      samples: { [OURS]: own.map((ms, round) => ms - plain[round]) },
      limit: 10,
      targets: [],
    };
  });
  return [...beside, ...later];
}

/** A browser, and the servers that its pages use. */
class Arena implements AsyncDisposable {
  /** Which libraries could not take part, and why. */
  readonly notes: string[] = [];
  readonly #stack = new AsyncDisposableStack();
  readonly #servers = new Map<ServerName, BenchServer>();
  #browser!: BenchBrowser;
  #codes = 0;

  static async start(): Promise<Arena> {
    const arena = new Arena();
    arena.#browser = arena.#stack.use(await BenchBrowser.start());
    return arena;
  }

  /** Opens the pipes of some libraries, and says which failed. */
  async open(
    path: "relay" | "direct",
    libraries: readonly LibraryName[],
  ): Promise<Field> {
    const field: Field = new Map();
    for (const library of libraries) {
      try {
        const pages = [await this.page(library), await this.page(library)];
        const options = await this.options(library);
        await Promise.all([
          pages[0].call("open", { ...options, path }),
          pages[1].call("open", { ...options, path, initiator: true }),
        ]);
        field.set(library, [pages[0], pages[1]]);
      } catch (error) {
        this.notes.push(`${library} failed: ${(error as Error).message}`);
      }
    }
    return field;
  }

  /** What both pages of a new pair are told. */
  async options(library: LibraryName): Promise<{ port: number; code: string }> {
    const name = SERVERS[library];
    let server = this.#servers.get(name);
    if (!server) {
      server = this.#stack.use(await BenchServer.start(name));
      this.#servers.set(name, server);
    }
    return { port: server.port, code: `pages ${this.#codes++}` };
  }

  page(library: LibraryName): Promise<BenchPage> {
    return this.#browser.open(library);
  }

  load(page: BenchPage, library: LibraryName): Promise<void> {
    return this.#browser.load(page, library);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** Makes every pair of pages do something in turns. */
function inTurns<T>(
  rounds: number,
  field: Field,
  run: (from: BenchPage, to: BenchPage, name: LibraryName) => Promise<T>,
) {
  return contest(
    rounds,
    Object.fromEntries(
      [...field].map(([name, [from, to]]) => [name, () => run(from, to, name)]),
    ),
  );
}

async function transfer(
  from: BenchPage,
  to: BenchPage,
  total: number,
  bytes: number,
): Promise<number> {
  await to.call("expect", total);
  return await from.call("transfer", total, bytes) / 1000;
}

async function messages(
  plan: Plan,
  field: Field,
  where: string,
  targets: Target[],
): Promise<Work> {
  const rate = async (from: BenchPage, to: BenchPage, count: number) =>
    count / await transfer(from, to, 64 * count, 64);
  // The first messages are the compilers'; the next tell how many take long
  // enough to be measured, which differs by a factor of twenty.
  const warm = await inTurns(
    2,
    field,
    (from, to) => rate(from, to, plan.warmMessages),
  );
  const { samples, notes } = await inTurns(
    plan.rounds,
    field,
    (from, to, name) => {
      const perMs = warm.samples[name][1] / 1000;
      return rate(from, to, Math.ceil(perMs * plan.smallMs / 100) * 100);
    },
  );
  return {
    name: `64 B messages ${where}`,
    unit: "/s",
    better: "more",
    samples,
    targets,
    notes: [...warm.notes, ...notes],
  };
}

async function bulk(
  plan: Plan,
  field: Field,
  where: string,
  messageBytes: number,
  targets: Target[],
): Promise<Work> {
  const total = plan.bulkBytes;
  const { samples, notes } = await inTurns(
    plan.rounds,
    field,
    async (from, to) =>
      total / 1e6 / await transfer(from, to, total, messageBytes),
  );
  return {
    name: `bulk ${where}, ${messageBytes / KiB} KiB messages`,
    unit: "MB/s",
    better: "more",
    samples,
    targets,
    notes,
  };
}

async function stream(plan: Plan, field: Field): Promise<Work> {
  const total = plan.bulkBytes;
  const { samples, notes } = await inTurns(
    plan.rounds,
    new Map(
      [...field].filter(([name]) => name === OURS || name === "bare channel"),
    ),
    async (from, to) => {
      await to.call("expect", total);
      const ms = await from.call("stream", total, 64 * KiB);
      if (ms === null) throw new Error("there is no peer.writable");
      return total / 1e3 / ms;
    },
  );
  return {
    name: "bulk on the channel, peer.writable",
    unit: "MB/s",
    better: "more",
    samples,
    targets: [{ against: ["bare channel"], ratio: 0.95 }],
    notes,
  };
}

async function roundTrip(
  plan: Plan,
  field: Field,
  where: string,
  bare: LibraryName,
): Promise<Work> {
  const { samples, notes } = await inTurns(
    plan.rounds,
    field,
    async (from, to) => {
      await to.call("echo");
      return await from.call("roundTrips", plan.roundTrips);
    },
  );
  return {
    name: `round trip of 64 B ${where}`,
    unit: "ms",
    better: "less",
    samples,
    targets: [{ against: [bare], ratio: 1.1 }],
    notes,
  };
}

/** How soon a page that starts has its first message, and its channel. */
async function starts(
  plan: Plan,
  arena: Arena,
  libraries: readonly LibraryName[],
): Promise<Work[]> {
  const runs = Object.fromEntries(libraries.map((library) => [
    library,
    async () => {
      const options = await arena.options(library);
      const first = await arena.page(library);
      await first.call("wait", options);
      await wait(100);
      const second = await arena.page(library);
      const times = await second.call("start", {
        ...options,
        path: "direct",
        initiator: true,
      });
      await first.page.browserContext().close();
      await second.page.browserContext().close();
      return times;
    },
  ]));
  const { samples, notes } = await contest(plan.starts, runs);
  return [{
    name: "page start to first message",
    unit: "ms",
    better: "less",
    samples: pick(samples, ({ firstMs }) => firstMs),
    targets: [{ against: ["bare relay"], ratio: 1.3 }],
    notes,
  }, {
    name: "page start to open channel",
    unit: "ms",
    better: "less",
    samples: pick(
      Object.fromEntries(
        Object.entries(samples).filter(([name]) =>
          name !== "bare relay" && name !== "socket.io"
        ),
      ),
      ({ openedMs }) => openedMs,
    ),
    targets: [{ against: ["bare channel"], ratio: 1.3 }],
    notes,
  }];
}

/** What both pages hold in the end that they did not hold before. */
async function heap(plan: Plan, field: Field): Promise<Work> {
  const total = plan.heapBytes;
  const { samples, notes } = await inTurns(
    1,
    new Map([...field].filter(([name]) => name === OURS)),
    async (from, to) => {
      await transfer(from, to, plan.bulkBytes, 64 * KiB);
      const held = async () => await from.heapBytes() + await to.heapBytes();
      const before = await held();
      await transfer(from, to, total, 64 * KiB);
      return (await held() - before) / MiB;
    },
  );
  return {
    name: `heap growth of both pages over ${total / MiB} MiB`,
    unit: "MiB",
    better: "less",
    samples,
    limit: 4,
    targets: [],
    notes,
  };
}
