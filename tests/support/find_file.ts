import { delimiter, join } from "node:path";

/** The first file of such a name on the `PATH`, else the first of `places`. */
export async function findFile(
  names: readonly string[],
  places: readonly string[] = [],
): Promise<string | undefined> {
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter);
  const candidates = [
    ...names.flatMap((name) => folders.map((folder) => join(folder, name))),
    ...places,
  ];
  for (const candidate of candidates) {
    if (await isFile(candidate)) return candidate;
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
