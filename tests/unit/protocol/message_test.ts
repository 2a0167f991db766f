import { Buffer } from "node:buffer";
import { runInNewContext } from "node:vm";
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { ProtocolError } from "../../../src/errors.ts";
import { FrameKind } from "../../../src/protocol/frame.ts";
import {
  asBytes,
  decodeMessage,
  encodeMessage,
  payloadBytes,
  writeText,
} from "../../../src/protocol/message.ts";
import { type Chance, fuzz } from "../../support/fuzz.ts";

const { TEXT, BYTES, JSON: OTHER } = FrameKind;

/** What the other peer gets for a value. */
function delivered(data: unknown): unknown {
  const { kind, payload } = encodeMessage(data);
  return decodeMessage(kind, payloadBytes(payload));
}

Deno.test("encodeMessage() sends a string as text, even one that looks like JSON", () => {
  for (const text of ["", "hello", "null", '{"a":1}']) {
    assertEquals(encodeMessage(text), { kind: TEXT, payload: text });
  }
});

Deno.test("encodeMessage() sends a buffer, or any view of one, as its bytes", () => {
  const { buffer } = Uint8Array.of(1, 2, 3, 4);
  const payload = Uint8Array.of(1, 2, 3, 4);
  for (
    const data of [
      buffer,
      new Uint8Array(buffer),
      new Int8Array(buffer),
      new Uint16Array(buffer),
      new Float32Array(buffer),
      new DataView(buffer),
    ]
  ) {
    assertEquals(encodeMessage(data), { kind: BYTES, payload });
  }
  assertEquals(encodeMessage(new ArrayBuffer(0)).payload, new Uint8Array(0));
});

Deno.test("encodeMessage() sends of a buffer no more than the view shows", () => {
  const { buffer } = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const payload = Uint8Array.of(3, 4);
  for (
    const data of [
      new Uint8Array(buffer, 2, 2),
      new Uint16Array(buffer, 2, 1),
      new DataView(buffer, 2, 2),
    ]
  ) {
    assertEquals(encodeMessage(data), { kind: BYTES, payload });
  }
});

Deno.test("encodeMessage() sends shared memory as its bytes", () => {
  const shared = new SharedArrayBuffer(3);
  new Uint8Array(shared).set([7, 8, 9]);
  const { kind, payload } = encodeMessage(shared);
  assertEquals(kind, BYTES);
  assertEquals([...payload as Uint8Array], [7, 8, 9]);
  assertEquals(
    [...encodeMessage(new Uint8Array(shared, 1)).payload as Uint8Array],
    [8, 9],
  );
});

Deno.test("encodeMessage() does not copy bytes", () => {
  const bytes = Uint8Array.of(1, 2);
  const { payload } = encodeMessage(bytes);
  assertStrictEquals((payload as Uint8Array).buffer, bytes.buffer);
});

Deno.test("encodeMessage() sends any other JSON value as JSON", () => {
  const texts: [unknown, string][] = [
    [null, "null"],
    [true, "true"],
    [0, "0"],
    [-1.5, "-1.5"],
    [[], "[]"],
    [[1, "a", null], '[1,"a",null]'],
    [{}, "{}"],
    [{ a: { b: [] } }, '{"a":{"b":[]}}'],
  ];
  for (const [data, payload] of texts) {
    assertEquals(encodeMessage(data), { kind: OTHER, payload });
  }
});

Deno.test("encodeMessage() throws a TypeError for what JSON cannot carry", () => {
  const cycle: Record<string, unknown> = {};
  cycle.itself = cycle;
  for (
    const data of [
      undefined,
      () => {},
      Symbol("s"),
      1n,
      { deep: [1n] },
      cycle,
      NaN,
      Infinity,
      -Infinity,
      { toJSON: () => undefined },
    ]
  ) {
    assertThrows(() => encodeMessage(data), TypeError, "Cannot send ");
  }
});

Deno.test("encodeMessage() keeps what a toJSON() threw as the cause", () => {
  const cause = new RangeError("no");
  const error = assertThrows(() =>
    encodeMessage({
      toJSON() {
        throw cause;
      },
    }), TypeError);
  assertStrictEquals(error.cause, cause);
});

Deno.test("payloadBytes() writes text as UTF-8 and leaves bytes as they are", () => {
  assertEquals(
    [...payloadBytes("aé€𝄞")],
    [0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9d, 0x84, 0x9e],
  );
  const bytes = Uint8Array.of(0xff);
  assertStrictEquals(payloadBytes(bytes), bytes);
});

Deno.test("writeText() writes UTF-8 in place and says how many bytes", () => {
  const into = new Uint8Array(8).fill(0xaa);
  assertEquals(writeText("é€", into, 2), 5);
  assertEquals(
    [...into],
    [0xaa, 0xaa, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xaa],
  );
  assertEquals(writeText("", into, 8), 0);
});

