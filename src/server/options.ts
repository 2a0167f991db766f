/**
 * The options of a server: defaults and checks, once, at construction.
 *
 * @module
 */

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
   * Where peers connect to.
   *
   * @default {"/socketpeer/"}
   */
  path?: string;
  /**
   * Origins whose pages may connect, such as `https://example.org`; a page
   * from elsewhere gets 403 before any upgrade. Programs that are no browsers
   * send no origin and are let in: this keeps pages out, not people.
   *
   * @default {undefined: all}
   */
  allowedOrigins?: readonly string[];
  /**
   * How long a peer may wait alone, before it is told and let go; 0 for ever.
   *
   * @default {60_000}
   */
  peerTimeout?: number;
  /**
   * Says whether a pair code may be used. `false`, or a throw, refuses it: the
   * peer gets a `connect_error` with the code `PAIR_CODE_REFUSED`, and does not
   * try again.
   *
   * @default {every code may}
   */
  pairCodeValidator?: (pairCode: string) => boolean | Promise<boolean>;
}

/** Options with nothing left open. */
export interface ResolvedServerOptions {
  readonly listen: boolean;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly allowedOrigins: ReadonlySet<string> | undefined;
  readonly peerTimeout: number;
  readonly pairCodeValidator: (pairCode: string) => boolean | Promise<boolean>;
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
    path = "/socketpeer/",
    allowedOrigins,
    peerTimeout = 60_000,
    pairCodeValidator = () => true,
  } = options;
  checkWhole("port", port, 65_535);
  checkWhole("peerTimeout", peerTimeout, 0x7fffffff);
  if (typeof path !== "string" || !path.startsWith("/")) {
    throw new TypeError(
      `Cannot use "${path}" as "path": it must start with a slash`,
    );
  }
  if (allowedOrigins !== undefined && !Array.isArray(allowedOrigins)) {
    throw new TypeError(
      `Cannot use "${allowedOrigins}" as "allowedOrigins": it must be an array`,
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
    path,
    allowedOrigins: allowedOrigins && new Set(allowedOrigins.map(origin)),
    peerTimeout,
    pairCodeValidator,
  };
}

function checkWhole(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= most) return;
  throw new RangeError(
    `Cannot use ${value} as "${name}": it must be a whole number from 0 to ` +
      `${most}`,
  );
}

function origin(value: string): string {
  const parsed = URL.canParse(value) ? new URL(value) : undefined;
  // An address with a path would never match, and lock everybody out.
  if (parsed && /^https?:$/.test(parsed.protocol) && parsed.pathname === "/") {
    return parsed.origin;
  }
  throw new TypeError(
    `Cannot use "${value}" in "allowedOrigins": an origin looks like ` +
      `"https://example.org" or "http://localhost:3000"`,
  );
}
