/**
 * The machine that a run had: which cores it used, and what disturbed it.
 *
 * @module
 */

const SERVER_CORE = "0";
const LOAD_CORES = `1-${navigator.hardwareConcurrency - 1}`;
const ALL_CORES = `0-${navigator.hardwareConcurrency - 1}`;
/** Clock ticks in a second, as every Linux tells them to programs. */
const TICKS_PER_SECOND = 100;

/** Whether servers and load can be kept apart. */
export const canPin: boolean = navigator.hardwareConcurrency > 1 &&
  await new Deno.Command("taskset", { args: ["--version"], stdout: "null" })
    .output().then(({ success }) => success, () => false);

/** A command of a server, kept on the first core where that can be done. */
export function onServerCore(command: readonly string[]): readonly string[] {
  return canPin ? ["taskset", "-c", SERVER_CORE, ...command] : command;
}

/** Keeps this process away from the server's core, or lets it use all. */
export async function pinLoad(pinned: boolean): Promise<void> {
  if (!canPin) return;
  const cores = pinned ? LOAD_CORES : ALL_CORES;
  await new Deno.Command("taskset", {
    args: ["-acp", cores, String(Deno.pid)],
    stdout: "null",
    stderr: "null",
  }).output();
}

/** What else there was on the machine while something ran. */
export interface Disturbance {
  /** Cores in use before it began and after it ended; missing where unknown. */
  readonly otherCores?: number;
  /** Cores taken by other machines meanwhile, on average. */
  readonly stolenCores?: number;
}

/** How long the machine is looked at while nothing of ours runs. */
const LOOK_MS = 1000;

/**
 * Looks at the machine before something runs, and returns what looks at it
 * again afterwards. What runs meanwhile can't be told from what it has started
 * itself: the time of a browser's processes is in no one's account who is
 * still there to be asked.
 */
export async function watchMachine(): Promise<() => Promise<Disturbance>> {
  const usedBefore = await usedCores();
  const before = readTicks();
  const start = performance.now();
  return async () => {
    const after = readTicks();
    const seconds = (performance.now() - start) / 1000;
    const usedAfter = await usedCores();
    if (!before || !after) return {};
    return {
      otherCores: Math.max(usedBefore ?? 0, usedAfter ?? 0),
      stolenCores: (after.steal - before.steal) / seconds,
    };
  };
}

async function usedCores(): Promise<number | undefined> {
  const before = readTicks();
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  const after = readTicks();
  return before && after && (after.busy - before.busy) / (LOOK_MS / 1000);
}

/** CPU time of the machine so far, in seconds; Linux alone tells it. */
function readTicks(): { busy: number; steal: number } | undefined {
  try {
    const [cpu] = Deno.readTextFileSync("/proc/stat").split("\n");
    const [user, nice, system, , , irq, softirq, steal] = cpu
      .split(/\s+/).slice(1).map((ticks) => Number(ticks) / TICKS_PER_SECOND);
    return { busy: user + nice + system + irq + softirq, steal };
  } catch {
    return undefined;
  }
}
