/**
 * What breaks in the world, done for real to two peers in two Chromiums that
 * send numbered messages all the time: nothing is lost, doubled or out of
 * order while both live. The tables that it prints say how long messages were
 * held up.
 *
 * `deno task chaos --breakage` does each for as long as it would last in life;
 * here most are cut short. What the simulator alone can do, such as putting a
 * laptop to sleep, is in `tests/chaos/`.
 */

// deno-lint-ignore-file no-console -- the tables are what it is for
import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { delay } from "@std/async";
import {
  type BreakageRow,
  breakageTable,
  markdownTable,
} from "../support/breakage_table.ts";
import { Scene, type SceneOptions, Stage } from "../support/breakage_scene.ts";
import type { PagePeer } from "../support/browser_pair.ts";

const LONG = Deno.args.includes("--long");

/** How long something lasts: in the long form, and otherwise. */
function lasting(longMs: number, shortMs: number): number {
  return LONG ? longMs : shortMs;
}

/** Something that breaks while both peers live. */
interface Transition extends SceneOptions {
  readonly name: string;
  /**
   * Whether it takes too long, or too much of a small machine, for every run.
   */
  readonly longOnly?: true;
  /** Breaks it, and waits until it is whole again. */
  act(scene: Scene): Promise<void>;
  /** What delivery may pause for at most, on a machine under load. */
  readonly maxPauseMs: number;
}

/**
 * A limit for what takes less than a second: far above, as other programs may
 * run here too.
 */
const UNDER_A_SECOND = 3000;
const RECONNECTS = 15_000;

const FROZEN_MS = lasting(25_000, 4000);
const GONE_MS = lasting(30_000, 1000);
const SILENT_MS = lasting(10_000, 1500);
const HALF_OPEN_MS = lasting(50_000, 1500);
const BUSY_MS = lasting(3000, 1500);
/** How long messages have to flow afterwards. */
const FLOW_MS = lasting(2000, 300);

/** Makes a page close its newest connection under the library's feet. */
function closeConnection(peer: PagePeer): Promise<void> {
  return peer.run(() => recorder.connections.at(-1)!.close());
}

/** Waits until the channel carries everything again. */
async function untilDirect(scene: Scene): Promise<void> {
  await scene.each((peer) =>
    peer.run(() => recorder.when(() => recorder.peer.path === "direct"))
  );
}

/** Waits until both have a path again. */
async function untilConnected(scene: Scene): Promise<void> {
  await scene.each((peer) =>
    peer.run(() => recorder.when(() => recorder.peer.connected))
  );
}

/** Nothing that a program could notice has happened. */
async function assertUnnoticed(scene: Scene): Promise<void> {
  for (const events of await scene.events()) {
    for (const name of ["reconnect", "downgrade", "close"]) {
      assert(!events.has(name), `Noticed by ${name}`);
    }
  }
}

async function silence(
  scene: Scene,
  silentMs: number,
  to?: readonly (0 | 1)[],
): Promise<void> {
  scene.udp.drop(1, to);
  await delay(silentMs);
  scene.udp.drop(0);
}

async function freeze(scene: Scene, frozenMs: number): Promise<void> {
  const { browser } = scene.actors[1];
  browser.signal("SIGSTOP");
  await delay(frozenMs);
  browser.signal("SIGCONT");
}

