import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { compileArgs, INCLUDED } from "../../scripts/compile.ts";
import { root, startDeno } from "../../scripts/deno.ts";
import { SERVED_FILES } from "../../src/server/cli.ts";
import { RawPair } from "../support/raw_client.ts";
import { ServerProcess } from "../support/server_process.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

const LIMIT_MS = 60_000;

Deno.test("deno task compile puts everything in that the command serves", () => {
  assert(SERVED_FILES.length > 0);
  const included = INCLUDED.map((path) => new URL(path, root).href);
  for (const { href } of SERVED_FILES) {
    assert(
      included.some((path) =>
        path.endsWith("/") ? href.startsWith(path) : href === path
      ),
      href,
    );
  }
});

Deno.test("The file that deno task compile makes", async (t) => {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/socketpeer`;
  const child = startDeno(compileArgs(file), {
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  let log: string;
  try {
    log = await deadline(new Response(child.stderr).text(), LIMIT_MS);
  } catch {
    child.kill("SIGKILL");
    log = "denort did not come";
  }
  const { success } = await child.status;
  // The runtime that is put in comes from Deno's own server, once.
  const missing = !success &&
    /error sending request.*denort|denort did not come/.test(log);
  if (missing) {
    // deno-lint-ignore no-console -- a skipped test says nothing itself
    console.error("Deno's runtime for compiled programs can't be downloaded");
  }
  await t.step({
    name: "serves the page and the libraries, pairs peers, and stops",
    ignore: missing,
    async fn() {
      assert(success, log);
      const flags = ["--port=0", "--host=127.0.0.1", "--metrics-port=0"];
      await using command = new ServerProcess(flags, {}, [file]);
      const address = await command.address();
      for (const { pathname } of SERVED_FILES) {
        const [name] = pathname.match(/[^/]+$/)!;
        // The page is told of the server, all else is as it lies here.
        const isPage = name === "index.html";
        const response = await fetch(new URL(isPage ? "/" : name, address));
        assertEquals([name, response.status], [name, 200]);
        const text = await response.text();
        if (isPage) assert(text.includes(" data-server="), text);
        else assertEquals(text, await Deno.readTextFile(pathname));
      }
      const metrics = await fetch(await command.metrics());
      assert((await metrics.text()).includes("socketpeer_pairs 0"));
      await using pair = await RawPair.open(
        new URL("/socketpeer/", address).href,
        "code",
      );
      await pair.check();
      command.kill("SIGTERM");
      assertEquals((await command.ended()).code, 0);
    },
  });
});
