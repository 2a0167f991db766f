/**
 * The worked example of PROTOCOL.md, section 8: computed by the code, computed
 * again without it, and compared with what stands there.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import {
  _map_to_curve_elligator2_curve25519 as elligator2,
  x25519,
} from "@noble/curves/ed25519.js";
import { createCipheriv, createHash, hkdfSync } from "node:crypto";
import { Agreement, draw, USE } from "../../../src/private/agreement.ts";
import { concat, generator } from "../../../src/private/cpace.ts";
import { Keeper } from "../../../src/private/keeper.ts";
import { readSecret } from "../../../src/private/secret.ts";
import { readSpokenCode } from "../../../src/private/spoken_code.ts";
import { WORDS } from "../../../src/private/words.ts";
import { type Subtle, systemRuntime } from "../../../src/runtime.ts";
import { scalarOf } from "../../support/cpace_checks.ts";

const { subtle } = crypto;
const bytes = Uint8Array.fromHex;
const { number: CODE, secret: WORDS_OF_CODE } = readSpokenCode(
  "7-otter-lunar-basin",
);
/** Makes bytes that count up, of which nobody thinks that they are random. */
const counting = (first: number, length: number) =>
  Uint8Array.from({ length }, (_, index) => first + index);
const HELLO = {
  received: 0,
  webrtc: true,
  relay: true,
  maxMessageBytes: 67_108_864,
};
const A = { id: "A", scalar: counting(0x20, 32), reveal: counting(0xa0, 16) };
const B = { id: "B", scalar: counting(0x40, 32), reveal: counting(0xb0, 16) };
/** An acknowledgement of nothing, and frame 1: the text "hello". */
const PACKET = bytes("000000000000000000000001" + "000005" + "68656c6c6f");
const KEY = counting(0x60, 32);

/** The names and values of the example. */
type Example = Record<string, string>;

/** What stands in PROTOCOL.md: `name = value`, over several lines if need be. */
async function written(): Promise<Example> {
  const url = new URL("../../../src/protocol/PROTOCOL.md", import.meta.url);
  const [, section] = (await Deno.readTextFile(url)).split("\n## 8. ");
  const [, example] = section.split("### A worked example");
  const blocks = example.matchAll(/^```text\n([^]*?)^```$/gm);
  const lines = [...blocks].flatMap(([, block]) => block.trim().split("\n"));
  const found: Example = {};
  let last = "";
  for (const line of lines) {
    const [, name, value] = line.match(/^(\S.*?) += (.*)$/) ??
      ["", last, found[last] + line.trim()];
    found[last = name] = value;
  }
  return found;
}

/** The platform's cryptography, where the scalar that is drawn is this one. */
function fixed(scalar: Uint8Array): Subtle {
  const generateKey = async () => ({
    privateKey: await scalarOf(scalar.toHex()),
  });
  return new Proxy(subtle, {
    get: (target, name: keyof Subtle) =>
      name === "generateKey" ? generateKey : target[name].bind(target),
  });
}

/** The nameplate of a key, as the code has it. */
async function nameplate(): Promise<string> {
  const runtime = { ...systemRuntime(), subtle };
  const secret = readSecret({ secret: KEY }, runtime);
  const keeper = new Keeper(runtime, secret, {
    resumeTimeoutMs: 120_000,
    direct: () => false,
    onCode() {},
    onRefused() {},
  });
  await keeper.agree(A.id, HELLO);
  return keeper.code;
}

Deno.test("the example of PROTOCOL.md is what the private client does", async () => {
  const base = await generator(
    subtle,
    concat(WORDS_OF_CODE),
    USE,
    counting(1, 32),
  );
  const [a, b] = await Promise.all([A, B].map(async (of) => {
    const own = fixed(of.scalar);
    const drawn = await draw(own, base, () => of.reveal);
    return new Agreement(own, drawn, of.id, HELLO);
  }));
  assertEquals(await a.meet(CODE, B.id, b.hello), undefined);
  assertEquals(await b.meet(CODE, A.id, a.hello), undefined);
  const [startA, startB] = [await a.start(), await b.start()];
  assertEquals([startA.counter, startB.counter], [0, 0]);
  assertEquals([await a.prove(startB), await b.prove(startA)], [1, 1]);
  assertEquals(a.verification, b.verification);
  const packet = await a.seal(PACKET);
  assertEquals(await b.open(1, packet), PACKET);
  const exported = await a.exportKey("next time");
  assertEquals(await b.exportKey("next time"), exported);

  const example = await written();
  const parts = {
    "g": base.toHex(),
    "share A": a.hello.private!.share,
    "ad A": a.hello.private!.ad,
    "share B": b.hello.private!.share,
    "ad B": b.hello.private!.ad,
    "start A": startA.seal,
    "start B": startB.seal,
    "packet": PACKET.toHex(),
    "sealed": packet.toHex(),
    "words": a.verification,
    "exported": exported.toHex(),
    "key": KEY.toHex(),
    "nameplate": await nameplate(),
  };
  for (const [name, value] of Object.entries(parts)) {
    assertEquals(example[name], value, name);
  }
});

