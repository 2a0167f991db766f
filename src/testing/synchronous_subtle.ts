/**
 * Web Crypto without waiting: the same algorithms by `node:crypto`, done at
 * once, as a virtual clock waits for nothing real.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  randomBytes,
} from "node:crypto";
import type { OwnBytes, Subtle } from "../runtime.ts";

/** What stands before a raw key in DER (RFC 8410). */
const PRIVATE_DER = Buffer.from("302e020100300506032b656e04220420", "hex");
const PUBLIC_DER = Buffer.from("302a300506032b656e032100", "hex");
const TAG_BYTES = 16;

/** A key is its bytes. */
const keyOf = (bytes: Uint8Array) =>
  ({ bytes: Buffer.from(bytes) }) as unknown as CryptoKey;
const bytesOf = (key: CryptoKey) => (key as unknown as { bytes: Buffer }).bytes;

const own = (bytes: ArrayBuffer | Uint8Array): ArrayBuffer =>
  Uint8Array.from(new Uint8Array(bytes)).buffer;

function x25519(scalar: Uint8Array, point: Uint8Array): ArrayBuffer {
  const der = (prefix: Buffer, bytes: Uint8Array) =>
    ({ key: Buffer.concat([prefix, bytes]), format: "der" }) as const;
  const shared = diffieHellman({
    privateKey: createPrivateKey({
      ...der(PRIVATE_DER, scalar),
      type: "pkcs8",
    }),
    publicKey: createPublicKey({ ...der(PUBLIC_DER, point), type: "spki" }),
  });
  if (shared.every((byte) => byte === 0)) {
    throw new Error("Cannot derive bits as the point has a low order");
  }
  return own(shared);
}

function derive({ salt, info }: HkdfParams, key: CryptoKey, bits: number) {
  return own(
    hkdfSync(
      "sha512",
      bytesOf(key),
      salt as OwnBytes,
      info as OwnBytes,
      bits / 8,
    ),
  );
}

/** The algorithms of the private entry, by name. */
const algorithms = {
  generateKey() {
    return { privateKey: keyOf(randomBytes(32)) };
  },
  importKey(_format: string, bytes: OwnBytes) {
    return keyOf(bytes);
  },
  deriveBits(
    algorithm: HkdfParams & { public: CryptoKey },
    key: CryptoKey,
    bits: number,
  ) {
    return algorithm.name === "X25519"
      ? x25519(bytesOf(key), bytesOf(algorithm.public))
      : derive(algorithm, key, bits);
  },
  deriveKey(
    algorithm: HkdfParams,
    key: CryptoKey,
    { length }: AesDerivedKeyParams,
  ) {
    return keyOf(new Uint8Array(derive(algorithm, key, length)));
  },
  digest(name: string, bytes: OwnBytes) {
    const hash = createHash(name.replace("-", "").toLowerCase());
    return own(hash.update(bytes).digest());
  },
  encrypt(
    { iv, additionalData }: AesGcmParams,
    key: CryptoKey,
    bytes: OwnBytes,
  ) {
    const cipher = createCipheriv("aes-256-gcm", bytesOf(key), iv as OwnBytes);
    cipher.setAAD(additionalData as OwnBytes);
    const parts = [cipher.update(bytes), cipher.final(), cipher.getAuthTag()];
    return own(Buffer.concat(parts));
  },
  decrypt(
    { iv, additionalData }: AesGcmParams,
    key: CryptoKey,
    bytes: OwnBytes,
  ) {
    const at = bytes.length - TAG_BYTES;
    if (at < 0) throw new Error("Cannot decrypt as the tag is cut short");
    const cipher = createDecipheriv(
      "aes-256-gcm",
      bytesOf(key),
      iv as OwnBytes,
    );
    cipher.setAAD(additionalData as OwnBytes);
    cipher.setAuthTag(bytes.subarray(at));
    return own(
      Buffer.concat([cipher.update(bytes.subarray(0, at)), cipher.final()]),
    );
  },
};

/** What Web Crypto does, as promises that are fulfilled already. */
export const SYNCHRONOUS_SUBTLE: Subtle = Object.fromEntries(
  Object.entries(algorithms).map(([name, algorithm]) => [
    name,
    // deno-lint-ignore no-explicit-any -- each takes what Web Crypto's does
    async (...args: any[]) => await (algorithm as any)(...args),
  ]),
) as unknown as Subtle;
