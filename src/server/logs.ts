/**
 * Lines for whoever runs a server, one for each event worth knowing.
 *
 * @module
 */

import { wallClock } from "../runtime.ts";
import type { ServerEvent, ServerObserver } from "./server_event.ts";
import { TokenBucket } from "./token_bucket.ts";

/**
 * How much a line matters: `debug` is what goes on with each connection,
 * `info` what is good to know, `warn` what a limit has stopped, and `error`
 * what the operator has to mend.
 */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Options of {@linkcode logEvents}. */
export interface LogOptions {
  /**
   * `"text"` for people, `"json"` for programs: one object on each line.
   *
   * @default {"text"}
   */
  format?: "text" | "json";
  /**
   * The least that is written.
   *
   * @default {"info"}
   */
  level?: LogLevel;
  /** Takes a line, without its end. */
  write(line: string): void;
  /**
   * Milliseconds since 1970.
   *
   * @default {the machine's clock}
   */
  now?: () => number;
}

/** From the least to the most. */
export const LOG_LEVELS: readonly LogLevel[] = [
  "debug",
  "info",
  "warn",
  "error",
];

/** What else a line says. */
type Fields = Readonly<Record<string, string | number | undefined>>;

/**
 * How many lines about refusals of one reason are written: whoever is refused
 * may try again at once, as often as they like, and would fill the disk.
 */
const REFUSAL_RATE = { burst: 20, perSecond: 1 };
const CROWD_HINT =
  "behind a reverse proxy, set trustProxy (--trust-proxy), or correct it";
/** Longest text of somebody else's that a line quotes. */
const MAX_QUOTED = 200;

/**
 * Makes an observer that writes down what happens, without pair codes or keys.
 *
 * @example
 * ```ts
 * import { logEvents, SocketPeerServer } from "@socketpeer/socketpeer/server";
 *
 * const peerServer = new SocketPeerServer({
 *   port: 0,
 *   observer: logEvents({ write: (line) => console.error(line) }),
 * });
 * await peerServer.close();
 * // 2030-01-31T12:00:00.000Z info drain connections=0
 * ```
 */
export function logEvents(options: LogOptions): ServerObserver {
  const { format = "text", level = "info", write, now = wallClock } = options;
  const least = LOG_LEVELS.indexOf(level);
  const refusals = new Map<string, { bucket: TokenBucket; unsaid: number }>();

  /** How many lines the one for this refusal stands for; 0 for no line. */
  const toSay = (reason: string): number => {
    let entry = refusals.get(reason);
    if (!entry) {
      entry = { bucket: new TokenBucket(REFUSAL_RATE, now()), unsaid: 0 };
      refusals.set(reason, entry);
    }
    entry.unsaid++;
    if (!entry.bucket.take(1, REFUSAL_RATE, now())) return 0;
    const count = entry.unsaid;
    entry.unsaid = 0;
    return count;
  };

  return (event) => {
    const eventLevel = levelOf(event);
    if (LOG_LEVELS.indexOf(eventLevel) < least) return;
    let fields = fieldsOf(event);
    if (event.type === "refuse") {
      const count = toSay(event.reason);
      if (count === 0) return;
      if (count > 1) fields = { ...fields, count };
    }
    const time = new Date(now()).toISOString();
    const line = { time, level: eventLevel, event: event.type };
    for (const [name, value] of Object.entries(fields)) {
      const text = typeof value === "string" ? harmless(value) : value;
      Object.assign(line, { [name]: text });
    }
    write(format === "json" ? JSON.stringify(line) : inWords(line));
  };
}

function levelOf(event: ServerEvent): LogLevel {
  switch (event.type) {
    case "pair":
    case "drain":
      return "info";
    case "broker":
      return event.up ? "info" : "error";
    case "link":
      return event.reason === "bye" ? "info" : "warn";
    case "crowd":
      return "warn";
    case "refuse":
      // What people do who use a code twice, or come late: nobody's fault.
      return event.reason === "busy" || event.reason === "closing"
        ? "debug"
        : "warn";
    case "error":
      return "error";
    default:
      return "debug";
  }
}

function fieldsOf(event: ServerEvent): Fields {
  switch (event.type) {
    case "open":
      return { address: event.address };
    case "close": {
      const { address, code, reason, openMs } = event;
      return { address, code, reason: reason || undefined, openMs };
    }
    case "refuse":
      return { reason: event.reason, address: event.address };
    case "crowd": {
      const { address, connections, total } = event;
      return { address, connections, total, hint: CROWD_HINT };
    }
    case "pair":
      return { waitedMs: event.waitedMs, pairingMs: event.pairingMs };
    case "error":
      return { option: event.option, ...problem(event) };
    case "drain":
      return { connections: event.connections };
    case "broker":
      return { state: event.up ? "joined" : "cut off", reason: event.reason };
    case "link":
      return { reason: event.reason };
    case "claim":
      return { ms: event.ms };
    default:
      return {};
  }
}

/** What is known of an error. Never its stack: lines are lines. */
function problem({ option, error }: ServerEvent & { type: "error" }): Fields {
  if (!(error instanceof Error)) return { error: typeof error };
  const { name, message } = error;
  // It was given the pair code, or a password in a header or address, and may
  // quote it: `No such room: yolo`.
  if (option !== "iceServers") {
    return { error: name, at: placeOf(error) };
  }
  return { error: name, message };
}

/** Where it was thrown: a file and a line, which no message can fake. */
function placeOf({ stack = "", message }: Error): string | undefined {
  const frames = stack.slice(stack.indexOf(message) + message.length);
  return frames.match(/^ {4}at .*?(\w[\w.-]*:\d+:\d+)\)?$/m)?.[1];
}

function inWords(
  { time, level, event, ...fields }: {
    time: string;
    level: string;
    event: string;
  },
): string {
  const words = Object.entries<string | number | undefined>(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${quoted(value!)}`);
  return `${time} ${level} ${event}${words.join("")}`;
}

/** A value that can't be taken for two. */
function quoted(value: string | number): string {
  const plain = typeof value === "number" || /^[\w.:/@-]+$/.test(value);
  return plain ? `${value}` : JSON.stringify(value);
}

/** Text of others: not long, and nothing that a terminal obeys. */
function harmless(value: string): string {
  return value.slice(0, MAX_QUOTED).replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, " ");
}
