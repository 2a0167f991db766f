/**
 * Every option of a server, a row each: its check, its default, its flag, and
 * the sentence that `--help` and the documents say of it.
 *
 * A new option is a row here, a member of `SocketPeerServerOptions` with its
 * doc comment, and whatever uses it. The flag and its variable, the help, the
 * tables in the documents and PROTOCOL's limits follow from the row.
 *
 * @module
 */

import {
  MALFORMED,
  PAIR_CODE_REFUSED,
  PAIR_TIMEOUT,
  PEER_TIMEOUT,
  POLICY,
  RATE_LIMITED,
  TRY_AGAIN_LATER,
  UNAUTHORIZED,
  UNRESPONSIVE,
} from "../protocol/close_code.ts";
import {
  MAX_CONTROL_BYTES,
  MAX_PACKET_BYTES,
  MAX_PAIR_CODE_LENGTH,
} from "../protocol/limits.ts";
import type { IceServer } from "../runtime.ts";
import type { AuthorizeRequest, Visitor } from "./authorization.ts";
import type { Broker } from "./brokers/broker.ts";
import type { Rate, SocketPeerServerOptions, TurnOptions } from "./options.ts";
import { normalizeOrigin } from "./origins.ts";
import { DEFAULT_PATH, resolvePath } from "./peers_path.ts";
import { quiet, type ServerObserver } from "./server_event.ts";
import { isSubprotocol } from "./subprotocol.ts";
import { resolveTrustProxy, type TrustedProxy } from "./trusted_proxy.ts";

/**
 * What kind of value an option has; `given` is what only a program can give,
 * such as a function.
 */
export type OptionKind =
  | "boolean"
  | "given"
  | "list"
  | "rate"
  | "text"
  | "whole";

/** What a row says of its option. */
export interface OptionText {
  /**
   * What the option means, in Markdown: in the help, in the documents and,
   * for a limit, in PROTOCOL.md. Options that it names stand in backticks.
   */
  readonly says: string;
  /** Sentences for the table of options alone, which programmers read. */
  readonly more?: string;
  /** What holds without it, where no value can say that: `all`. */
  readonly unset?: string;
  /** Its flag, without dashes, where text can stand for its value. */
  readonly flag?: string;
  /** The variable of its flag, where it does not follow from the flag. */
  readonly variable?: string;
  /** The close code of a socket that goes beyond it. */
  readonly code?: number;
  /** The HTTP status of a request that does, with `refuseBeforeUpgrade`. */
  readonly status?: number;
}

/** Where a whole number may lie, and what is counted. */
export interface WholeText extends OptionText {
  /** What holds without it. */
  readonly default: number;
  /** The least that it may be; 0 unless it is given. */
  readonly least?: number;
  /** The most that it may be. */
  readonly most?: number;
  /** What it is a number of. */
  readonly unit?: "ms" | "bytes" | "characters";
}

/** A row of the table. */
export interface OptionRow<Resolved = unknown>
  extends OptionText, Pick<WholeText, "least" | "most" | "unit"> {
  readonly kind: OptionKind;
  /** What holds without it. */
  readonly default?: unknown;
  /**
   * Checks a value, and makes of it what the server goes by.
   *
   * @throws {TypeError | RangeError} If the value is not what it must be.
   */
  resolve(value: unknown, name: string): Resolved;
}

/** How long TURN credentials are good where nobody says, in seconds. */
export const TURN_TTL_SECONDS = 3600;
/** The longest delay of a timer, and more than anybody has of anything. */
export const MAX_WHOLE = 0x7fffffff;

