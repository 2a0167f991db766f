/**
 * Short numbers as pair codes, for those who ask for one.
 *
 * @module
 */

import { isNumber, MAX_NUMBER_LENGTH } from "../protocol/pair_code.ts";

/** How many numbers of one length are tried before longer ones are. */
const PROBES = 50;
/**
 * For how long a number is not drawn again, in milliseconds: whoever was told
 * it may type it late, or come back to it.
 */
const QUIET_MS = 600_000;
/**
 * How many numbers are known to have been in use: about a megabyte. Beyond
 * it the oldest may be drawn again sooner, if nobody is there then.
 */
const MAX_QUIET = 10_000;

/** What {@linkcode Numbers} need. */
export interface NumbersOptions {
  /** The longest pair code that the server takes. */
  readonly maxLength: number;
  /** Whether anything is behind a code, so far as can be said. */
  isTaken(code: string): boolean | Promise<boolean>;
  /** Milliseconds of a clock that never runs backwards. */
  now(): number;
  /** A number from 0 up to 1. */
  random(): number;
}

/** Draws numbers that nobody uses. */
export class Numbers {
  readonly #options: NumbersOptions;
  /** Until when numbers are not drawn again, in that order. */
  readonly #quiet = new Map<string, number>();

  /** Begins with no number drawn. */
  constructor(options: NumbersOptions) {
    this.#options = options;
  }

  /**
   * Draws one of the shortest numbers that are free, by chance, so that few who
   * mistype theirs meet somebody. It may be taken all the same before its peer
   * has its place: that is for the registry to find out.
   *
   * @returns Undefined where no number is free.
   */
  async draw(): Promise<string | undefined> {
    const { maxLength, isTaken, random } = this.#options;
    const longest = Math.min(maxLength, MAX_NUMBER_LENGTH);
    for (let length = 1; length <= longest; length++) {
      const least = 10 ** (length - 1);
      const tried = new Set<string>();
      for (let probe = 0; probe < PROBES; probe++) {
        const number = `${least + Math.floor(random() * 9 * least)}`;
        // To ask about one may be to ask another machine.
        if (tried.has(number) || this.#isQuiet(number)) continue;
        tried.add(number);
        if (await isTaken(number)) continue;
        // Meanwhile it may have been drawn for another.
        if (this.#isQuiet(number)) continue;
        this.#keepQuiet(number);
        return number;
      }
    }
    return undefined;
  }

  /** A peer is gone that had a place behind a code: a number rests from now. */
  left(code: string): void {
    if (isNumber(code)) this.#keepQuiet(code);
  }

  #isQuiet(number: string): boolean {
    return (this.#quiet.get(number) ?? -Infinity) > this.#options.now();
  }

  #keepQuiet(number: string): void {
    const now = this.#options.now();
    this.#quiet.delete(number);
    this.#quiet.set(number, now + QUIET_MS);
    for (const [oldest, until] of this.#quiet) {
      if (until > now && this.#quiet.size <= MAX_QUIET) break;
      this.#quiet.delete(oldest);
    }
  }
}
