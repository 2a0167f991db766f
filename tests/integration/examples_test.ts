/** Every example that needs no page, run as `examples/README.md` says. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { root } from "../../scripts/deno.ts";
import { linkNativePart } from "../support/bundle_example.ts";
import { commands, Example } from "../support/example.ts";
import { findRuntime } from "../support/node_process.ts";
import { RawPair } from "../support/raw_client.ts";
import { startServer } from "../support/start_server.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

const MAX_LINES = 60;
/** The size of a file that is never sent whole. */
const SIZE = 4_000_000_000;

const examples = [...Deno.readDirSync(new URL("examples/", root))]
  .map(({ name }) => name)
  .filter((name) => name !== "README.md")
  .sort();
const read = (path: string) => Deno.readTextFile(new URL(path, root));
const node = findRuntime("node", 20);
const major = "version" in node ? parseInt(node.version) : 0;

Deno.test("Each example is listed in examples/README.md with a command", () => {
  assertEquals([...commands().keys()].sort(), examples);
});

Deno.test("Each example is run by a test", async () => {
  const tests = await read("tests/integration/examples_test.ts") +
    await read("tests/browser/examples_test.ts");
  assertEquals(examples.filter((name) => !tests.includes(`${name}"`)), []);
});

for (const name of examples) {
  Deno.test(`examples/${name} has at most ${MAX_LINES} lines`, async () => {
    const lines = (await read(`examples/${name}`)).trimEnd().split("\n");
    assert(lines.length <= MAX_LINES, `it has ${lines.length}`);
  });
}

for (const name of ["deno_serve.ts", "hono.ts"]) {
  Deno.test(`examples/${name} pairs peers beside its own routes, and ends when it is asked to`, async () => {
    await using example = Example.start(name, { env: { PORT: "0" } });
    await checkRoutes(example);
  });
}

Deno.test("examples/express.mjs pairs peers beside its own routes, and ends when it is asked to", async () => {
  await using example = Example.start("express.mjs", { env: { PORT: "0" } });
  await checkRoutes(example);
});

Deno.test({
  name: "examples/express.mjs does so in Node",
  ignore: !major,
  async fn() {
    await using folder = await temporaryFolder();
    await using example = await Example.startInNode("express.mjs", major, {
      cwd: folder.path,
      env: { PORT: "0" },
    });
    await checkRoutes(example);
  },
});

