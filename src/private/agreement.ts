/**
 * What two peers agree on in one conversation: keys that nobody else has, who
 * the other is, and what it has said of itself.
 *
 * @module
 */

import type { Hello, PrivateHello, PrivateStart } from "../protocol/control.ts";
import type { OwnBytes, Runtime, Subtle } from "../runtime.ts";
import { Cipher } from "./cipher.ts";
import {
  concat,
  inOrder,
  joinParts,
  multiply,
  sharedKey,
  type Side,
} from "./cpace.ts";
import { makeWords } from "./words.ts";

/** What the keys are for, and which version of this it is. */
export const USE = "socketpeer private 1";

const REVEAL_BYTES = 16;

/** What a private peer says of itself before there are keys. */
interface Facts {
  readonly v: number;
  readonly id: string;
  /** SHA-256, in base64, of what its start record will reveal. */
  readonly commit: string;
  readonly webrtc: boolean;
  readonly relay: boolean;
  readonly maxMessageBytes: number;
}

/** Why a peer that was found is not taken. */
export type Refusal = "NOT_PRIVATE" | "TAMPERED" | "WRONG_SECRET" | "REPLACED";

/** What one run of the key exchange begins with; good for one run alone. */
export interface Draw {
  readonly scalar: CryptoKey;
  readonly share: OwnBytes;
  readonly reveal: OwnBytes;
  readonly commit: string;
}

/** Draws what one run begins with, on the point that stands for the secret. */
export async function draw(
  subtle: Subtle,
  base: OwnBytes,
  randomBytes: Runtime["randomBytes"],
): Promise<Draw> {
  const { privateKey: scalar } = await subtle
    .generateKey("X25519", false, ["deriveBits"]) as CryptoKeyPair;
  const reveal = concat(randomBytes(REVEAL_BYTES));
  return {
    scalar,
    share: await multiply(subtle, scalar, base),
    reveal,
    commit: await commitment(subtle, reveal),
  };
}

/** What a run has come to. */
interface Keys {
  /** Derives bytes for one use (HKDF, RFC 5869, with SHA-512). */
  bytes(length: number, ...use: (string | OwnBytes)[]): Promise<OwnBytes>;
  readonly sent: Cipher;
  readonly received: Cipher;
  /** What shows that this peer, and the other, knows the secret. */
  readonly tags: readonly [own: OwnBytes, partner: OwnBytes];
}

/** The other peer, as the server says. */
interface Partner extends PrivateHello {
  readonly facts: Facts;
}

/** The agreement of one conversation, over all its sockets. */
export class Agreement {
  /** What this peer says of itself, for the other's eyes too. */
  readonly hello: Hello;
  /** The one socket that may send: that of the last start record. */
  socket?: object;
  /** Three words that are the same on both sides, once it is proven. */
  verification: string | null = null;

  readonly #subtle: Subtle;
  readonly #draw: Draw;
  readonly #id: string;
  #partner?: Partner;
  #meeting: Promise<Refusal | undefined> = Promise.resolve(undefined);
  #keys?: Keys;
  /** Counts what was sealed: it never goes back. */
  #sent = 0;
  /** What is opened next has at least this counter. */
  #received = 0;

  /** Takes what was drawn, and what the client says of itself. */
  constructor(subtle: Subtle, draw: Draw, id: string, hello: Hello) {
    this.#subtle = subtle;
    this.#draw = draw;
    this.#id = id;
    const { webrtc, relay, maxMessageBytes } = hello;
    const { commit, share } = draw;
    const facts: Facts = { v: 1, id, commit, webrtc, relay, maxMessageBytes };
    this.hello = hideReceived({
      ...hello,
      private: { share: toBase64(share), ad: JSON.stringify(facts) },
    });
  }

  /** Whether there are keys; whether they are the other's is not known yet. */
  get met(): boolean {
    return !!this.#keys;
  }

  /** Whether the other has shown that it knows the secret. */
  get proven(): boolean {
    return !!this.verification;
  }

  /** The other's `hello`, as it has said it itself. */
  get partnerHello(): Hello {
    return hideReceived(this.#partner!.facts);
  }

  /**
   * Agrees on keys with a peer that the server has found, or finds that it is
   * the same one as before.
   *
   * @param code What the server knows of the pair code.
   * @param hello What the server says that the other has said.
   */
  meet(
    code: string,
    id: unknown,
    hello: unknown,
  ): Promise<Refusal | undefined> {
    // One after the other, whichever socket each was found on: what was drawn is
    // for one partner alone.
    return this.#meeting = this.#meeting
      .then(() => this.#meet(code, id, hello));
  }

  async #meet(
    code: string,
    id: unknown,
    hello: unknown,
  ): Promise<Refusal | undefined> {
    const before = this.#partner;
    if (before && before.facts.id !== id) {
      return this.proven ? "REPLACED" : "WRONG_SECRET";
    }
    const { share, ad }: PrivateHello = Object(Object(hello).private);
    if (before) {
      const same = share === before.share && ad === before.ad;
      return same ? undefined : "TAMPERED";
    }
    if (!share) return "NOT_PRIVATE";
    try {
      const facts: Facts = JSON.parse(ad);
      if (facts.v !== 1) return "NOT_PRIVATE";
      if (facts.id !== id || id === this.#id) return "TAMPERED";
      this.#keys = await this.#agree(code, facts.id, {
        share: fromBase64(share),
        data: concat(ad),
      });
      this.#partner = { share, ad, facts };
    } catch {
      // It is no point of the curve, or one that no honest peer would draw.
      return "TAMPERED";
    }
  }

