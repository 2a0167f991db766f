import { SocketPeer as PrivateSocketPeer } from "../../private.ts";
import type { PrivateOptions } from "../../private.ts";
import type { Runtime, Subtle, WebSocketLike } from "../../src/runtime.ts";

/** What passes on a WebSocket. */
export type Passing = string | Uint8Array<ArrayBuffer>;

/** Returns what passes in place of what came. */
export type Meddle = (passing: Passing) => readonly Passing[];

/** Lets everything pass as it came. */
export const honest: Meddle = (passing) => [passing];

/** Changes the messages of a type, and leaves all others. */
export function ofType(
  type: string,
  change: (text: string) => readonly Passing[],
): Meddle {
  return (passing) =>
    typeof passing === "string" && JSON.parse(passing).type === type
      ? change(passing)
      : [passing];
}

/** Changes the data of control messages of a type, which stays JSON. */
export function edit(
  type: string,
  // deno-lint-ignore no-explicit-any -- a server changes what it likes
  change: (data: any) => void,
): Meddle {
  return ofType(type, (text) => {
    const message = JSON.parse(text);
    change(message.data);
    return [JSON.stringify(message)];
  });
}

/** Changes packets; what is text passes. */
export function ofPackets(
  change: (packet: Uint8Array<ArrayBuffer>) => readonly Passing[],
): Meddle {
  return (passing) => typeof passing === "string" ? [passing] : change(passing);
}

/**
 * A server that does what it likes with what one private peer sends and gets.
 * It sits beneath the sealing, so it sees what a server sees.
 */
export class MaliciousRelay {
  /** What becomes of what the peer sends. */
  up: Meddle = honest;
  /** What becomes of what is sent to the peer. */
  down: Meddle = honest;
  /** What the peer has sent, as it was. */
  readonly sent: Passing[] = [];
  /** What was sent to the peer, as it was. */
  readonly received: Passing[] = [];
  /** The peer's sockets, in the order in which it dialed. */
  readonly sockets: Intercepted[] = [];
  /** The codes with which the peer has closed its sockets. */
  readonly closes: (number | undefined)[] = [];
  /** What a partner seals who knows the secret, and does what it likes. */
  seals: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> = (
    bytes,
  ) => bytes;
  /** The key and the nonce, each time that something was sealed. */
  readonly nonces: string[] = [];

  /** The private class, whose server is this. */
  get PeerClass(): new (
    options: PrivateOptions,
    runtime: Runtime,
  ) => PrivateSocketPeer {
    // deno-lint-ignore no-this-alias -- of the class within
    const relay = this;
    return class extends PrivateSocketPeer {
      constructor(options: PrivateOptions, runtime: Runtime) {
        super(options, {
          ...runtime,
          subtle: relay.#watch(runtime.subtle!),
          openWebSocket: (url) => {
            const socket = new Intercepted(relay, runtime.openWebSocket!(url));
            relay.sockets.push(socket);
            return socket;
          },
        });
      }
    };
  }

  /** The socket that was dialed last. */
  get socket(): Intercepted {
    return this.sockets.at(-1)!;
  }

  /** The last text of a type that was sent to the peer, or that it sent. */
  last(type: string, of = this.received): string {
    return of.findLast((passing): passing is string =>
      typeof passing === "string" && JSON.parse(passing).type === type
    )!;
  }

  #watch(subtle: Subtle): Subtle {
    return {
      ...subtle,
      encrypt: (algorithm, key, bytes) => {
        // A key of the simulation has its bytes.
        const { bytes: of } = key as unknown as { bytes: Uint8Array };
        const { iv } = algorithm as AesGcmParams & { iv: Uint8Array };
        this.nonces.push(`${of.toHex()} ${iv.toHex()}`);
        const sealed = this.seals(bytes as Uint8Array<ArrayBuffer>);
        return subtle.encrypt(algorithm, key, sealed);
      },
    };
  }
}

/** A WebSocket of which a {@linkcode MaliciousRelay} disposes. */
export class Intercepted implements WebSocketLike {
  binaryType = "blob";
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly #relay: MaliciousRelay;
  readonly #socket: WebSocketLike;
  #closed = false;

  /** Takes a socket that was just dialed. */
  constructor(relay: MaliciousRelay, socket: WebSocketLike) {
    this.#relay = relay;
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = (event) => this.onopen?.(event);
    socket.onerror = (event) => this.onerror?.(event);
    socket.onclose = (event) => {
      if (!this.#closed) this.onclose?.(event);
    };
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
      const passing = typeof data === "string" ? data : new Uint8Array(data);
      relay.received.push(passing);
      for (const each of relay.down(passing)) this.give(each);
    };
  }

  get readyState(): number {
    return this.#closed ? 3 : this.#socket.readyState;
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount ?? 0;
  }

  /** The peer sends. */
  send(data: string | Uint8Array): void {
    const passing = typeof data === "string" ? data : Uint8Array.from(data);
    this.#relay.sent.push(passing);
    for (const each of this.#relay.up(passing)) this.pass(each);
  }

  /** The peer closes. */
  close(code?: number): void {
    this.#relay.closes.push(code);
    this.#socket.close(code);
  }

  /** Sends something to the server, and through it to the other peer. */
  pass(passing: Passing): void {
    this.#socket.send(passing);
  }

  /** Gives the peer something. */
  give(passing: Passing): void {
    const data = typeof passing === "string" ? passing : passing.slice().buffer;
    if (!this.#closed) this.onmessage?.({ data } as never);
  }

  /** Closes the socket as the server would, which knows nothing of that. */
  forgeClose(code: number, reason = ""): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
    this.onclose?.({ code, reason } as never);
  }
}
