/**
 * When those come back who are sent away together.
 *
 * @module
 */

import { SERVICE_RESTART } from "../protocol/close_code.ts";
import type { Member } from "./pair_registry.ts";

/** How long all of them take to come back, in milliseconds. */
const SPREAD_MS = { perConnection: 1, least: 100, most: 5000 };

/**
 * Draws how long each of so many connections is asked to stay away, in
 * milliseconds, so that the next server is not met by all at once.
 *
 * @returns A delay by pair code, the same for both peers of a pair, as neither
 * has anything from coming back alone; without one, as for a connection that
 * has not asked for a place, one of its own.
 */
export function retryDelays(
  connections: number,
  random: () => number,
): (pairCode: string | undefined) => number {
  const { perConnection, least, most } = SPREAD_MS;
  const spreadMs = Math.min(most, Math.max(least, connections * perConnection));
  const draw = () => Math.floor(random() * spreadMs);
  const drawn = new Map<string, number>();
  return (pairCode) => {
    if (pairCode === undefined) return draw();
    const delayMs = drawn.get(pairCode) ?? draw();
    drawn.set(pairCode, delayMs);
    return delayMs;
  };
}

/** A member that can be told to dial again. */
type Leaving = Pick<Member, "dismiss"> & {
  /** There is none before it has asked for a place. */
  readonly request: Pick<Member["request"], "code"> | null;
};

/** Tells peers to dial again, each pair at a time of its own. */
export function sendAway(
  peers: readonly Leaving[],
  why: string,
  random: () => number,
): void {
  const delay = retryDelays(peers.length, random);
  for (const peer of peers) {
    const delayMs = delay(peer.request?.code);
    peer.dismiss(SERVICE_RESTART, `${why}: retry in ${delayMs} ms`);
  }
}
