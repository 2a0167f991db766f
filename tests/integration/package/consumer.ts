/**
 * A program in TypeScript, which is compiled and never run: what has to pass
 * the compiler, and, under `@ts-expect-error`, what must not.
 *
 * @module
 */

import { type Message, SocketPeer } from "@socketpeer/socketpeer/client";

interface Note {
  type: string;
  text?: string;
}

interface Tree {
  value: number;
  parent?: Tree;
  children: readonly Tree[];
}

interface Loop {
  next: Loop | string | Loop[];
}

declare const peer: SocketPeer;
declare const note: Note;
declare const tree: Tree;
declare const loop: Loop;
declare const message: Message;

// Interfaces, and whatever else JSON can carry.
peer.send(note);
peer.send(tree);
peer.send(loop);
peer.send([note] as const);
peer.send(message);
peer.send("text");
peer.send(1);
peer.send(null);
peer.send({ list: [1, "two", { three: null }], at: new Date() });

// Bytes, at any depth.
peer.send(new ArrayBuffer(1));
peer.send(new DataView(new ArrayBuffer(1)));
peer.send(new Blob([]));
peer.send({ name: "x.bin", data: new ArrayBuffer(1), of: [new Uint8Array()] });

// What JSON cannot carry.
// @ts-expect-error: nothing
peer.send();
// @ts-expect-error: undefined
peer.send(undefined);
// @ts-expect-error: a function
peer.send(() => {});
// @ts-expect-error: a method
peer.send({ note, show() {} });
// @ts-expect-error: a class
peer.send({ note: class {} });
// @ts-expect-error: a Map
peer.send(new Map<string, string>());
// @ts-expect-error: a Map inside
peer.send({ notes: [new Map<string, Note>()] });
// @ts-expect-error: a Set inside
peer.send([new Set<string>()]);
// @ts-expect-error: a bigint inside
peer.send({ count: 1n });
// @ts-expect-error: a symbol inside
peer.send([Symbol("note")]);
// @ts-expect-error: a promise, which was not awaited
peer.send(Promise.resolve(note));
// @ts-expect-error: a Blob inside, which would have to be read first
peer.send({ name: "x.bin", data: new Blob([]) });
// @ts-expect-error: who knows
peer.send(note as unknown);

// A listener may say what it expects.
peer.on("data", (note: Note) => note.text?.length);
peer.once("data", (tree: Tree) => tree.children[0].value);
peer.on("data", (message) => {
  if (typeof message === "string") message.length;
  else if (message instanceof Uint8Array) message.byteLength;
});
// @ts-expect-error: another kind of argument
peer.on("close", (count: number) => count);
// @ts-expect-error: more arguments than there are
peer.on("data", (_note: Note, more: number) => more);
// @ts-expect-error: no event
peer.on("dat", () => {});

// A peer may be told, once, what goes which way.
type Move = { type: "move"; to: number; promote?: string } | { type: "resign" };
interface Board {
  squares: string[];
}

const player = new SocketPeer<Move, Board>({ autoconnect: false });
player.send({ type: "move", to: 1 });
// @ts-expect-error: no such type
player.send({ type: "mov", to: 1 });
// @ts-expect-error: a member missing
player.send({ type: "move" });
// @ts-expect-error: a member misspelled
player.send({ type: "move", to: 1, promot: "queen" });
// @ts-expect-error: what only the other one sends
player.send({ squares: [] });
player.on("data", ({ squares }) => squares.length);
// @ts-expect-error: what only this one sends
player.on("data", (move: Move) => move.type);
const boards: ReadableStream<Board> = player.readable;
const moves: WritableStream<Move> = player.writable;
// @ts-expect-error: what only the other one sends
const wrong: WritableStream<Board> = player.writable;
// @ts-expect-error: it sends moves alone
const any: SocketPeer = player;

// Such as a class that is generic itself.
export class Log<Entry> {
  readonly entries: Entry[] = [];

  constructor(readonly peer: SocketPeer<Entry, Entry>) {
    peer.prependListener("data", (entry) => this.entries.push(entry));
  }

  add(entry: Entry): void {
    this.peer.send(entry);
  }
}

// Bytes of anywhere.
const file = new Blob([]).stream();
await file.pipeTo(peer.writable);

export { any, boards, moves, wrong };

// A socket of the platform's.
new SocketPeer({ socket: new WebSocket("ws://localhost") });
new SocketPeer({ socket: () => new WebSocket("ws://localhost") });
new SocketPeer({ socket: () => Promise.resolve(new WebSocket("ws://x")) });
