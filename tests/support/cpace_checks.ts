/**
 * The draft's vectors of CPace, checked in whichever runtime this is bundled
 * for.
 *
 * @module
 */

import {
  concat,
  generator,
  multiply,
  sharedKey,
} from "../../src/private/cpace.ts";
import vectors from "../unit/private/cpace_vectors.json" with { type: "json" };

const bytes = (hex: string) =>
  Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
const hex = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** A private key of X25519, of which Web Crypto takes no raw form. */
export function scalarOf(hex: string): Promise<CryptoKey> {
  const prefix = bytes("302e020100300506032b656e04220420");
  const pkcs8 = concat(prefix, bytes(hex));
  return crypto.subtle
    .importKey("pkcs8", pkcs8, "X25519", false, ["deriveBits"]);
}

/** What differs from the vectors, in words; and how many were checked. */
export async function checkVectors(): Promise<
  { checked: number; wrong: string[] }
> {
  const { subtle } = crypto;
  const wrong: string[] = [];
  let checked = 0;
  const compare = (name: string, got: string, wanted: string) => {
    checked++;
    if (got !== wanted) wrong.push(`${name} is ${got} and not ${wanted}`);
  };

  const { run } = vectors;
  const session = bytes(run.sid);
  const random = crypto.getRandomValues(new Uint8Array(32));
  const point = await generator(
    subtle,
    bytes(run.PRS),
    bytes(run.CI),
    random,
    session,
  );
  compare("generator", hex(point), run.g);
  const [scalarA, scalarB] = [await scalarOf(run.ya), await scalarOf(run.yb)];
  const a = {
    share: await multiply(subtle, scalarA, point),
    data: bytes(run.ADa),
  };
  const b = {
    share: await multiply(subtle, scalarB, point),
    data: bytes(run.ADb),
  };
  compare("share of A", hex(a.share), run.Ya);
  compare("share of B", hex(b.share), run.Yb);
  const keyOfA = await sharedKey(subtle, scalarA, a, b, session);
  const keyOfB = await sharedKey(subtle, scalarB, b, a, session);
  compare("key of A", hex(keyOfA), run.ISK_SY);
  compare("key of B", hex(keyOfB), run.ISK_SY);

  const scalar = await scalarOf(vectors.scalar);
  for (const { u, q } of vectors.points) {
    const got = await multiply(subtle, scalar, bytes(u)).then(hex, String);
    const refused = got.length !== q.length;
    // Firefox refuses what no honest peer would send, too: it is as good.
    const isLow = /^0+$/.test(q);
    const right = isLow ? refused : refused || got === q;
    compare(`what the point ${u} leads to`, right ? q : got, q);
  }
  return { checked, wrong };
}
