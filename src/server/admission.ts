/**
 * Admission: what a request to connect is answered, whatever server it came to.
 *
 * @module
 */

import {
  POLICY,
  SERVICE_RESTART,
  TRY_AGAIN_LATER,
} from "../protocol/close_code.ts";
import type { Addresses } from "./addresses.ts";
import type { ResolvedServerOptions } from "./options.ts";
import { isAllowedOrigin } from "./origins.ts";
import { isPeersPath } from "./peers_path.ts";
import type { RefusalReason } from "./server_event.ts";
import type { ServerSocket, ServerSocketHandlers } from "./server_socket.ts";
import { peerAddress } from "./trusted_proxy.ts";

/** What counts of a request. */
export interface AdmissionRequest {
  /** Such as `GET`. */
  readonly method: string;
  /** The path that it asks for, if its address can be read. */
  readonly path: string | undefined;
  /** The address that its TCP connection comes from, if there is one. */
  readonly remoteAddress: string | undefined;
  /** Whether the request has become a WebSocket already. */
  readonly upgraded?: boolean;
  /** The address that is asked for; on Node without the host. */
  readonly url: string;
  /** A copy of all headers. */
  headers(): Headers;
  /** Calls back when the client has gone, where that can be known. */
  onLeft?(callback: () => void): void;
  /** A header by its name in lower case; repeated ones are joined by commas. */
  header(name: string): string | null | undefined;
}

/** What a socket is closed with. */
export interface Dismissal {
  readonly code: number;
  readonly reason: string;
}

/** The answer to a request that is not let in. */
export interface Refusal {
  readonly accepted: false;
  readonly status: number;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The limit that it meets; none where it is merely mistaken. */
  readonly reason?: RefusalReason;
  /** The address that the request comes from, if that counts. */
  readonly address?: string;
  /** What the client is told after an upgrade. */
  readonly dismissal?: Dismissal;
}

/** A request that is let in, and counted in. */
export interface Welcome {
  readonly accepted: true;
  /** The address that the request comes from, if that counts. */
  readonly address: string | undefined;
  /** Whose page asks; `undefined` where it is no page. */
  readonly origin?: string;
  /** What `authorize` returned. */
  readonly auth?: unknown;
  /** Its socket is opened for nothing but to be closed with this. */
  readonly dismissal?: Dismissal;
}

/** What {@linkcode admit} judges by. */
export interface AdmissionRules
  extends
    Pick<ResolvedServerOptions, "path" | "allowedOrigins" | "trustProxy"> {
  /** Whether the server is closing. */
  readonly closing: boolean;
  /** Counts it in, or says which limit it meets. */
  readonly addresses: Pick<Addresses, "admit">;
  /** A number from 0 up to 1. */
  random(): number;
}

/** What an adapter needs of the server that it lets peers in to. */
export interface Gate {
  /** Where peers connect to. */
  readonly path: string;
  /** Whether the server is closing, and lets nobody in. */
  closing(): boolean;
  /** The subprotocol for who offers these in a header. */
  protocol(offered: string | null | undefined): string | undefined;
  /** Judges a request, and counts in whom it accepts. */
  admit(request: AdmissionRequest): Welcome | Refusal;
  /** Asks whether who was admitted may come in, where there is an option. */
  authorize?(
    request: AdmissionRequest,
    welcome: Welcome,
  ): Promise<Welcome | Refusal>;
  /** Counts out who was accepted, but has not opened a socket. */
  release(welcome: Welcome): void;
  /** Takes the socket of who was accepted. */
  open(socket: ServerSocket, welcome: Welcome): ServerSocketHandlers;
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
const RETRY_AFTER = { closing: 1, full: 10 };

/** Judges a request, and counts in whom it accepts. */
export function admit(
  request: AdmissionRequest,
  rules: AdmissionRules,
): Welcome | Refusal {
  const mistake = findMistake(request, rules.path);
  if (mistake) return mistake;
  const address = peerAddress(request, rules.trustProxy);
  const busy = (
    reason: RefusalReason,
    status: number,
    message: string,
    code: number,
    seconds: number,
  ): Refusal => {
    // Not all at once, who are refused together.
    const retryMs = Math.round(seconds * 1000 * (0.5 + rules.random()));
    return {
      ...refusal(status, message, { "retry-after": `${seconds}` }),
      reason,
      address,
      dismissal: { code, reason: `${message}: retry in ${retryMs} ms` },
    };
  };

  const origin = request.header("origin") ?? undefined;
  const { allowedOrigins } = rules;
  const allowed = origin === undefined || !allowedOrigins ||
    isAllowedOrigin(origin, allowedOrigins);
  if (!allowed) {
    const reason = `Pages of ${origin} may not connect here`;
    return {
      ...refusal(403, reason),
      reason: "origin",
      address,
      dismissal: { code: POLICY, reason },
    };
  }
  const { closing, full } = RETRY_AFTER;
  if (rules.closing) {
    const message = "This server is closing";
    return busy("closing", 503, message, SERVICE_RESTART, closing);
  }
  // Last, as it counts.
  switch (rules.addresses.admit(address)) {
    case "connections": {
      const message = "This server is full";
      return busy("connections", 503, message, TRY_AGAIN_LATER, full);
    }
    case "address": {
      const message = "Too many connections come from your address";
      return busy("address", 429, message, TRY_AGAIN_LATER, full);
    }
    default:
      return { accepted: true, address, origin };
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
  if (!isPeersPath(path, expectedPath)) {
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
