/**
 * The options of a server: defaults and checks, once, at construction.
 *
 * @module
 */

import {
  MAX_CONTROL_BYTES,
  MAX_PACKET_BYTES,
  MAX_PAIR_CODE_LENGTH,
} from "../protocol/limits.ts";
import type { IceServer } from "../runtime.ts";
import type { AuthorizeRequest, Visitor } from "./authorization.ts";
import { type Broker, ENVELOPE_BYTES } from "./brokers/broker.ts";
import { normalizeOrigin } from "./origins.ts";
import { DEFAULT_PATH, resolvePath } from "./peers_path.ts";
import { quiet, type ServerObserver } from "./server_event.ts";
import {
  resolveTrustProxy,
  type TrustedProxy,
  type TrustProxyOptions,
} from "./trusted_proxy.ts";
import { isSubprotocol } from "./subprotocol.ts";

/** A bucket of tokens: bursts up to its size, and a steady rate after. */
export interface Rate {
  /** How many it takes at once. */
  readonly burst: number;
  /** How many it takes in each second after that. */
  readonly perSecond: number;
}

/** A TURN server that shares a secret with this one, and its addresses. */
export interface TurnOptions {
  /** Such as `turn:turn.example.org:3478?transport=udp`. */
  readonly urls: string | readonly string[];
  /** coturn's `static-auth-secret`. */
  readonly secret: string;
  /**
   * How long credentials are good, in seconds.
   *
   * @default {3600}
   */
  readonly ttl?: number;
}