Deno.test("writeText() needs at most three bytes for each UTF-16 unit", async () => {
  await fuzz(1000, (chance) => {
    const text = chance.text(chance.below(50));
    const into = new Uint8Array(text.length * 3);
    const written = writeText(text, into, 0);
    assertEquals(into.subarray(0, written), payloadBytes(text));
  });
});

Deno.test("decodeMessage() reads UTF-8 text", () => {
  const utf8 = [0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9d, 0x84, 0x9e];
  assertEquals(decodeMessage(TEXT, Uint8Array.from(utf8)), "aé€𝄞");
  assertEquals(decodeMessage(TEXT, new Uint8Array(0)), "");
  assertEquals(decodeMessage(TEXT, Uint8Array.of(0)), "\0");
});

Deno.test("decodeMessage() keeps a byte order mark, which is part of the text", () => {
  const marked = Uint8Array.of(0xef, 0xbb, 0xbf, 0x61);
  assertEquals(decodeMessage(TEXT, marked), "\ufeffa");
});

Deno.test("decodeMessage() rejects text that is not UTF-8", () => {
  const broken = [
    [0xff],
    [0x61, 0x80],
    [0xc3],
    [0xe2, 0x82],
    // Overlong, a surrogate, beyond the last code point.
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
  ];
  for (const bytes of broken) {
    for (const kind of [TEXT, OTHER]) {
      assertThrows(
        () => decodeMessage(kind, Uint8Array.from(bytes)),
        ProtocolError,
      );
    }
  }
});

Deno.test("decodeMessage() copies bytes, so that they share no memory with a packet", () => {
  const packet = Uint8Array.of(1, 2, 3, 4);
  const message = decodeMessage(BYTES, packet.subarray(1, 3)) as Uint8Array;
  packet.fill(9);
  assertEquals([...message], [2, 3]);
  assertEquals(message.buffer.byteLength, 2);
});

Deno.test("decodeMessage() rejects what is not JSON", () => {
  for (
    const text of [
      "",
      " ",
      "{",
      "undefined",
      "NaN",
      "{'a':1}",
      "\ufeff1",
      "1 2",
    ]
  ) {
    assertThrows(
      () => decodeMessage(OTHER, payloadBytes(text)),
      ProtocolError,
      "not JSON",
    );
  }
});

Deno.test("decodeMessage() reads a field named __proto__ as a field", () => {
  const text = '{"__proto__":{"polluted":true}}';
  const message = decodeMessage(OTHER, payloadBytes(text));
  assertEquals(Object.keys(message as object), ["__proto__"]);
  assertEquals((message as { polluted?: boolean }).polluted, undefined);
});

Deno.test("decodeMessage() throws a ProtocolError for JSON of any depth, or reads it", () => {
  for (const depth of [1000, 100_000, 1_000_000]) {
    const text = "[".repeat(depth) + "]".repeat(depth);
    try {
      assert(Array.isArray(decodeMessage(OTHER, payloadBytes(text))));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
});

Deno.test("encodeMessage() and decodeMessage() deliver a value as it was sent", async () => {
  const sendable: readonly ((chance: Chance) => unknown)[] = [
    (chance) => chance.text(chance.below(100)).toWellFormed(),
    (chance) => chance.bytes(chance.below(100)),
    // A lone surrogate survives in JSON, which escapes it, but not in UTF-8.
    (chance) => [chance.json()],
  ];
  await fuzz(3000, (chance) => {
    const data = chance.pick(sendable)(chance);
    assertEquals(delivered(data), data);
  });
});

Deno.test("decodeMessage() gives a value or throws a ProtocolError, whatever it reads", async () => {
  const valid = payloadBytes('{"a":["é",1.5e3,null,"\\u00e9\\n"],"b":true}');
  await fuzz(20_000, (chance) => {
    const payload = chance.below(2) === 0
      ? chance.mutated(valid)
      : chance.bytes(chance.below(20));
    const kind = chance.pick(Object.values(FrameKind));
    try {
      assert(decodeMessage(kind, payload) !== undefined);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  });
});

Deno.test("asBytes() takes bytes of any realm, of Node's Buffer too, and nothing else", () => {
  const other = runInNewContext(
    "[Uint8Array.of(1, 2).buffer, Uint8Array.of(1, 2), new DataView(Uint8Array.of(1, 2).buffer)]",
  );
  for (const bytes of [...other, Buffer.from([0, 1, 2]).subarray(1)]) {
    assertEquals(asBytes(bytes), Uint8Array.of(1, 2));
  }
  for (const value of [null, undefined, "12", [1, 2], { length: 2 }]) {
    assertEquals(asBytes(value), undefined);
  }
});
