/**
 * Peers of version 1, among themselves and beside those of version 2, at a
 * server of several nodes: nothing arrives twice or out of order, what is lost
 * is lost with a socket, and in the end they find each other.
 *
 * @module
 */

import type { SocketPeer, WebSocketLike } from "../../client.ts";
import {
  BUSY,
  ENDED_BY_SERVER,
  PAIR_TIMEOUT,
  SERVICE_RESTART,
} from "../../src/protocol/close_code.ts";
import { Simulation } from "../../testing.ts";
import { type Action, nameOf, type Schedule } from "./schedule.ts";
import { must, mustBeEmpty, strike, strikeNode, strikeOne } from "./world.ts";

/** A message of version 1 has at most 65,536 characters, with its quotes. */
const MAX_TEXT = 20_000;
/** How long it may take until two have found each other. */
const RECOVERY_MS = 400_000;
/** How long a message may take where nothing is broken. */
const DELIVERY_MS = 3000;
/** How long the server may take to end a conversation; see churn.ts. */
const LEAVE_MS = 22_000;
/** When a client of version 1 gives up a dial, and how soon it dials again. */
const TIMEOUT_MS = 5000;
const REDIAL_MS = [200, 2000] as const;

/**
 * Codes with which a server closes the socket of a client of version 1,
 * unprovoked.
 */
const CLOSE_CODES: ReadonlySet<number> = new Set([
  1005,
  1006,
  SERVICE_RESTART,
  PAIR_TIMEOUT,
  BUSY,
  ENDED_BY_SERVER,
]);

/** A socket of a client of version 1, or a conversation of one of version 2. */
interface Run {
  readonly label: string;
  readonly since: number;
  /** How many messages were sent in it. */
  sent: number;
  /** The numbers of those that have arrived. */
  readonly arrived: Set<number>;
  /** The number that is the next to arrive, at each receiver. */
  readonly due: Map<Run, number>;
  /** Whether all messages go to one receiver. */
  readonly lasts: boolean;
}

/** A client of either version. */
abstract class End {
  readonly name: string;
  /** Whether the client wants to be connected. */
  on = true;
  #run: Run | null = null;
  #runs = 0;
  /** When the last run was over. */
  #since: number;
  readonly world: World;
  /** The run whose message was the last to arrive. */
  heard: Run | null = null;

  constructor(world: World, index: number) {
    this.world = world;
    this.name = nameOf(index);
    this.#since = world.now;
  }

  abstract readonly isLegacy: boolean;
  /** Whether the client has a partner, as far as it knows. */
  abstract readonly connected: boolean;
  /** Whether the client can take what is to be sent. */
  abstract readonly open: boolean;
  abstract post(text: string): void;
  abstract close(): void;
  abstract connect(): void;

  get run(): Run {
    return this.#run ??= {
      label: `${this.name}${++this.#runs}`,
      since: this.#since,
      sent: 0,
      arrived: new Set(),
      due: new Map(),
      lasts: !this.isLegacy,
    };
  }

  send(length: number): void {
    if (!this.open) return;
    const { run } = this;
    this.post(`${run.label}#${run.sent++};`.padEnd(length, "x"));
    this.world.runs.set(run.label, run);
  }

  /** Ends a run, as its socket is closed or its conversation over. */
  protected ended(): Run {
    const { run } = this;
    this.#run = null;
    this.#since = this.world.now;
    this.heard = null;
    return run;
  }

  protected arrived(text: unknown): void {
    const [label, digits] = String(text).split(";", 1)[0].split("#");
    const number = Number(digits);
    const from = this.world.runs.get(label);
    const here = this.run;
    const what = `${label}#${number} at ${here.label}`;
    must(from !== undefined, () => `${what} was never sent`);
    const { arrived, due, lasts } = from;
    must(!arrived.has(number), () => `${what} comes again`);
    // Nobody knows where the next partner of a client of version 1 begins to
    // hear it.
    const expected = due.get(here) ?? (lasts ? 0 : number);
    must(number === expected, () => `${what} comes where #${expected} is due`);
    arrived.add(number);
    due.set(here, number + 1);
    must(!lasts || due.size === 1, () => `${what} belongs to another`);
    this.heard = from;
    if (this.world.schedule.echo && number % 4 === 3) this.send(9);
  }
}

