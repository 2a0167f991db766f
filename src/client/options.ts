/**
 * The options of a peer: defaults and checks, once, at construction.
 *
 * @module
 */

import { text } from "../protocol/control.ts";
import { MAX_PAIR_CODE_LENGTH, PROTOCOL_VERSION } from "../protocol/limits.ts";
import { CODE_ALPHABET, groupCode } from "../protocol/pair_code.ts";
import type {
  RtcConfiguration,
  Runtime,
  WebRtc,
  WebSocketLike,
} from "../runtime.ts";

/** Options of a `SocketPeer`. Times are in milliseconds, sizes in bytes. */
export interface SocketPeerOptions {
  /**
   * The code that joins two peers: the two that know the same one are a pair.
   * It works like a password. A code that was drawn may be typed in upper case,
   * without its hyphens, with spaces, with O for 0 and I or L for 1. Any other
   * is compared in Unicode's NFC and without the blanks around it.
   *
   * @default {a random one of 80 bits, easy to read aloud}
   */
  pairCode?: string;
  /**
   * Where the server is. `http:` and `https:` are turned into `ws:` and
   * `wss:`; a bare origin gets the server's default path `/socketpeer/`.
   *
   * @default {the page's origin in a browser, also in its workers and frames,
   * else "http://localhost"}
   */
  url?: string;
  /**
   * Whether messages may travel through the server. With `false`, they travel
   * on the data channel only: `connect` fires when it opens, `send()` waits
   * for it, and where there is no WebRTC that is a `connect_error`.
   *
   * @default {true}
   */
  socketFallback?: boolean;
  /**
   * A WebSocket to use instead of dialing `url`, or a function that returns
   * one, or a promise of one, for each attempt. One that is given can't be
   * dialed again: `reconnect` needs a function.
   */
  socket?:
    | WebSocketLike
    | (() => WebSocketLike | Promise<WebSocketLike>);
  /**
   * Whether to dial again when the connection drops, and to look for a new
   * peer when the other one has left.
   *
   * @default {true}
   */
  reconnect?: boolean;
  /**
   * Base of the backoff: the longest wait before the first retry. It doubles
   * with each further retry up to 30 seconds, and each wait is drawn evenly
   * from zero up to that.
   *
   * @default {1000}
   */
  reconnectDelay?: number;
  /**
   * How long from `connect()` until the conversation begins, and how long an
   * attempt to reconnect may take; 0 waits for ever.
   *
   * @default {10_000}
   */
  timeout?: number;
  /**
   * How long a conversation with no path left may take to go on, before it
   * ends with `close`. At most 10 minutes.
   *
   * @default {120_000}
   */
  resumeTimeout?: number;
  /**
   * Whether to connect without being told, after the code that constructed
   * the peer has attached its listeners. Where there is neither a page nor a
   * `url` or `socket` it never does: a page that is rendered on a server would
   * have that for its other peer. Code that is rendered with a `url` must say
   * `false`, or make its peer in an effect.
   *
   * @default {true}
   */
  autoconnect?: boolean;
  /**
   * `send()` returns `false` while more than this waits to be acknowledged,
   * and `drain` follows when half of it is left: enough to have a whole window
   * on its way over a far and fast line all the time.
   *
   * @default {4_194_304}
   */
  highWaterMark?: number;
  /**
   * `send()` throws where more than this would wait to be acknowledged. It
   * bounds the memory that messages on their way take.
   *
   * @default {67_108_864}
   */
  maxBufferedBytes?: number;
  /**
   * The largest message that this peer sends and takes. It bounds the memory
   * that a message takes while its parts arrive.
   *
   * @default {67_108_864}
   */
  maxMessageBytes?: number;
  /** Passed to `RTCPeerConnection`: STUN and TURN servers above all. */
  rtcConfig?: RtcConfiguration;
  /**
   * A WebRTC implementation for Deno and Node, such as the exports of
   * `npm:@roamhq/wrtc`.
   *
   * @default {the platform's own}
   */
  wrtc?: WebRtc;
}

/** Options with nothing left open. */
export interface ResolvedOptions {
  readonly pairCode: string;
  readonly openSocket: () => WebSocketLike | Promise<WebSocketLike>;
  readonly socketFallback: boolean;
  readonly reconnect: boolean;
  readonly reconnectDelay: number;
  readonly timeout: number;
  readonly resumeTimeout: number;
  readonly autoconnect: boolean;
  readonly highWaterMark: number;
  readonly maxBufferedBytes: number;
  readonly maxMessageBytes: number;
  readonly rtcConfig: RtcConfiguration | undefined;
  readonly webrtc: WebRtc | undefined;
}

