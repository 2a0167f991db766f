/**
 * A server that lies at random, again and again: what arrives is what was sent,
 * once and in order, or somebody is told.
 *
 * `MALICE_RUNS` makes more of them, and `MALICE_SEED` others. A failure prints
 * what has happened, shrunk.
 */

import fc from "fast-check";
import type { SocketPeer } from "../../private.ts";
import { Simulation } from "../../testing.ts";
import { Chance } from "../support/fuzz.ts";
import {
  honest,
  MaliciousRelay,
  type Meddle,
  ofPackets,
  ofType,
  type Passing,
} from "../support/malicious_relay.ts";
import { record, type Recording } from "../support/recorder.ts";
import { must } from "./world.ts";

const RUNS = Number(Deno.env.get("MALICE_RUNS") ?? 300);
const SEED = Number(Deno.env.get("MALICE_SEED") ?? 1);

/** How many messages each sends to the other. */
const COUNT = 60;
/** Time to recover: longer than any backoff, and than a resume takes. */
const RECOVERY_MS = 240_000;
const KEY = Uint8Array.from({ length: 16 }, (_, at) => at);

/** What is done to the next that passes one way. */
const CHANGES = {
  flip: ([packet], chance) => {
    if (packet.length === 0) return [packet];
    const at = chance.below(packet.length);
    return [packet.with(at, packet[at] ^ 1 << chance.below(8))];
  },
  repeat: ([packet]) => [packet, packet],
  drop: () => [],
  truncate: ([packet], chance) => [
    packet.slice(0, chance.below(packet.length + 1)),
  ],
  mutate: ([packet], chance) => [chance.mutated(packet)],
  insert: ([packet], chance) => [chance.bytes(chance.below(80)), packet],
  replaceByOld: ([packet], chance, old) => [
    chance.pick([packet, ...old]),
  ],
  insertOld: ([packet], chance, old) => [
    chance.pick([packet, ...old]),
    packet,
  ],
} satisfies Record<
  string,
  (
    packet: [Uint8Array<ArrayBuffer>],
    chance: Chance,
    old: Uint8Array<ArrayBuffer>[],
  ) => Uint8Array[]
>;

/** What is done to the next text of a type; it may be any. */
const LIES = {
  alterStart: "private.start",
  alterFound: "peer.found",
  alterWaiting: "peer.waiting",
  alterPing: "ping",
  dropStart: "private.start",
  dropFound: "peer.found",
  repeatStart: "private.start",
  repeatFound: "peer.found",
} as const;

/** What the server says or does by itself. */
const DEEDS = [
  "replayText",
  "replayTextOfOther",
  "lost",
  "waiting",
  "knock",
  "close",
  "signal",
  "cut",
] as const;

/** The deeds after which all must be delivered, once two have met. */
const MILD: readonly Deed[] = [
  ...Object.keys(CHANGES) as (keyof typeof CHANGES)[],
  "alterStart",
  "repeatStart",
  "lost",
  "waiting",
  "knock",
  "signal",
  "cut",
];
type Deed = keyof typeof CHANGES | keyof typeof LIES | typeof DEEDS[number];

const ALL: readonly Deed[] = [
  ...MILD,
  ...Object.keys(LIES) as (keyof typeof LIES)[],
  ...DEEDS,
];

const FORGED_CODES = [1000, 1001, 1006, 1008, 1012, 1013]
  .concat(Array.from({ length: 14 }, (_, at) => 3999 + at));

interface Step {
  readonly deed: Deed;
  /** The message before which it is done. */
  readonly at: number;
  /** The line on which it is done: A's, B's or the stranger's. */
  readonly side: number;
  readonly way: "up" | "down";
  /** What else is drawn. */
  readonly seed: number;
}

interface Plot {
  readonly seed: number;
  readonly webrtc: boolean;
  /** Whether somebody who does not know the secret comes and goes. */
  readonly stranger: boolean;
  readonly steps: readonly Step[];
}

function plots(deeds: readonly Deed[]): fc.Arbitrary<Plot> {
  return fc.record({
    seed: fc.nat({ max: 1_000_000 }),
    webrtc: fc.boolean(),
    stranger: fc.boolean(),
    steps: fc.array(
      fc.record({
        deed: fc.constantFrom(...deeds),
        at: fc.nat({ max: COUNT - 1 }),
        side: fc.nat({ max: 1 }),
        way: fc.constantFrom("up" as const, "down" as const),
        seed: fc.nat({ max: 1_000_000 }),
      }),
      { minLength: 1, maxLength: 12, size: "max" },
    ),
  });
}

interface Side {
  readonly name: string;
  readonly relay: MaliciousRelay;
  readonly peer: SocketPeer;
  readonly seen: Recording;
}

function makeSide(
  world: Simulation,
  name: string,
  secret: Uint8Array,
  webrtc: boolean,
): Side {
  const relay = new MaliciousRelay();
  const peer = world.peer({
    pairCode: "room",
    secret,
    webrtc,
    reconnectDelay: 200,
  }, relay.PeerClass);
  return { name, relay, peer, seen: record(peer) };
}

const isText = (passing: Passing): passing is string =>
  typeof passing === "string";
const isPacket = (passing: Passing): passing is Uint8Array<ArrayBuffer> =>
  typeof passing !== "string";

/** Meddles with the next one that it changes, and then no more. */
function next(
  { relay }: Side,
  way: Step["way"],
  of: (done: () => void) => Meddle,
): void {
  const before = relay[way];
  relay[way] = of(() => relay[way] = before);
}

