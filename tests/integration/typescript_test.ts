import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CONSUMER = new URL("typescript/consumer.ts", import.meta.url);

const MODES = [
  ["node16", "--module", "node16", "--moduleResolution", "node16"],
  ["bundler", "--module", "esnext", "--moduleResolution", "bundler"],
];

/** What a program prints and how it ends. */
async function run(cwd: string, command: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout), log: decoder.decode(stderr) };
}

Deno.test("The types of the packed client say what can be sent and received", async (t) => {
  const folder = await Deno.makeTempDir({ prefix: "socketpeer-" });
  const home = `${folder}/node_modules/@socketpeer`;
  try {
    await Deno.mkdir(home, { recursive: true });
    const tarball = `${folder}/package.tgz`;
    const packed = await run(
      ROOT,
      Deno.execPath(),
      ...["pack", "--allow-dirty", "--output", tarball],
    );
    assertEquals(packed.code, 0, packed.log);
    const unpacked = await run(home, "tar", "xzf", tarball);
    assertEquals(unpacked.code, 0, unpacked.log);
    await Deno.rename(`${home}/package`, `${home}/socketpeer`);
    await Deno.writeTextFile(`${folder}/package.json`, `{"type": "module"}`);
    await Deno.copyFile(CONSUMER, `${folder}/consumer.ts`);

    for (const [name, ...flags] of MODES) {
      await t.step(name, async () => {
        const { code, output, log } = await run(
          folder,
          Deno.execPath(),
          ...["run", "-A", "--no-config", "npm:typescript@^7.0.2/tsc"],
          ...["--strict", "--noEmit", "--target", "es2022"],
          ...[...flags, "consumer.ts"],
        );
        assertEquals(output, "", log);
        assertEquals(code, 0, log);
      });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
