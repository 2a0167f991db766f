import {
  assert,
  assertEquals,
  assertFalse,
  assertIsError,
  assertThrows,
} from "@std/assert";
import { ProtocolError } from "../../../src/errors.ts";
import {
  type ControlMessage,
  encodeControl,
  FROM_SERVER,
  parseControl as parse,
} from "../../../src/protocol/control.ts";
import { FROM_CLIENT } from "../../../src/protocol/from_client.ts";
import { type Chance, fuzz } from "../../support/fuzz.ts";

// Every type at once: which end takes which stands in tests of its own.
const parseControl = (json: string) =>
  parse(json, { ...FROM_CLIENT, ...FROM_SERVER });

const HELLO = { received: 0, webrtc: true, relay: true, maxMessageBytes: 1024 };

const PAIR = {
  code: "blue-sky",
  version: 2,
  id: "a",
  key: "k",
  resumeTimeout: 30_000,
  hello: HELLO,
};

/** One message of each type, as PROTOCOL.md section 3 has them. */
const MESSAGES: readonly ControlMessage[] = [
  { type: "pair", data: PAIR },
  { type: "pair", data: { ...PAIR, partner: "b" } },
  { type: "pong" },
  { type: "pair", data: { ...PAIR, code: "" } },
  { type: "peer.waiting", data: { interval: 15_000 } },
  { type: "peer.waiting", data: { interval: 15_000, code: "7" } },
  {
    type: "peer.found",
    data: { interval: 15_000, initiator: false, id: "b", hello: HELLO },
  },
  {
    type: "peer.found",
    data: {
      interval: 15_000,
      initiator: true,
      id: "b",
      hello: HELLO,
      iceServers: [{ urls: "stun:stun.example.org" }],
    },
  },
  {
    type: "peer.found",
    data: { interval: 15_000, initiator: false, hello: HELLO },
  },
  { type: "ice.servers", data: { iceServers: [{ urls: ["turn:x"] }] } },
  { type: "peer.lost" },
  { type: "pair", data: "blue-sky" },
  { type: "upgrade" },
  { type: "leaving" },
  { type: "ping", data: { interval: 15_000 } },
  { type: "error", data: { message: "Cannot do this" } },
  { type: "rtc.connect", data: { generation: 3 } },
  {
    type: "rtc.signal",
    data: { generation: 1, description: { type: "offer", sdp: "v=0" } },
  },
  {
    type: "rtc.signal",
    data: { generation: 1, candidates: [{ sdpMid: "0" }, null] },
  },
  {
    type: "pair",
    data: { ...PAIR, hello: { ...HELLO, private: { share: "s", ad: "{}" } } },
  },
  { type: "private.start", data: { counter: 7, seal: "sealed" } },
];

function assertRefused(message: unknown, why?: string): ProtocolError {
  const text = typeof message === "string" ? message : JSON.stringify(message);
  return assertThrows(() => parseControl(text), ProtocolError, why, text);
}

const pair = (fields: Record<string, unknown>) => ({
  type: "pair",
  data: { ...PAIR, ...fields },
});

const pairHello = (fields: Record<string, unknown>) =>
  pair({ hello: { ...HELLO, ...fields } });

const signal = (fields: Record<string, unknown>) => ({
  type: "rtc.signal",
  data: { generation: 1, ...fields },
});

const start = (fields: Record<string, unknown>) => ({
  type: "private.start",
  data: { counter: 1, seal: "sealed", ...fields },
});

Deno.test("encodeControl() writes JSON of a type and its data", () => {
  assertEquals(encodeControl({ type: "pong" }), '{"type":"pong"}');
  assertEquals(
    encodeControl({ type: "ping", data: { interval: 15_000 } }),
    '{"type":"ping","data":{"interval":15000}}',
  );
});

Deno.test("parseControl() reads every type of message", () => {
  for (const message of MESSAGES) {
    assertEquals(parseControl(JSON.stringify(message)), message);
  }
});

Deno.test("parseControl() passes over fields that are not known", () => {
  const later = {
    type: "pair",
    data: { ...PAIR, hello: { ...HELLO, sealed: [1] }, color: "red" },
    sent: "now",
  };
  assertEquals(
    parseControl(JSON.stringify(later)) as unknown,
    later,
  );
  parseControl('{"type":"pong","data":{"at":1}}');
  parseControl('{"type":"peer.lost","data":null}');
  parseControl(JSON.stringify(signal({ candidates: [{}], trickle: true })));
});

