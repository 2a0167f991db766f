/**
 * What socketpeer needs of the platform, in one object, so that tests can
 * drive the clock, the network and chance.
 *
 * @module
 */

import { SocketPeerError } from "./errors.ts";

/** The part of a WebSocket that the client uses: that of a browser. */
export interface WebSocketLike {
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: number;
  /** The address that it was opened with; some implementations have none. */
  readonly url?: string;
  /**
   * Bytes that it has accepted and not yet handed to the network. Browsers,
   * Deno, Node and `ws` have it; some implementations do not.
   */
  readonly bufferedAmount?: number;
  /** Set to `"arraybuffer"` before anything arrives. */
  binaryType: string;
  /** Sends text or bytes: a string or a Uint8Array. */
  // deno-lint-ignore no-explicit-any -- implementations differ in their types
  send(data: any): void;
  /** Starts the closing handshake. */
  close(code?: number, reason?: string): void;
  /** The socket is open. */
  onopen: ((event: never) => void) | null;
  /** A message has come. */
  onmessage: ((event: never) => void) | null;
  /** The socket is closed. */
  onclose: ((event: never) => void) | null;
  /** The socket has failed; `close` follows. */
  onerror: ((event: never) => void) | null;
}

/** A STUN or TURN server, as the WebRTC specification has it. */
export interface IceServer {
  /** Such as `stun:stun.example.org`. */
  urls: string | string[];
  /** The user's name, for TURN. */
  username?: string;
  /** The password, for TURN. */
  credential?: string;
}

/** Settings of an RTCPeerConnection: those of the WebRTC specification. */
export interface RtcConfiguration {
  /** STUN and TURN servers. */
  iceServers?: IceServer[];
  /** `"relay"` allows TURN alone. */
  iceTransportPolicy?: "all" | "relay";
  /** How many candidates to gather ahead. */
  iceCandidatePoolSize?: number;
}

/** A WebRTC implementation: a browser's globals, or a package's exports. */
export interface WebRtc {
  /** The constructor of peer connections. */
  // deno-lint-ignore no-explicit-any -- implementations differ in their types
  readonly RTCPeerConnection: new (configuration?: any) => any;
}

/** The part of an RTCPeerConnection that the client uses. */
export interface PeerConnectionLike {
  readonly signalingState: string;
  readonly connectionState: string;
  readonly localDescription: { type: string; sdp: string } | null;
  readonly sctp?: { readonly maxMessageSize: number } | null;
  onnegotiationneeded: (() => void) | null;
  onicecandidate: ((event: { candidate: unknown }) => void) | null;
  onconnectionstatechange: (() => void) | null;
  createDataChannel(label: string, options: unknown): DataChannelLike;
  createOffer(): Promise<unknown>;
  createAnswer(): Promise<unknown>;
  setLocalDescription(description?: unknown): Promise<void>;
  setRemoteDescription(description: unknown): Promise<void>;
  addIceCandidate(candidate?: unknown): Promise<void>;
  setConfiguration?(configuration: unknown): void;
  restartIce?(): void;
  close(): void;
}

/** The part of an RTCDataChannel that the client uses. */
export interface DataChannelLike {
  readonly readyState: string;
  readonly bufferedAmount: number;
  bufferedAmountLowThreshold: number;
  binaryType: string;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onbufferedamountlow: (() => void) | null;
  onclose: (() => void) | null;
  onerror: (() => void) | null;
  send(data: string | Uint8Array): void;
  close(): void;
}

/** The part of Web Crypto's `SubtleCrypto` that the private entry uses. */
export type Subtle = Pick<
  SubtleCrypto,
  | "generateKey"
  | "importKey"
  | "deriveBits"
  | "deriveKey"
  | "digest"
  | "encrypt"
  | "decrypt"
>;

/** Bytes in memory that nobody shares, as Web Crypto wants them. */
export type OwnBytes = Uint8Array<ArrayBuffer>;

/** Cancels a timer. */
export type Cancel = () => void;