const DEFAULT_PATH = "/socketpeer/";

/** The options that are numbers, and their defaults. */
export const NUMBERS = {
  reconnectDelay: 1000,
  timeout: 10_000,
  resumeTimeout: 120_000,
  highWaterMark: 4_194_304,
  maxBufferedBytes: 67_108_864,
  maxMessageBytes: 67_108_864,
};

/**
 * Fills in defaults and checks ranges.
 *
 * @throws {TypeError | RangeError} If an option is not what it must be.
 */
export function resolveOptions(
  options: SocketPeerOptions,
  runtime: Runtime,
): ResolvedOptions {
  const {
    pairCode = randomCode(runtime),
    url,
    socket,
    socketFallback = true,
    autoconnect = true,
    rtcConfig,
    wrtc: webrtc = runtime.webrtc,
  } = options;
  const right = text(MAX_PAIR_CODE_LENGTH)(pairCode);
  if (right !== true) {
    throw new TypeError(`Cannot use this "pairCode": it must be ${right}`);
  }
  const numbers = { ...NUMBERS };
  for (const name of Object.keys(numbers) as (keyof typeof NUMBERS)[]) {
    const { [name]: value = NUMBERS[name] } = options;
    numbers[name] = value;
    // No other value is what these bits of it are.
    if (value !== (value & 0x7fffffff)) {
      throw new RangeError(
        `Cannot use ${value} as "${name}": it must be a whole number from 0 ` +
          `to 2147483647`,
      );
    }
  }
  if (webrtc && typeof webrtc.RTCPeerConnection !== "function") {
    throw new TypeError(
      `Cannot use this "wrtc": it must have an "RTCPeerConnection"`,
    );
  }
  let openSocket: ResolvedOptions["openSocket"];
  if (typeof socket === "function") openSocket = socket;
  else if (socket) openSocket = () => socket;
  else {
    const address = socketUrl(url, runtime.pageUrl);
    // Without `url` it may be a page that is rendered on a server.
    if (url && !runtime.openWebSocket) {
      throw new TypeError(
        'Cannot dial as there is no WebSocket here: give one as "socket"',
      );
    }
    openSocket = () => runtime.openWebSocket!(address);
  }
  return {
    ...numbers,
    pairCode,
    openSocket,
    socketFallback,
    reconnect: reconnects(options),
    autoconnect: autoconnect && !!(socket || url || runtime.pageUrl),
    rtcConfig,
    webrtc,
  };
}

/** Whether to dial again: a socket that was given is used up when it breaks. */
export function reconnects(
  { reconnect = true, socket }: Pick<SocketPeerOptions, "reconnect" | "socket">,
): boolean {
  return reconnect && (!socket || typeof socket === "function");
}

/**
 * The address of the WebSocket.
 *
 * @throws {TypeError} If `url` is none of a server.
 */
export function socketUrl(
  url: string | undefined,
  pageUrl: string | undefined,
): string {
  const page = pageUrl?.startsWith("http") ? pageUrl : undefined;
  const address = url ?? (page ? "/" : "http://localhost");
  let parsed: URL | undefined;
  try {
    parsed = new URL(address, page);
  } catch {
    // It says no more than the error below.
  }
  if (!parsed || !/^(http|ws)s?:$/.test(parsed.protocol)) {
    throw new TypeError(
      `Cannot use "${url}" as "url": it must be an http(s) or ws(s) address`,
    );
  }
  parsed.protocol = parsed.protocol.replace("http", "ws");
  if (parsed.pathname === "/") parsed.pathname = DEFAULT_PATH;
  // It spares the server what only clients of version 1 need.
  parsed.search += `${parsed.search && "&"}v=${PROTOCOL_VERSION}`;
  // A WebSocket's address may have no fragment.
  parsed.hash = "";
  return parsed.href;
}

/** A name of 80 random bits, in four groups of four characters. */
export function randomCode(runtime: Runtime): string {
  const bytes = runtime.randomBytes(16);
  return groupCode(
    Array.from(bytes, (byte) => CODE_ALPHABET[byte & 31]).join(""),
  );
}