Deno.test("parseControl() takes fields up to their limits", () => {
  for (
    const message of [
      pair({ code: "" }),
      pair({ code: "x" }),
      pair({ code: "x".repeat(256) }),
      pair({ id: "x".repeat(64), key: "y".repeat(64) }),
      pair({ partner: "x".repeat(64) }),
      pair({ resumeTimeout: 0 }),
      pair({ resumeTimeout: Number.MAX_SAFE_INTEGER }),
      pairHello({ received: 281474976710655, maxMessageBytes: 0 }),
      pairHello({ webrtc: false, relay: false }),
      pairHello({ private: { share: "x".repeat(64), ad: "y".repeat(2048) } }),
      start({ counter: 0, seal: "x" }),
      start({ counter: Number.MAX_SAFE_INTEGER, seal: "x".repeat(1024) }),
    ]
  ) {
    assertEquals(parseControl(JSON.stringify(message)) as unknown, message);
  }
});

Deno.test("parseControl() rejects a pair with a field that is wrong or missing", () => {
  const wrong: Record<string, readonly unknown[]> = {
    code: [undefined, null, 7, ["x"], "x".repeat(257)],
    version: [undefined, null, 0, 1, 3, "2", 2.5],
    id: [undefined, null, "", 7, "x".repeat(65)],
    key: [undefined, null, "", 7, "x".repeat(65)],
    partner: [null, "", 7, "x".repeat(65)],
    resumeTimeout: [undefined, null, "1", -1, 0.5, 2 ** 53, 1e300],
    hello: [undefined, null, "hello", 7, [], {}],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      assertRefused(pair({ [name]: value }), `"${name}"`);
    }
  }
});

Deno.test("parseControl() rejects a hello with a field that is wrong or missing", () => {
  const wrong: Record<string, readonly unknown[]> = {
    received: [undefined, null, "1", -1, 0.5, 2 ** 53],
    webrtc: [undefined, null, 1, "true"],
    relay: [undefined, null, 0, "false"],
    maxMessageBytes: [undefined, null, "1", -1, 0.5],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      assertRefused(pairHello({ [name]: value }), `"${name}"`);
      const hello = { ...HELLO, [name]: value };
      assertRefused({
        type: "peer.found",
        data: { interval: 1, initiator: true, id: "b", hello },
      }, `"${name}"`);
    }
  }
});

Deno.test("parseControl() rejects messages of the server that say too little", () => {
  const found = { interval: 1, initiator: true, id: "b", hello: HELLO };
  for (
    const message of [
      { type: "peer.found" },
      { type: "peer.found", data: { initiator: true } },
      { type: "peer.found", data: { ...found, initiator: 1 } },
      { type: "peer.found", data: { ...found, interval: "15000" } },
      { type: "peer.found", data: { ...found, id: 7 } },
      { type: "peer.found", data: { ...found, hello: {} } },
      { type: "peer.found", data: { ...found, iceServers: {} } },
      { type: "peer.waiting" },
      { type: "peer.waiting", data: { interval: null } },
      { type: "ice.servers" },
      { type: "ice.servers", data: { iceServers: "stun:x" } },
      { type: "ping" },
      { type: "ping", data: {} },
      { type: "ping", data: { interval: "15000" } },
      { type: "ping", data: { interval: -1 } },
      { type: "error" },
      { type: "error", data: "message" },
      { type: "error", data: { message: 7 } },
    ]
  ) assertRefused(message);
});

Deno.test("parseControl() rejects a step of the negotiation that is none", () => {
  for (
    const message of [
      { type: "rtc.connect" },
      { type: "rtc.connect", data: {} },
      { type: "rtc.connect", data: { generation: -1 } },
      { type: "rtc.signal" },
      { type: "rtc.signal", data: { candidate: null } },
      signal({ description: null }),
      signal({ description: "v=0" }),
      signal({ description: { type: "offer" } }),
      signal({ description: { sdp: "v=0" } }),
      signal({ description: { type: "offer", sdp: 7 } }),
    ]
  ) assertRefused(message);
});

Deno.test("parseControl() rejects a key agreement that is none", () => {
  for (
    const fields of [
      null,
      "share",
      {},
      { share: "s" },
      { ad: "a" },
      { share: "", ad: "a" },
      { share: "s", ad: 7 },
      { share: "x".repeat(65), ad: "a" },
      { share: "s", ad: "x".repeat(2049) },
    ]
  ) assertRefused(pairHello({ private: fields }), '"private"');
  for (
    const fields of [
      { counter: undefined },
      { counter: -1 },
      { counter: 0.5 },
      { counter: 2 ** 53 },
      { counter: "1" },
      { seal: undefined },
      { seal: "" },
      { seal: 7 },
      { seal: "x".repeat(1025) },
    ]
  ) assertRefused(start(fields), "seal" in fields ? '"seal"' : '"counter"');
  assertRefused({ type: "private.start" });
});