/** Options of a `SocketPeerServer`. Times are in milliseconds. */
export interface SocketPeerServerOptions {
  /**
   * Whether to listen. With `false`, mount `handler` in a server of yours.
   *
   * @default {true}
   */
  listen?: boolean;
  /**
   * The address to listen on.
   *
   * @default {"0.0.0.0"}
   */
  host?: string;
  /**
   * The port to listen on; 0 for any free one.
   *
   * @default {3000}
   */
  port?: number;
  /**
   * Where peers connect to; with and without its last slash is the same, and
   * so are two slashes for one. With `"/"` they may connect to the default as
   * well, which is where clients look that are given a bare origin.
   *
   * @default {"/socketpeer/"}
   */
  path?: string;
  /**
   * Origins whose pages may connect, such as `https://example.org`; a page
   * from elsewhere is refused with close code 1008, and does not try again.
   * Programs that are no browsers
   * send no origin and are let in: this keeps pages out, not people.
   *
   * `https://*.example.org` stands for all names below `example.org`, at any
   * depth, and not for `example.org` itself. Apps and extensions have a scheme
   * of their own: `capacitor://localhost`, `tauri://localhost`, `app://.`,
   * `chrome-extension://…`, compared as they are. Where the rest is drawn by
   * chance, `moz-extension://*` and `vscode-webview://*` take the whole scheme.
   * `file://` and `null` are those of pages from disks; every page can make
   * itself a frame whose origin is `null`, so that lets all pages in.
   *
   * @default {undefined: all}
   */
  allowedOrigins?: readonly string[];
  /**
   * Subprotocols that a client may offer, such as `["chat.v1"]`: it gets the
   * first of its own that is among these, and none if none is. Browsers give up
   * a WebSocket for which they offered some and got none.
   *
   * @default {undefined: all, so it gets the first that it offers}
   */
  protocols?: readonly string[];
  /**
   * How long a peer may wait alone, before it is told and let go; 0 for ever.
   *
   * @default {60_000}
   */
  peerTimeout?: number;
  /**
   * Says who may connect, before the upgrade, by the address, headers and
   * cookies of the request. `false`, or a `Response`, refuses it: the peer gets
   * a `connect_error` with the code `SERVER_CLOSED` and the text of the
   * response (close code 4011), and does not try again. Anything else lets it
   * in, `undefined` too, and is handed to `pairCodeValidator` as `auth`, and to
   * `observer`. What it throws is told to `observer`, and refuses the peer for
   * now (1011), as does to take longer than `pairTimeout` (4003). Deno prints a
   * line about `request.signal` when it is first asked: it has to be read, to
   * know of clients that do not wait.
   *
   * @default {everybody may}
   */
  authorize?: (request: AuthorizeRequest) => unknown;
  /**
   * Whether to refuse a request with a bare HTTP status: 403, 429, 503, or
   * that of the `Response` of `authorize`. A browser tells its page nothing of
   * it, which so dials again for ever; therefore a client that says `v=2` in
   * its address is let in, told a close code, and closed at once, up to a hundred
   * at a time. Set it where a proxy or a monitor goes by the status, or nobody
   * may be upgraded who is not let in. A given server of `ws` has upgraded
   * everybody before.
   *
   * @default {false}
   */
  refuseBeforeUpgrade?: boolean;
  /**
   * Says whether a pair code may be used, by the code and who asks. `false`,
   * or a throw, refuses it: the peer gets a `connect_error` with the code
   * `PAIR_CODE_REFUSED`, and does not try again. It is asked about a number that
   * this server has drawn for a peer as well, such as `"7"`.
   *
   * @default {every code may}
   */
  pairCodeValidator?: (
    pairCode: string,
    visitor: Visitor,
  ) => boolean | Promise<boolean>;
  /**
   * The header in which a reverse proxy names the address that it serves, such
   * as `x-forwarded-for`. Without it the address of the TCP connection counts.
   * Anybody can send a header: name one only behind a proxy that sets it.
   *
   * Of a list the last entry counts that is no private address, as the nearest
   * proxy adds its own at the end, and proxies within your network stand behind
   * that one; where all are private, the last. So a client in your private
   * network can pretend to be another. Where that matters, and where proxies in
   * a row have public addresses, say with {@linkcode TrustProxyOptions} how
   * many there are, or which.
   *
   * @default {undefined: none is believed}
   */
  trustProxy?: string | TrustProxyOptions;
  /**
   * How long a socket may be open before it asks for a place, and how long
   * `authorize` may take before, and `pairCodeValidator` then.
   *
   * @default {10_000}
   */
  pairTimeout?: number;
  /**
   * How often a socket is asked for a sign of life; after two intervals
   * without one it is dead.
   *
   * @default {15_000}
   */
  heartbeatInterval?: number;
  /**
   * Most sockets in all; 0 for no limit. More are refused for some seconds,
   * with close code 1013, or with HTTP 503 (see `refuseBeforeUpgrade`). It
   * bounds memory and file descriptors.
   *
   * @default {10_000}
   */
  maxConnections?: number;
  /**
   * Most sockets of one address; 0 for no limit. More are refused for some
   * seconds, with close code 1013, or with HTTP 429. Loopback addresses are not counted, as a reverse proxy on the same
   * machine is everybody's: with one, set `trustProxy`. All limits by address
   * take the addresses of one IPv6 /64 for one: whoever has one of them has
   * them all.
   *
   * @default {256}
   */
  maxConnectionsPerAddress?: number;
  /**
   * Largest control message, in UTF-16 code units. It bounds what is parsed.
   *
   * @default {65_536}
   */
  maxControlLength?: number;
  /**
   * Longest pair code, in UTF-16 code units.
   *
   * @default {256}
   */
  maxPairCodeLength?: number;
  /**
   * Largest packet, in bytes. Clients make packets of up to the default.
   *
   * @default {65_536}
   */
  maxPacketBytes?: number;
  /**
   * Most bytes that may wait for one socket that does not read: a peer sends
   * no more than its window of 1.9 MiB unacknowledged, and that once more where
   * its path changed. Over it the socket that does not read is closed.
   *
   * @default {4_194_304}
   */
  maxBufferedBytes?: number;
  /**
   * Control messages of one socket. It bounds what one socket may cost.
   *
   * @default {{ burst: 200, perSecond: 20 }}
   */
  controlRate?: Rate;
  /**
   * Control messages of all sockets of one address, or of one IPv6 /64.
   *
   * @default {{ burst: 10_000, perSecond: 500 }}
   */
  addressControlRate?: Rate;
  /**
   * Attempts to pair from one address, or from one IPv6 /64. One that finds no
   * partner counts ten times, so that codes can't be guessed, unless it has
   * waited for as long as `peerTimeout` (60 seconds where that is 0): then it
   * does not count. So an address may try `maxConnectionsPerAddress` codes in
   * each `peerTimeout` besides, by waiting for it on all of its sockets.
   *
   * @default {{ burst: 1000, perSecond: 10 }}
   */
  pairRate?: Rate;
  /**
   * STUN and TURN servers for the peers' data channels, or a function that
   * gives them for each pairing. A peer with `iceServers` of its own in
   * `rtcConfig` uses those.
   *
   * @default {none}
   */
  iceServers?:
    | readonly IceServer[]
    | (() => readonly IceServer[] | Promise<readonly IceServer[]>);
  /** A TURN server for which short-lived credentials are made. */
  turn?: TurnOptions;
  /**
   * What joins this server to others, of whatever process or machine: peers
   * find each other then whichever of them they are connected to. Each server
   * needs one of its own, such as `redisBroker()` and `natsBroker()` of
   * `@socketpeer/socketpeer/brokers` make.
   *
   * @default {none}
   */
  broker?: Broker;
  /**
   * At least 32 characters that are the same at all nodes and known to nobody
   * else. They keep pair codes from whoever sees what a broker carries: only
   * their HMAC-SHA-256 (RFC 2104) leaves a node.
   */
  brokerSecret?: string;
  /** Is told what happens: for logs and metrics. */
  observer?: ServerObserver;
}

