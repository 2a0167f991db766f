/**
 * Chooses the names of members anew for what gzip makes of the bundles: by
 * chance, so the longer it runs the better. A build keeps what it has chosen.
 *
 *     deno run -A scripts/pack_names.ts [seconds]
 *
 * @module
 */

// deno-lint-ignore-file no-console
import * as esbuild from "esbuild";
import {
  type Bundle,
  bundleFile,
  BUNDLES,
  chooseShortNames,
  draftBundle,
  gzippedSize,
  indexOf,
  SHORT_NAMES_FILE,
} from "./build.ts";
import {
  cut,
  numberPrivateNames,
  PLACEHOLDER,
  placesByClass,
  swap,
} from "./private_names.ts";

/** What a byte of a bundle counts, in the order of the bundles. */
const WEIGHTS = [1.6, 1];

/** A bundle in pieces, some of which are names. */
interface Draft {
  readonly bundle: Bundle;
  readonly pieces: string[];
  /** Where each private name of a class stands, for each class. */
  readonly classes: readonly (readonly number[][])[];
  /** Where each of the other names stands. */
  readonly places: readonly number[][];
  size: number;
}

const encoder = new TextEncoder();

function sizeOf({ pieces }: Pick<Draft, "pieces">): number {
  return gzippedSize(encoder.encode(pieces.join("")));
}

/** Cuts a bundle into pieces, with the names that it has now. */
async function draft(bundle: Bundle, names: string[], forms: string[]) {
  const pieces = cut((await draftBundle(bundle, names))[0]);
  const places: number[][] = names.map(() => []);
  for (const [place, piece] of pieces.entries()) {
    if (!PLACEHOLDER.test(piece)) continue;
    places[indexOf(piece)].push(place);
    pieces[place] = forms[indexOf(piece)];
  }
  const kept = await Deno.readTextFile(bundleFile(bundle));
  if (numberPrivateNames(kept) === numberPrivateNames(pieces.join(""))) {
    const privateNames = kept.matchAll(/#[\w$]+/g);
    for (const [place, piece] of pieces.entries()) {
      if (piece[0] !== "#") continue;
      pieces[place] = privateNames.next().value![0];
    }
  }
  const classes = placesByClass(pieces);
  return { bundle, pieces, classes, places, size: sizeOf({ pieces }) };
}

function draw(below: number): number {
  return Math.floor(Math.random() * below);
}

/** Swaps two private names of a class, and back where that is no better. */
function swapPrivate(draft: Draft): void {
  const members = draft.classes[draw(draft.classes.length)];
  if (members.length < 2) return;
  const [one, other] = [
    members[draw(members.length)],
    members[
      draw(members.length)
    ],
  ];
  if (one === other) return;
  swap(draft.pieces, one, other);
  const size = sizeOf(draft);
  if (size <= draft.size) draft.size = size;
  else swap(draft.pieces, one, other);
}

/**
 * Swaps the short forms of two names in all bundles, and back where that is
 * worse.
 */
function swapShared(drafts: readonly Draft[], forms: string[]): void {
  const [one, other] = [draw(forms.length), draw(forms.length)];
  const exchange = () => {
    [forms[one], forms[other]] = [forms[other], forms[one]];
    for (const { pieces, places } of drafts) {
      for (const name of [one, other]) {
        for (const place of places[name]) pieces[place] = forms[name];
      }
    }
  };
  exchange();
  const sizes = drafts.map(sizeOf);
  const cost = drafts.reduce(
    (sum, { size }, index) => sum + (sizes[index] - size) * WEIGHTS[index],
    0,
  );
  if (cost > 0) exchange();
  else for (const [index, size] of sizes.entries()) drafts[index].size = size;
}

async function main(seconds: number): Promise<void> {
  const { shortNames } = await chooseShortNames();
  const names = Object.keys(shortNames);
  const forms = Object.values(shortNames);
  const drafts: Draft[] = [];
  for (const bundle of BUNDLES) drafts.push(await draft(bundle, names, forms));
  await esbuild.stop();
  const report = () =>
    console.log(
      drafts.map(({ bundle, size }) => `${bundle.name}: ${size}`)
        .join(", "),
    );
  report();
  const endsAt = performance.now() + seconds * 1000;
  while (performance.now() < endsAt) {
    if (draw(2)) swapShared(drafts, forms);
    else swapPrivate(drafts[draw(drafts.length)]);
  }
  report();
  const chosen = Object.fromEntries(
    names.map((name, index) => [name, forms[index]]),
  );
  await Deno.writeTextFile(
    SHORT_NAMES_FILE,
    `${JSON.stringify(chosen, null, 2)}\n`,
  );
  for (const { bundle, pieces } of drafts) {
    await Deno.writeTextFile(bundleFile(bundle), pieces.join(""));
  }
}

await main(Number(Deno.args[0] ?? 300));
