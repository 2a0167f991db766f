/**
 * Who may connect: what a request is answered, whatever server it came to.
 *
 * @module
 */

import type { Addresses } from "./addresses.ts";
import type { ResolvedServerOptions } from "./options.ts";
import { isAllowedOrigin } from "./origins.ts";
import type { RefusalReason } from "./server_event.ts";
import type { ServerSocket, ServerSocketHandlers } from "./server_socket.ts";

/** What counts of a request. */
export interface AdmissionRequest {
  /** Such as `GET`. */
  readonly method: string;
  /** The path that it asks for, if its address can be read. */
  readonly path: string | undefined;
  /** The address that its TCP connection comes from, if there is one. */
  readonly remoteAddress: string | undefined;
  /** A header by its name in lower case; repeated ones are joined by commas. */
  header(name: string): string | null | undefined;
}

/** The answer to a request that is not let in. */
export interface Refusal {
  readonly accepted: false;
  readonly status: number;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The limit that it meets; none where it is merely mistaken. */
  readonly reason?: RefusalReason;
  /** Where it comes from, if that counts. */
  readonly address?: string;
}

/** A request that is let in, and counted in. */
export interface Welcome {
  readonly accepted: true;
  /** Where it comes from, if that counts. */
  readonly address: string | undefined;
}

/** What {@linkcode admit} judges by. */
export interface AdmissionRules
  extends
    Pick<ResolvedServerOptions, "path" | "allowedOrigins" | "trustProxy"> {
  /** Whether the server is closing. */
  readonly closing: boolean;
  /** Counts it in, or says which limit it meets. */
  readonly addresses: Pick<Addresses, "admit">;
}

/** What an adapter needs of the server that it lets peers in to. */
export interface Gate {
  /** Where peers connect to. */
  readonly path: string;
  /** Judges a request, and counts in whom it accepts. */
  admit(request: AdmissionRequest): Welcome | Refusal;
  /** Counts out who was accepted, but has not opened a socket. */
  release(address: string | undefined): void;
  /** Takes the socket of who was accepted. */
  open(
    socket: ServerSocket,
    address: string | undefined,
  ): ServerSocketHandlers;
}

/**
 * Whether a request's address says that its client answers heartbeats, as all
 * but those of version 1 do: then nobody has to send pings of WebSocket's own.
 */
export function answersHeartbeats(address: string): boolean {
  return /[?&]v=2(?:&|$)/.test(address);
}

/** The version of the WebSocket protocol that there is: RFC 6455. */
const WEBSOCKET_VERSION = "13";
/** 16 bytes in base64. */
const WEBSOCKET_KEY = /^[+/0-9A-Za-z]{22}==$/;
/** When a client may try again, in seconds. */
const RETRY_AFTER = { closing: "1", full: "10" };

/** Judges a request, and counts in whom it accepts. */
export function admit(
  request: AdmissionRequest,
  rules: AdmissionRules,
): Welcome | Refusal {
  const mistake = findMistake(request, rules.path);
  if (mistake) return mistake;
  const address = peerAddress(request, rules.trustProxy);
  const refused = (
    reason: RefusalReason,
    status: number,
    message: string,
    headers?: Record<string, string>,
  ): Refusal => ({ ...refusal(status, message, headers), reason, address });

  const origin = request.header("origin") ?? undefined;
  const { allowedOrigins } = rules;
  const allowed = origin === undefined || !allowedOrigins ||
    isAllowedOrigin(origin, allowedOrigins);
  if (!allowed) {
    const message = `Pages of ${origin} may not connect here`;
    return refused("origin", 403, message);
  }
  if (rules.closing) {
    const headers = { "retry-after": RETRY_AFTER.closing };
    return refused("closing", 503, "This server is closing", headers);
  }
  const headers = { "retry-after": RETRY_AFTER.full };
  // Last, as it counts.
  switch (rules.addresses.admit(address)) {
    case "connections":
      return refused("connections", 503, "This server is full", headers);
    case "address":
      return refused(
        "address",
        429,
        "Too many connections come from your address",
        headers,
      );
    default:
      return { accepted: true, address };
  }
}

/** The answer to a request that is refused, for whatever reason. */
export function refusal(
  status: number,
  message: string,
  headers: Record<string, string> = {},
): Refusal {
  return {
    accepted: false,
    status,
    message: `${message}\n`,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  };
}

