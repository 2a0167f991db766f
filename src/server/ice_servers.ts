/**
 * The STUN and TURN servers that peers are told of, with credentials that are
 * good for a short time only.
 *
 * @module
 */

import {
  after,
  type Cancel,
  hmacSha1,
  type IceServer,
  systemRuntime,
  wallClock,
} from "../runtime.ts";
import type { ResolvedServerOptions } from "./options.ts";

/**
 * Longest that the `iceServers` function may take: two peers that have found
 * each other wait for it, and do better with fewer servers than with none of
 * the other peer.
 */
const FUNCTION_LIMIT_MS = 5_000;
/** Longest time between renewals: a timer takes no more than 24 days. */
const MAX_RENEW_MS = 24 * 60 * 60 * 1000;
/** Enough that no two conversations share a username. */
const USERNAME_BYTES = 9;

/** The options that count here. */
export type IceOptions = Pick<
  ResolvedServerOptions,
  "iceServers" | "turn" | "observer"
>;

/** What the platform does for {@linkcode IceServers}. */
export interface IcePlatform {
  /** Milliseconds since 1970: a TURN server compares them with its clock. */
  now(): number;
  /** Calls back once, later. */
  after(delayMs: number, callback: () => void): Cancel;
  /** Unguessable bytes. */
  randomBytes(length: number): Uint8Array;
}

/** Gives each pairing its STUN and TURN servers. */
export class IceServers {
  /**
   * How long after a `get()` its answer should be replaced by a new one, in
   * milliseconds; 0 for never. It is half the life of TURN credentials, so
   * that those in use have as much again left, should a renewal be late.
   */
  readonly renewMs: number;
  readonly #options: IceOptions;
  readonly #platform: IcePlatform;

  /** Creates a source, which asks nobody before `get()` is called. */
  constructor(options: IceOptions, platform: IcePlatform = systemPlatform()) {
    this.#options = options;
    this.#platform = platform;
    const { turn } = options;
    this.renewMs = turn
      ? Math.min(Math.floor(turn.ttl * 1000 / 2), MAX_RENEW_MS)
      : 0;
  }

  /**
   * The servers for one peer, with credentials of its own. It never rejects:
   * where the `iceServers` function fails, the observer is told, and peers get
   * what there is beside it, as they can always use the relay.
   */
  async get(): Promise<readonly IceServer[]> {
    const { iceServers, turn } = this.#options;
    const given = typeof iceServers === "function"
      ? await this.#ask(iceServers)
      : iceServers;
    return turn ? [...given, await this.#turnServer(turn)] : given;
  }

  async #ask(
    iceServers: () => readonly IceServer[] | Promise<readonly IceServer[]>,
  ): Promise<readonly IceServer[]> {
    let cancel: Cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = this.#platform.after(FUNCTION_LIMIT_MS, () => {
        reject(
          new Error(
            `Cannot wait for "iceServers" any longer: it took more than ` +
              `${FUNCTION_LIMIT_MS} ms`,
          ),
        );
      });
    });
    try {
      // In a function, so that what it throws at once is caught with the rest.
      const asked = (async () => await iceServers())();
      const given = await Promise.race([asked, late]);
      if (Array.isArray(given)) return given;
      throw new TypeError(
        `Cannot use what "iceServers" returned: it must be an array`,
      );
    } catch (error) {
      this.#report(error);
      return [];
    } finally {
      cancel();
    }
  }

  /**
   * Credentials that a TURN server with the same secret accepts until they
   * expire, without asking anybody (draft-uberti-behave-turn-rest-00; coturn's
   * `use-auth-secret`).
   */
  async #turnServer(
    { urls, secret, ttl }: Required<NonNullable<IceOptions["turn"]>>,
  ): Promise<IceServer> {
    const expires = Math.floor(this.#platform.now() / 1000) + ttl;
    const id = hex(this.#platform.randomBytes(USERNAME_BYTES));
    const username = `${expires}:${id}`;
    const signature = await hmacSha1(secret, username);
    const credential = btoa(String.fromCharCode(...signature));
    const list = typeof urls === "string" ? [urls] : [...urls];
    return { urls: list, username, credential };
  }

  #report(error: unknown): void {
    try {
      this.#options.observer({ type: "error", option: "iceServers", error });
    } catch {
      // What an observer throws is dropped.
    }
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

function systemPlatform(): IcePlatform {
  const { randomBytes } = systemRuntime();
  return { now: wallClock, after, randomBytes };
}
