/**
 * Three peers of one pair code that come and go while things break: whatever
 * is not delivered is counted, nothing is delivered twice, and nobody gets
 * between two who talk.
 *
 * @module
 */

import {
  type CloseInfo,
  type CloseReason,
  type Message,
  PeerClosedError,
  SendQueueFullError,
  type SocketPeer,
} from "../../client.ts";
import { REMEMBER_MS } from "../../src/server/pair_registry.ts";
import { Simulation, type Traffic } from "../../testing.ts";
import {
  type Action,
  type Kind,
  type Move,
  nameOf,
  type Schedule,
} from "./schedule.ts";
import {
  accuses,
  brief,
  isSample,
  makePeer,
  makeSample,
  must,
  mustBeEmpty,
  readName,
  type Sample,
  strike,
  strikeNode,
  strikeOne,
} from "./world.ts";

const RESUME_TIMEOUT_MS = 20_000;
/**
 * A secret that those who break off do not use up, as they would a text, at
 * which they may have guessed.
 */
const KEY = new Uint8Array(16);
/** How long it may take until two have found each other. */
const RECOVERY_MS = 400_000;
/**
 * How long the server looks for a conversation that it is to end, and how long
 * the node that has it may stand still meanwhile, in milliseconds.
 */
const LEAVE_MS = 10_000 + 12_000;
/** After how long two that have found each other are at the server, too. */
const REDIAL_MS = 60_000;

/** One conversation as one peer sees it. */
interface Conversation {
  readonly label: string;
  readonly since: number;
  readonly accepted: Sample[];
  /** How many accepted messages have arrived somewhere. */
  delivered: number;
  /** The conversation in which the messages arrive. */
  receiver: Conversation | null;
  /** The conversation whose messages arrive here. */
  sender: Conversation | null;
  /** The peer's `id`, as the server knows it. */
  id: string | undefined;
  partner: string | undefined;
  /**
   * Whether the peer has said that it does not hear its partner, which was away,
   * and has not found it again since.
   */
  letsIn: boolean;
  over: boolean;
  reason?: CloseReason;
}

interface Instance {
  readonly name: string;
  readonly peer: SocketPeer;
  /**
   * The conversation that goes on; made when something shows that there is one.
   */
  current: Conversation | null;
  /** A conversation that is closed, and still delivers. */
  lingering: Conversation | null;
  /** The conversations that the call under way ends. */
  ending: Conversation[];
  conversations: number;
  closed: boolean;
  crashed: boolean;
  /** Whether the peer was told busy since everything works again. */
  busy: boolean;
}

/** Runs a schedule. */
export async function runChurn(schedule: Schedule): Promise<void> {
  await new Churn(schedule).run();
}

