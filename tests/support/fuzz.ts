import { seededRandom } from "../../testing.ts";

/** Hostile input, the same for the same seed. */
export class Chance {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** A whole number from 0 up to, and without, `limit`. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** Draws one of some values. */
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }

  /** Draws so many bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** Draws so many UTF-16 units, lone surrogates and control characters too. */
  text(length: number): string {
    const highest = [0x20, 0x7f, 0x800, 0x10000];
    return String.fromCharCode(
      ...Array.from({ length }, () => this.below(this.pick(highest))),
    );
  }

  /** These bytes after some accidents: flipped, cut, doubled, put in. */
  mutated(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const mutant = [...bytes];
    for (let accidents = 1 + this.below(4); accidents > 0; accidents--) {
      const at = this.below(mutant.length + 1);
      switch (this.below(5)) {
        case 0:
          if (at < mutant.length) mutant[at] ^= 1 << this.below(8);
          break;
        case 1:
          mutant.length = at;
          break;
        case 2:
          mutant.splice(at, 1 + this.below(4));
          break;
        case 3:
          mutant.splice(at, 0, ...mutant.slice(at, at + this.below(40)));
          break;
        default:
          mutant.splice(at, 0, ...this.bytes(1 + this.below(4)));
      }
    }
    return Uint8Array.from(mutant);
  }

  /** Any JSON value. */
  json(depth = 3): unknown {
    const length = this.below(4);
    switch (this.below(depth > 0 ? 7 : 5)) {
      case 0:
        return null;
      case 1:
        return this.below(2) === 0;
      case 2:
        return this.pick([0, -1, 1.5, 2, 2 ** 53, 1e300, this.below(1000)]);
      case 3:
        return this.text(this.pick([0, 1, 5, 64, 65, 256, 257]));
      case 4:
        return this.pick(["pair", "pong", "__proto__", "toString", "type"]);
      case 5:
        return Array.from({ length }, () => this.json(depth - 1));
      default:
        return Object.fromEntries(
          Array.from({ length }, () => [this.text(3), this.json(depth - 1)]),
        );
    }
  }

  /** A copy of this JSON value with another one somewhere in it, or with less. */
  altered(value: unknown): unknown {
    if (typeof value !== "object" || value === null || this.below(5) === 0) {
      // What looks almost right gets further in.
      return this.below(4) === 0 ? [value] : this.json();
    }
    const names = Object.keys(value);
    if (names.length === 0) return this.json();
    const name = this.pick(names);
    const copy: Record<string, unknown> | unknown[] = Array.isArray(value)
      ? [...value]
      : { ...value };
    const fields = copy as Record<string, unknown>;
    const accident = this.below(6);
    if (accident === 0) delete fields[name];
    else if (accident === 1) fields[this.text(3)] = this.json(1);
    else fields[name] = this.altered(fields[name]);
    return copy;
  }
}

/**
 * Tries something with one seed after the other: always the same ones, so that
 * a failure is there again in the next run. `FUZZ_SEED` chooses a single one.
 *
 * @throws {Error} For the first seed that fails; it names the seed.
 */
export async function fuzz(
  seeds: number,
  attempt: (chance: Chance) => void | Promise<void>,
): Promise<void> {
  const only = Deno.env.get("FUZZ_SEED");
  const first = only ? Number(only) : 1;
  const last = only ? first : seeds;
  for (let seed = first; seed <= last; seed++) {
    try {
      await attempt(new Chance(seed));
    } catch (cause) {
      throw new Error(
        `Seed ${seed} fails: repeat with FUZZ_SEED=${seed} deno task test`,
        { cause },
      );
    }
  }
}
