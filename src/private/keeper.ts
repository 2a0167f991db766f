/**
 * The keeper of the secret: agrees on keys for each conversation, and counts
 * how often somebody has tried without knowing it.
 *
 * @module
 */

import { SocketPeerError, WrongPeerError } from "../errors.ts";
import { afterAwake } from "../client/awake.ts";
import { randomCode } from "../client/options.ts";
import type { Hello } from "../protocol/control.ts";
import type { Cancel, OwnBytes, Runtime, Subtle } from "../runtime.ts";
import {
  Agreement,
  deriveBytes,
  type Draw,
  draw,
  importRoot,
  type Refusal,
  USE,
} from "./agreement.ts";
import { concat, generator } from "./cpace.ts";
import type { Custodian } from "./sealed_socket.ts";
import type { Secret } from "./secret.ts";

/** What a {@linkcode Keeper} asks of, and reports to, the peer. */
export interface KeeperHandlers {
  /** How long a conversation with no path left may take to go on. */
  readonly resumeTimeoutMs: number;
  /** Whether messages leave on a data channel. */
  direct(): boolean;
  /** The server has given a number, so there is a code to show. */
  onCode(code: string): void;
  /** A partner is refused: `tell` ends its socket, as the error says. */
  onRefused(error: SocketPeerError, again: boolean, tell: () => void): void;
}

/** Keeps the secret of one peer. */
export class Keeper implements Custodian {
  hiding = false;
  /** The agreement of the last conversation. */
  agreement?: Agreement;
  readonly #runtime: Runtime;
  readonly #subtle: Subtle;
  readonly #secret: Secret;
  readonly #handlers: KeeperHandlers;
  #code: string;
  /** How many may still fail. */
  #attempts: number;
  /** Whether the last agreement is one of those that failed. */
  #counted = false;
  #base?: Promise<OwnBytes>;
  /** What the next run begins with. */
  #next?: Promise<Draw>;
  /** The conversation for which there is, or will be, an agreement. */
  #id?: string;
  #agreeing?: Promise<Agreement>;

  /** Sends nothing; see {@linkcode Keeper.prepare}. */
  constructor(runtime: Runtime, secret: Secret, handlers: KeeperHandlers) {
    this.#runtime = runtime;
    this.#subtle = runtime.subtle!;
    this.#secret = secret;
    this.#handlers = handlers;
    this.#code = secret.code;
    this.#attempts = secret.attempts;
  }

  get code(): string {
    return this.#code;
  }

  /** The code as its user knows it; empty while no number is given. */
  get pairCode(): string {
    const { words } = this.#secret;
    return words && this.#code ? `${this.#code}-${words}` : this.#code;
  }

  get direct(): boolean {
    return this.#handlers.direct();
  }

  get resumeTimeoutMs(): number {
    return this.#handlers.resumeTimeoutMs;
  }

  /** Whether so many have failed that the secret is good for no more. */
  get usedUp(): boolean {
    return this.#attempts <= 0;
  }

  /** Makes ahead what a run begins with, while the server is dialed. */
  prepare(): Promise<Draw> {
    if (this.#next) return this.#next;
    const { randomBytes } = this.#runtime;
    this.#base ??= generator(
      this.#subtle,
      this.#secret.bytes,
      USE,
      randomBytes(32),
    );
    const next = this.#base
      .then((base) => draw(this.#subtle, base, randomBytes))
      .catch((cause) => {
        throw new SocketPeerError(
          "CRYPTO_MISSING",
          "Cannot be private without X25519: it takes Chrome 133, Firefox 130, " +
            "Safari 17, Deno, Node 20 or Bun 1.3",
          { cause },
        );
      });
    // Whoever takes it hears of that.
    next.catch(() => {});
    return this.#next = next;
  }

  agree(id: string, hello: Hello): Promise<Agreement> {
    if (this.#id !== id) {
      this.#id = id;
      this.#agreeing = this.#agree(id, hello);
    }
    return this.#agreeing!;
  }

  onNumber(code: string): void {
    this.#code = code;
    this.#handlers.onCode(this.pairCode);
  }

  after(delayMs: number, callback: () => void): Cancel {
    return afterAwake(this.#runtime, delayMs, callback);
  }

  throwSoon(error: unknown): void {
    this.#runtime.soon(() => {
      throw error;
    });
  }

  refuse(
    why: Exclude<Refusal, "REPLACED"> | Error,
    agreement: Agreement | undefined,
    tell: () => void,
  ): void {
    const { onRefused } = this.#handlers;
    if (why === "TAMPERED") {
      const error = new SocketPeerError(
        why,
        "Cannot take what came as it is not what the other peer sent: " +
          "another connection is tried",
      );
      onRefused(error, false, tell);
    } else if (why instanceof Error) {
      onRefused(why as SocketPeerError, false, tell);
    } else {
      // Unless it was counted when the next conversation began.
      if (agreement === this.agreement) this.#count();
      onRefused(this.#failure(why), !this.usedUp, tell);
    }
  }

  async #agree(id: string, hello: Hello): Promise<Agreement> {
    const { agreement } = this;
    // It was broken off by who may have seen from our proof whether a guess
    // was right.
    if (agreement?.met && !agreement.proven) this.#count();
    if (this.usedUp) throw this.#failure("WRONG_SECRET");
    const next = this.prepare();
    this.#next = undefined;
    const drawn = await next;
    if (this.#secret.isKey) this.#code ||= await this.#nameplate();
    this.#counted = false;
    return this.agreement = new Agreement(this.#subtle, drawn, id, hello);
  }

  #count(): void {
    if (this.#counted) return;
    this.#counted = true;
    this.#attempts--;
  }

  /** What stands for a key at the server, which can't tell it from any other. */
  async #nameplate(): Promise<string> {
    const root = await importRoot(this.#subtle, this.#secret.bytes);
    const bytes = await deriveBytes(
      this.#subtle,
      root,
      concat(),
      16,
      "nameplate",
    );
    return randomCode({ ...this.#runtime, randomBytes: () => bytes });
  }

  #failure(why: "NOT_PRIVATE" | "WRONG_SECRET"): WrongPeerError {
    const { words, isKey, attempts } = this.#secret;
    const left = this.#attempts;
    const found = why === "NOT_PRIVATE"
      ? "does not use socketpeer/private, or the server hides that it does"
      : "has another secret, or broke off: one of you has mistyped it, or " +
        "somebody guesses";
    const next = isKey
      ? "check that both have the same"
      : left > 0
      ? `it is used up after ${left} more`
      : attempts === 1
      ? "check the code, and make a new peer with it"
      : `it is used up: make a new ${words ? "code" : "secret"}`;
    return new WrongPeerError(
      why,
      `Cannot pair as the other side ${found}; ${next}`,
      left,
    );
  }
}