/** A client of version 1, which dials again whatever its socket closes with. */
class LegacyEnd extends End {
  readonly isLegacy = true;
  #socket: WebSocketLike | null = null;
  #found = false;

  constructor(world: World, index: number) {
    super(world, index);
    this.connect();
  }

  get connected(): boolean {
    return this.open;
  }

  get open(): boolean {
    return this.#found && this.#socket?.readyState === 1;
  }

  post(text: string): void {
    this.#say("data", text);
  }

  close(): void {
    this.on = false;
    this.#socket?.close();
  }

  connect(): void {
    this.on = true;
    if (this.#socket) return;
    const { simulation, check } = this.world;
    const socket = this.#socket = simulation.dial();
    const cancel = simulation.clock.after(TIMEOUT_MS, () => socket.close());
    socket.onopen = () => {
      cancel();
      this.#say("pair", "code");
    };
    socket.onmessage = check(({ data }: { data: string }) =>
      this.#take(JSON.parse(data))
    );
    socket.onclose = check(({ code }: { code: number }) => {
      cancel();
      this.#closed(code);
    });
  }

  #say(type: string, data?: unknown): void {
    this.#socket?.send(JSON.stringify({ type, data }));
  }

  #take({ type, data }: { type: string; data?: unknown }): void {
    switch (type) {
      case "peer.found":
        this.#found = true;
        if (!(data as { initiator: boolean }).initiator) break;
        this.#say("rtc.connect");
        this.#say("rtc.signal", { type: "offer", sdp: "" });
        break;
      case "data":
        must(this.#found, () => `${this.name} hears of nobody, and ${data}`);
        this.arrived(data);
        break;
      case "busy":
        this.#socket!.close();
        break;
      default:
        must(
          /^rtc\./.test(type),
          () => `${this.name} is told ${type}: ${data}`,
        );
    }
  }

  #closed(code: number): void {
    this.#socket = null;
    this.#found = false;
    const { label, since } = this.ended();
    must(
      CLOSE_CODES.has(code) &&
        (code !== ENDED_BY_SERVER || this.world.mayEnd(since)),
      () => `${label} is closed with ${code}`,
    );
    const { clock, random } = this.world.simulation;
    const [least, most] = REDIAL_MS;
    clock.after(least + random() * (most - least), () => {
      if (this.on) this.connect();
    });
  }
}

/** A client of version 2, whose partner may be one of version 1. */
class PresentEnd extends End {
  readonly isLegacy = false;
  readonly peer: SocketPeer;

  constructor(world: World, index: number) {
    super(world, index);
    const { simulation, check, schedule } = world;
    this.peer = simulation.peer({
      // The relay is all that the two versions have in common.
      webrtc: schedule.webrtc[index % 2],
      reconnectDelay: 200,
      timeout: 5000,
      resumeTimeout: 20_000,
    });
    this.peer.on("data", check((message) => this.arrived(message)));
    this.peer.on(
      "close",
      check(({ reason }) => {
        const { label, since } = this.ended();
        if (reason === "server") this.on = false;
        must(
          reason !== "error" && reason !== "lost" &&
            (reason !== "server" || world.mayEnd(since)),
          () => `${label} ends: ${reason}`,
        );
      }),
    );
    this.peer.on(
      "error",
      check(({ code, message }) =>
        must(code !== "PROTOCOL", () => `${this.name}: ${message}`)
      ),
    );
  }

  get connected(): boolean {
    return this.open && this.peer.connected;
  }

  get open(): boolean {
    return this.on && !this.world.simulation.isFrozen(this.peer);
  }

  post(text: string): void {
    this.peer.send(text);
  }

  close(): void {
    this.on = false;
    this.peer.destroy();
  }

  connect(): void {
    this.on = true;
    this.peer.connect();
  }
}

