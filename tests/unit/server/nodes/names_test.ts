import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { createHmac } from "node:crypto";
import { hmacSha256 } from "../../../../src/server/adapters/node.ts";
import { secretNames } from "../../../../src/server/nodes/names.ts";

const hex = (bytes: Uint8Array) =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

Deno.test("hmacSha256() is HMAC-SHA-256", () => {
  // RFC 4231, section 4.3.
  assertEquals(
    hex(hmacSha256("Jefe")("what do ya want for nothing?")),
    "5bdcc146bf60754e6a042426089575c7" +
      "5a003f089d2739839dec58b964ec3843",
  );
});

Deno.test("secretNames() names codes and keys apart, by the secret alone", () => {
  const secret = "0123456789abcdef0123456789abcdef";
  const names = secretNames(hmacSha256(secret));
  const again = secretNames(hmacSha256(secret));
  const others = secretNames(hmacSha256(`${secret}!`));
  assertEquals(names.slot("yolo"), again.slot("yolo"));
  assertEquals(names.key("yolo"), again.key("yolo"));
  assertNotEquals(names.slot("yolo"), names.key("yolo"));
  assertNotEquals(names.slot("yolo"), names.slot("yolo2"));
  assertNotEquals(names.slot("yolo"), others.slot("yolo"));
  const mac = createHmac("sha256", secret).update("slot\0yolo").digest();
  assertEquals(
    names.slot("yolo"),
    mac.subarray(0, 16).toString("base64url"),
  );
});

Deno.test("secretNames() makes names that keys and subjects may consist of", () => {
  const names = secretNames(hmacSha256("secret"));
  for (const code of ["", " ", "a.b", "*", "é\n", "x".repeat(256)]) {
    assert(/^[\w-]{22}$/.test(names.slot(code)), code);
  }
});
