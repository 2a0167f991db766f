/**
 * Peers that come and go at a registry, without sockets.
 *
 * @module
 */

import { PROTOCOL_VERSION } from "../../src/protocol/limits.ts";
import { type Member, PairRegistry } from "../../src/server/pair_registry.ts";

/** A registry on which no time passes. */
export function newRegistry(): PairRegistry {
  return new PairRegistry({
    peerTimeoutMs: 60_000,
    now: () => 0,
    after: () => () => {},
  });
}

/** Both peers of so many pairs, each pair with a code of its own. */
export function newMembers(pairs: number): Member[] {
  const hello = {
    received: 0,
    webrtc: true,
    relay: true,
    maxMessageBytes: 1024,
  };
  return Array.from({ length: 2 * pairs }, (_, i) => ({
    request: {
      code: `code ${i >> 1}`,
      version: PROTOCOL_VERSION,
      id: `id ${i}`,
      key: `key ${i}`,
      resumeTimeout: 0,
      hello,
    },
    askedAt: 0,
    version: PROTOCOL_VERSION,
    id: `id ${i}`,
    hello,
    signal() {},
    packet() {},
    refuse() {},
    waiting() {},
    found() {},
    lost() {},
    knocked() {},
    dismiss() {},
  }));
}
