import type { Message, SocketPeer, SocketPeerEvents } from "../../client.ts";

/** Every event, in the order in which docs/client.md lists them. */
const EVENTS: readonly (keyof SocketPeerEvents)[] = [
  "connect",
  "connect_error",
  "connect_timeout",
  "data",
  "drain",
  "reconnect",
  "reconnect_error",
  "reconnect_timeout",
  "upgrade_attempt",
  "upgrade",
  "upgrade_error",
  "downgrade",
  "close",
  "busy",
  "error",
  "statechange",
];

/** What happened to a peer. */
export interface Recording {
  /** The names of its events, but for `data` and `statechange`. */
  readonly events: string[];
  /** Its messages. */
  readonly messages: Message[];
  /** The states that it entered. */
  readonly states: string[];
  /** The codes of its errors. */
  readonly codes: string[];
  /** The arguments of each event, by name. */
  readonly args: Record<string, unknown[][]>;
}

/** Writes down every event of a peer from now on. */
export function record(peer: SocketPeer): Recording {
  const recording: Recording = {
    events: [],
    messages: [],
    states: [],
    codes: [],
    args: {},
  };
  for (const event of EVENTS) {
    peer.on(event, (...args: unknown[]) => {
      (recording.args[event] ??= []).push(args);
      if (event === "data") recording.messages.push(args[0] as Message);
      else if (event === "statechange") recording.states.push(String(args[0]));
      else recording.events.push(event);
      if (event === "error") {
        recording.codes.push((args[0] as { code: string }).code);
      }
    });
  }
  return recording;
}
