import { assertEquals } from "@std/assert";
import {
  npmManifest,
  renameImports,
  warningsIn,
} from "../../../scripts/pack.ts";

Deno.test("npmManifest() asks for the command's engines only where they are wanted", () => {
  const { dependencies, peerDependencies, peerDependenciesMeta } = npmManifest({
    exports: {},
    dependencies: { ws: "^8", "@redis/client": "^6" },
  });
  assertEquals(dependencies, { ws: "^8" });
  assertEquals(peerDependencies, { "@redis/client": "^6" });
  assertEquals(peerDependenciesMeta, { "@redis/client": { optional: true } });
});

Deno.test("npmManifest() keeps the entries, and adds the bundles", () => {
  const entry = { types: "./mod.d.ts", default: "./mod.js" };
  const { name, version, exports, unpkg, jsdelivr } = npmManifest({
    version: "2.0.0",
    exports: { ".": entry },
    dependencies: {},
  });
  assertEquals([name, version], ["socketpeer", "2.0.0"]);
  assertEquals(exports["."], entry);
  assertEquals(unpkg, jsdelivr);
  assertEquals(exports["./socketpeer.min.js"], unpkg);
});

Deno.test("warningsIn() passes over progress, and over nothing else", () => {
  const output = "\x1b[32mPacking\x1b[0m @socketpeer/socketpeer\n" +
    "Check mod.ts\n  118 modules collected\n  10 assets collected\n" +
    "Could not generate types for 'file:///a.ts'. Types will not be included " +
    "for this module.\n" +
    "✓ /a.tgz (272.34KB)\n";
  assertEquals(warningsIn(output), []);
  const warning = "Warning: a.ts is not there";
  assertEquals(warningsIn(`${output}${warning}\n`), [warning]);
});

Deno.test("renameImports() gives examples the name that the package has on npm", () => {
  const text = 'import { a } from "@socketpeer/socketpeer/client";\n' +
    'await import("@socketpeer/socketpeer");\n' +
    'import "jsr:@socketpeer/socketpeer/client";\n';
  assertEquals(
    renameImports(text),
    'import { a } from "socketpeer/client";\n' +
      'await import("socketpeer");\n' +
      'import "jsr:@socketpeer/socketpeer/client";\n',
  );
});
