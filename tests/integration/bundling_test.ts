/**
 * What becomes of the entry modules in the hands of bundlers and of Node's
 * `require()`.
 */

import { assert, assertEquals } from "@std/assert";
import * as esbuild from "esbuild";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../support/temporary_folder.ts";

const root = new URL("../../", import.meta.url);

/** A folder with a package in it, as a package manager installs it. */
async function installed(name: string) {
  const folder = await temporaryFolder();
  const [, home] = import.meta.resolve(name).match(
    new RegExp(`^(.*/${name}/(?:[\\d.]+/)?)`),
  )!;
  await Deno.symlink(fileURLToPath(home), `${folder.path}/${name}`);
  return folder;
}

for (const format of ["esm", "iife"] as const) {
  Deno.test(`mod.ts is bundled for browsers as ${format}, and has a SocketPeer there`, async () => {
    await using packages = await installed("ws");
    const { outputFiles, metafile, warnings } = await esbuild.build({
      entryPoints: [fileURLToPath(new URL("mod.ts", root))],
      bundle: true,
      platform: "browser",
      format,
      globalName: format === "iife" ? "socketpeer" : undefined,
      target: "es2020",
      nodePaths: [packages.path],
      tsconfigRaw: {},
      write: false,
      metafile: true,
      logLevel: "silent",
    }).finally(() => esbuild.stop());
    // Where there are no modules, esbuild says that their address is not known.
    assertEquals(
      warnings.filter(({ id }) => id !== "empty-import-meta"),
      [],
    );
    const [{ imports }] = Object.values(metafile.outputs);
    assertEquals(imports.filter(({ external }) => external), []);
    const [{ text }] = outputFiles;
    assert(!text.includes("parseArgs"), "the command is in it");
    const exported = format === "iife"
      ? new Function(`${text}; return socketpeer`)()
      : await import(`data:text/javascript,${encodeURIComponent(text)}`);
    const { SocketPeer, SocketPeerServer } = exported;
    new SocketPeer({ pairCode: "code", autoconnect: false }).close();
    await new SocketPeerServer({ listen: false }).close();
  });
}

for (const entry of ["mod.ts", "client.ts", "server.ts"]) {
  Deno.test(`${entry} can be had with require(), which waits for nothing`, () => {
    const require = createRequire(import.meta.url);
    const exported = require(fileURLToPath(new URL(entry, root)));
    assert("SocketPeer" in exported || "SocketPeerServer" in exported);
  });
}