/** Runs a schedule. */
export async function runLegacy(schedule: Schedule): Promise<void> {
  await new World(schedule).run();
}

class World {
  readonly schedule: Schedule;
  readonly simulation: Simulation;
  /** All that have sent something, by their labels. */
  readonly runs = new Map<string, Run>();
  readonly #ends: readonly End[];
  readonly #found: unknown[] = [];
  /** When the server was last told to end the conversation. */
  #leftAt = -Infinity;

  constructor(schedule: Schedule) {
    this.schedule = schedule;
    const { seed, latency, nodes, legacy = [] } = schedule;
    this.simulation = new Simulation({ seed, latency, nodes });
    this.#ends = legacy.map((is, index) =>
      is ? new LegacyEnd(this, index) : new PresentEnd(this, index)
    );
  }

  get now(): number {
    return this.simulation.clock.now();
  }

  /** Whether the server was told to end what has begun then. */
  mayEnd(since: number): boolean {
    return since <= this.#leftAt + LEAVE_MS;
  }

  /** Keeps what a listener finds; what it throws would reach nobody. */
  readonly check =
    <Args extends unknown[]>(test: (...args: Args) => void) =>
    (...args: Args) => {
      try {
        test(...args);
      } catch (error) {
        this.#found.push(error);
      }
    };

  async run(): Promise<void> {
    await this.#pass(0);
    for (const { action, wait } of this.schedule.steps) {
      this.#act(action);
      await this.#pass(wait);
    }
    this.simulation.repair();
    // An ending that is under way is nothing that could be repaired.
    await this.#pass(LEAVE_MS);
    const since = this.now;
    let talk = false;
    while (!talk && this.now - since < RECOVERY_MS) talk = await this.#talks();
    must(talk, () => this.#describe());
    for (const end of this.#ends) {
      if (end.on) end.close();
      await this.#pass(100);
    }
    await this.#pass(120_000);
    await mustBeEmpty(this.simulation);
  }

  async #pass(ms: number): Promise<void> {
    await this.simulation.clock.pass(ms);
    if (this.#found.length > 0) throw this.#found[0];
  }

  /** Whether two who are there hear each other, if there are two. */
  async #talks(): Promise<boolean> {
    for (const end of this.#ends) end.heard = null;
    const talking = this.#ends.filter(({ connected }) => connected);
    for (const end of talking) end.send(1);
    await this.#pass(DELIVERY_MS);
    const there = this.#ends.filter(({ on }) => on);
    if (there.length < 2) return true;
    const heard = talking.filter(({ heard }) => heard !== null);
    const [one, two] = heard;
    return heard.length === 2 && one.heard === two.run && two.heard === one.run;
  }

  #describe(): string {
    const lines = this.#ends.map(({ name, on, connected, heard }) =>
      `${name} ${on ? connected ? "connected" : "not connected" : "away"}` +
      `${heard ? `, has heard ${heard.label}` : ""}`
    );
    return `two do not find each other: ${lines.join("; ")}`;
  }

  #act(action: Action): void {
    const { simulation } = this;
    switch (action.do) {
      case "fault":
        strike(simulation, action.fault);
        return;
      case "node":
        strikeNode(simulation, action.fault, action.node, action.ms);
        return;
      case "latency":
        simulation.latency = action.ms;
        return;
      case "leave":
        this.#leftAt = this.now;
        // The nodes that would know may be out of reach.
        simulation.leave("code").catch(() => {});
        return;
    }
    const end = this.#ends[action.peer];
    if (action.do === "send") {
      const length = Math.min(action.bytes, MAX_TEXT);
      for (let count = 0; count < action.count; count++) end.send(length);
    } else if (end instanceof PresentEnd) {
      if (simulation.isFrozen(end.peer)) return;
      if (action.do === "freeze") simulation.freeze(end.peer, action.ms);
      else if (action.do === "faultOfOne") {
        strikeOne(simulation, action.fault, end.peer);
      }
    }
    if (action.do !== "move") return;
    if (action.move === "connect") end.connect();
    else if (end.on) end.close();
  }
}
