/** The project's folder: scripts work from here, wherever they were started. */
export const root: URL = new URL("../", import.meta.url);

/** Deno colors even what goes into a pipe or a log, unless it is told. */
const env: Record<string, string> = Deno.stdout.isTerminal()
  ? { FORCE_COLOR: "1" }
  : { NO_COLOR: "1" };

/**
 * Starts the Deno that runs this script. Where Deno came with `npx`, there is
 * no `deno` on the PATH.
 */
export function startDeno(
  args: readonly string[],
  options: Omit<Deno.CommandOptions, "args" | "cwd" | "env"> = {},
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    ...options,
    args: [...args],
    cwd: root,
    env,
  }).spawn();
}

/** Runs `deno` to its end, in view, and says whether it succeeded. */
export async function runDeno(...args: string[]): Promise<boolean> {
  return (await startDeno(args).status).success;
}