const TRANSITIONS: readonly Transition[] = [
  {
    name: "upgrade under load",
    path: null,
    maxPauseMs: UNDER_A_SECOND,
    act: untilDirect,
  },
  {
    name: "data channel closed by one side",
    path: "direct",
    maxPauseMs: UNDER_A_SECOND,
    async act(scene) {
      await closeConnection(scene.actors[0].peer);
      await scene.until("downgrade");
      await scene.until("upgrade", 2);
    },
  },
  {
    name: "data channel closed by both sides",
    path: "direct",
    maxPauseMs: UNDER_A_SECOND,
    async act(scene) {
      await scene.each(closeConnection);
      await scene.until("downgrade");
      await scene.until("upgrade", 2);
    },
  },
  {
    name: `data channel silent for ${SILENT_MS / 1000} s`,
    path: "direct",
    maxPauseMs: UNDER_A_SECOND,
    async act(scene) {
      await silence(scene, SILENT_MS);
      await scene.until("downgrade");
      await scene.until("upgrade", 2);
      await untilDirect(scene);
    },
  },
  {
    name: `data channel silent one way for ${SILENT_MS / 1000} s`,
    path: "direct",
    maxPauseMs: UNDER_A_SECOND,
    async act(scene) {
      await silence(scene, SILENT_MS, [1]);
      await untilDirect(scene);
    },
  },
  {
    name: "data channel silent for 60 s, until ICE gives it up",
    longOnly: true,
    path: "direct",
    maxPauseMs: UNDER_A_SECOND,
    async act(scene) {
      await silence(scene, 60_000);
      await untilDirect(scene);
    },
  },
  {
    name: "a fifth of the data channel's packets lost",
    path: "direct",
    maxPauseMs: RECONNECTS,
    async act(scene) {
      scene.udp.drop(0.2);
      await delay(lasting(10_000, 2000));
      scene.udp.drop(0);
      await untilDirect(scene);
    },
  },
  {
    name: "WebSocket reset under a data channel",
    path: "direct",
    maxPauseMs: UNDER_A_SECOND,
    async act(scene) {
      scene.actors[0].tcp.cut();
      await scene.each((peer) => peer.untilControl("peer.found", 2));
      await assertUnnoticed(scene);
    },
  },
  {
    name: `WebSocket half-open for ${
      HALF_OPEN_MS / 1000
    } s under a data channel`,
    path: "direct",
    maxPauseMs: UNDER_A_SECOND,
    async act(scene) {
      scene.actors[0].tcp.strand();
      await delay(HALF_OPEN_MS);
      await assertUnnoticed(scene);
    },
  },
  {
    name: "WebSocket reset, no data channel",
    path: "relay",
    maxPauseMs: RECONNECTS,
    async act(scene) {
      scene.actors[0].tcp.cut();
      await scene.until("reconnect");
    },
  },
  {
    name: "WebSocket stalled for 1.5 s and reset, no data channel",
    longOnly: true,
    path: "relay",
    maxPauseMs: RECONNECTS,
    async act(scene) {
      const { tcp } = scene.actors[0];
      tcp.stall(true);
      await delay(1500);
      tcp.cut();
      tcp.stall(false);
      await scene.until("reconnect");
    },
  },
  {
    name: "WebSocket half-open for good, no data channel",
    longOnly: true,
    path: "relay",
    maxPauseMs: 60_000,
    async act(scene) {
      scene.actors[0].tcp.strand();
      await scene.until("reconnect");
    },
  },
  {
    name: "WebSocket reset and data channel closed at once",
    path: "direct",
    maxPauseMs: RECONNECTS,
    async act(scene) {
      scene.actors[0].tcp.cut();
      await closeConnection(scene.actors[1].peer);
      await scene.until("upgrade", 2);
    },
  },
  {
    name: "both WebSockets reset, data channel silent for 2 s",
    longOnly: true,
    path: "direct",
    maxPauseMs: RECONNECTS,
    async act(scene) {
      for (const { tcp } of scene.actors) tcp.cut();
      await silence(scene, 2000);
      await untilDirect(scene);
    },
  },
  {
    name: "server killed and started again, no data channel",
    path: "relay",
    maxPauseMs: RECONNECTS,
    async act(scene) {
      await scene.server.kill();
      await scene.server.start();
      await scene.until("reconnect");
    },
  },
  {
    name: "server killed and started again under a data channel",
    path: "direct",
    maxPauseMs: UNDER_A_SECOND,
    async act(scene) {
      await scene.server.kill();
      await scene.server.start();
      await scene.each((peer) => peer.untilControl("peer.found", 2));
      await assertUnnoticed(scene);
    },
  },
  {
    name: `server gone for ${GONE_MS / 1000} s, no data channel`,
    longOnly: true,
    path: "relay",
    // The wait between two attempts has grown to half a minute.
    maxPauseMs: GONE_MS + 50_000,
    async act(scene) {
      await scene.server.kill();
      await delay(GONE_MS);
      await scene.server.start();
      await scene.until("reconnect");
    },
  },
  {
    name: "server killed while the data channel is silent",
    path: "direct",
    maxPauseMs: 2 * RECONNECTS,
    async act(scene) {
      scene.udp.drop(1);
      await delay(1000);
      await scene.server.kill();
      await delay(lasting(3000, 1000));
      scene.udp.drop(0);
      await scene.server.start();
      await untilDirect(scene);
    },
  },
  {
    name: `tab frozen for ${FROZEN_MS / 1000} s, no data channel`,
    longOnly: true,
    path: "relay",
    maxPauseMs: FROZEN_MS + RECONNECTS,
    async act(scene) {
      await freeze(scene, FROZEN_MS);
      await untilConnected(scene);
    },
  },
  {
    name: `tab frozen for ${FROZEN_MS / 1000} s on a data channel`,
    path: "direct",
    maxPauseMs: FROZEN_MS + RECONNECTS,
    async act(scene) {
      await freeze(scene, FROZEN_MS);
      await untilDirect(scene);
    },
  },
  {
    name: `tab frozen for ${FROZEN_MS / 1000} s while it upgrades`,
    path: null,
    maxPauseMs: FROZEN_MS + RECONNECTS,
    async act(scene) {
      await scene.actors[0].peer.until("upgrade_attempt");
      await freeze(scene, FROZEN_MS);
      await untilDirect(scene);
    },
  },
  {
    name: `page busy for ${BUSY_MS / 1000} s on a data channel`,
    path: "direct",
    maxPauseMs: BUSY_MS + UNDER_A_SECOND,
    async act(scene) {
      await scene.actors[1].peer.run((busyMs) => {
        for (const end = performance.now() + busyMs; performance.now() < end;);
      }, BUSY_MS);
      await untilDirect(scene);
    },
  },
  {
    name: "all of it at once, and a reader that stops",
    path: "direct",
    peer: { highWaterMark: 20_000 },
    meter: { polite: true },
    maxPauseMs: 2 * RECONNECTS,
    async act(scene) {
      const [a, b] = scene.actors;
      // Nobody reads, so no more is taken in until it is cancelled.
      await b.peer.run(() => {
        const reader = recorder.peer.readable.getReader();
        setTimeout(() => reader.cancel(), 2000);
      });
      scene.udp.drop(1, [0]);
      await delay(500);
      a.tcp.cut();
      await closeConnection(b.peer);
      await scene.server.kill();
      await freeze(scene, 1000);
      scene.udp.drop(0);
      await scene.server.start();
      await delay(1000);
      await untilDirect(scene);
    },
  },
];

