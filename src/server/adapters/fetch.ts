/**
 * Requests for a WebSocket as the Fetch standard has them, on Deno and Bun.
 *
 * @module
 */

import {
  type Gate,
  type Refusal,
  refusal,
  type Welcome,
} from "../admission.ts";

/** What a client that wants a subprotocol sends. */
export const PROTOCOL_HEADER = "sec-websocket-protocol";

/** An address that nothing is to be made of but its parts. */
const SIMPLE_ADDRESS = /^https?:\/\/[\w.-]+(?::\d+)?(\/[\w/-]*)(?:\?|$)/;

/** The path that a request asks for, if its address can be read. */
export function requestPath({ url }: Request): string | undefined {
  const simple = SIMPLE_ADDRESS.exec(url);
  if (simple) return simple[1];
  try {
    return new URL(url).pathname;
  } catch {
    // Deno makes the address of a header that a client may fill with anything.
    return undefined;
  }
}

/**
 * Makes a WebSocket of a request, and hands it to the gate when it is open.
 *
 * @throws If it is none for a WebSocket.
 */
export type Upgrade<Answer> = (
  request: Request,
  welcome: Welcome,
  gate: Gate,
) => Answer;

/** Upgrades a request, or answers what is wrong with it. */
export function answerFetch<Answer>(
  request: Request,
  remoteAddress: string | undefined,
  gate: Gate,
  upgrade: Upgrade<Answer>,
): Answer | Response | Promise<Answer | Response> {
  const { method, url, headers } = request;
  // All is read before the upgrade: afterwards Deno has closed the request.
  const asked = {
    method,
    path: requestPath(request),
    remoteAddress,
    url,
    headers: () => new Headers(headers),
    header: (name: string) => headers.get(name),
    // Once a client is gone its socket would never open, nor close, and hold up
    // the server's end. Deno warns, once, whoever reads the signal: that it is
    // aborted after an answer too harms nothing here.
    onLeft: (callback: () => void) =>
      request.signal.addEventListener("abort", callback, { once: true }),
  };
  const settle = (admission: Welcome | Refusal): Answer | Response => {
    if (!admission.accepted) return respond(admission);
    try {
      return upgrade(request, admission, gate);
    } catch (error) {
      gate.release(admission);
      return respond(refusal(400, `Not a request for a WebSocket: ${error}`));
    }
  };
  const admission = gate.admit(asked);
  const askFurther = admission.accepted && !admission.dismissal &&
    gate.authorize?.(asked, admission);
  return askFurther ? askFurther.then(settle) : settle(admission);
}

function respond({ status, message, headers }: Refusal): Response {
  return new Response(message, { status, headers: { ...headers } });
}
