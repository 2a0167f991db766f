/**
 * The packages of others that are compared with, as npm installs them: Node's
 * servers and the pages need them as files.
 *
 * @module
 */

// Neither in deno.json nor in deno.lock, which `deno task` downloads whole, as
// nothing else needs these thirty megabytes.
const SPECIFIERS = [
  "@redis/client@6.3.1",
  "@socket.io/redis-adapter@8.3.0",
  "partysocket@1.3.0",
  "peer@1.0.2",
  "peerjs@1.5.5",
  "simple-peer@9.11.1",
  "socket.io@4.8.4",
  "socket.io-client@4.8.4",
  "ws@8.23.0",
];

const FOLDER = new URL("./", import.meta.url);

/** The folder of the installed packages. */
export const packagesFolder: URL = new URL("node_modules/", FOLDER);

/**
 * Installs what is missing, in these versions.
 *
 * @returns Why that could not be done, if so.
 */
export async function installPackages(): Promise<string | undefined> {
  if (await isInstalled()) return undefined;
  try {
    const { success, stderr } = await new Deno.Command("npm", {
      args: [
        "install",
        "--no-save",
        "--no-package-lock",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix=.",
        ...SPECIFIERS,
      ],
      cwd: FOLDER,
      stdout: "null",
    }).output();
    if (!success) return lastLine(new TextDecoder().decode(stderr));
  } catch {
    return "there is no npm";
  }
  await Deno.writeTextFile(marker, SPECIFIERS.join("\n"));
}

/** The text of a file of a package. */
export function packageFile(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, packagesFolder));
}

const marker = new URL(".installed", packagesFolder);

async function isInstalled(): Promise<boolean> {
  const installed = await Deno.readTextFile(marker).catch(() => "");
  return installed === SPECIFIERS.join("\n");
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
