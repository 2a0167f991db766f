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

const { TEXT, BYTES, JSON: OTHER, MIXED } = FrameKind;

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
  for (
    const data of [
      undefined,
      () => {},
      Symbol("s"),
      1n,
      { deep: [1n] },
      NaN,
      Infinity,
      -Infinity,
      { toJSON: () => undefined },
    ]
  ) {
    assertThrows(() => encodeMessage(data), TypeError, "Cannot send ");
  }
});

Deno.test("encodeMessage() throws what a toJSON() throws, and a TypeError for a cycle", () => {
  const thrown = new RangeError("no");
  const error = assertThrows(() =>
    encodeMessage({
      toJSON() {
        throw thrown;
      },
    })
  );
  assertStrictEquals(error, thrown);
  const cycle: Record<string, unknown> = { list: [] };
  cycle.itself = { cycle };
  assertThrows(() => encodeMessage(cycle), TypeError);
});

Deno.test("encodeMessage() names where in a value it is what JSON would change in silence", () => {
  class Custom extends Map {}
  const cases: [unknown, string][] = [
    [{ a: { b: [0, new Map()] } }, 'Cannot send [object Map] as ".a.b.1"'],
    [{ "a b": new Set([1]) }, 'Cannot send [object Set] as ".a b"'],
    [[[NaN]], 'Cannot send NaN as ".0.0"'],
    [{ x: -Infinity }, 'Cannot send -Infinity as ".x"'],
    [[1, undefined], 'Cannot send undefined as ".1"'],
    [[, 1], 'Cannot send undefined as ".0"'],
    [{ max: Math.max }, "Cannot send function max() {"],
    [{ s: Symbol("s") }, 'Cannot send Symbol(s) as ".s"'],
    [{ cause: new TypeError("no") }, "Cannot send TypeError: no as"],
    [{ file: new Blob(["x"]) }, 'Cannot send [object Blob] as ".file"'],
    [{ file: new File(["x"], "x") }, 'Cannot send [object File] as ".file"'],
    [{ n: 1n }, 'Cannot send 1 as ".n"'],
    [{ r: /x/g }, 'Cannot send /x/g as ".r"'],
    [{ p: Promise.resolve() }, 'Cannot send [object Promise] as ".p"'],
    [{ c: new Custom() }, 'Cannot send [object Map] as ".c"'],
    [{ toJSON: () => ({ x: [new Map()] }) }, 'Map] as ".x.0"'],
    [new Map(), "Cannot send [object Map]: send text, bytes"],
    [undefined, "Cannot send undefined: send text, bytes"],
  ];
  for (const [data, text] of cases) {
    assertThrows(() => encodeMessage(data), TypeError, text);
  }
  const long = assertThrows(() => encodeMessage({ f: runInNewContext }));
  assert(String(long).length < 300);
});

