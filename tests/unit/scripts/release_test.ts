import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  prepareRelease,
  sectionOf,
  type Workshop,
} from "../../../scripts/release.ts";

const FILES: Record<string, string> = {
  "deno.json": `{"version": "2.0.0"}`,
  "CHANGELOG.md": "# Changes\n\n| 2.0.0 | 2 | 12000 | 18000 |\n\n" +
    "## 2.0.0 (2026-12-01)\n\n- Nothing lost.\n",
  "README.md": `import "jsr:@socketpeer/socketpeer@2.0.0/client";\n`,
};

/** A folder in which all is right, but for what is changed; and what it did. */
function workshop(
  changed: Partial<Workshop> = {},
  files: Record<string, string> = {},
) {
  const done: string[] = [];
  const all: Workshop = {
    read: (path) => Promise.resolve({ ...FILES, ...files }[path]!),
    documents: () => Promise.resolve(["README.md"]),
    git: (...args) => {
      done.push(`git ${args[0]}`);
      return Promise.resolve("");
    },
    gzippedSizes: () => Promise.resolve([12000, 18000]),
    bundlesAreCurrent: () => {
      done.push("bundles");
      return Promise.resolve(true);
    },
    isOk: () => {
      done.push("ok");
      return Promise.resolve(true);
    },
    pack: () => {
      done.push("pack");
      return Promise.resolve("socketpeer.tgz");
    },
    ...changed,
  };
  return { all, done };
}

Deno.test("prepareRelease() checks everything, and returns commands that it does not run", async () => {
  const { all, done } = workshop();
  assertEquals(await prepareRelease("2.0.0", all), [
    `git tag --annotate v2.0.0 --message "socketpeer 2.0.0"`,
    "git push origin HEAD v2.0.0",
    "deno publish",
    "npm publish socketpeer.tgz --access public --tag latest",
  ]);
  assertEquals(done, ["git status", "git tag", "bundles", "ok", "pack"]);
});

Deno.test("prepareRelease() keeps a version that is not done from who asks for none", async () => {
  const { all } = workshop({}, {
    "deno.json": `{"version": "2.1.0-beta.1"}`,
    "CHANGELOG.md": "| 2.1.0-beta.1 | 2 | 12000 | 18000 |\n" +
      "## 2.1.0-beta.1\n\n- More.\n",
    "README.md": "",
  });
  const commands = await prepareRelease("2.1.0-beta.1", all);
  assert(commands.at(-1)!.endsWith(" --tag beta"), commands.at(-1));
});

for (const version of ["", "2", "2.0", "v2.0.0", "2.0.0 && rm", "2.0.0+1"]) {
  Deno.test(`prepareRelease() does not take "${version}" for a version`, async () => {
    const { all, done } = workshop();
    await assertRejects(() => prepareRelease(version, all), Error, "such as");
    assertEquals(done, []);
  });
}

const FAULTS: [
  what: string,
  words: string,
  changed: Partial<Workshop>,
  files?: Record<string, string>,
][] = [
  [
    "deno.json has another version",
    "version 1.9.0",
    {},
    { "deno.json": `{"version": "1.9.0"}` },
  ],
  [
    "the changelog does not know the version",
    "no section",
    {},
    { "CHANGELOG.md": "## 2.0.0-alpha.1\n\n- First.\n" },
  ],
  [
    "the changelog says nothing of it",
    "says nothing",
    {},
    { "CHANGELOG.md": "## 2.0.0\n\n## 1.0.0\n\n- First.\n" },
  ],
  [
    "the changelog has another size of a bundle",
    "gzipped bytes of 18001",
    { gzippedSizes: () => Promise.resolve([12000, 18001]) },
  ],
  [
    "a document imports another",
    "README.md tells people to import version 2.0.0-alpha.1",
    {},
    { "README.md": "jsr:@socketpeer/socketpeer@2.0.0-alpha.1/client" },
  ],
  ...[
    "npx jsr add @socketpeer/socketpeer@2.0.0-alpha.1",
    "npm install ../socketpeer-2.0.0-alpha.1.tgz",
    "https://cdn.jsdelivr.net/npm/socketpeer@2.0.0-alpha.1/x.js",
  ].map((text): typeof FAULTS[number] => [
    `a document says "${text}"`,
    "README.md tells people to import version 2.0.0-alpha.1",
    {},
    { "README.md": text },
  ]),
  [
    "a document says that there is nothing to install",
    "README.md says that it is not published yet",
    {},
    { "README.md": "[Not published yet](docs/installing.md)\n" },
  ],
  [
    "something is not committed",
    "not committed",
    { git: (name) => Promise.resolve(name === "status" ? " M mod.ts\n" : "") },
  ],
  [
    "the tag is there",
    "There is a tag",
    { git: (name) => Promise.resolve(name === "tag" ? "v2.0.0\n" : "") },
  ],
  [
    "a bundle is stale",
    "deno task build",
    { bundlesAreCurrent: () => Promise.resolve(false) },
  ],
  ["a check fails", "deno task ok", { isOk: () => Promise.resolve(false) }],
];
for (const [what, words, changed, files] of FAULTS) {
  Deno.test(`prepareRelease() packs nothing if ${what}`, async () => {
    const { all, done } = workshop(changed, files);
    await assertRejects(() => prepareRelease("2.0.0", all), Error, words);
    assert(!done.includes("pack"));
  });
}

Deno.test("prepareRelease() names all faults at once that are quick to see", async () => {
  const { all, done } = workshop({
    git: (name) => Promise.resolve(name === "status" ? " M mod.ts\n" : ""),
  }, { "deno.json": `{"version": "1.9.0"}`, "CHANGELOG.md": "" });
  const error = await assertRejects(() => prepareRelease("2.0.0", all), Error);
  for (const words of ["1.9.0", "no section", "not committed"]) {
    assert(error.message.includes(words), error.message);
  }
  assertEquals(done, []);
});

Deno.test("sectionOf() ends where the next version begins", () => {
  const changelog = "## 2.0.0, today\n\none\n\n### More\n\n## 1.0.0\n\ntwo\n";
  assertEquals(sectionOf(changelog, "2.0.0"), "one\n\n### More");
  assertEquals(sectionOf(changelog, "1.0.0"), "two");
  assertEquals(sectionOf(changelog, "1.0"), undefined);
});