class Churn {
  readonly #schedule: Schedule;
  readonly #simulation: Simulation;
  readonly #instances: (Instance | undefined)[] = [];
  readonly #byPeer = new Map<SocketPeer, Instance>();
  readonly #byLabel = new Map<string, Conversation>();
  readonly #byId = new Map<string, Conversation>();
  readonly #found: unknown[] = [];
  #made = 0;
  /** When the server was last told to end the conversation. */
  #leftAt = -Infinity;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
    const { seed, latency, nodes } = schedule;
    this.#simulation = new Simulation({ seed, latency, nodes });
    this.#simulation.ontraffic = (traffic) => this.#see(traffic);
  }

  async run(): Promise<void> {
    const { clock } = this.#simulation;
    this.#make(0);
    this.#make(1);
    await this.#pass(0);
    for (const { action, wait } of this.#schedule.steps) {
      this.#act(action);
      await this.#pass(wait);
    }
    this.#simulation.repair();
    for (const instance of this.#live()) instance.busy = false;
    const since = clock.now();
    while (!this.#settled() && clock.now() - since < RECOVERY_MS) {
      await this.#pass(1000);
    }
    must(this.#settled(), () => this.#describe());
    if (this.#schedule.leaves) await this.#mustLeave();
    for (const instance of this.#byPeer.values()) {
      if (!instance.crashed) this.#close(instance);
      await this.#pass(100);
    }
    await this.#pass(120_000);
    for (const { name, current, lingering, crashed } of this.#byPeer.values()) {
      const left = [current, lingering].find((each) => each && !each.over);
      must(
        crashed || !left,
        () => `${name} was closed, and was not told of the end`,
      );
    }
    await mustBeEmpty(this.#simulation);
  }

  async #pass(ms: number): Promise<void> {
    await this.#simulation.clock.pass(ms);
    if (this.#found.length > 0) throw this.#found[0];
  }

  #live(): Instance[] {
    return [...this.#byPeer.values()].filter(({ closed, crashed }) =>
      !closed && !crashed
    );
  }

  /** Two who are there have found each other, and others are told busy. */
  #settled(): boolean {
    const live = this.#live();
    if (live.some(({ peer }) => this.#simulation.isFrozen(peer))) return false;
    const joined = live.filter(({ peer }) => peer.connected);
    if (joined.some(({ peer }) => peer.bufferedAmount > 0)) return false;
    if (live.length < 2) return joined.length === 0;
    const [one, two] = joined;
    return joined.length === 2 && one.current?.id !== undefined &&
      one.current.partner === two.current?.id &&
      live.every((instance) => instance.peer.connected || instance.busy);
  }

  /**
   * Checks that any node that is told so ends the conversation, where nothing
   * is broken.
   */
  async #mustLeave(): Promise<void> {
    const now = this.#simulation.clock.now();
    // A private peer that does not believe it is let in again when it is
    // forgotten.
    const ended = this.#schedule.isPrivate ? this.#leftAt + REMEMBER_MS : now;
    await this.#pass(Math.max(now, ended) - now + REDIAL_MS);
    const joined = this.#live().filter(({ peer }) => peer.connected);
    const conversations = joined
      // A private peer does not believe the server while it hears the other.
      .filter(({ peer }) => !this.#schedule.isPrivate || peer.path !== "direct")
      .map(({ current }) => current);
    let was: boolean | undefined;
    this.#leave().then((answer) => was = answer, () => {});
    await this.#pass(LEAVE_MS);
    if (joined.length === 0) return;
    must(was === true, () => `the server has found nothing to end: ${was}`);
    for (const conversation of conversations) {
      must(
        conversation?.reason === "server",
        () => `${conversation?.label} was not ended: ${conversation?.reason}`,
      );
    }
  }

  #leave(): Promise<boolean> {
    this.#leftAt = this.#simulation.clock.now();
    return this.#simulation.leave("code");
  }

  #describe(): string {
    const lines = this.#live().map(({ name, peer, current, busy }) =>
      `${name} ${peer.connected ? peer.path : "not connected"}` +
      ` (${current?.label}, buffered ${peer.bufferedAmount}` +
      `${busy ? ", told busy" : ""})`
    );
    return `two do not find each other: ${lines.join("; ")}`;
  }

  #make(index: number): void {
    const { webrtc, socketFallback } = this.#schedule;
    const name = `${nameOf(index)}${++this.#made}`;
    const peer = makePeer(this.#simulation, this.#schedule, {
      webrtc: !socketFallback || webrtc[index % 2],
      socketFallback,
      reconnectDelay: 200,
      timeout: 5000,
      resumeTimeout: RESUME_TIMEOUT_MS,
      maxBufferedBytes: 4_000_000,
    }, KEY);
    const instance: Instance = {
      name,
      peer,
      current: null,
      lingering: null,
      ending: [],
      conversations: 0,
      closed: false,
      crashed: false,
      busy: false,
    };
    this.#instances[index] = instance;
    this.#byPeer.set(peer, instance);
    const check =
      <Args extends unknown[]>(test: (...args: Args) => void) =>
      (...args: Args) => {
        try {
          test(...args);
        } catch (error) {
          this.#found.push(error);
        }
      };
    peer.on("data", check((message) => this.#arrived(instance, message)));
    peer.on("close", check((info) => this.#ended(instance, info)));
    peer.on("busy", () => instance.busy = true);
    peer.on(
      "error",
      check(({ code, message }) => {
        must(!accuses(code, this.#schedule), () => `${name}: ${message}`);
      }),
    );
  }

  #currentOf(instance: Instance): Conversation {
    if (instance.current) return instance.current;
    const label = `${instance.name}.${++instance.conversations}`;
    const conversation: Conversation = {
      label,
      since: this.#simulation.clock.now(),
      accepted: [],
      delivered: 0,
      receiver: null,
      sender: null,
      id: undefined,
      partner: undefined,
      letsIn: false,
      over: false,
    };
    this.#byLabel.set(label, conversation);
    return instance.current = conversation;
  }

  /** Learns from what passes which peer is which. */
  #see({ peer, direction, data }: Traffic): void {
    if (typeof data !== "string") return;
    const pairs = direction === "out" && data.includes('"type":"pair"');
    const finds = direction === "in" && data.includes('"peer.found"');
    const letsIn = direction === "out" && data.includes('"peer.knock"');
    if (!pairs && !finds && !letsIn) return;
    const instance = this.#byPeer.get(peer)!;
    const conversation = instance.lingering ?? this.#currentOf(instance);
    if (!pairs) conversation.letsIn = letsIn;
    if (letsIn) return;
    const { id } = JSON.parse(data).data;
    if (pairs && !this.#byId.has(id)) {
      conversation.id = id;
      // What was found under another name was given up with it.
      conversation.partner = undefined;
      this.#byId.set(id, conversation);
    } else if (finds) conversation.partner ??= id;
  }

  #act(action: Action): void {
    switch (action.do) {
      case "fault":
        strike(this.#simulation, action.fault);
        return;
      case "node":
        strikeNode(this.#simulation, action.fault, action.node, action.ms);
        return;
      case "latency":
        this.#simulation.latency = action.ms;
        return;
      case "move":
        this.#move(action.peer, action.move);
        return;
      case "leave":
        // The nodes that would know may be out of reach.
        this.#leave().catch(() => {});
        return;
    }
    const instance = this.#instances[action.peer];
    if (!instance || instance.crashed) return;
    const { peer } = instance;
    if (action.do === "freeze") this.#simulation.freeze(peer, action.ms);
    else if (action.do === "faultOfOne") {
      strikeOne(this.#simulation, action.fault, peer);
    } else if (action.do === "send" && !this.#simulation.isFrozen(peer)) {
      for (let count = 0; count < action.count; count++) {
        this.#send(instance, action.kind, action.bytes);
      }
    }
  }

  #send(instance: Instance, kind: Kind, bytes: number): void {
    const { peer, closed } = instance;
    // A peer that closed itself has no conversation to send in.
    const conversation = closed ? null : this.#currentOf(instance);
    const number = conversation?.accepted.length ?? 0;
    const name = `${conversation?.label}#${number}`;
    // Without a name the message could not be told from any other.
    const sample = makeSample(name, kind, Math.max(bytes, 1));
    try {
      peer.send(sample.message);
    } catch (error) {
      const expected = closed && error instanceof PeerClosedError ||
        error instanceof SendQueueFullError;
      must(expected, () => `${instance.name} cannot send: ${error}`);
      return;
    }
    must(!closed, () => `${instance.name} is closed, and could send`);
    conversation!.accepted.push(sample);
  }

  #move(index: number, move: Move): void {
    const instance = this.#instances[index];
    if (move === "replace") {
      if (!instance || instance.crashed || instance.closed) this.#make(index);
      return;
    }
    if (!instance || instance.crashed) return;
    const { peer } = instance;
    if (move === "crash") {
      this.#simulation.crash(peer);
      instance.crashed = true;
      for (const each of [instance.current, instance.lingering]) {
        if (each) each.over = true;
      }
      return;
    }
    if (this.#simulation.isFrozen(peer)) return;
    switch (move) {
      case "close":
        this.#close(instance);
        break;
      case "destroy":
        this.#destroy(instance, () => peer.destroy());
        break;
      case "hidePage":
        // Hiding the page does nothing to a peer that is closed.
        if (!instance.closed) {
          this.#destroy(instance, () => this.#simulation.hidePage(peer));
        }
        break;
      case "showPage": {
        const before = instance.closed;
        instance.closed = false;
        this.#simulation.showPage(peer);
        // Only a peer that has left the page comes back by that.
        try {
          if (before && !this.#isOpen(peer)) instance.closed = true;
        } catch {
          instance.closed = true;
        }
        break;
      }
      case "connect":
        instance.closed = false;
        peer.connect();
        break;
    }
  }

  /** Whether a peer takes messages, told from what it does with a wrong one. */
  #isOpen(peer: SocketPeer): boolean {
    try {
      peer.send(Symbol() as never);
    } catch (error) {
      return !(error instanceof PeerClosedError);
    }
    return true;
  }

  #close(instance: Instance): void {
    if (instance.closed) return;
    const conversation = this.#currentOf(instance);
    instance.closed = true;
    instance.ending = [conversation];
    instance.current = null;
    instance.peer.close();
    instance.ending = [];
    if (!conversation.over) instance.lingering = conversation;
  }

  #destroy(instance: Instance, destroy: () => void): void {
    if (!instance.closed) this.#currentOf(instance);
    const { current, lingering } = instance;
    instance.closed = true;
    instance.ending = [lingering, current].filter((each) => each !== null);
    instance.current = null;
    destroy();
    instance.ending = [];
  }

  #arrived(instance: Instance, message: Message): void {
    const here = this.#currentOf(instance);
    const [label, number] = readName(message).split("#");
    const from = this.#byLabel.get(label)!;
    const sample = from.accepted[Number(number)];
    const what = `${brief(message)} at ${here.label}`;
    must(!here.over, () => `${what} comes after the end`);
    must(
      Number(number) === from.delivered,
      () => `${what} comes where #${from.delivered} is due`,
    );
    must(isSample(message, sample), () => `${what} is damaged`);
    from.delivered++;
    from.receiver ??= here;
    here.sender ??= from;
    must(
      from.receiver === here && here.sender === from,
      () => `${what} belongs into ${from.receiver?.label}`,
    );
    if (this.#schedule.echo && from.delivered % 4 === 0) {
      this.#send(instance, "text", 9);
    }
  }

  #ended(
    instance: Instance,
    { reason, unacknowledged, clean }: CloseInfo,
  ): void {
    let conversation = instance.ending.shift() ?? instance.lingering;
    if (!conversation) {
      conversation = this.#currentOf(instance);
      instance.current = null;
      // The peer looks for no other by itself.
      if (reason === "server") instance.closed = true;
    } else if (conversation === instance.lingering) instance.lingering = null;
    conversation.over = true;
    conversation.reason = reason;
    const { label, since, accepted, delivered, partner } = conversation;
    must(
      unacknowledged <= accepted.length &&
        accepted.length - unacknowledged <= delivered,
      () =>
        `${label} ends (${reason}) with ${unacknowledged} not acknowledged ` +
        `of ${accepted.length}, and ${delivered} have arrived`,
    );
    must(
      reason !== "error" && reason !== "lost" &&
        (reason !== "server" || since <= this.#leftAt + LEAVE_MS),
      () => `${label} ends: ${reason}`,
    );
    const other = partner && this.#byId.get(partner);
    if (clean) {
      const { accepted, delivered } = other || conversation.sender!;
      must(
        reason === "remote" && delivered === accepted.length,
        () =>
          `${label} takes ${delivered} of ${accepted.length} for all of them ` +
          `(${reason})`,
      );
    }
    if (reason === "replaced") {
      // Who is away and not heard may be gone, as far as one can tell. That one
      // learns of it when it is back, which may be before its partner does.
      must(
        !other || other.over || conversation.letsIn || other.letsIn,
        () => `${label} ends (replaced), and ${other && other.label} is there`,
      );
    }
  }
}