Deno.test("encodeMessage() sends objects as JSON has them", () => {
  class Point {
    x = 1;
    left = undefined;
    get y() {
      return 2;
    }
  }
  const alike: [unknown, unknown][] = [
    [new Point(), { x: 1 }],
    [{ at: new Date(0) }, { at: "1970-01-01T00:00:00.000Z" }],
    [{ left: undefined, x: 1 }, { x: 1 }],
    [{ url: new URL("http://a/") }, { url: "http://a/" }],
    [{ toJSON: () => [1, null] }, [1, null]],
    [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    [{ o: new String("s"), b: new Boolean(true) }, { o: "s", b: true }],
    [runInNewContext("({ list: [{}, null, new Date(0)] })"), {
      list: [{}, null, "1970-01-01T00:00:00.000Z"],
    }],
    [JSON.parse('{"__proto__":{"x":1}}'), JSON.parse('{"__proto__":{"x":1}}')],
  ];
  for (const [data, expected] of alike) {
    assertEquals(encodeMessage(data).kind, OTHER);
    assertEquals(delivered(data), expected);
  }
});

Deno.test("encodeMessage() sends bytes anywhere in a value, in their place", () => {
  const { buffer } = Uint8Array.of(1, 2, 3, 4);
  const shared = new SharedArrayBuffer(1);
  const sent = {
    name: "x",
    none: null,
    data: buffer,
    list: [null, new Uint16Array(buffer, 2, 1), {
      deep: [new DataView(buffer)],
    }],
    empty: new ArrayBuffer(0),
    2: Uint8Array.of(9),
    1: null,
    buffer: Buffer.from("ab"),
    other: runInNewContext("new Uint8Array([7]).buffer"),
    shared: new Uint8Array(shared),
    last: [null],
  };
  assertEquals(encodeMessage(sent).kind, MIXED);
  const arrived = delivered(sent);
  const all = Uint8Array.of(1, 2, 3, 4);
  assertEquals(arrived, {
    name: "x",
    none: null,
    data: all,
    list: [null, Uint8Array.of(3, 4), { deep: [all] }],
    empty: new Uint8Array(0),
    2: Uint8Array.of(9),
    1: null,
    buffer: Uint8Array.of(97, 98),
    other: Uint8Array.of(7),
    shared: Uint8Array.of(0),
    last: [null],
  });
  assertEquals(delivered([all]), [all]);
  // The same bytes twice are two.
  const [one, two] = delivered([all, all]) as Uint8Array[];
  one[0] = 0;
  assertEquals(two, all);
});

Deno.test("encodeMessage() copies bytes inside of a value at once", () => {
  const bytes = Uint8Array.of(1, 2);
  const { kind, payload } = encodeMessage({ bytes });
  bytes.fill(9);
  assertEquals(decodeMessage(kind, payload as Uint8Array), {
    bytes: Uint8Array.of(1, 2),
  });
});

Deno.test("encodeMessage() writes bytes in a value as PROTOCOL.md says", () => {
  const text = '[[0,3,1],{"a":null,"b":[null,null]}]';
  assertEquals(
    encodeMessage({
      a: null,
      b: [Uint8Array.of(7, 8), new Uint8Array(0)],
    }),
    {
      kind: MIXED,
      payload: Uint8Array.of(...payloadBytes(text), 0, 7, 8),
    },
  );
});

Deno.test("encodeMessage() and decodeMessage() agree on any value with bytes in it", async () => {
  const withBytes = (chance: Chance, value: unknown): unknown => {
    if (chance.below(3) === 0) return chance.bytes(chance.below(20));
    if (Array.isArray(value)) return value.map((v) => withBytes(chance, v));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, v]) => [key, withBytes(chance, v)]),
    );
  };
  await fuzz(3000, (chance) => {
    // The value is in a list, as text by itself may have lone surrogates.
    const data = [withBytes(chance, chance.json(4))];
    assertEquals(delivered(data), data);
  });
});

Deno.test("decodeMessage() rejects what is no value with bytes in it", async () => {
  const cases = [
    "",
    "[[],1]",
    "[[1],null]",
    "[[2],null]\0",
    "[[2],null]\0ab",
    "[[3],null]\0a",
    "[[2,2],[null,null]]\0a",
    "[[1e9],null]\0a",
    "[null,null]\0",
    "1\0",
    "[[2]\0a",
    "\0",
  ];
  for (const text of cases) {
    assertThrows(
      () => decodeMessage(MIXED, payloadBytes(text)),
      ProtocolError,
      "Cannot read a message",
    );
  }
  const good = encodeMessage({
    list: [null, Uint8Array.of(1, 0, 2), { x: new Uint8Array(50) }],
  }).payload as Uint8Array;
  await fuzz(5000, (chance) => {
    try {
      decodeMessage(MIXED, chance.mutated(good));
    } catch (error) {
      assert(error instanceof ProtocolError, String(error));
    }
  });
});

Deno.test("decodeMessage() hands out no byte twice", () => {
  const sizes = "9,-8,".repeat(1000);
  const text = `[[${sizes}1],[${"null,".repeat(2000)}null]]\0${"x".repeat(8)}`;
  assertThrows(() => decodeMessage(MIXED, payloadBytes(text)), ProtocolError);
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
