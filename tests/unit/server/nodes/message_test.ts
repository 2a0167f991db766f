import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  decodeMessage,
  encodeMessage,
  type Head,
  HEAD_BYTES,
  type Item,
  ITEM_BYTES,
  itemText,
  MESSAGE_1,
  NOTE,
  type Note,
  noteItem,
  PACKET,
  readNote,
  SIGNAL,
  sizeOf,
  textBytes,
} from "../../../../src/server/nodes/message.ts";
import { fuzz } from "../../../support/fuzz.ts";

const HEAD: Head = {
  node: "AbCdEfGhI_-",
  generation: 2 ** 32 - 1,
  givenUp: 7,
  heard: 12,
  sequence: 2 ** 31,
  taken: 2 ** 40 + 5,
  asks: true,
};

const PARTNER = {
  node: "AbCdEfGhI_-",
  member: 4,
  version: 2,
  id: "a",
  hello: { received: 0, webrtc: true, relay: true, maxMessageBytes: 1 },
} as const;

const FOUND: Note = {
  type: "found",
  member: 1,
  turn: 2,
  initiator: true,
  partner: PARTNER,
  pass: {
    node: "another",
    member: 3,
    turn: 1,
    initiator: false,
    partner: PARTNER,
  },
};

Deno.test("decodeMessage() reads what encodeMessage() has written", () => {
  const items: Item[] = [
    noteItem(FOUND),
    {
      kind: PACKET,
      to: 1,
      from: 2 ** 32 - 1,
      bytes: Uint8Array.from({ length: 256 }, (_, at) => at),
    },
    { kind: SIGNAL, to: 5, from: 6, bytes: textBytes("é\n😀") },
    { kind: MESSAGE_1, to: 5, from: 6, bytes: textBytes("") },
  ];
  const message = encodeMessage(HEAD, items);
  const size = items.reduce((sum, item) => sum + sizeOf(item), HEAD_BYTES);
  assertEquals(message.byteLength, size);
  // A message may lie in a larger buffer.
  const larger = new Uint8Array(size + 9);
  larger.set(message, 5);
  const read = decodeMessage(larger.subarray(5, 5 + size))!;
  assertEquals(read, { head: HEAD, items });
  assertEquals(itemText(read.items[2]), "é\n😀");
  assertEquals(readNote(read.items[0]), FOUND);
  assertStrictEquals(read.items[1].bytes.buffer, larger.buffer);
  const bare = { ...HEAD, asks: false };
  assertEquals(decodeMessage(encodeMessage(bare, [])), {
    head: bare,
    items: [],
  });
});

Deno.test("decodeMessage() takes no other version, and nothing that is cut off", () => {
  const message = encodeMessage(HEAD, [noteItem({ type: "bye" })]);
  for (let length = 0; length < message.length; length++) {
    // After the head alone it is whole.
    assertEquals(
      decodeMessage(message.subarray(0, length)) !== undefined,
      length === HEAD_BYTES,
      `${length}`,
    );
  }
  message[0] = 2;
  assertEquals(decodeMessage(message), undefined);
});

Deno.test("readNote() takes nothing that is no note", () => {
  const wrong: unknown[] = [
    null,
    7,
    "bye",
    [],
    {},
    { type: "toString" },
    { type: "leave", member: 1 },
    { type: "leave", member: "1", forGood: true },
    { type: "join", member: 1, slot: "s", version: 2, aloneMs: 0 },
    { type: "found", member: 1, turn: 1, initiator: true },
    { ...FOUND, partner: { ...PARTNER, hello: null } },
    { ...FOUND, pass: { ...FOUND } },
    { ...FOUND, pass: null },
  ];
  for (const note of wrong) {
    const text = JSON.stringify(note);
    const item = { kind: NOTE, to: 0, from: 0, bytes: textBytes(text) };
    assertEquals(readNote(item), undefined, text);
  }
  for (const text of ["", "{", '{"type":"bye"']) {
    const item = { kind: NOTE, to: 0, from: 0, bytes: textBytes(text) };
    assertEquals(readNote(item), undefined, text);
  }
});

Deno.test("decodeMessage() and readNote() throw at no bytes whatever", async () => {
  const message = encodeMessage(HEAD, [noteItem(FOUND), noteItem(FOUND)]);
  let notes = 0;
  await fuzz(3000, (chance) => {
    const bytes = chance.below(4) > 0
      ? chance.mutated(message)
      : chance.bytes(chance.below(200));
    for (const item of decodeMessage(bytes)?.items ?? []) {
      assert(item.bytes.byteLength + ITEM_BYTES <= bytes.byteLength);
      if (item.kind === NOTE && readNote(item)) notes++;
    }
  });
  assert(notes > 100, `${notes} notes`);
});