Deno.test("parseControl() knows of privacy on the server alone", () => {
  // The client weighs as much as it may, and is sent none of it: one with
  // privacy reads it itself.
  const text = JSON.stringify(start({}));
  parse(text, FROM_CLIENT);
  assertThrows(() => parse(text, FROM_SERVER), ProtocolError, "type");
  const found = {
    type: "peer.found",
    data: {
      interval: 1,
      initiator: true,
      hello: { ...HELLO, private: { share: "s", ad: "a" } },
    },
  };
  assertEquals(
    parse(JSON.stringify(found), FROM_SERVER) as unknown,
    found,
  );
});

Deno.test("parseControl() leaves it to WebRTC what a candidate is", () => {
  for (const candidate of [null, {}, "candidate:1", 7, undefined]) {
    parseControl(JSON.stringify(signal({ candidates: [candidate] })));
  }
});

Deno.test("parseControl() rejects types that are not known", () => {
  for (
    const type of [
      "",
      "hello",
      "PAIR",
      "busy",
      "warning",
      "__proto__",
      "constructor",
      "toString",
      null,
      0,
      true,
      {},
    ]
  ) {
    assertRefused({ type, data: PAIR }, "type");
  }
});

Deno.test("parseControl() rejects a type that is no string but reads like one", () => {
  // Property names are strings: a list of one word stands for that word.
  assertRefused({ type: ["pong"] }, "type");
  assertRefused({ type: [["pair"]], data: PAIR }, "type");
  assertRefused({ type: { toString: 1, valueOf: 1 } }, "type");
});

Deno.test("parseControl() rejects JSON that is no object", () => {
  for (
    const text of ["null", "true", "7", '"pair"', "[]", "{}", '[["pair"]]']
  ) {
    assertRefused(text, "type");
  }
});

Deno.test("parseControl() rejects text that is not JSON", () => {
  for (const text of ["", " ", "pair", "{", '{"type":"pong"', "\0", "\ufeff"]) {
    assertRefused(text, "JSON");
  }
  assertRefused('{"type":"pong"}}', "JSON");
});

Deno.test("parseControl() takes any pair that is no object for one of version 1", () => {
  for (const data of ["", "blue-sky", "x".repeat(1000), null, 7, true]) {
    const message = { type: "pair", data };
    assertEquals(parseControl(JSON.stringify(message)) as unknown, message);
  }
  assertRefused('{"type":"pair"}');
  assertRefused('{"type":"pair","data":["blue-sky"]}');
});

Deno.test("parseControl() takes 65536 characters and rejects one more", () => {
  const [head, tail] = ['{"type":"pong","data":"', '"}'];
  const filled = (length: number) =>
    head + "x".repeat(length - head.length - tail.length) + tail;
  assertEquals(parseControl(filled(65_536)).type, "pong");
  assertRefused(filled(65_537), "65536");
});

Deno.test("parseControl() bounds what it parses by characters, not by bytes", () => {
  const [head, tail] = ['{"type":"pong","data":"', '"}'];
  const text = head + "€".repeat(65_536 - head.length - tail.length) + tail;
  assertEquals(parseControl(text).type, "pong");
});

Deno.test("parseControl() reads or rejects JSON of any depth", () => {
  const depth = 32_000;
  const deep = "[".repeat(depth) + "]".repeat(depth);
  for (
    const text of [deep, `{"type":"pong","data":${deep}}`, "[".repeat(65_536)]
  ) {
    try {
      encodeControl(parseControl(text));
    } catch (error) {
      assertIsError(error, ProtocolError);
    }
  }
});

Deno.test("parseControl() keeps the pair code out of its errors and their causes", () => {
  // A pair code works like a password, and errors end up in logs.
  const code = "s3cret";
  const broken = [
    JSON.stringify(pair({ code, version: 1 })),
    JSON.stringify(pair({ code, id: "" })),
    JSON.stringify(pair({ code: code.repeat(100) })),
    JSON.stringify({ type: "pair", data: [code] }),
    `{"type":"pair","data":{"code":"${code}",}}`,
    `{"type":"pair","data":{"code":"${code}`,
    `{"type":"pair","data":{"code":${code}}}`,
  ];
  for (const text of broken) {
    const error = assertRefused(text);
    assertFalse(error.message.includes(code), error.message);
    assertFalse(String(error.cause).includes(code), String(error.cause));
  }
});