/** The table, in the order of the help and the documents. */
export const OPTIONS = {
  listen: yesOrNo({
    default: true,
    says: "whether to listen; with `false`, mount `handler` in a server of " +
      "yours",
  }),
  port: whole({
    default: 3000,
    most: 65_535,
    says: "port to listen on; 0 for any free one",
    flag: "port",
    variable: "PORT",
  }),
  host: text({
    default: "0.0.0.0",
    says: "address to listen on",
    flag: "host",
    variable: "HOST",
  }),
  path: text({
    default: DEFAULT_PATH,
    says: "path that peers connect to, with or without its last slash",
    more: 'With `"/"` they may connect to `/socketpeer/` as well, where a ' +
      "client looks that is given a bare origin",
    flag: "path",
  }, resolvePath),
  allowedOrigins: list({
    unset: "all",
    says: "origins whose pages may connect, such as `https://example.org` or " +
      "`https://*.example.org`",
    more: "A page from elsewhere is refused for good. Programs that are no " +
      "browsers send no origin and are let in",
    flag: "allowed-origin",
    code: POLICY,
    status: 403,
  }, (origins): ReadonlySet<string> => new Set(origins.map(normalizeOrigin))),
  protocols: list({
    unset: "all",
    says: "subprotocols that clients may offer, such as `chat.v1`: each gets " +
      "the first of its own that is among them",
    more: "A browser gives up if it offered some and gets none",
    flag: "protocol",
  }, resolveProtocols),
  peerTimeout: whole({
    default: 60_000,
    unit: "ms",
    says:
      "how long a peer may wait alone before it is told and let go; 0 for " +
      "ever",
    more: "With `reconnect` it comes back after a short wait",
    flag: "peer-timeout",
    code: PEER_TIMEOUT,
  }),
  authorize: func<((request: AuthorizeRequest) => unknown) | undefined>({
    unset: "everybody may",
    says: "`({ url, headers, address, origin }) => …`, or a promise: `false` " +
      "or a `Response` refuses a request for good",
    more: "Anything else lets it in, and is the `auth` of `pairCodeValidator`",
    code: UNAUTHORIZED,
    status: 403,
  }),
  refuseBeforeUpgrade: yesOrNo({
    default: false,
    says: "whether to refuse with a bare HTTP status, of which a page is not " +
      "told, so that it dials again for ever",
    flag: "refuse-before-upgrade",
  }),
  pairCodeValidator: func<
    (pairCode: string, visitor: Visitor) => boolean | Promise<boolean>
  >({
    default: () => true,
    unset: "every code may",
    says: "`(pairCode, { auth, address, origin }) => boolean`, or a promise " +
      "of one: `false`, or a throw, refuses the code, also one drawn here, " +
      "such as `7`",
    code: PAIR_CODE_REFUSED,
  }),
  trustProxy: given({
    unset: "none",
    says: "header in which a reverse proxy names the address that it serves, " +
      "such as `x-forwarded-for`",
    more: "It is `{ header, hops }` or `{ header, networks }` where several " +
      "stand in a row",
  }, (value): TrustedProxy | undefined => resolveTrustProxy(value as string)),
  pairTimeout: whole({
    default: 10_000,
    least: 1,
    unit: "ms",
    says: "how long a socket may be open before it asks for a place, and how " +
      "long the decision on that may take",
    more: "`authorize` has as long before, and `pairCodeValidator` then",
    flag: "pair-timeout",
    code: PAIR_TIMEOUT,
  }),
  heartbeatInterval: whole({
    default: 15_000,
    least: 1,
    unit: "ms",
    says: "how often a socket is asked for a sign of life; after two " +
      "intervals without one it is dead",
    flag: "heartbeat-interval",
    code: UNRESPONSIVE,
  }),
  maxConnections: whole({
    default: 10_000,
    says: "most sockets in all; 0 for no limit",
    flag: "max-connections",
    code: TRY_AGAIN_LATER,
    status: 503,
  }),
  maxConnectionsPerAddress: whole({
    default: 256,
    says: "most sockets of one address; 0 for no limit",
    more: "Loopback addresses are not counted: behind a reverse proxy on the " +
      "same machine, set `trustProxy`",
    flag: "max-connections-per-address",
    code: TRY_AGAIN_LATER,
    status: 429,
  }),
  maxControlLength: whole({
    default: MAX_CONTROL_BYTES,
    least: 1,
    most: MAX_CONTROL_BYTES,
    unit: "characters",
    says: "longest control message",
    flag: "max-control-length",
    code: MALFORMED,
  }),
  maxPairCodeLength: whole({
    default: MAX_PAIR_CODE_LENGTH,
    least: 1,
    most: MAX_PAIR_CODE_LENGTH,
    unit: "characters",
    says: "longest pair code",
    flag: "max-pair-code-length",
    code: MALFORMED,
  }),
  maxPacketBytes: whole({
    default: MAX_PACKET_BYTES,
    least: 1,
    most: MAX_PACKET_BYTES,
    unit: "bytes",
    says: "largest packet; clients make packets of up to the default",
    flag: "max-packet-bytes",
    code: MALFORMED,
  }),
  maxBufferedBytes: whole({
    default: 4_194_304,
    least: 1,
    unit: "bytes",
    says: "most that may wait for a socket that does not read",
    flag: "max-buffered-bytes",
    code: UNRESPONSIVE,
  }),
  controlRate: rate({
    default: { burst: 200, perSecond: 20 },
    says: "control messages of one socket",
    flag: "control-rate",
    code: RATE_LIMITED,
  }),
  addressControlRate: rate({
    default: { burst: 10_000, perSecond: 500 },
    says: "control messages of all sockets of one address",
    flag: "address-control-rate",
    code: RATE_LIMITED,
  }),
  pairRate: rate({
    default: { burst: 1000, perSecond: 10 },
    says: "attempts to pair from one address; one that finds no partner " +
      "counts ten times, but not at all if it waited for the whole " +
      "`peerTimeout`",
    flag: "pair-rate",
    code: RATE_LIMITED,
  }),
  iceServers: given({
    default: [],
    unset: "none",
    says: "STUN and TURN servers for the peers' data channels, or a function " +
      "that gives them for each pairing",
  }, resolveIceServers),
  turn: given({
    unset: "none",
    says: "`{ urls, secret, ttl }`: a coturn with `use-auth-secret`, for " +
      "which credentials are made that are good for `ttl` seconds " +
      `(${TURN_TTL_SECONDS})`,
  }, resolveTurn),
  broker: given({
    unset: "none",
    says: "what joins this server to others, such as `redisBroker()` and " +
      "`natsBroker()` of `@socketpeer/socketpeer/brokers` make",
  }, resolveBroker),
  brokerSecret: given({
    unset: "none",
    says: "at least 32 characters, the same at all of these servers, without " +
      "which a broker is not taken",
  }, (value) => value as string | undefined),
  observer: func({
    default: () => {},
    unset: "none",
    says:
      "a function that is told what happens; `logEvents()` makes one that " +
      "writes logs",
  }, (observer: ServerObserver): ServerObserver => quiet(observer)),
} satisfies Readonly<Record<keyof SocketPeerServerOptions, OptionRow>>;