/** The platform, as the client sees it. */
export interface Runtime {
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** Calls back once after `delayMs` milliseconds. */
  after(delayMs: number, callback: () => void): Cancel;
  /** Calls back when the code that runs now is done. */
  soon(callback: () => void): void;
  /** A number from 0 up to 1, for delays. */
  random(): number;
  /** Unguessable bytes. */
  randomBytes(length: number): Uint8Array;
  /** Dials a WebSocket, where the platform has one. */
  openWebSocket?(url: string): WebSocketLike;
  /** The platform's WebRTC, where it has one. */
  readonly webrtc?: WebRtc;
  /** The platform's cryptography, for the private entry. */
  readonly subtle?: Subtle;
  /** The address of the page, or of the page that the worker belongs to. */
  readonly pageUrl?: string;
  /** Calls back when the page is left or hidden in the back-forward cache. */
  onPageHide(callback: () => void): Cancel;
  /** Calls back when the page comes back from that cache. */
  onPageShow(callback: () => void): Cancel;
  /**
   * Calls back when the network may have changed, or the program may have been
   * away: it is a hint, and comes as often as it likes.
   */
  onWake(callback: () => void): Cancel;
}

type Listener = (event: { persisted?: boolean }) => void;

/** Where one may listen; Node's global scope is none. */
interface Listened {
  addEventListener?(type: string, listener: Listener): void;
  removeEventListener?(type: string, listener: Listener): void;
}

/** A browser's globals; elsewhere there is no document. */
interface PageGlobals extends Listened {
  readonly location?: { readonly href: string };
  readonly origin?: string;
  readonly document?: Listened & { readonly hidden: boolean };
  readonly navigator?: { readonly connection?: Listened };
  readonly RTCPeerConnection?: WebRtc["RTCPeerConnection"];
  readonly WebSocket?: new (url: string) => WebSocketLike;
}

/** Calls back once after `delayMs` milliseconds of real time. */
export function after(delayMs: number, callback: () => void): Cancel {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}

/** The real platform. Reads globals when called, never when imported. */
export function systemRuntime(): Runtime {
  const globals = globalThis as unknown as PageGlobals;
  const { RTCPeerConnection, WebSocket, location, origin } = globals;
  const listen = (
    target: Listened | undefined,
    type: string,
    listener: Listener,
  ): Cancel => {
    target?.addEventListener?.(type, listener);
    return () => target?.removeEventListener?.(type, listener);
  };
  const onPage = (type: string, listener: Listener) =>
    listen(globals.document && globals, type, listener);
  return {
    now: () => performance.now(),
    after,
    soon: (callback) => queueMicrotask(callback),
    random: () => Math.random(),
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    openWebSocket: WebSocket && ((url) => new WebSocket(url)),
    webrtc: RTCPeerConnection && { RTCPeerConnection },
    // A worker made of a Blob, and a `srcdoc` frame, have no address to speak
    // of, but the origin of their page.
    pageUrl: /^http/.test(location?.href ?? "") ? location!.href : origin,
    onPageHide: (callback) => onPage("pagehide", callback),
    onPageShow: (callback) =>
      onPage("pageshow", (event) => event.persisted && callback()),
    onWake(callback) {
      const { document, navigator } = globals;
      const cancels = [
        listen(globals, "online", callback),
        listen(
          document,
          "visibilitychange",
          () => document!.hidden || callback(),
        ),
        // A page that was frozen may go on without being seen.
        listen(document, "resume", callback),
        listen(navigator?.connection, "change", callback),
      ];
      return () => cancels.forEach((cancel) => cancel());
    },
  };
}

/**
 * The real platform with its cryptography: what a private peer needs.
 *
 * @throws {SocketPeerError} If the platform gives it none.
 */
export function privateRuntime(): Runtime {
  const { isSecureContext, crypto, origin } = globalThis as
    & typeof globalThis
    & { isSecureContext?: boolean };
  const subtle: Subtle | undefined = crypto?.subtle;
  if (subtle) return { ...systemRuntime(), subtle };
  if (isSecureContext === false) {
    throw new SocketPeerError(
      "INSECURE_CONTEXT",
      `Cannot be private on ${origin} as browsers give cryptography to ` +
        "https: and localhost alone: serve the page there",
    );
  }
  throw new SocketPeerError(
    "CRYPTO_MISSING",
    "Cannot be private as there is no Web Crypto here",
  );
}

/** Milliseconds since 1970, by the machine's clock: for what others read. */
export function wallClock(): number {
  return Date.now();
}

/** HMAC-SHA1 of a text under a key, both in UTF-8 (RFC 2104). */
export async function hmacSha1(
  key: string,
  text: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-1" };
  const imported = await crypto.subtle
    .importKey("raw", encoder.encode(key), algorithm, false, ["sign"]);
  const bytes = encoder.encode(text);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, bytes));
}
