import type { Message, SocketPeer, SocketPeerEvents } from "../../client.ts";

/** Every event; a record, so that none can be forgotten. */
const NAMES: Readonly<Record<keyof SocketPeerEvents, true>> = {
  code: true,
  connect: true,
  connect_error: true,
  connect_timeout: true,
  data: true,
  drain: true,
  reconnect: true,
  reconnect_error: true,
  reconnect_timeout: true,
  upgrade_attempt: true,
  upgrade: true,
  upgrade_error: true,
  downgrade: true,
  close: true,
  busy: true,
  error: true,
  statechange: true,
};

/** The names of all events of a peer. */
export const EVENTS = Object.keys(NAMES) as (keyof SocketPeerEvents)[];

/** What happened to a peer. */
export interface Recording {
  /** The names of its events, but for `data`, `statechange` and `code`. */
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
      else if (event !== "code") recording.events.push(event);
      if (event === "error") {
        recording.codes.push((args[0] as { code: string }).code);
      }
    });
  }
  return recording;
}
