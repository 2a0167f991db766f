import { assertEquals, assertRejects } from "@std/assert";
import {
  _map_to_curve_elligator2_curve25519 as elligator2,
  x25519,
} from "@noble/curves/ed25519.js";
import {
  concat,
  generator,
  inOrder,
  joinParts,
  mapToCurve,
  multiply,
} from "../../../src/private/cpace.ts";
import { checkVectors, scalarOf } from "../../support/cpace_checks.ts";
import vectors from "./cpace_vectors.json" with { type: "json" };

const { subtle } = crypto;
const bytes = Uint8Array.fromHex;
const P = 2n ** 255n - 19n;
const random = () => crypto.getRandomValues(new Uint8Array(32));

Deno.test("the strings of CPace are those of the draft", () => {
  const { prepend_len, lv_cat, o_cat } = vectors.texts;
  for (const { of, is } of prepend_len) {
    assertEquals(joinParts(bytes(of)), bytes(is));
  }
  for (const { of, is } of lv_cat) {
    assertEquals(joinParts(...of.map(bytes)), bytes(is));
  }
  for (const { of: [one, other], is } of o_cat) {
    assertEquals(inOrder(bytes(one), bytes(other)), bytes(is));
    assertEquals(inOrder(bytes(other), bytes(one)), bytes(is));
  }
  // A length over 127 takes two bytes of LEB128.
  const long = new Uint8Array(128).fill(7);
  assertEquals(joinParts(long), concat(bytes("8001"), long));
});

Deno.test("the draft's vectors of CPace hold, points of low order refused", async () => {
  const { checked, wrong } = await checkVectors();
  assertEquals([checked, wrong], [5 + vectors.points.length, []]);
  // Other runtimes refuse some points; here their products are what they should
  // be.
  const scalar = await scalarOf(vectors.scalar);
  for (const { u, q } of vectors.points) {
    if (/^0+$/.test(q)) {
      await assertRejects(() => multiply(subtle, scalar, bytes(u)));
    } else assertEquals(await multiply(subtle, scalar, bytes(u)), bytes(q));
  }
});

Deno.test("mapToCurve() is Elligator 2, as @noble/curves has it", () => {
  const inverse = (value: bigint) => {
    let result = 1n;
    for (let e = P - 2n; e > 0n; e >>= 1n, value = value * value % P) {
      if (e & 1n) result = result * value % P;
    }
    return result;
  };
  const check = (number: bigint, blind: bigint) => {
    const { xMn, xMd } = elligator2(number);
    assertEquals(mapToCurve(number, blind), xMn * inverse(xMd) % P);
  };
  const A = 486662n;
  const edges = [0n, 1n, 2n, P - 1n, P - 2n, A, P - A, (P - 1n) / 2n];
  for (const number of edges) {
    for (const blind of [1n, 2n, P - 1n]) check(number, blind);
  }
  const draw = () =>
    random().reduce((number, byte) => number << 8n | BigInt(byte), 0n) % P;
  for (let run = 0; run < 10_000; run++) check(draw(), draw() || 1n);
});

Deno.test("a run of CPace gives what @noble/curves computes", async () => {
  for (let run = 0; run < 50; run++) {
    const point = await generator(subtle, random(), "use", random());
    const scalars = [random(), random()];
    const [a, b] = await Promise.all(scalars.map(async (scalar) => {
      const imported = await scalarOf(scalar.toHex());
      return multiply(subtle, imported, point);
    }));
    assertEquals(a, x25519.scalarMult(scalars[0], point));
    assertEquals(b, x25519.scalarMult(scalars[1], point));
    assertEquals(
      x25519.scalarMult(scalars[0], b),
      x25519.scalarMult(scalars[1], a),
    );
  }
});