/** Whether a value is a control message, by PROTOCOL.md section 3. */
function isControlMessage(value: unknown): boolean {
  const { type, data } = value as { type: unknown; data: unknown };
  const fields = data as Record<string, unknown>;
  const isObject = (value: unknown) =>
    typeof value === "object" && value !== null;
  const isCount = (value: unknown) =>
    typeof value === "number" && value >= 0 && value < 2 ** 53 &&
    value === Math.floor(value);
  const isText = (value: unknown, most: number) =>
    typeof value === "string" && value.length >= 1 && value.length <= most;
  const isHello = (value: unknown) => {
    if (!isObject(value)) return false;
    const hello = value as Record<string, unknown>;
    return isCount(hello.received) && typeof hello.webrtc === "boolean" &&
      typeof hello.relay === "boolean" && isCount(hello.maxMessageBytes);
  };
  const isPrivateHello = (value: unknown) => {
    const { private: agreement } = value as Record<string, unknown>;
    if (agreement === undefined) return true;
    const { share, ad } = Object(agreement);
    return isObject(agreement) && isText(share, 64) && isText(ad, 2048);
  };
  switch (type) {
    case "pong":
    case "peer.lost":
    case "upgrade":
    case "leaving":
      return true;
    case "pair":
      if (data !== undefined && !isObject(data)) return true;
      return isObject(data) &&
        (fields.code === "" || isText(fields.code, 256)) &&
        fields.version === 2 && isText(fields.id, 64) &&
        isText(fields.key, 64) && isCount(fields.resumeTimeout) &&
        (fields.partner === undefined || isText(fields.partner, 64)) &&
        isHello(fields.hello) && isPrivateHello(fields.hello);
    case "peer.found":
      return isObject(data) && isCount(fields.interval) &&
        typeof fields.initiator === "boolean" &&
        (fields.id === undefined || isText(fields.id, 64)) &&
        isHello(fields.hello) &&
        (fields.iceServers === undefined || Array.isArray(fields.iceServers));
    case "ice.servers":
      return isObject(data) && Array.isArray(fields.iceServers);
    case "ping":
    case "peer.waiting":
      return isObject(data) && isCount(fields.interval);
    case "error":
      return isObject(data) && isText(fields.message, 65_536);
    case "private.start":
      return isObject(data) && isCount(fields.counter) &&
        isText(fields.seal, 1024);
    case "rtc.connect":
      return isObject(data) && isCount(fields.generation);
    case "rtc.signal": {
      if (!isObject(data) || !isCount(fields.generation)) return false;
      const { description, candidates } = fields;
      if (candidates !== undefined && !Array.isArray(candidates)) return false;
      if (description === undefined) return true;
      const { type, sdp } = Object(description);
      return isText(type, 64) && isText(sdp, 65_536);
    }
    default:
      return false;
  }
}

/** Something close to a control message. */
function almost(chance: Chance): string {
  const message = chance.pick(MESSAGES);
  if (chance.below(2) === 0) return JSON.stringify(chance.altered(message));
  const bytes = new TextEncoder().encode(JSON.stringify(message));
  return new TextDecoder().decode(chance.mutated(bytes));
}

Deno.test("parseControl() gives a control message or throws a ProtocolError, whatever it reads", async () => {
  let read = 0;
  let refused = 0;
  await fuzz(20_000, (chance) => {
    const text = chance.below(10) === 0
      ? chance.text(chance.below(100))
      : almost(chance);
    let message: ControlMessage;
    try {
      message = parseControl(text);
    } catch (error) {
      assertIsError(error, ProtocolError);
      refused++;
      return;
    }
    read++;
    assert(isControlMessage(message), text);
    assertEquals(parseControl(encodeControl(message)), message);
  });
  // With fewer of either the test has proved nothing.
  if (!Deno.env.has("FUZZ_SEED")) {
    assert(read > 500 && refused > 500, `${read} read, ${refused} refused`);
  }
});

Deno.test("parseControl() rejects no control message", async () => {
  await fuzz(20_000, (chance) => {
    const value = chance.altered(chance.pick(MESSAGES));
    const text = JSON.stringify(value) ?? "null";
    if (value === null || !isControlMessage(Object(value))) return;
    assertEquals(parseControl(text) as unknown, JSON.parse(text));
  });
});

Deno.test("parseControl() takes the types of the given end alone", () => {
  const waiting = '{"type":"peer.waiting","data":{"interval":1}}';
  assertEquals(parse(waiting, FROM_SERVER).type, "peer.waiting");
  assertThrows(() => parse(waiting, FROM_CLIENT), ProtocolError, "known");
  const upgrade = '{"type":"upgrade"}';
  assertEquals(parse(upgrade, FROM_CLIENT).type, "upgrade");
  assertThrows(() => parse(upgrade, FROM_SERVER), ProtocolError, "known");
});

Deno.test("parseControl() takes a ping of either end, and when the next comes from a server", () => {
  const ping = '{"type":"ping"}';
  assertEquals(parse(ping, FROM_CLIENT).type, "ping");
  assertThrows(() => parse(ping, FROM_SERVER), ProtocolError, "data");
  for (const schemas of [FROM_SERVER, FROM_CLIENT]) {
    assertEquals(parse('{"type":"pong"}', schemas).type, "pong");
    const beat = '{"type":"ping","data":{"interval":1}}';
    assertEquals(parse(beat, schemas).type, "ping");
  }
});