Deno.test("the example of PROTOCOL.md follows from its text alone", async () => {
  const sha512 = (data: Uint8Array) =>
    new Uint8Array(createHash("sha512").update(data).digest());
  const base64 = (data: Uint8Array) => data.toBase64();
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const join = (...parts: Uint8Array[]) =>
    Uint8Array.from(parts.flatMap((part) => [...part]));
  const lv = (...parts: (string | Uint8Array)[]) =>
    join(...parts.map((part) => {
      const data = typeof part === "string" ? utf8(part) : part;
      const { length } = data;
      const prefix = length < 128
        ? [length]
        : [length & 127 | 128, length >> 7];
      return join(Uint8Array.from(prefix), data);
    }));
  const ordered = (one: Uint8Array, other: Uint8Array) =>
    one.toHex() > other.toHex()
      ? join(utf8("oc"), one, other)
      : join(utf8("oc"), other, one);

  const use = "socketpeer private 1";
  const secret = utf8("otter-lunar-basin");
  const padding = new Uint8Array(128 - 1 - 8 - 1 - secret.length - 1);
  const hashed = lv("CPace255", secret, padding, use, "");
  const low = sha512(hashed).slice(0, 32);
  low[31] &= 127;
  const P = 2n ** 255n - 19n;
  const toNumber = (data: Uint8Array) =>
    BigInt("0x" + data.slice().reverse().toHex());
  const { xMn, xMd } = elligator2(toNumber(low) % P);
  const inverse = (value: bigint) => {
    let result = 1n;
    for (let e = P - 2n; e > 0n; e >>= 1n, value = value * value % P) {
      if (e & 1n) result = result * value % P;
    }
    return result;
  };
  const point = (xMn * inverse(xMd) % P).toString(16).padStart(64, "0");
  const g = bytes(point).reverse();

  const sides = [A, B].map(({ id, scalar, reveal }) => {
    const commit = base64(
      new Uint8Array(createHash("sha256").update(reveal).digest()),
    );
    const ad = `{"v":1,"id":"${id}","commit":"${commit}","webrtc":true,` +
      `"relay":true,"maxMessageBytes":67108864}`;
    return { id, reveal, scalar, ad, share: x25519.scalarMult(scalar, g) };
  });
  const [a, b] = sides;
  const K = x25519.scalarMult(a.scalar, b.share);
  assertEquals(x25519.scalarMult(b.scalar, a.share), K);
  const transcript = ordered(lv(a.share, a.ad), lv(b.share, b.ad));
  const isk = sha512(join(lv("CPace255_ISK", "", K), transcript));
  const derive = (length: number, ...parts: (string | Uint8Array)[]) =>
    new Uint8Array(hkdfSync("sha512", isk, "7", lv(use, ...parts), length));
  const seal = (
    { id }: { id: string },
    counter: number,
    plain: Uint8Array,
    data: string,
  ) => {
    const iv = new Uint8Array(12);
    iv[11] = counter;
    const key = derive(32, "packets", id, "0");
    const cipher = createCipheriv("aes-256-gcm", key, iv);
    cipher.setAAD(utf8(data));
    return join(cipher.update(plain), cipher.final(), cipher.getAuthTag());
  };
  const tags = sides.map(({ share, ad }) => derive(32, "confirm", share, ad));
  const starts = sides.map((side, index) =>
    seal(side, 0, join(side.reveal, tags[index]), "start")
  );
  const reveals = ordered(a.reveal, b.reveal);
  const verification = derive(3, "verification", reveals);
  const plate = new Uint8Array(
    hkdfSync("sha512", KEY, "", lv(use, "nameplate"), 16),
  );
  const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
  const letters = Array.from(plate, (byte) => alphabet[byte % 32]).join("");

  const computed: Example = {
    "secret": "otter-lunar-basin",
    "code": "7",
    "hashed": hashed.toHex(),
    "g": g.toHex(),
    "scalar A": a.scalar.toHex(),
    "reveal A": a.reveal.toHex(),
    "ad A": a.ad,
    "Y A": a.share.toHex(),
    "share A": base64(a.share),
    "scalar B": b.scalar.toHex(),
    "reveal B": b.reveal.toHex(),
    "ad B": b.ad,
    "Y B": b.share.toHex(),
    "share B": base64(b.share),
    "K": K.toHex(),
    "ISK": isk.toHex(),
    "info": lv(use, "packets", "A", "0").toHex(),
    "key A": derive(32, "packets", "A", "0").toHex(),
    "key B": derive(32, "packets", "B", "0").toHex(),
    "tag A": tags[0].toHex(),
    "tag B": tags[1].toHex(),
    "start A": base64(starts[0]),
    "start B": base64(starts[1]),
    "reveals": reveals.toHex(),
    "verification": verification.toHex(),
    "words": Array.from(verification, (byte) => WORDS[byte]).join("-"),
    "exported": derive(32, "export", "next time").toHex(),
    "packet": PACKET.toHex(),
    "sealed": seal(a, 1, PACKET, "").toHex(),
    "key": KEY.toHex(),
    "nameplate": letters.replace(/.{4}(?=.)/g, "$&-"),
  };
  assertEquals(await written(), computed);
});