/** What keeps a request from being one for a WebSocket on this path. */
function findMistake(
  { method, path, header }: AdmissionRequest,
  expectedPath: string,
): Refusal | undefined {
  if (path === undefined) {
    return refusal(400, "The address of the request cannot be read");
  }
  if (path !== expectedPath) {
    return refusal(404, `Nothing is here: peers connect to ${expectedPath}`);
  }
  if (method !== "GET" || header("upgrade")?.toLowerCase() !== "websocket") {
    return refusal(426, "This address takes WebSockets only", {
      upgrade: "websocket",
      connection: "upgrade",
    });
  }
  const connection = (header("connection") ?? "").toLowerCase().split(",");
  const key = header("sec-websocket-key") ?? "";
  const version = header("sec-websocket-version");
  if (
    !connection.some((token) => token.trim() === "upgrade") ||
    !WEBSOCKET_KEY.test(key) || !version
  ) {
    return refusal(400, "The request for a WebSocket is incomplete");
  }
  if (version !== WEBSOCKET_VERSION) {
    return refusal(426, "Only version 13 of the WebSocket protocol is spoken", {
      upgrade: "websocket",
      connection: "upgrade",
      "sec-websocket-version": WEBSOCKET_VERSION,
    });
  }
  return undefined;
}

/**
 * Whom a request counts for: by the header of a trusted proxy, or else by its
 * TCP connection. A loopback address is nobody's.
 */
function peerAddress(
  { header, remoteAddress }: AdmissionRequest,
  trustProxy: string | undefined,
): string | undefined {
  const named = trustProxy && header(trustProxy);
  // The entries before the last are whatever the client has sent.
  const address =
    named && normalizeAddress(named.slice(named.lastIndexOf(",") + 1)) ||
    // Who comes past the proxy is counted as who they are.
    normalizeAddress(remoteAddress ?? "");
  return address === undefined || isLoopback(address)
    ? undefined
    : countedAddress(address);
}

/** As nearly every address comes: already in its one way to be written. */
const PLAIN_IPV4 =
  /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/;
const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/**
 * One way to write each IP address, without its port: as `192.0.2.1`,
 * `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`, or one of these in the
 * `for=` of a `Forwarded` header. An IPv4 address inside IPv6 is the IPv4 one.
 *
 * @returns `undefined` if it is no IP address.
 */
export function normalizeAddress(text: string): string | undefined {
  const trimmed = text.trim();
  // Most connections need nothing of what follows, which takes far longer.
  if (PLAIN_IPV4.test(trimmed)) return trimmed;
  const forwarded = /(?:^|;)\s*for="?([^";]*)/i.exec(trimmed);
  const address = (forwarded?.[1] ?? trimmed).trim()
    .replace(/^\[([^\]]*)\](?::\d+)?$/, "$1")
    .replace(/^([\d.]+):\d+$/, "$1")
    // The zone of a link-local address names an interface of this machine.
    .replace(/%.*$/, "");
  const host = IPV4.test(address)
    ? address
    : address.includes(":")
    ? `[${address}]`
    : undefined;
  const hostname = host && hostnameOf(host);
  if (!hostname?.startsWith("[")) return hostname;
  const mapped = /^\[::ffff:([\da-f]+):([\da-f]+)\]$/.exec(hostname);
  if (!mapped) return hostname.slice(1, -1);
  const [high, low] = mapped.slice(1).map((group) => parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** A host as addresses of the web have it, if it can be one. */
function hostnameOf(host: string): string | undefined {
  try {
    return new URL(`http://${host}`).hostname;
  } catch {
    return undefined;
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/**
 * What limits go by: an IPv4 address, or the first half of one of IPv6, such
 * as `2001:db8:0:1::/64`. Whoever has one address of IPv6 has its whole /64
 * (RFC 6177) and can take another of it for each connection (RFC 8981): counted
 * by the whole address, they would never meet a limit.
 */
function countedAddress(address: string): string {
  if (!address.includes(":")) return address;
  // Each stands for an address of IPv4 (RFC 6052), whose owner has no other.
  if (/^64:ff9b::[^:]*(?::[^:]*)?$/.test(address)) return address;
  const [head, tail] = address.split("::")
    .map((part) => part.split(":").filter((group) => group !== ""));
  const zeros = tail ? 8 - head.length - tail.length : 0;
  const groups = [...head, ...Array<string>(zeros).fill("0"), ...tail ?? []];
  const half = groups.slice(0, 4);
  // The second half, of zeros, is the longest run of them.
  while (half.at(-1) === "0") half.pop();
  return `${half.join(":")}::/64`;
}
