/**
 * Asks the option `authorize` who may connect, before the upgrade.
 *
 * @module
 */

import { PAIR_TIMEOUT, UNAUTHORIZED } from "../protocol/close_code.ts";
import type { Cancel } from "../runtime.ts";
import {
  type AdmissionRequest,
  type Dismissal,
  type Refusal,
  refusal,
  type Welcome,
} from "./admission.ts";
import type { ServerObserver } from "./server_event.ts";

/** A request for a WebSocket, as `authorize` gets it on every platform. */
export interface AuthorizeRequest {
  /** All of its address, such as `http://localhost:3000/socketpeer/?v=2`. */
  readonly url: string;
  /** The headers of the request, cookies among them. */
  readonly headers: Headers;
  /**
   * Where it comes from, as limits count it: an IPv4 address, or an IPv6
   * prefix such as `2001:db8:0:1::/64`; `undefined` for this machine.
   */
  readonly address: string | undefined;
  /** Whose page asks; `undefined` where it is no page. */
  readonly origin: string | undefined;
}

/** The visitor who asks to pair, for `pairCodeValidator`. */
export interface Visitor {
  /** What `authorize` returned. */
  readonly auth?: unknown;
  /** Where it comes from, as {@linkcode AuthorizeRequest.address} has it. */
  readonly address?: string;
  /** Whose page asks; `undefined` where it is no page. */
  readonly origin?: string;
}

/** What {@linkcode authorized} needs. */
export interface AuthorizationOptions {
  /** The option. */
  authorize(request: AuthorizeRequest): unknown;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly observe: ServerObserver;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
}

/** RFC 6455: the server has met what it did not expect. */
const UNEXPECTED = 1011;
const NOT_AUTHORIZED = "this server does not authorize the connection";

/** Asks, and waits for the answer no longer than the client does. */
export function authorized(
  request: AdmissionRequest,
  welcome: Welcome,
  options: AuthorizationOptions,
): Promise<Welcome | Refusal> {
  const { timeoutMs, after } = options;
  return new Promise((resolve) => {
    const settle = (decision: Welcome | Refusal) => {
      cancel();
      resolve(decision);
    };
    const cancel = after(timeoutMs, () => {
      const reason = `no decision was made in ${timeoutMs} ms`;
      settle(refused(welcome, 503, reason, { code: PAIR_TIMEOUT, reason }));
    });
    request.onLeft?.(() => settle(refusal(400, "The client has left")));
    decide(request, welcome, options).then(settle);
  });
}

async function decide(
  request: AdmissionRequest,
  welcome: Welcome,
  { authorize, observe }: AuthorizationOptions,
): Promise<Welcome | Refusal> {
  try {
    const { address, origin } = welcome;
    const headers = request.headers();
    const url = absolute(request.url, headers.get("host"));
    const auth = await authorize({ url, headers, address, origin });
    if (auth === false) {
      return refused(welcome, 403, NOT_AUTHORIZED, {
        code: UNAUTHORIZED,
        reason: NOT_AUTHORIZED,
      });
    }
    if (!(auth instanceof Response)) return { ...welcome, auth };
    const text = await auth.text();
    const reason = text.trim() || NOT_AUTHORIZED;
    // One that says that all is well, or go elsewhere, is no refusal.
    const status = auth.status < 400 ? 403 : auth.status;
    return {
      ...refused(welcome, status, "", {
        code: UNAUTHORIZED,
        reason,
      }),
      message: text,
      headers: Object.fromEntries(auth.headers),
    };
  } catch (error) {
    observe({ type: "error", option: "authorize", error });
    const reason = "authorization failed";
    return refused(welcome, 500, reason, { code: UNEXPECTED, reason });
  }
}

function refused(
  { address }: Welcome,
  status: number,
  message: string,
  dismissal: Dismissal,
): Refusal {
  return {
    ...refusal(status, message),
    reason: "authorize",
    address,
    dismissal,
  };
}

/** Node's requests have a path alone. */
function absolute(url: string, host: string | null): string {
  if (!url.startsWith("/")) return url;
  const whole = `http://${host}${url}`;
  return host && URL.canParse(whole) ? whole : `http://localhost${url}`;
}
