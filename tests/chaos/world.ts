/**
 * What the runs have in common: messages, faults, and checks of what passes on
 * the wire.
 *
 * @module
 */

import type { Message, Sendable, SocketPeer } from "../../client.ts";
import {
  type PrivateOptions,
  SocketPeer as PrivateSocketPeer,
} from "../../private.ts";
import { readFrame, readUint48 } from "../../src/protocol/frame.ts";
import type {
  SimulatedPeerOptions,
  Simulation,
  Traffic,
} from "../../testing.ts";
import type {
  Action,
  Fault,
  FaultOfOne,
  Kind,
  NodeFault,
  Schedule,
} from "./schedule.ts";

/** For how long a slot is kept after an end, and a little more, in milliseconds. */
const FORGET_MS = 170_000;

/** Something that must hold does not. */
export class Broken extends Error {
  override name = "Broken";
}

/** Says what does not hold. */
export function must(holds: boolean, what: () => string): asserts holds {
  if (!holds) throw new Broken(what());
}

/**
 * Makes a peer of a world.
 *
 * @param secret What it knows in a world of private ones. A text is used up by
 * three failures.
 */
export function makePeer(
  simulation: Simulation,
  { isPrivate }: Schedule,
  options: SimulatedPeerOptions = {},
  secret: PrivateOptions["secret"] = "what only the two know",
): SocketPeer {
  if (!isPrivate) return simulation.peer(options);
  return simulation.peer({ ...options, secret }, PrivateSocketPeer);
}

/** Whether no honest peer or server can have brought an error about. */
export function accuses(code: string, { steps }: Schedule): boolean {
  return code === "PROTOCOL" || code === "NOT_PRIVATE" ||
    code === "TAMPERED" && !steps.some(({ action }) => forges(action));
}

/** Whether this is more than a network does: a WebSocket never repeats. */
export function forges(action: Action): boolean {
  return action.do === "fault" && action.fault === "replayPackets";
}

/** Makes a fault happen. */
export function strike(simulation: Simulation, fault: Fault): void {
  switch (fault) {
    case "refuse":
    case "swallow":
    case "accept":
      simulation.dials = fault;
      break;
    case "blockDirect":
    case "allowDirect":
      simulation.directPossible = fault === "allowDirect";
      break;
    default:
      simulation[fault]();
  }
}

/** Makes a fault happen to one peer. */
export function strikeOne(
  simulation: Simulation,
  fault: FaultOfOne,
  peer: SocketPeer,
): void {
  simulation[fault](peer);
}

/** Makes a fault happen to a node of the server, or to what joins them. */
export function strikeNode(
  { nodes, engine }: Simulation,
  fault: NodeFault,
  index: number,
  ms: number,
): void {
  const node = nodes[index % nodes.length];
  switch (fault) {
    case "stall":
      node.stall(ms);
      break;
    case "partition":
    case "join":
      node.partitioned = fault === "partition";
      break;
    case "stopEngine":
      engine!.stop();
      break;
    case "startEngine":
    case "emptyEngine":
      engine!.start(fault === "emptyEngine");
      break;
    case "lose":
      engine!.loss = 0.05;
      break;
    case "double":
      engine!.doubling = 0.05;
      break;
    case "carry":
      engine!.loss = engine!.doubling = 0;
      break;
    default:
      node[fault]();
  }
}

/** A Blob that is read within a turn, as virtual time waits for nothing real. */
class ReadBlob extends Blob {
  readonly content: Uint8Array<ArrayBuffer>;

  constructor(content: Uint8Array<ArrayBuffer>) {
    super([content]);
    this.content = content;
  }

  override arrayBuffer(): Promise<ArrayBuffer> {
    return Promise.resolve(this.content.slice().buffer);
  }
}

/** A message that can be told from any other. */
export interface Sample {
  readonly name: string;
  readonly kind: Kind;
  /** What is sent; it stays as it is. */
  readonly message: Sendable;
}

/** Makes a message of so many bytes, or as many as its name takes. */
export function makeSample(name: string, kind: Kind, bytes: number): Sample {
  return { name, kind, message: makeMessage(name, kind, bytes) };
}

function makeMessage(name: string, kind: Kind, bytes: number): Sendable {
  const stamp = `${name};é`;
  let text = "";
  if (bytes > stamp.length) {
    text = stamp + "x".repeat(bytes - stamp.length - 1) + "y";
  } else if (bytes > 0) text = name;
  switch (kind) {
    case "text":
      return text;
    case "json":
      return { name, text, none: null };
    case "bytes":
      return encode(text);
    case "blob":
      return new ReadBlob(encode(text));
  }
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
}

