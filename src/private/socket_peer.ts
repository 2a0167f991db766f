/**
 * The private SocketPeer: a pipe whose server can neither read, alter nor join.
 *
 * @module
 */

import { backoffDelay } from "../client/backoff.ts";
import type { CloseInfo, SocketPeerEvents } from "../client/events.ts";
import { NUMBERS, reconnects } from "../client/options.ts";
import type { Sendable } from "../client/sendable.ts";
import { SocketPeer as PlainSocketPeer } from "../client/socket_peer.ts";
import { SocketPeerError } from "../errors.ts";
import type { Message } from "../protocol/message.ts";
import {
  type Cancel,
  privateRuntime,
  type Runtime,
  type WebSocketLike,
} from "../runtime.ts";
import { Keeper } from "./keeper.ts";
import { SealedSocket } from "./sealed_socket.ts";
import { type PrivateOptions, readSecret } from "./secret.ts";

/**
 * A message pipe to exactly one other peer, whoever else knows the same secret,
 * through a server that can neither read, alter nor join.
 *
 * It does all that the plain one does, and as that does it. Whoever sits on the
 * way, the server included, can hold messages up or keep the two apart, and
 * sees when they talk and how much; it can guess the secret once per attempt,
 * which is noticed and counted. The keys of each conversation are new, so what
 * was recorded stays secret when the secret is known later.
 *
 * @example Meet by a code that is read aloud
 * ```ts ignore
 * import { SocketPeer } from "@socketpeer/socketpeer/private";
 *
 * const url = "http://localhost:3000";
 * const alice = new SocketPeer({ url });
 * alice.on("code", (code) => {
 *   console.log(code); // 7-otter-lunar-basin
 *   const bob = new SocketPeer({ pairCode: code, url });
 *   // The same on both sides, unless somebody who knows the code sits between.
 *   bob.on("connect", () => console.log(bob.verification));
 * });
 * ```
 *
 * @typeParam Sent What this peer sends: by default all that can be sent.
 * @typeParam Received What the other peer sends. It is taken for that as it
 * comes, and not checked.
 */
