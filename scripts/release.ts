/**
 * Checks that a version can be published, and prints the commands that do it.
 * It runs none of them.
 *
 *     deno task release 2.0.0
 *
 * @module
 */

// deno-lint-ignore-file no-console
import {
  bundleFile,
  gzippedSize,
  PLAIN_BUNDLE,
  PRIVATE_BUNDLE,
} from "./build.ts";
import { root, runDeno } from "./deno.ts";
import { packForNpm } from "./pack.ts";

/** What a release needs of the project's folder. */
export interface Workshop {
  /** The text of a file. */
  read(path: string): Promise<string>;
  /** Files that tell people which version to import. */
  documents(): Promise<string[]>;
  /** What a command of git prints. */
  git(...args: string[]): Promise<string>;
  /** What both bundles weigh, gzipped. */
  gzippedSizes(): Promise<number[]>;
  /** Whether both bundles are what their sources make. */
  bundlesAreCurrent(): Promise<boolean>;
  /** Whether all holds that `deno task ok` looks at. */
  isOk(): Promise<boolean>;
  /** Makes the npm package; resolves with the path of its tarball. */
  pack(): Promise<string>;
}

/** A version by semver.org, without build metadata: npm passes over that. */
const VERSION = /^(\d+\.\d+\.\d+)(?:-([a-z]+)(?:\.[0-9a-z]+)*)?$/;

/**
 * Looks at everything that a release takes.
 *
 * @returns The commands that publish it.
 * @throws {Error} If it can't be published; the message names all that is wrong
 * and is quick to see, or the first that is slow.
 */
export async function prepareRelease(
  version: string,
  workshop: Workshop,
): Promise<string[]> {
  const [, , channel] = VERSION.exec(version) ?? [];
  if (!VERSION.test(version)) {
    throw new Error(
      `Cannot release ${JSON.stringify(version)}: give a version such as ` +
        `2.0.0 or 2.1.0-beta.1`,
    );
  }
  const faults = await quickFaults(version, workshop);
  if (faults.length > 0) {
    throw new Error(`Cannot release ${version}:\n${faults.join("\n")}`);
  }
  if (!await workshop.bundlesAreCurrent()) {
    throw new Error(
      `Cannot release ${version} as a bundle is stale, or too large: run ` +
        `"deno task build", and commit what it writes`,
    );
  }
  if (!await workshop.isOk()) {
    throw new Error(`Cannot release ${version} as "deno task ok" fails`);
  }
  const tarball = await workshop.pack();
  const tag = `v${version}`;
  return [
    `git tag --annotate ${tag} --message "socketpeer ${version}"`,
    `git push origin HEAD ${tag}`,
    `deno publish`,
    // Whoever asks for no version must not get one that is not done.
    `npm publish ${tarball} --access public --tag ${channel ?? "latest"}`,
  ];
}

async function quickFaults(
  version: string,
  { read, documents, git, gzippedSizes }: Workshop,
): Promise<string[]> {
  const faults: string[] = [];
  const config = JSON.parse(await read("deno.json"));
  if (config.version !== version) {
    faults.push(
      `deno.json has version ${config.version}: set it, and run ` +
        `"deno task build", as the bundles name it`,
    );
  }
  const changelog = await read("CHANGELOG.md");
  const changes = sectionOf(changelog, version);
  if (changes === undefined) {
    faults.push(`CHANGELOG.md has no section "## ${version}"`);
  } else if (changes === "") {
    faults.push(`CHANGELOG.md says nothing under "## ${version}"`);
  }
  const cells = rowOf(changelog, version);
  const missing = (await gzippedSizes())
    .filter((size) => !cells.includes(`${size}`));
  if (missing.length > 0) {
    faults.push(
      `CHANGELOG.md has no row of ${version} with gzipped bytes of ` +
        missing.join(" and "),
    );
  }
  const checkPublished = (path: string, text: string) => {
    if (/not published yet|before it is published/i.test(text)) {
      faults.push(`${path} says that it is not published yet`);
    }
  };
  checkPublished("CHANGELOG.md", changelog);
  for (const path of await documents()) {
    const text = await read(path);
    for (const other of otherVersions(text, version)) {
      faults.push(`${path} tells people to import version ${other}`);
    }
    checkPublished(path, text);
  }
  const changed = (await git("status", "--porcelain")).trim();
  if (changed) faults.push(`These files are not committed:\n${changed}`);
  if ((await git("tag", "--list", `v${version}`)).trim()) {
    faults.push(`There is a tag v${version} already`);
  }
  return faults;
}

/** What a changelog says of a version, after the line that has its heading. */
export function sectionOf(
  changelog: string,
  version: string,
): string | undefined {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => {
    const [name] = text.split(/[\s,]/, 1);
    return name === version;
  });
  if (section === undefined) return undefined;
  const end = section.indexOf("\n");
  return end < 0 ? "" : section.slice(end).trim();
}

/** The cells of a version's row in the changelog's first table. */
function rowOf(changelog: string, version: string): string[] {
  const rows = changelog.split("\n").filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  return rows.find(([, name]) => name === version) ?? [];
}

/** Versions by which a document imports the package, other than this one. */
function otherVersions(text: string, version: string): string[] {
  const imports = text.matchAll(
    /(?:@socketpeer\/socketpeer@|npm\/socketpeer@|\bsocketpeer-)[\^~]?(\d[\w.-]*?)(?=\.tgz|[^\w.-]|$)/g,
  );
  const versions = [...imports].map(([, each]) => each);
  return [...new Set(versions)].filter((each) => each !== version);
}

/** The folder that this script lies in. */
const HERE: Workshop = {
  read: (path) => Deno.readTextFile(new URL(path, root)),
  async documents() {
    return (await HERE.git("ls-files", "*.md")).trim().split("\n")
      // The changelog tells of versions that were.
      .filter((path) => path !== "CHANGELOG.md");
  },
  async git(...args) {
    const { success, stdout, stderr } = await new Deno.Command("git", {
      args,
      cwd: root,
    }).output();
    const decoder = new TextDecoder();
    if (success) return decoder.decode(stdout);
    throw new Error(
      `Cannot release as git ${args[0]} fails: ${decoder.decode(stderr)}`,
    );
  },
  gzippedSizes: () =>
    Promise.all(
      [PLAIN_BUNDLE, PRIVATE_BUNDLE].map(async (bundle) =>
        gzippedSize(await Deno.readFile(bundleFile(bundle)))
      ),
    ),
  bundlesAreCurrent: () => runDeno("run", "-A", "scripts/build.ts", "--check"),
  isOk: () => runDeno("run", "-A", "scripts/ok.ts"),
  pack: async () => (await packForNpm(".")).tarball,
};

if (import.meta.main) {
  const [version = ""] = Deno.args;
  try {
    const commands = await prepareRelease(version, HERE);
    console.log(`\nAll is there. These publish it, one after the other:\n`);
    for (const command of commands) console.log(command);
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(1);
  }
}
