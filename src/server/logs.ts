/**
 * Lines for whoever runs a server, one for each event worth knowing.
 *
 * @module
 */

import { wallClock } from "../runtime.ts";
import type { EventOf, ServerEvent, ServerObserver } from "./server_event.ts";
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

/** What becomes of an event of one kind. */
interface LineRule<Event> {
  readonly level: LogLevel | ((event: Event) => LogLevel);
  fields(event: Event): Fields;
}

/** A rule for each kind of event; a record, so that none can be forgotten. */
const LINES: {
  readonly [Type in ServerEvent["type"]]: LineRule<EventOf<Type>>;
} = {
  open: { level: "debug", fields: ({ address }) => ({ address }) },
  close: {
    level: "debug",
    fields: ({ address, code, reason, openMs }) => ({
      address,
      code,
      reason: reason || undefined,
      openMs,
    }),
  },
  refuse: {
    // What people do who use a code twice, or come late: nobody's fault.
    level: ({ reason }) =>
      reason === "busy" || reason === "closing" ? "debug" : "warn",
    fields: ({ reason, address }) => ({ reason, address }),
  },
  crowd: {
    level: "warn",
    fields: ({ address, connections, total }) => ({
      address,
      connections,
      total,
      hint: CROWD_HINT,
    }),
  },
  wait: { level: "debug", fields: () => ({}) },
  pair: {
    level: "info",
    fields: ({ waitedMs, pairingMs }) => ({ waitedMs, pairingMs }),
  },
  upgrade: { level: "debug", fields: () => ({}) },
  error: {
    level: "error",
    fields: (event) => ({ option: event.option, ...problem(event) }),
  },
  broker: {
    level: ({ up }) => up ? "info" : "error",
    fields: ({ up, reason }) => ({ state: up ? "joined" : "cut off", reason }),
  },
  link: {
    level: ({ reason }) => reason === "bye" ? "info" : "warn",
    fields: ({ reason }) => ({ reason }),
  },
  claim: { level: "debug", fields: ({ ms }) => ({ ms }) },
  drain: { level: "info", fields: ({ connections }) => ({ connections }) },
};

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
    const rule = LINES[event.type] as LineRule<ServerEvent>;
    const eventLevel = typeof rule.level === "function"
      ? rule.level(event)
      : rule.level;
    if (LOG_LEVELS.indexOf(eventLevel) < least) return;
    let fields = rule.fields(event);
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

/** What is known of an error. Never its stack: lines are lines. */
function problem({ option, error }: EventOf<"error">): Fields {
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
