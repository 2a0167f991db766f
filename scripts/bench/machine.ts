/**
 * The machine that a run had: which cores it used, and what disturbed it.
 *
 * @module
 */

const SERVER_CORE = "0";
const LOAD_CORES = `1-${navigator.hardwareConcurrency - 1}`;
const ALL_CORES = `0-${navigator.hardwareConcurrency - 1}`;
/** Of a clock tick, as every Linux tells it to programs. */
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

/** CPU time of the machine so far, in seconds. */
interface Ticks {
  readonly busy: number;
  readonly steal: number;
  readonly own: number;
}

/** What else there was on the machine while something ran. */
export interface Disturbance {
  /** How many processes wanted a core, over the last minute. */
  readonly load: number;
  /** Cores taken by other machines, on average; missing where unknown. */
  readonly stolenCores?: number;
  /** Cores taken by other processes, on average; missing where unknown. */
  readonly otherCores?: number;
}

/** Watches what else goes on, until it is asked. */
export function watchMachine(): () => Disturbance {
  const before = readTicks();
  const start = performance.now();
  return () => {
    const [load] = Deno.loadavg();
    const after = readTicks();
    if (!before || !after) return { load };
    const seconds = (performance.now() - start) / 1000;
    const busy = after.busy - before.busy - (after.own - before.own);
    return {
      load,
      stolenCores: (after.steal - before.steal) / seconds,
      otherCores: Math.max(0, busy) / seconds,
    };
  };
}

/** Linux alone tells it. */
function readTicks(): Ticks | undefined {
  try {
    const [cpu] = Deno.readTextFileSync("/proc/stat").split("\n");
    const [user, nice, system, , , irq, softirq, steal] = cpu
      .split(/\s+/).slice(1).map((ticks) => Number(ticks) / TICKS_PER_SECOND);
    const busy = user + nice + system + irq + softirq;
    return { busy, steal, own: ownSeconds() };
  } catch {
    return undefined;
  }
}

/** What this process and all that it has started have used. */
function ownSeconds(): number {
  const parents = new Map<number, number>();
  const seconds = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      // The name before it may have spaces and parentheses.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const ticks = fields.slice(11, 15).map(Number);
      parents.set(Number(name), Number(fields[1]));
      seconds.set(
        Number(name),
        ticks.reduce((sum, each) => sum + each) / TICKS_PER_SECOND,
      );
    } catch {
      // It has ended.
    }
  }
  let own = 0;
  for (const [pid, used] of seconds) {
    let ancestor: number | undefined = pid;
    while (ancestor && ancestor !== Deno.pid) ancestor = parents.get(ancestor);
    if (ancestor) own += used;
  }
  return own;
}
