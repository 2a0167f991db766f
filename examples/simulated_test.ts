/**
 * A test of one's own code on a network that breaks: a list that two people
 * keep together. It runs on Deno, Node and Bun.
 *
 *     deno test examples/simulated_test.ts
 */

import type { SocketPeer } from "@socketpeer/socketpeer/client";
import { Simulation } from "@socketpeer/socketpeer/testing";
import { deepEqual } from "node:assert/strict";
import { test } from "node:test";

/** What is tested: it takes a peer, and makes none. */
class SharedList {
  readonly items = new Set<string>();
  readonly #peer: SocketPeer;

  constructor(peer: SocketPeer) {
    this.#peer = peer;
    peer.on("data", (item: string) => this.items.add(item));
  }

  add(item: string): void {
    this.items.add(item);
    this.#peer.send(item);
  }
}

test("SharedList is the same at both, whatever breaks", async () => {
  const simulation = new Simulation({ seed: 7, latency: 40 });
  const peers = [simulation.peer(), simulation.peer()];
  const [ann, ben] = peers.map((peer) => new SharedList(peer));
  await simulation.clock.pass(1000);

  ann.add("milk");
  simulation.stallChannels();
  ben.add("bread");
  await simulation.clock.pass(300);
  simulation.killServer();
  simulation.closeChannels();
  ann.add("salt");
  await simulation.clock.pass(20_000);
  deepEqual(peers.map(({ connected }) => connected), [false, false]);

  simulation.startServer();
  // A minute on the virtual clock, which takes some milliseconds.
  await simulation.clock.pass(60_000);
  deepEqual([...ann.items].sort(), ["bread", "milk", "salt"]);
  deepEqual([...ben.items].sort(), ["bread", "milk", "salt"]);
});