Deno.test("examples/metrics.ts has the numbers of its peers, its process and its pages", async () => {
  await using example = Example.start("metrics.ts", { env: { PORT: "0" } });
  const url = await addressOf(example);
  await using pair = await RawPair.open(`${url}/socketpeer/`, "code");
  await pair.check();
  assertEquals(await (await fetch(url)).text(), "My own page");
  const response = await fetch(`${url}/metrics`);
  assertMatch(response.headers.get("content-type")!, /^text\/plain; version=/);
  const text = await response.text();
  assertMatch(text, /^socketpeer_pairs 1$/m);
  assertMatch(text, /^my_page_views_total 1$/m);
  const names = text.matchAll(/^# TYPE (\S+)/gm).map(([, name]) => name);
  const list = [...names];
  assert(list.includes("process_resident_memory_bytes"));
  assertEquals(list.length, new Set(list).size, "a number is there twice");
});

Deno.test("examples/file.ts delivers a file, and shows how far it is", async () => {
  await using server = startServer();
  await using folder = await temporaryFolder();
  const env = { SERVER_URL: server.url };
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const content = new Uint8Array(20_000_000)
    .map((_, index) => bytes[index % 65_535]);
  await Deno.writeFile(`${folder.path}/photo.jpg`, content);
  await Deno.mkdir(`${folder.path}/got`);

  const args = ["send", `${folder.path}/photo.jpg`];
  await using sender = Example.start("file.ts", { args, env });
  const code = await sender.until(/^Code: (.+)$/m);
  await using receiver = Example.start("file.ts", {
    args: ["receive", code],
    env,
    cwd: `${folder.path}/got`,
  });
  assertEquals([await receiver.code(), await sender.code()], [0, 0]);
  for (const { output } of [sender, receiver]) {
    const shown = [...output.matchAll(/^(\d+) %$/gm)].map(([, each]) => +each);
    assert(shown.length > 10, output);
    assertEquals(shown, shown.toSorted((a, b) => a - b));
    assertMatch(output, /^Done$/m);
  }
  const got = await Deno.readFile(`${folder.path}/got/photo.jpg`);
  assert(got.length === content.length);
  assert(got.every((byte, index) => byte === content[index]));
});

Deno.test("examples/file.ts says so where only a part has come, and where the code is wrong", async () => {
  await using server = startServer();
  await using folder = await temporaryFolder();
  const env = { SERVER_URL: server.url };
  const path = `${folder.path}/large`;
  await Deno.create(path).then((file) => file.close());
  // A hole, which takes no room on the disk.
  await Deno.truncate(path, SIZE);
  await using sender = Example.start("file.ts", { args: ["send", path], env });
  const code = await sender.until(/^Code: (.+)$/m);
  const receive = (code: string, cwd: string) =>
    Example.start("file.ts", { args: ["receive", code], env, cwd });

  const other = code.replace(
    /\w+$/,
    (word) => word === "zebra" ? "acorn" : "zebra",
  );
  await using typo = receive(other, folder.path);
  assertNotEquals(await typo.code(), 0);
  assertMatch(typo.output, /mistyped/);
  await sender.until(/mistyped/);

  await Deno.mkdir(`${folder.path}/got`);
  await using receiver = receive(code, `${folder.path}/got`);
  while (!await exists(`${folder.path}/got/large`)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // The sender finds an end where none should be, and gives up: to the receiver
  // that is no end.
  await Deno.truncate(path, 1);
  for (
    const [each, why] of [
      [sender, new RegExp(`Only \\d+ bytes of ${SIZE}`)],
      [receiver, /conversation has ended \("remote"\)/],
    ] as const
  ) {
    assertNotEquals(await each.code(), 0);
    assertMatch(each.output, why);
  }
});

for (
  const [where, ignore] of [["Deno", false], [
    "Node",
    !major,
  ]] as const
) {
  Deno.test({
    name:
      `examples/private.mjs lets two people meet by a code, and again without one, in ${where}`,
    ignore,
    async fn() {
      await using server = startServer();
      await using folder = await temporaryFolder();
      const start = (...args: string[]) => {
        const cwd = folder.path;
        const options = { args, env: { SERVER_URL: server.url }, cwd };
        return where === "Deno"
          ? Promise.resolve(Example.start("private.mjs", options))
          : Example.startInNode("private.mjs", major, options);
      };
      const talk = async (alice: Example, bob: Example) => {
        for (const each of [alice, bob]) await each.until(/In private now/);
        await alice.type("hello Bob");
        await bob.until(/^> hello Bob$/m);
        await bob.type("hello Alice");
        await alice.until(/^> hello Alice$/m);
        await alice.endInput();
        assertEquals([await alice.code(), await bob.code()], [0, 0]);
        assertMatch(alice.output, /ended: local/);
        assertMatch(bob.output, /ended: remote/);
      };
      {
        await using alice = await start("bob.key");
        const code = await alice.until(/^Say to the other: (.+)$/m);
        await using bob = await start("alice.key", code);
        const words = /see "(\w+-\w+-\w+)"/;
        assertEquals(await alice.until(words), await bob.until(words));
        for (const each of [alice, bob]) await each.type("y");
        await talk(alice, bob);
      }
      const key = await Deno.readFile(`${folder.path}/alice.key`);
      assertEquals(key, await Deno.readFile(`${folder.path}/bob.key`));
      assertEquals(key.length, 32);
      await using alice = await start("bob.key");
      await using bob = await start("alice.key");
      await talk(alice, bob);
      assert(!/Say to|see "/.test(alice.output + bob.output));
    },
  });
}

Deno.test("examples/private.mjs keeps nothing where the words differ", async () => {
  await using server = startServer();
  await using folder = await temporaryFolder();
  const start = (...args: string[]) => {
    const env = { SERVER_URL: server.url };
    return Example.start("private.mjs", { args, env, cwd: folder.path });
  };
  await using alice = start("bob.key");
  const code = await alice.until(/^Say to the other: (.+)$/m);
  await using bob = start("alice.key", code);
  await bob.until(/see "/);
  await bob.type("n");
  assertEquals(await bob.code(), 1);
  assertMatch(bob.output, /Somebody is between you/);
  assert(!await exists(`${folder.path}/alice.key`));
});

for (
  const [where, ignore] of [["Deno", false], [
    "Node",
    !major,
  ]] as const
) {
  Deno.test({
    name:
      `examples/deno_peer.ts answers examples/node_peer.mjs on a data channel, in ${where}`,
    ignore,
    async fn() {
      await using server = startServer();
      await using folder = await temporaryFolder();
      const args = ["code"];
      const env = { SERVER_URL: server.url };
      await using answerer = Example.start("deno_peer.ts", { args, env });
      await using asker = where === "Deno"
        ? Example.start("node_peer.mjs", { args, env })
        : await Example.startInNode("node_peer.mjs", major, {
          args,
          cwd: folder.path,
          env: { ...env, NODE_PATH: await linkNativePart(folder.path) },
        });
      await asker.until(/^Load: [\d.]+, (?:relay|direct)$/m);
      await asker.until(/^Memory: \d+, direct$/m);
      await answerer.until(/^Direct$/m);
      await answerer.until(/^The other is gone: remote$/m);
    },
  });
}

Deno.test("examples/simulated_test.ts passes", async () => {
  await using example = Example.start("simulated_test.ts");
  assertEquals(await example.code(), 0, example.output);
  assertMatch(example.output, /1 passed \| 0 failed/);
});

/** The address that a server prints. */
function addressOf(example: Example): Promise<string> {
  return example.until(/(http:\/\/localhost:\d+)\//);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function checkRoutes(example: Example): Promise<void> {
  const url = await addressOf(example);
  assertEquals(await (await fetch(url)).text(), "My own page");
  const missing = await fetch(`${url}/missing`);
  assertEquals(missing.status, 404);
  await missing.body?.cancel();
  {
    await using pair = await RawPair.open(`${url}/socketpeer/`, "code");
    await pair.check();
    const { pairs } = await (await fetch(`${url}/stats`)).json();
    assertEquals(pairs, 1);
  }
  example.terminate();
  assertEquals(await example.code(), 0, example.output);
}
