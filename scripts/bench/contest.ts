/**
 * How work is measured against others': in turns, so that whatever disturbs a
 * run disturbs them all, and ratios within the same run are what counts.
 *
 * @module
 */

/** What this project is called among its contenders. */
export const OURS = "socketpeer";

/** What a work must reach. */
export interface Target {
  /** The contenders to reach; where there are several, the best of them. */
  readonly against: readonly string[];
  /** Ours over theirs: at most this where less is better, else at least. */
  readonly ratio: number;
}

/** One thing that was measured. */
export interface Work {
  readonly name: string;
  readonly unit: string;
  readonly better: "less" | "more";
  /** What was measured, by contender, in the order of the rounds. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
  /** What ours has to reach by itself, in the unit. */
  readonly limit?: number;
  readonly targets: readonly Target[];
  /** Why something is missing, if it is. */
  readonly notes?: readonly string[];
}

/** What {@linkcode contest} has found. */
export interface Outcome<T> {
  /** What each contender's runs gave, in the order of the rounds. */
  readonly samples: Record<string, T[]>;
  /** Which contenders could not take part, and why. */
  readonly notes: string[];
}

/**
 * Runs contenders in turns, A B C A B C. Those that fail are left out, and
 * noted.
 */
export async function contest<T>(
  rounds: number,
  contenders: Readonly<Record<string, () => Promise<T>>>,
): Promise<Outcome<T>> {
  const samples: Record<string, T[]> = {};
  const failed = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(contenders)) {
      if (failed.has(name)) continue;
      try {
        (samples[name] ??= []).push(await run());
      } catch (error) {
        failed.set(name, `${name} failed: ${(error as Error).message}`);
        delete samples[name];
      }
    }
  }
  return { samples, notes: [...failed.values()] };
}

/** One number of what each run has given. */
export function pick<T>(
  samples: Readonly<Record<string, readonly T[]>>,
  choose: (sample: T) => number,
): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(samples).map(([name, runs]) => [name, runs.map(choose)]),
  );
}

/** The value below which a share of all values lies. */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)];
  return below + (sorted[Math.ceil(place)] - below) * (place % 1);
}

/** The middle value. */
export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

/** Half of the way from the least to the most, as a share of the median. */
export function spread(values: readonly number[]): number {
  const half = (Math.max(...values) - Math.min(...values)) / 2;
  return half / Math.abs(median(values) || 1);
}

/** The middle of the ratios of each round. */
export function ratioOf(
  ours: readonly number[],
  theirs: readonly number[],
): number {
  const rounds = Math.min(ours.length, theirs.length);
  return median(
    Array.from({ length: rounds }, (_, round) => ours[round] / theirs[round]),
  );
}

/** The best of some contenders at a work, if any of them ran. */
export function bestOf(
  work: Work,
  names: readonly string[],
): string | undefined {
  const sign = work.better === "less" ? 1 : -1;
  return names
    .filter((name) => work.samples[name]?.length > 0)
    .sort((a, b) =>
      sign * (median(work.samples[a]) - median(work.samples[b]))
    )[0];
}
