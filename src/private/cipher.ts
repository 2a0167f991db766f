/**
 * Sealing what one peer sends to the other: AES-256-GCM under counters that
 * are never used twice.
 *
 * @module
 */

import type { OwnBytes, Subtle } from "../runtime.ts";

/** How many records one key seals: far below what AES-GCM allows. */
const RECORDS_PER_KEY = 2 ** 24;

/** Seals, or opens, the records of one direction. */
export class Cipher {
  readonly #subtle: Subtle;
  readonly #derive: (epoch: number) => Promise<CryptoKey>;
  readonly #keys: Promise<CryptoKey>[] = [];

  /**
   * Derives the first key at once.
   *
   * @param derive Makes the key of an epoch: so many records.
   */
  constructor(subtle: Subtle, derive: (epoch: number) => Promise<CryptoKey>) {
    this.#subtle = subtle;
    this.#derive = derive;
    this.#keyOf(0);
  }

  /**
   * Seals bytes.
   *
   * @param data Not sealed, but bound to.
   */
  seal(counter: number, bytes: OwnBytes, data: string): Promise<OwnBytes> {
    return this.#apply("encrypt", counter, bytes, data);
  }

  /**
   * Opens a record.
   *
   * @throws {unknown} If it is not the one that was sealed under this counter.
   */
  open(counter: number, bytes: OwnBytes, data: string): Promise<OwnBytes> {
    return this.#apply("decrypt", counter, bytes, data);
  }

  async #apply(
    method: "encrypt" | "decrypt",
    counter: number,
    bytes: OwnBytes,
    data: string,
  ): Promise<OwnBytes> {
    const key = await this.#keyOf(Math.floor(counter / RECORDS_PER_KEY));
    // Fresh each time, as the call may read it later.
    const iv = new Uint8Array(12);
    new DataView(iv.buffer).setBigUint64(4, BigInt(counter));
    const additionalData = new TextEncoder().encode(data);
    const algorithm = { name: "AES-GCM", iv, additionalData };
    return new Uint8Array(await this.#subtle[method](algorithm, key, bytes));
  }

  #keyOf(epoch: number): Promise<CryptoKey> {
    return this.#keys[epoch] ??= this.#derive(epoch);
  }
}