/** Options with nothing left open. */
export interface ResolvedServerOptions {
  readonly listen: boolean;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly allowedOrigins: ReadonlySet<string> | undefined;
  readonly protocols: readonly string[] | undefined;
  readonly peerTimeout: number;
  readonly authorize: ((request: AuthorizeRequest) => unknown) | undefined;
  readonly refuseBeforeUpgrade: boolean;
  readonly pairCodeValidator: (
    pairCode: string,
    visitor: Visitor,
  ) => boolean | Promise<boolean>;
  readonly trustProxy: TrustedProxy | undefined;
  readonly pairTimeout: number;
  readonly heartbeatInterval: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly maxControlLength: number;
  readonly maxPairCodeLength: number;
  readonly maxPacketBytes: number;
  readonly maxBufferedBytes: number;
  readonly controlRate: Rate;
  readonly addressControlRate: Rate;
  readonly pairRate: Rate;
  readonly iceServers:
    | readonly IceServer[]
    | (() => readonly IceServer[] | Promise<readonly IceServer[]>);
  readonly turn: Required<TurnOptions> | undefined;
  readonly broker: Broker | undefined;
  readonly brokerSecret: string | undefined;
  readonly observer: ServerObserver;
}

/**
 * Fills in defaults and checks ranges.
 *
 * @throws {TypeError | RangeError} If an option is not what it must be.
 */
export function resolveServerOptions(
  options: SocketPeerServerOptions,
): ResolvedServerOptions {
  const {
    listen = true,
    host = "0.0.0.0",
    port = 3000,
    path = DEFAULT_PATH,
    allowedOrigins,
    protocols,
    peerTimeout = 60_000,
    authorize,
    refuseBeforeUpgrade = false,
    pairCodeValidator = () => true,
    trustProxy,
    pairTimeout = 10_000,
    heartbeatInterval = 15_000,
    maxConnections = 10_000,
    maxConnectionsPerAddress = 256,
    maxControlLength = MAX_CONTROL_BYTES,
    maxPairCodeLength = MAX_PAIR_CODE_LENGTH,
    maxPacketBytes = MAX_PACKET_BYTES,
    maxBufferedBytes = 4_194_304,
    controlRate = { burst: 200, perSecond: 20 },
    addressControlRate = { burst: 10_000, perSecond: 500 },
    pairRate = { burst: 1000, perSecond: 10 },
    iceServers = [],
    turn,
    broker,
    brokerSecret,
    observer = () => {},
  } = options;
  checkWhole("port", port, 65_535);
  checkWhole("peerTimeout", peerTimeout, MAX_WHOLE);
  checkWhole("maxConnections", maxConnections, MAX_WHOLE);
  checkWhole("maxConnectionsPerAddress", maxConnectionsPerAddress, MAX_WHOLE);
  checkWhole("pairTimeout", pairTimeout, MAX_WHOLE, 1);
  checkWhole("heartbeatInterval", heartbeatInterval, MAX_WHOLE, 1);
  checkWhole("maxControlLength", maxControlLength, MAX_CONTROL_BYTES, 1);
  checkWhole("maxPairCodeLength", maxPairCodeLength, MAX_PAIR_CODE_LENGTH, 1);
  checkWhole("maxPacketBytes", maxPacketBytes, MAX_PACKET_BYTES, 1);
  checkWhole("maxBufferedBytes", maxBufferedBytes, MAX_WHOLE, 1);
  checkRate("controlRate", controlRate);
  checkRate("addressControlRate", addressControlRate);
  checkRate("pairRate", pairRate);
  if (typeof iceServers !== "function" && !Array.isArray(iceServers)) {
    throw new TypeError(
      `Cannot use this "iceServers": it must be an array or a function`,
    );
  }
  if (turn && (!turn.secret || !turn.urls?.length)) {
    throw new TypeError(
      `Cannot use this "turn": it must have "urls" and a "secret"`,
    );
  }
  if (turn) checkWhole("turn.ttl", turn.ttl ?? TURN_TTL_SECONDS, MAX_WHOLE, 60);
  if (broker) checkBroker(broker, brokerSecret, maxPacketBytes);
  if (typeof observer !== "function") {
    throw new TypeError(`Cannot use this "observer": it must be a function`);
  }
  if (allowedOrigins !== undefined && !Array.isArray(allowedOrigins)) {
    throw new TypeError(
      `Cannot use "${allowedOrigins}" as "allowedOrigins": it must be an array`,
    );
  }
  if (protocols !== undefined && !Array.isArray(protocols)) {
    throw new TypeError(
      `Cannot use "${protocols}" as "protocols": it must be an array`,
    );
  }
  for (const name of protocols ?? []) {
    if (isSubprotocol(name)) continue;
    throw new TypeError(
      `Cannot use "${name}" in "protocols": a subprotocol looks like ` +
        `"chat.v1", without spaces and commas`,
    );
  }
  if (authorize !== undefined && typeof authorize !== "function") {
    throw new TypeError(`Cannot use this "authorize": it must be a function`);
  }
  if (typeof refuseBeforeUpgrade !== "boolean") {
    throw new TypeError(
      `Cannot use ${refuseBeforeUpgrade} as "refuseBeforeUpgrade": it must be ` +
        `true or false`,
    );
  }
  if (typeof pairCodeValidator !== "function") {
    throw new TypeError(
      `Cannot use this "pairCodeValidator": it must be a function`,
    );
  }
  return {
    listen,
    host,
    port,

    path: resolvePath(path),
    allowedOrigins: allowedOrigins &&
      new Set(allowedOrigins.map(normalizeOrigin)),
    protocols: protocols && [...protocols],
    peerTimeout,
    authorize,
    refuseBeforeUpgrade,
    pairCodeValidator,
    trustProxy: resolveTrustProxy(trustProxy),
    pairTimeout,
    heartbeatInterval,
    maxConnections,
    maxConnectionsPerAddress,
    maxControlLength,
    maxPairCodeLength,
    maxPacketBytes,
    maxBufferedBytes,
    controlRate,
    addressControlRate,
    pairRate,
    iceServers,
    turn: turn && { ...turn, ttl: turn.ttl ?? TURN_TTL_SECONDS },
    broker,
    brokerSecret,
    observer: quiet(observer),
  };
}