/** Whether a message is that sample, as the kind that it was sent as. */
export function isSample(got: Message, { kind, message }: Sample): boolean {
  switch (kind) {
    case "text":
      return got === message;
    case "json":
      return JSON.stringify(got) === JSON.stringify(message);
    case "bytes":
      return sameBytes(got, message as Uint8Array);
    case "blob":
      return sameBytes(got, (message as ReadBlob).content);
  }
}

/** The name of whatever sample a message is. */
export function readName(message: Message): string {
  if (message instanceof Uint8Array) {
    message = new TextDecoder().decode(message);
  }
  const text = typeof message === "string"
    ? message
    : (message as { name: string }).name;
  return text.split(";", 1)[0];
}

function sameBytes(got: Message, expected: Uint8Array): boolean {
  if (!(got instanceof Uint8Array) || got.length !== expected.length) {
    return false;
  }
  for (let at = 0; at < expected.length; at++) {
    if (got[at] !== expected[at]) return false;
  }
  return true;
}

/** A message in a few words, for a report. */
export function brief(message: Message): string {
  const text = message instanceof Uint8Array
    ? `bytes ${new TextDecoder().decode(message.subarray(0, 30))}`
    : JSON.stringify(message);
  return text.slice(0, 40);
}

/**
 * Looks at what each peer has in flight on the wire: packets with frames that
 * it has sent and for which no acknowledgement has come.
 */
export class WindowWatch {
  /** Most that any peer had in flight, in bytes. */
  most = 0;
  readonly #peers = new Map<SocketPeer, InFlight>();

  /** Takes what passes. */
  see({ peer, direction, data }: Traffic): void {
    const flight = this.#peers.get(peer) ??
      { sent: new Map(), bytes: 0, acknowledged: 0 };
    this.#peers.set(peer, flight);
    if (typeof data === "string") {
      if (direction === "out" || !data.includes('"peer.found"')) return;
      this.#acknowledge(flight, JSON.parse(data).data.hello.received);
      return;
    }
    const packet = new Uint8Array(data);
    if (direction === "in") this.#acknowledge(flight, readUint48(packet, 0));
    else if (packet.length > 12) this.#send(flight, packet);
  }

  #send(flight: InFlight, packet: Uint8Array): void {
    const first = readUint48(packet, 6);
    if (flight.sent.has(first)) return;
    let last = first - 1;
    for (let at = 12; at < packet.length; at = readFrame(packet, at).end) {
      last++;
    }
    // The packet is sent again, before the peer has looked at what acknowledges
    // it.
    if (last <= flight.acknowledged) return;
    const bytes = packet.length;
    flight.sent.set(first, { last, bytes });
    flight.bytes += bytes;
    this.most = Math.max(this.most, flight.bytes);
  }

  #acknowledge(flight: InFlight, number: number): void {
    flight.acknowledged = Math.max(flight.acknowledged, number);
    // Packets stand in the order of their numbers, as they were sent first.
    for (const [first, { last, bytes }] of flight.sent) {
      if (last > number) break;
      flight.sent.delete(first);
      flight.bytes -= bytes;
    }
  }
}

interface InFlight {
  readonly sent: Map<number, Sent>;
  bytes: number;
  acknowledged: number;
}

interface Sent {
  readonly last: number;
  readonly bytes: number;
}

/**
 * Checks that two joined peers say the same words, and are both private or
 * neither.
 */
export function mustBeVerified(one: SocketPeer, other: SocketPeer): void {
  const [ofOne, ofOther] = [one, other].map((peer) =>
    peer instanceof PrivateSocketPeer ? peer.verification : undefined
  );
  must(
    ofOne === ofOther && ofOne !== null,
    () => `the words of the two are ${ofOne} and ${ofOther}`,
  );
}

/** Checks that nothing is left of two peers that are closed. */
export async function mustBeEmpty(simulation: Simulation): Promise<void> {
  const { clock, places, sockets, openChannels, nodes, engine } = simulation;
  if (engine) {
    // Endings are remembered.
    await clock.pass(FORGET_MS);
    for (const { pending } of nodes) {
      must(pending === 0, () => `${pending} peers are left at a node`);
    }
    // The claims of dead nodes run out.
    must(engine.claims === 0, () => `${engine.claims} claims are left`);
    for (const node of nodes) node.drain();
    await clock.pass(10_000);
  }
  must(places === 0, () => `${places} places are left in the registry`);
  must(sockets.size === 0, () => `${sockets.size} sockets are left open`);
  must(openChannels === 0, () => `${openChannels} ends of channels are open`);
  must(clock.pending === 0, () => `${clock.pending} timers are left`);
}
