/**
 * The options of a server as its users see them, and what it goes by; the
 * default, the check and the flag of each stand in `option_table.ts`.
 *
 * @module
 */

import type { IceServer } from "../runtime.ts";
import type { AuthorizeRequest, Visitor } from "./authorization.ts";
import { type Broker, ENVELOPE_BYTES } from "./brokers/broker.ts";
import { OPTION_ROWS, type ResolvedServerOptions } from "./option_table.ts";
import type { ServerObserver } from "./server_event.ts";
import type { TrustProxyOptions } from "./trusted_proxy.ts";

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
   * @default {all}
   */
  allowedOrigins?: readonly string[];
  /**
   * Subprotocols that a client may offer, such as `["chat.v1"]`: it gets the
   * first of its own that is among these, and none if none is. Browsers give up
   * a WebSocket for which they offered some and got none.
   *
   * @default {all}
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
   * @default {none}
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
  /**
   * A TURN server for which short-lived credentials are made.
   *
   * @default {none}
   */
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
   *
   * @default {none}
   */
  brokerSecret?: string;
  /**
   * A function that is told what happens: for logs and metrics.
   *
   * @default {none}
   */
  observer?: ServerObserver;
}

export type { ResolvedServerOptions };

/**
 * Fills in defaults and checks ranges, each option by its row of the table.
 *
 * @throws {TypeError | RangeError} If an option is not what it must be.
 */
export function resolveServerOptions(
  options: SocketPeerServerOptions,
): ResolvedServerOptions {
  const resolved = Object.fromEntries(OPTION_ROWS.map(([name, row]) => {
    const value = options[name] === undefined ? row.default : options[name];
    return [name, value === undefined ? undefined : row.resolve(value, name)];
  })) as unknown as ResolvedServerOptions;
  checkBroker(resolved);
  return resolved;
}

/** 16 bytes in hexadecimal have this many characters. */
const MIN_SECRET_LENGTH = 32;

/** Checks what a broker needs of other options. */
function checkBroker(
  { broker, brokerSecret: secret, maxPacketBytes }: ResolvedServerOptions,
): void {
  if (!broker) return;
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