const TURN_TTL_SECONDS = 3600;
/** As many as are in 16 bytes of hexadecimal. */
const MIN_SECRET_LENGTH = 32;
/** The longest delay of a timer, and more than anybody has of anything. */
const MAX_WHOLE = 0x7fffffff;

function checkWhole(name: string, value: number, most: number, least = 0) {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(
    `Cannot use ${value} as "${name}": it must be a whole number from ` +
      `${least} to ${most}`,
  );
}

function checkBroker(
  broker: Broker,
  secret: unknown,
  maxPacketBytes: number,
): void {
  if (typeof broker.open !== "function") {
    throw new TypeError(
      `Cannot use this "broker": it must be one such as redisBroker() makes`,
    );
  }
  if (typeof secret !== "string" || secret.length < MIN_SECRET_LENGTH) {
    throw new TypeError(
      `Cannot use "broker" without a "brokerSecret" of at least ` +
        `${MIN_SECRET_LENGTH} characters: without it, whoever sees what the ` +
        `broker carries could find out the pair codes`,
    );
  }
  const most = broker.maxMessageBytes - ENVELOPE_BYTES;
  if (maxPacketBytes <= most) return;
  throw new RangeError(
    `Cannot use ${maxPacketBytes} as "maxPacketBytes" with this "broker": it ` +
      `carries packets of at most ${most} bytes`,
  );
}

function checkRate(name: string, rate: Rate): void {
  if (typeof rate !== "object" || rate === null) {
    throw new TypeError(
      `Cannot use ${rate} as "${name}": it must have "burst" and "perSecond"`,
    );
  }
  const { burst, perSecond } = rate;
  checkWhole(`${name}.burst`, burst, MAX_WHOLE, 1);
  // A string would do for these comparisons, and later be joined to a sum.
  const steady = typeof perSecond === "number" && perSecond > 0 &&
    perSecond <= MAX_WHOLE;
  if (steady) return;
  throw new RangeError(
    `Cannot use ${perSecond} as "${name}.perSecond": it must be a number ` +
      `above 0, and at most ${MAX_WHOLE}`,
  );
}
