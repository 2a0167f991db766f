/**
 * CPace, a password-authenticated key exchange: two who know the same secret,
 * which may be short, agree on a key, and whoever does not know it can guess
 * once with each run, and never offline.
 *
 * This is CPACE-X25519-SHA512 in symmetric mode, as in
 * draft-irtf-cfrg-cpace-21, without a session id: the associated data of each
 * side is unique, as it commits to something random. X25519 and SHA-512 are the
 * platform's; the map from the secret to a point is here.
 *
 * @module
 */

import type { OwnBytes, Subtle } from "../runtime.ts";

const P = 2n ** 255n - 19n;
/** The curve is v² = u³ + A u² + u. */
const A = 486662n;

/** What one side of a run has sent. */
export interface Side {
  /** The public share of this side. */
  readonly share: OwnBytes;
  /** Its associated data: what else the key is bound to. */
  readonly data: OwnBytes;
}

/** The bytes of texts, in UTF-8, and of bytes, one after the other. */
export function concat(...parts: readonly (string | Uint8Array)[]): OwnBytes {
  const encoder = new TextEncoder();
  return Uint8Array.from(
    parts.flatMap((
      part,
    ) => [...(typeof part === "string" ? encoder.encode(part) : part)]),
  );
}

/** The same, each part behind its length as LEB128: `lv_cat` of the draft. */
export function joinParts(
  ...parts: readonly (string | Uint8Array)[]
): OwnBytes {
  return concat(...parts.map((part) => {
    const bytes = concat(part);
    const length = [];
    let rest = bytes.length;
    for (; rest > 127; rest >>= 7) length.push(rest & 127 | 128);
    return concat(Uint8Array.from([...length, rest]), bytes);
  }));
}

/** Two parts in an order on which both sides agree: `o_cat` of the draft. */
export function inOrder(one: OwnBytes, other: OwnBytes): OwnBytes {
  const at = one.findIndex((byte, index) => byte !== other[index]);
  // Where one begins with the other, the longer is the larger.
  const larger = at < 0 ? one.length > other.length : !(one[at] <= other[at]);
  return larger ? concat("oc", one, other) : concat("oc", other, one);
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = result * base % P;
    base = base * base % P;
  }
  return result;
}

/**
 * The u-coordinate of a point of the curve for any number: Elligator 2 (RFC
 * 9380 section 6.7.1).
 *
 * How long BigInt takes depends on its values. What would tell most, the
 * inversion and the Legendre symbol, runs on values that are multiplied by a
 * fresh random number each time, and nothing branches on the number.
 *
 * @param blind Random, from 1 to 2^255 - 20.
 */
export function mapToCurve(number: bigint, blind: bigint): bigint {
  const denominator = (1n + 2n * number * number) % P;
  const v = (P - A) * blind % P * power(denominator * blind % P, P - 2n) % P;
  const square = ((v + A) * v + 1n) % P * v % P;
  // 1 where it is a square, and P - 1, which is even, where it is none.
  const symbol = power(square * blind % P * blind % P, (P - 1n) / 2n);
  const isSquare = symbol & 1n;
  return (isSquare * v + (1n - isSquare) * (2n * P - v - A)) % P;
}

/** A number of 32 bytes, the least significant first. */
function decode(bytes: Uint8Array): bigint {
  return bytes.reduceRight((number, byte) => number << 8n | BigInt(byte), 0n);
}

/**
 * The point that stands for a secret in one use: the base of both sides'
 * shares.
 *
 * @param use What the secret is used for: `CI` of the draft.
 * @param random 32 random bytes, to blind the map with.
 * @param session `sid` of the draft.
 */
export async function generator(
  subtle: Subtle,
  secret: OwnBytes,
  use: string | OwnBytes,
  random: Uint8Array,
  session: OwnBytes = new Uint8Array(),
): Promise<OwnBytes> {
  const name = "CPace255";
  // The secret is to fill the first block of the hash by itself.
  const used = joinParts(name, secret).length + 1;
  const padding = new Uint8Array(Math.max(0, 128 - used));
  const hash = await subtle.digest(
    "SHA-512",
    joinParts(name, secret, padding, use, session),
  );
  const number = decode(new Uint8Array(hash, 0, 32)) % 2n ** 255n;
  const blind = decode(random) % (P - 1n) + 1n;
  const point = mapToCurve(number, blind);
  return Uint8Array.from(
    { length: 32 },
    (_, index) => Number(point >> BigInt(8 * index) & 255n),
  );
}

/** X25519 (RFC 7748) of a scalar and any u-coordinate, not only the base's. */
export async function multiply(
  subtle: Subtle,
  scalar: CryptoKey,
  point: OwnBytes,
): Promise<OwnBytes> {
  const name = "X25519";
  const imported = await subtle.importKey("raw", point, name, false, []);
  return new Uint8Array(
    // Fails where the result is zero: the point was one of low order.
    await subtle.deriveBits({ name, public: imported }, scalar, 256),
  );
}

/**
 * The key that both sides have if they know the same secret: `ISK` of the
 * draft, of 64 bytes.
 *
 * @throws {unknown} If the other side's share is none that an honest one sends.
 */
export async function sharedKey(
  subtle: Subtle,
  scalar: CryptoKey,
  own: Side,
  other: Side,
  session: OwnBytes = new Uint8Array(),
): Promise<OwnBytes> {
  const product = await multiply(subtle, scalar, other.share);
  const transcript = inOrder(
    joinParts(own.share, own.data),
    joinParts(other.share, other.data),
  );
  const text = concat(
    joinParts("CPace255_ISK", session, product),
    transcript,
  );
  product.fill(0);
  const key = await subtle.digest("SHA-512", text);
  text.fill(0);
  return new Uint8Array(key);
}