/** How a peer can end, and what the other one is told. */
interface Ending {
  readonly name: string;
  readonly longOnly?: true;
  readonly path: "relay" | "direct";
  readonly maxNoticeMs: number;
  readonly maxCloseMs: number;
  act(scene: Scene): Promise<void>;
}

const RESUME_TIMEOUT_MS = lasting(20_000, 3000);

const ENDINGS: readonly Ending[] = (["relay", "direct"] as const).flatMap((
  path,
): Ending[] => [
  {
    name: "tab closed",
    path,
    maxNoticeMs: 3000,
    maxCloseMs: 3000,
    act: (scene) => scene.actors[1].page.close(),
  },
  {
    name: "browser killed",
    // WebRTC takes half a minute to say so.
    ...path === "direct" && { longOnly: true },
    path,
    maxNoticeMs: path === "relay" ? 3000 : 60_000,
    maxCloseMs: RESUME_TIMEOUT_MS + (path === "relay" ? 5000 : 60_000),
    // deno-lint-ignore require-await -- the other one has to wait
    async act(scene) {
      scene.actors[1].browser.signal("SIGKILL");
    },
  },
]);

let stage: Stage;
const rows: BreakageRow[] = [];
const endings: string[][] = [];

Deno.test.beforeAll(async () => {
  stage = await Stage.open();
});

