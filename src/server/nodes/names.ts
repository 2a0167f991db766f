/**
 * What stands for pair codes and keys outside of their own node.
 *
 * @module
 */

/**
 * Makes names that say nothing of what they stand for to whoever does not have
 * the secret: a plain hash of a code of six digits is found in a second.
 */
export interface Names {
  /** Stands for a pair code; the same at all nodes. */
  slot(pairCode: string): string;
  /** Stands for the key of a place, which is only ever compared. */
  key(key: string): string;
}

/** Long enough that no two are ever the same, in bytes. */
const NAME_BYTES = 16;

/** Makes names of a MAC: HMAC-SHA-256 under the secret (RFC 2104). */
export function secretNames(mac: (text: string) => Uint8Array): Names {
  const name = (text: string) =>
    btoa(String.fromCharCode(...mac(text).subarray(0, NAME_BYTES)))
      .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return {
    slot: (pairCode) => name(`slot\0${pairCode}`),
    key: (key) => name(`key\0${key}`),
  };
}
