/**
 * The wire of version 1, that of the first socketpeer: what a server says to
 * its clients, and takes from them. Specified in PROTOCOL.md, section 7.
 *
 * @module
 */

import { anything, type ControlSchemas, type Hello } from "./control.ts";
import { MAX_CONTROL_BYTES } from "./limits.ts";

/** What a partner of version 2 is told of one of version 1. */
export const LEGACY_HELLO: Hello = {
  received: 0,
  webrtc: false,
  relay: true,
  maxMessageBytes: MAX_CONTROL_BYTES,
};

/** The messages that a server gets of a client of version 1. */
export const fromLegacyClient = (): ControlSchemas => ({
  pair: anything,
  data: anything,
  "rtc.connect": anything,
  "rtc.signal": anything,
});

/** Two others hold the pair code; the client closes, and dials again later. */
export const LEGACY_BUSY = '{"type":"busy"}';

/** The other peer is here. Whoever is to make the offer begins at once. */
export function legacyFound(initiator: boolean): string {
  return JSON.stringify({ type: "peer.found", data: { initiator } });
}

/**
 * A message could not be handled. It is no `error`, which a client of version
 * 1 throws where its page does not listen for errors.
 */
export function legacyWarning(message: string): string {
  return JSON.stringify({ type: "warning", data: { message } });
}
