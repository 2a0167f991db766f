/**
 * Two peers that live through everything that breaks: all arrives, once and in
 * order.
 *
 * @module
 */

import {
  SendQueueFullError,
  type SocketPeer,
  type WebSocketLike,
} from "../../client.ts";
import { WINDOW_BYTES } from "../../src/protocol/limits.ts";
import { Simulation } from "../../testing.ts";
import { type Action, nameOf, type Schedule } from "./schedule.ts";
import {
  accuses,
  brief,
  isSample,
  makePeer,
  makeSample,
  must,
  mustBeEmpty,
  mustBeVerified,
  type Sample,
  strike,
  strikeNode,
  strikeOne,
  WindowWatch,
} from "./world.ts";

const MAX_BUFFERED_BYTES = 4_000_000;
/** What it takes to carry a message may come on top. */
const OVERHEAD_BYTES = 1000;
/** How long a conversation may take to go on after all is repaired. */
const RECOVERY_MS = 240_000;

const isOpen = ({ readyState }: WebSocketLike) => readyState === 1;

interface Side {
  readonly peer: SocketPeer;
  readonly sent: Sample[];
  /** How many of the other's messages have come. */
  arrived: number;
  closes: number;
  readonly reader: Reader;
}

/** Reads the stream of a peer, unless it is told to stop. */
class Reader {
  #on = true;
  #goOn = () => {};

  constructor({ readable }: SocketPeer) {
    this.#read(readable.getReader());
  }

  set on(on: boolean) {
    this.#on = on;
    if (on) this.#goOn();
  }

  async #read(reader: ReadableStreamDefaultReader): Promise<void> {
    for (let done = false; !done;) {
      if (!this.#on) await new Promise<void>((go) => this.#goOn = go);
      // It breaks where the other side does not end in order.
      ({ done } = await reader.read().catch(() => ({ done: true })));
    }
  }
}

/** Runs a schedule. */
export async function runSteady(schedule: Schedule): Promise<void> {
  const { seed, latency, webrtc, socketFallback, echo, nodes } = schedule;
  const simulation = new Simulation({ seed, latency, nodes });
  const { clock } = simulation;
  const watch = new WindowWatch();
  // What is sealed can't be read.
  if (!schedule.isPrivate) {
    simulation.ontraffic = (traffic) => watch.see(traffic);
  }
  let closing = false;
  /** What a listener found; what it throws would reach nobody. */
  const found: unknown[] = [];

  const sides: Side[] = webrtc.map((has) => {
    const peer = makePeer(simulation, schedule, {
      // With neither of these nobody could ever connect.
      webrtc: has || !socketFallback,
      socketFallback,
      reconnectDelay: 200,
      maxBufferedBytes: MAX_BUFFERED_BYTES,
      // The timeout is longer than any of these stories.
      resumeTimeout: 2_000_000_000,
    });
    const reader = new Reader(peer);
    return { peer, sent: [], arrived: 0, closes: 0, reader };
  });

  const send = (index: number, kind: Sample["kind"], bytes: number) => {
    const { peer, sent } = sides[index];
    const sample = makeSample(`${nameOf(index)}${sent.length}`, kind, bytes);
    const before = peer.bufferedAmount;
    try {
      peer.send(sample.message);
    } catch (error) {
      must(error instanceof SendQueueFullError, () => String(error));
      must(peer.bufferedAmount === before, () => "a refused message was taken");
      return;
    }
    sent.push(sample);
  };

  sides.forEach((side, index) => {
    const other = sides[1 - index];
    const check = (test: () => void) => {
      try {
        test();
      } catch (error) {
        found.push(error);
      }
    };
    side.peer.on("data", (message) =>
      check(() => {
        const sample = other.sent[side.arrived++];
        must(
          sample !== undefined && isSample(message, sample),
          () =>
            `${nameOf(index)} got ${brief(message)} and not ` +
            `${sample?.name ?? "nothing"} (${sample?.kind})`,
        );
        if (echo && side.arrived % 4 === 0) send(index, "text", 9);
      }));
    side.peer.on("close", (info) =>
      check(() => {
        side.closes++;
        must(
          closing,
          () => `${nameOf(index)} was closed: ${JSON.stringify(info)}`,
        );
        must(
          info.unacknowledged === 0,
          () => `${info.unacknowledged} were not acknowledged at the end`,
        );
        must(
          !info.clean || side.arrived === other.sent.length,
          () =>
            `${nameOf(index)} takes ${side.arrived} of ${other.sent.length} ` +
            `for all of them`,
        );
      }));
    // There are only the two.
    side.peer.on(
      "busy",
      () => check(() => must(closing, () => `${nameOf(index)} is told busy`)),
    );
    side.peer.on(
      "error",
      ({ code, message }) =>
        check(() =>
          must(
            !accuses(code, schedule) &&
              // Nobody has tried to get in.
              code !== "WRONG_SECRET" && code !== "CODE_USED",
            () => message,
          )
        ),
    );
  });

  const act = (action: Action) => {
    switch (action.do) {
      case "send":
        if (simulation.isFrozen(sides[action.peer].peer)) break;
        for (let count = 0; count < action.count; count++) {
          send(action.peer, action.kind, action.bytes);
        }
        break;
      case "fault":
        strike(simulation, action.fault);
        break;
      case "faultOfOne":
        strikeOne(simulation, action.fault, sides[action.peer].peer);
        break;
      case "node":
        strikeNode(simulation, action.fault, action.node, action.ms);
        break;
      case "freeze":
        simulation.freeze(sides[action.peer].peer, action.ms);
        break;
      case "read": {
        const { peer, reader } = sides[action.peer];
        if (!simulation.isFrozen(peer)) reader.on = action.on;
        break;
      }
      case "latency":
        simulation.latency = action.ms;
        break;
    }
  };

  const check = () => {
    if (found.length > 0) throw found[0];
    must(
      watch.most <= WINDOW_BYTES,
      () => `${watch.most} bytes of a peer are in flight`,
    );
    for (const { peer } of sides) {
      must(
        peer.bufferedAmount <= MAX_BUFFERED_BYTES + OVERHEAD_BYTES,
        () => `${peer.bufferedAmount} bytes are buffered`,
      );
    }
  };
  const pass = async (ms: number) => {
    await clock.pass(ms);
    check();
  };

  for (const { action, wait } of schedule.steps) {
    act(action);
    check();
    await pass(wait);
  }

  simulation.repair();
  for (const { reader } of sides) reader.on = true;
  // A peer that closes without a socket can't give its place back.
  const done = () =>
    [...simulation.sockets].filter(isOpen).length === sides.length &&
    sides.every(({ peer, sent }, index) =>
      sides[1 - index].arrived === sent.length && peer.bufferedAmount === 0 &&
      peer.connected && !simulation.isFrozen(peer)
    );
  const since = clock.now();
  while (!done() && clock.now() - since < RECOVERY_MS) await pass(1000);
  sides.forEach(({ peer, sent }, index) => {
    const { arrived } = sides[1 - index];
    must(
      arrived === sent.length,
      () => `${arrived} of ${sent.length} of ${nameOf(index)} have arrived`,
    );
    must(peer.bufferedAmount === 0, () => "something is left in the queue");
    must(peer.connected, () => `${nameOf(index)} is not connected`);
  });
  mustBeVerified(sides[0].peer, sides[1].peer);

  closing = true;
  sides[0].peer.close();
  await pass(10_000);
  sides[1].peer.close();
  await pass(40_000);
  must(
    sides.every(({ closes }) => closes > 0),
    () => "close() was not followed by close",
  );
  await mustBeEmpty(simulation);
}
