import { deadline } from "@std/async";
import type {
  ConnectionState,
  SocketPeer,
  SocketPeerEvents,
} from "../../client.ts";

/** No wait in a test takes nearly as long. */
const PATIENCE_MS = 15_000;

/** The arguments of the next event of a name. */
export function next<Name extends keyof SocketPeerEvents>(
  peer: SocketPeer,
  event: Name,
): Promise<SocketPeerEvents[Name]> {
  return deadline(
    new Promise((resolve) => peer.once(event, (...args) => resolve(args))),
    PATIENCE_MS,
  );
}

/** Resolves when a peer enters a state. */
export function untilState(
  peer: SocketPeer,
  state: ConnectionState,
): Promise<void> {
  return deadline(
    new Promise((resolve) =>
      peer.on("statechange", (entered) => {
        if (entered === state) resolve();
      })
    ),
    PATIENCE_MS,
  );
}