export class SocketPeer<Sent = Sendable, Received = Message>
  extends PlainSocketPeer<Sent, Received> {
  readonly #keeper: Keeper;
  readonly #runtime: Runtime;
  /** Whether failures are followed by another attempt. */
  readonly #reconnect: boolean;
  readonly #reconnectDelay: number;
  /** Whether the code is good for one conversation alone. */
  readonly #once: boolean;
  #begun = false;
  #usedUp = false;
  #retry?: Cancel;
  /** Whether its user has ended it. */
  #stopped = false;
  #failures = 0;
  /** What the errors that the client reports just now are told by. */
  #refusal?: SocketPeerError;
  #told = false;

  /**
   * Creates a peer, which connects by itself unless `autoconnect` is `false`.
   *
   * @param options Who pairs with whom, where, and how.
   * @param runtime The platform; tests drive the clock and the network here.
   * @throws {TypeError | RangeError} If an option is not what it must be.
   * @throws {SocketPeerError} If there is no cryptography here:
   * `INSECURE_CONTEXT` or `CRYPTO_MISSING`.
   */
  constructor(
    options: PrivateOptions = {},
    runtime: Runtime = privateRuntime(),
  ) {
    const { secret: _, socket, ...rest } = options;
    const secret = readSecret(options, runtime);
    const keeper: Keeper = new Keeper(runtime, secret, {
      resumeTimeoutMs: options.resumeTimeout ?? NUMBERS.resumeTimeout,
      direct: () => this.path === "direct",
      onCode: (code) => this.#tell("code", code),
      onRefused: (...args) => this.#refused(...args),
    });
    const seal = (socket: WebSocketLike) => new SealedSocket(socket, keeper);
    super({
      ...rest,
      // The keeper says what the server gets to know.
      pairCode: secret.code || "private",
      socket: typeof socket === "function"
        ? async () => seal(await socket())
        : socket && seal(socket),
    }, withSealedSockets(runtime, keeper, seal));
    this.#keeper = keeper;
    this.#runtime = runtime;
    this.#once = !!secret.words;
    this.#reconnectDelay = options.reconnectDelay ?? NUMBERS.reconnectDelay;
    this.#reconnect = reconnects(options);
  }

  /**
   * The code that the two peers share, such as `7-otter-lunar-basin`. It is
   * empty until the server has given its number: see the event `code`.
   */
  override get pairCode(): string {
    return this.#keeper.pairCode;
  }

  /**
   * Three words that are the same for both peers, unless somebody who knows
   * the secret sits between them: let people compare them, by a way that
   * shows who speaks. Null before the first `connect`.
   *
   * What sits between has one chance in 16 million to make them the same.
   */
  get verification(): string | null {
    return this.#keeper.agreement?.verification ?? null;
  }

  /**
   * 32 bytes that both peers have, and nobody else: for a use of your own, or
   * as the `secret` with which the same two meet again without a code.
   *
   * @param label What they are for; both peers say the same.
   * @throws {TypeError} Before `connect`.
   */
  async exportKey(label: string): Promise<Uint8Array<ArrayBuffer>> {
    const { agreement } = this.#keeper;
    if (!agreement?.proven) {
      throw new TypeError(
        'Cannot export a key as there is none yet: wait for "connect"',
      );
    }
    return await agreement.exportKey(label);
  }

  /**
   * Connects, as the plain peer's does. Where the code is used up, that is a
   * `connect_error` with the code `CODE_USED`.
   */
  override connect(): void {
    this.#retry?.();
    this.#stopped = false;
    if (this.#usedUp || this.#keeper.usedUp) {
      const error = new SocketPeerError(
        "CODE_USED",
        "Cannot connect as the code was good for one conversation, or for so " +
          "many failures: make a new peer, with a new code",
      );
      // A listener that connects again is no loop without end.
      this.#retry = this.#runtime.after(1, () => {
        this.#tell("connect_error", error);
        this.#tell("error", error);
      });
      return;
    }
    this.#keeper.prepare();
    super.connect();
  }

  /** Ends the conversation, as the plain peer's does. */
  override close(): void {
    this.#stop();
    super.close();
  }

  /** Ends the conversation at once, and waits for no delivery. */
  override destroy(): void {
    this.#stop();
    super.destroy();
  }

  /** Emits an event; what the client takes for a broken socket by its reason. */
  override emit<Name extends keyof SocketPeerEvents<Received>>(
    event: Name,
    ...args: SocketPeerEvents<Received>[Name]
  ): boolean {
    if (event === "connect") this.#begun = true;
    if (event === "close") this.#usedUp = this.#once && this.#begun;
    const refusal = this.#refusal;
    if (refusal && args[0] instanceof SocketPeerError) {
      this.#told = true;
      args = [refusal] as SocketPeerEvents<Received>[Name];
    }
    return super.emit(event, ...args);
  }

  /** Whether another conversation may follow. */
  protected override again(info: CloseInfo): boolean {
    return super.again(info) && !(this.#once && this.#begun);
  }

  #refused(error: SocketPeerError, again: boolean, tell: () => void): void {
    this.#refusal = error;
    this.#told = false;
    tell();
    this.#refusal = undefined;
    if (!this.#told) this.#tell("error", error);
    if (!again || !this.#reconnect || this.#stopped) return;
    const { random } = this.#runtime;
    this.#retry = this.#runtime.after(
      backoffDelay(this.#failures++, this.#reconnectDelay, random()),
      () => this.connect(),
    );
  }

  #stop(): void {
    this.#stopped = true;
    this.#retry?.();
  }

  /** A listener that throws must not stop what it was called from. */
  #tell<Name extends keyof SocketPeerEvents<Received>>(
    event: Name,
    ...args: SocketPeerEvents<Received>[Name]
  ): void {
    try {
      this.emit(event, ...args);
    } catch (error) {
      this.#keeper.throwSoon(error);
    }
  }
}

/** The platform, where sockets seal, and the keeper knows of a page's end. */
function withSealedSockets(
  runtime: Runtime,
  keeper: Keeper,
  seal: (socket: WebSocketLike) => WebSocketLike,
): Runtime {
  const { openWebSocket } = runtime;
  const sealed: Pick<Runtime, "openWebSocket" | "onPageHide"> = {
    openWebSocket: openWebSocket &&
      ((url) => seal(openWebSocket.call(runtime, url))),
    onPageHide: (callback) =>
      runtime.onPageHide(() => {
        keeper.hiding = true;
        callback();
        keeper.hiding = false;
      }),
  };
  return Object.assign(Object.create(runtime), sealed);
}