  /** Makes a start record: what is sealed after it counts on from it. */
  async start(): Promise<PrivateStart> {
    const counter = this.#sent;
    const record = concat(this.#draw.reveal, this.#keys!.tags[0]);
    return { counter, seal: toBase64(await this.seal(record, "start")) };
  }

  /**
   * Checks the other's start record, which proves that it knows the secret.
   *
   * @returns The counter of what follows it, or undefined where it proves
   * nothing.
   */
  async prove({ seal, ...start }: PrivateStart): Promise<number | undefined> {
    // A text would do for the cipher, and spoil the count.
    const counter = +start.counter;
    // One of before may have been replayed.
    if (!(counter >= this.#received)) return;
    try {
      const { received, tags, bytes } = this.#keys!;
      const record = await received.open(counter, fromBase64(seal), "start");
      const reveal = record.slice(0, REVEAL_BYTES);
      const right =
        toBase64(record.slice(REVEAL_BYTES)) === toBase64(tags[1]) &&
        await commitment(this.#subtle, reveal) === this.#partner!.facts.commit;
      if (!right) return;
      const reveals = inOrder(this.#draw.reveal, reveal);
      this.verification = makeWords(await bytes(3, "verification", reveals));
      return this.#opened(counter);
    } catch {
      return;
    }
  }

  /** Seals bytes under the next counter. */
  seal(bytes: OwnBytes, use = ""): Promise<OwnBytes> {
    return this.#keys!.sent.seal(this.#sent++, bytes, use);
  }

  /**
   * Opens what has this counter.
   *
   * @throws {unknown} If it was not sealed under it.
   */
  async open(counter: number, bytes: OwnBytes): Promise<OwnBytes> {
    const opened = await this.#keys!.received.open(counter, bytes, "");
    this.#opened(counter);
    return opened;
  }

  /** 32 bytes that both sides have, and nobody else, for a use of their own. */
  exportKey(label: string): Promise<OwnBytes> {
    return this.#keys!.bytes(32, "export", label);
  }

  #opened(counter: number): number {
    this.#received = Math.max(this.#received, counter + 1);
    return counter + 1;
  }

  async #agree(code: string, partnerId: string, partner: Side): Promise<Keys> {
    const subtle = this.#subtle;
    const { scalar, share } = this.#draw;
    const own: Side = { share, data: concat(this.hello.private!.ad) };
    const key = await sharedKey(subtle, scalar, own, partner);
    const root = await importRoot(subtle, key);
    key.fill(0);
    const salt = concat(code);
    const bytes: Keys["bytes"] = (length, ...use) =>
      deriveBytes(subtle, root, salt, length, ...use);
    const cipher = (id: string) =>
      new Cipher(subtle, (epoch) =>
        subtle.deriveKey(
          hkdf(salt, "packets", id, String(epoch)),
          root,
          { name: "AES-GCM", length: 256 },
          false,
          ["encrypt", "decrypt"],
        ));
    const tag = ({ share, data }: Side) => bytes(32, "confirm", share, data);
    const sent = cipher(this.#id);
    const received = cipher(partnerId);
    const tags = await Promise.all([tag(own), tag(partner)]);
    return { bytes, sent, received, tags };
  }
}

/** What has arrived, the server could say falsely; acknowledgements repair. */
function hideReceived(hello: Omit<Hello, "received">): Hello {
  return { ...hello, received: 0 };
}

/** Imports a key that others are derived from. */
export function importRoot(
  subtle: Subtle,
  bytes: OwnBytes,
): Promise<CryptoKey> {
  const uses: KeyUsage[] = ["deriveBits", "deriveKey"];
  return subtle.importKey("raw", bytes, "HKDF", false, uses);
}

/** Derives bytes for one use (HKDF, RFC 5869, with SHA-512). */
export async function deriveBytes(
  subtle: Subtle,
  root: CryptoKey,
  salt: OwnBytes,
  length: number,
  ...use: (string | OwnBytes)[]
): Promise<OwnBytes> {
  return new Uint8Array(
    await subtle.deriveBits(hkdf(salt, ...use), root, 8 * length),
  );
}

function hkdf(salt: OwnBytes, ...use: (string | OwnBytes)[]): HkdfParams {
  const info = joinParts(USE, ...use);
  return { name: "HKDF", hash: "SHA-512", salt, info };
}

async function commitment(subtle: Subtle, reveal: OwnBytes): Promise<string> {
  return toBase64(new Uint8Array(await subtle.digest("SHA-256", reveal)));
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

function fromBase64(text: string): OwnBytes {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