Deno.test.afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
  if (rows.length > 0) console.log(`\n${breakageTable(rows)}`);
  if (endings.length === 0) return;
  const head = ["what ends", "path", "noticed after", "closed", "counted"];
  console.log(`\n${markdownTable([head, ...endings])}\n`);
});

for (const transition of TRANSITIONS) {
  const { name, longOnly = false, maxPauseMs, act } = transition;
  Deno.test({
    name: `SocketPeer loses nothing: ${name}`,
    ignore: longOnly && !LONG,
    async fn() {
      await using scene = await Scene.open(stage, transition);
      await scene.each((peer) => peer.run(() => meter.measure()));
      await act(scene);
      await scene.flow(FLOW_MS);
      const reports = await scene.finish();
      rows.push({ name, reports });

      const [a, b] = reports;
      for (const [from, to] of [[a, b], [b, a]]) {
        const { missing, doubled, outOfOrder, corrupt, received } = to;
        assertEquals(
          { missing, doubled, outOfOrder, corrupt, received },
          {
            ...{ missing: 0, doubled: 0, outOfOrder: 0, corrupt: 0 },
            received: from.sent,
          },
        );
        // Enough to have been under way all the time, however slow the machine.
        assertGreater(to.received, 20);
        assertLess(to.longestPauseMs, maxPauseMs);
      }
      for (const events of await scene.events()) assert(!events.has("close"));
    },
  });
}

/** A page that waits for the end of its conversation. */
interface EndedPage {
  ended: Promise<
    { noticed: number; closed: number; sent: number; info: unknown }
  >;
}

for (const ending of ENDINGS) {
  const { name, longOnly = false, path } = ending;
  Deno.test({
    name: `SocketPeer tells how much was not acknowledged: ${name} (${path})`,
    ignore: longOnly && !LONG,
    async fn() {
      await using scene = await Scene.open(stage, {
        path,
        peer: { resumeTimeout: RESUME_TIMEOUT_MS },
      });
      const { peer } = scene.actors[0];
      // The page has to listen before anything ends, which may be at once.
      await peer.run(() => {
        const { peer } = recorder;
        const page = globalThis as unknown as EndedPage;
        page.ended = new Promise((resolve) => {
          let noticed: number;
          peer.on("statechange", () => noticed ??= Date.now());
          peer.on("close", (info) => {
            // What is sent from now on belongs to the next conversation.
            meter.stop();
            const { sent } = meter.report();
            resolve({ noticed, closed: Date.now(), sent, info });
          });
        });
      });
      const from = Date.now();
      await ending.act(scene);
      const { noticed, closed, sent, info } = await peer.run(() =>
        (globalThis as unknown as EndedPage).ended
      );
      const { reason, unacknowledged } = info as {
        reason: string;
        unacknowledged: number;
      };
      endings.push([
        name,
        path,
        `${noticed - from} ms`,
        `"${reason}" after ${closed - from} ms`,
        `${unacknowledged} of ${sent}`,
      ]);
      assertLess(noticed - from, ending.maxNoticeMs);
      assertLess(closed - from, ending.maxCloseMs);
      assertEquals(reason, name === "tab closed" ? "remote" : "away");
      assert(unacknowledged <= sent);
      if (reason === "away") assertGreater(unacknowledged, 0);
    },
  });
}