function perform(world: Simulation, sides: Side[], step: Step): void {
  const { deed, way, seed } = step;
  const side = sides[step.side];
  const other = sides[1 - step.side];
  const chance = new Chance(seed);
  const { relay } = side;
  const give = (text?: string) => {
    if (text !== undefined) relay.sockets.at(-1)?.give(text);
  };
  const texts = ({ relay: { sent, received } }: Side) =>
    [...sent, ...received].filter(isText);
  switch (deed) {
    case "replayText":
      give(chance.pick(texts(side)));
      return;
    case "replayTextOfOther":
      give(chance.pick(texts(other)));
      return;
    case "lost":
    case "knock":
      give(JSON.stringify({ type: `peer.${deed}` }));
      return;
    case "waiting":
      give('{"type":"peer.waiting","data":{"interval":15000,"code":"9"}}');
      return;
    case "signal":
      give(JSON.stringify({
        type: chance.pick(["rtc.signal", "rtc.connect"]),
        data: { generation: chance.below(3) },
      }));
      return;
    case "close":
      relay.sockets.at(-1)?.forgeClose(chance.pick(FORGED_CODES));
      return;
    case "cut":
      world.cutSockets(side.peer);
      return;
  }
  if (deed in LIES) {
    const type = LIES[deed as keyof typeof LIES];
    next(side, way, (done) =>
      ofType(type, (text) => {
        done();
        if (deed.startsWith("drop")) return [];
        if (deed.startsWith("repeat")) return [text, text];
        const message = JSON.parse(text);
        return [JSON.stringify({ type, data: chance.altered(message.data) })];
      }));
    return;
  }
  const old = sides.flatMap(({ relay: { sent, received } }) =>
    [...sent, ...received].filter(isPacket)
  );
  const change = CHANGES[deed as keyof typeof CHANGES];
  next(side, way, (done) =>
    ofPackets((packet) => {
      done();
      return change([packet], chance, old) as Uint8Array<ArrayBuffer>[];
    }));
}

/** Runs a plot. */
async function run(plot: Plot, isMild: boolean): Promise<void> {
  const world = new Simulation({ seed: plot.seed });
  const sides = ["a", "b"].map((name) =>
    makeSide(world, name, KEY, plot.webrtc)
  );
  const [a, b] = sides;
  const stranger = plot.stranger && !isMild
    ? makeSide(world, "stranger", KEY.with(0, 255), plot.webrtc)
    : undefined;
  stranger?.peer.send("from the stranger");

  const sent = sides.map((): string[] => []);
  const check = () => {
    sides.forEach(({ name, seen: { messages } }, index) => {
      // Messages came in the order in which they were sent, none twice, none
      // altered.
      const of = sent[1 - index];
      let at = 0;
      for (const message of messages) {
        const found = of.indexOf(message as string, at);
        must(found >= 0, () => `${name} got ${JSON.stringify(message)}`);
        at = found + 1;
      }
    });
    must(
      !(a.peer.connected && b.peer.connected) ||
        a.peer.verification !== null &&
          a.peer.verification === b.peer.verification,
      () => `the words are ${a.peer.verification} and ${b.peer.verification}`,
    );
    if (!stranger) return;
    const { events, messages } = stranger.seen;
    must(!events.includes("connect"), () => "the stranger is connected");
    must(messages.length === 0, () => "the stranger got a message");
  };
  const pass = async (ms: number) => {
    await world.clock.pass(ms);
    check();
  };

  if (isMild) await pass(1000);
  for (let number = 0; number < COUNT; number++) {
    for (const step of plot.steps) {
      if (step.at === number) perform(world, sides, step);
    }
    sides.forEach(({ name, peer }, index) => {
      try {
        peer.send(`${name}${number}`);
        sent[index].push(`${name}${number}`);
      } catch {
        // The peer was told the end.
      }
    });
    await pass(number % 10 === 0 ? 700 : 7);
  }

  // From here on the server is honest.
  for (const { relay } of sides) relay.up = relay.down = honest;
  stranger?.peer.destroy();
  world.cutSockets();
  const owed = () =>
    sides.reduce(
      (sum, { seen }, index) =>
        sum + sent[1 - index].length - seen.messages.length,
      0,
    );
  for (const end = world.clock.now() + RECOVERY_MS; world.clock.now() < end;) {
    if (owed() === 0) break;
    await pass(1000);
  }

  for (const [index, { name, seen }] of sides.entries()) {
    const missing = sent[1 - index].length - seen.messages.length;
    const sender = sides[1 - index];
    if (isMild) {
      must(missing === 0, () => `${missing} did not come to ${name}`);
      must(!seen.events.includes("close"), () => `${name} was closed`);
      continue;
    }
    // What was not delivered is in some end, or waits, and its sender was told.
    const ends = (sender.seen.args.close ?? []).reduce(
      (sum, [info]) =>
        sum + (info as { unacknowledged: number }).unacknowledged,
      0,
    );
    const kept = sender.peer.bufferedAmount > 0;
    must(
      missing <= ends || kept,
      () => `${missing} did not come to ${name}, and ${ends} are told`,
    );
    must(
      missing === 0 || sender.seen.events.length > 0,
      () => `${missing} did not come to ${name}, and nothing is told`,
    );
  }
  const nonces = sides.flatMap(({ relay }) => relay.nonces);
  must(new Set(nonces).size === nonces.length, () => "a nonce comes twice");
  for (const { peer } of sides) peer.destroy();
}

for (
  const [what, deeds, isMild] of [
    [
      "delivers everything, whatever a server does to what passes between two who have met",
      MILD,
      true,
    ],
    [
      "delivers what was sent or tells its user, whatever a server does",
      ALL,
      false,
    ],
  ] as const
) {
  Deno.test(`private SocketPeer ${what}`, async () => {
    await fc.assert(
      fc.asyncProperty(plots(deeds), (plot) => run(plot, isMild)),
      { seed: SEED, numRuns: RUNS },
    );
  });
}
