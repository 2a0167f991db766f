import { assert, assertEquals } from "@std/assert";
import { gzipSync } from "node:zlib";
import {
  numberPrivateNames,
  packPrivateNames,
} from "../../../scripts/private_names.ts";

const CODE = `
const First = class { #a = 1; #b = 2; #c() { return this.#a; }
  get all() { return [this.#c(), this.#b, this.#c(), this.#a]; } };
const Second = class { #b = 3; #c = 4; #a() { return this.#b; }
  get all() { return [this.#a(), this.#c, this.#a(), this.#b]; } };
return [new First().all, new Second().all];
`;

const sizeOf = (code: string) => gzipSync(code).byteLength;

Deno.test("packPrivateNames() makes code smaller, which does what it did", () => {
  const packed = packPrivateNames(CODE, sizeOf);
  assert(sizeOf(packed) < sizeOf(CODE));
  assertEquals(new Function(packed)(), new Function(CODE)());
});

Deno.test("packPrivateNames() leaves code as it is where nothing is won", () => {
  assertEquals(packPrivateNames(CODE, (code) => code.length), CODE);
});

Deno.test("numberPrivateNames() tells code apart by all but such names", () => {
  const packed = packPrivateNames(CODE, sizeOf);
  assert(packed !== CODE);
  assertEquals(numberPrivateNames(packed), numberPrivateNames(CODE));
  // Another member of the same class, or another order of them.
  for (const [from, to] of [["#b = 2", "#b = 3"], ["this.#a;", "this.#b;"]]) {
    const other = CODE.replace(from, to);
    assert(numberPrivateNames(other) !== numberPrivateNames(CODE), from);
  }
});