/** Options with nothing left open: what each row makes of its value. */
export type ResolvedServerOptions = {
  readonly [Name in keyof typeof OPTIONS]: ReturnType<
    (typeof OPTIONS)[Name]["resolve"]
  >;
};

/** All rows, with their names, in order. */
export const OPTION_ROWS = Object.entries(OPTIONS) as readonly [
  keyof SocketPeerServerOptions,
  OptionRow,
][];

/** What holds without an option, as people write it. */
export function defaultInWords({ unset, unit, default: value }: OptionRow) {
  if (unset !== undefined) return unset;
  if (isRate(value)) return `${value.burst}/${value.perSecond}`;
  return unit === undefined ? `${value}` : `${value} ${unit}`;
}

/** Whether it is a rate, good or bad. */
export function isRate(value: unknown): value is Rate {
  return typeof value === "object" && value !== null && "burst" in value;
}

function yesOrNo(
  row: OptionText & { default: boolean },
): OptionRow<boolean> {
  return {
    ...row,
    kind: "boolean",
    resolve(value, name) {
      if (typeof value === "boolean") return value;
      throw new TypeError(
        `Cannot use ${value} as "${name}": it must be true or false`,
      );
    },
  };
}

function text(
  row: OptionText & { default: string },
  resolve?: (value: unknown) => string,
): OptionRow<string> {
  return {
    ...row,
    kind: "text",
    resolve: resolve ?? ((value, name) => {
      if (typeof value === "string") return value;
      throw new TypeError(`Cannot use ${value} as "${name}": it must be text`);
    }),
  };
}

