/**
 * What a page has to load: the bundle, and those that others publish.
 *
 * @module
 */

import { gzippedSize, PLAIN_BUNDLE } from "../build.ts";
import { OURS, type Work } from "./contest.ts";
import { packagesFolder } from "./packages.ts";

const BUNDLES: Readonly<Record<string, URL>> = {
  [OURS]: new URL("../../socketpeer.min.js", import.meta.url),
  "socket.io": new URL(
    "socket.io-client/dist/socket.io.min.js",
    packagesFolder,
  ),
  PeerJS: new URL("peerjs/dist/peerjs.min.js", packagesFolder),
  "simple-peer": new URL("simple-peer/simplepeer.min.js", packagesFolder),
};

/**
 * PartySocket publishes no bundle: its module, which is bundled as an
 * application would do it.
 */
const PARTYSOCKET = new URL("partysocket/dist/index.js", packagesFolder);

/** Minified and gzipped, as it is published. */
export async function measureBundles(): Promise<Work[]> {
  const samples: Record<string, number[]> = {};
  const notes: string[] = [];
  const weigh = async (name: string, read: () => Promise<Uint8Array>) => {
    try {
      const bytes = await read();
      samples[name] = [gzippedSize(bytes) / 1024];
    } catch (error) {
      notes.push(`${name} failed: ${(error as Error).message}`);
    }
  };
  for (const [name, file] of Object.entries(BUNDLES)) {
    await weigh(name, () => Deno.readFile(file));
  }
  await weigh("partysocket", bundlePartySocket);
  return [{
    name: "bundle, minified and gzipped",
    unit: "KiB",
    better: "less",
    samples,
    limit: PLAIN_BUNDLE.budgetBytes / 1024,
    targets: [],
    notes,
  }];
}

async function bundlePartySocket(): Promise<Uint8Array> {
  const { build, stop } = await import("esbuild");
  try {
    const { outputFiles } = await build({
      entryPoints: [decodeURIComponent(PARTYSOCKET.pathname)],
      bundle: true,
      format: "esm",
      legalComments: "none",
      logLevel: "silent",
      minify: true,
      write: false,
    });
    return outputFiles[0].contents;
  } finally {
    await stop();
  }
}