function whole(row: WholeText): OptionRow<number> {
  const { least = 0, most = MAX_WHOLE } = row;
  return {
    ...row,
    kind: "whole",
    resolve: (value, name) => checkWhole(name, value, least, most),
  };
}

function checkWhole(name: string, value: unknown, least: number, most: number) {
  const number = value as number;
  if (Number.isInteger(number) && number >= least && number <= most) {
    return number;
  }
  throw new RangeError(
    `Cannot use ${value} as "${name}": it must be a whole number from ` +
      `${least} to ${most}`,
  );
}

function rate(row: OptionText & { default: Rate }): OptionRow<Rate> {
  return { ...row, kind: "rate", resolve: resolveRate };
}

function resolveRate(value: unknown, name: string): Rate {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(
      `Cannot use ${value} as "${name}": it must have "burst" and "perSecond"`,
    );
  }
  const { burst, perSecond } = value as Rate;
  checkWhole(`${name}.burst`, burst, 1, MAX_WHOLE);
  // A string would do for these comparisons, and later be joined to a sum.
  const steady = typeof perSecond === "number" && perSecond > 0 &&
    perSecond <= MAX_WHOLE;
  if (steady) return value as Rate;
  throw new RangeError(
    `Cannot use ${perSecond} as "${name}.perSecond": it must be a number ` +
      `above 0, and at most ${MAX_WHOLE}`,
  );
}

function list<Resolved>(
  row: OptionText,
  resolve: (values: readonly string[]) => Resolved,
): OptionRow<Resolved | undefined> {
  return {
    ...row,
    kind: "list",
    resolve(value, name) {
      if (Array.isArray(value)) return resolve(value);
      throw new TypeError(
        `Cannot use "${value}" as "${name}": it must be an array`,
      );
    },
  };
}

// deno-lint-ignore no-explicit-any -- of whatever arguments
type AnyFunction = ((...args: any[]) => unknown) | undefined;

function func<Resolved extends AnyFunction>(
  row: OptionText & { default?: Resolved },
  resolve: (value: Resolved) => Resolved = (value) => value,
): OptionRow<Resolved> {
  return given(row, (value, name) => {
    if (typeof value === "function") return resolve(value as Resolved);
    throw new TypeError(`Cannot use this "${name}": it must be a function`);
  });
}

function given<Resolved>(
  row: OptionText & { default?: unknown },
  resolve: (value: unknown, name: string) => Resolved,
): OptionRow<Resolved> {
  return { ...row, kind: "given", resolve };
}

function resolveProtocols(names: readonly string[]): readonly string[] {
  for (const name of names) {
    if (isSubprotocol(name)) continue;
    throw new TypeError(
      `Cannot use "${name}" in "protocols": it must look like ` +
        `"chat.v1", without spaces and commas`,
    );
  }
  return [...names];
}

function resolveIceServers(
  value: unknown,
):
  | readonly IceServer[]
  | (() => readonly IceServer[] | Promise<readonly IceServer[]>) {
  if (Array.isArray(value)) return value;
  if (typeof value === "function") return value as () => IceServer[];
  throw new TypeError(
    `Cannot use this "iceServers": it must be an array or a function`,
  );
}

function resolveTurn(value: unknown): Required<TurnOptions> | undefined {
  // A program may write `turn: secret && { … }`.
  if (!value) return undefined;
  const turn = value as TurnOptions;
  if (!turn.secret || !turn.urls?.length) {
    throw new TypeError(
      `Cannot use this "turn": it must have "urls" and a "secret"`,
    );
  }
  const { ttl = TURN_TTL_SECONDS } = turn;
  return { ...turn, ttl: checkWhole("turn.ttl", ttl, 60, MAX_WHOLE) };
}

function resolveBroker(value: unknown): Broker | undefined {
  if (!value) return undefined;
  if (typeof (value as Broker).open === "function") return value as Broker;
  throw new TypeError(
    `Cannot use this "broker": it must be one such as redisBroker() makes`,
  );
}
