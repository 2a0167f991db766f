/**
 * What a server gets to see of private peers: none of what is secret, and
 * nothing twice.
 */

import { assert, assertEquals } from "@std/assert";
import type { PrivateOptions } from "../../../private.ts";
import { Cipher } from "../../../src/private/cipher.ts";
import {
  type SimulatedPeerOptions,
  Simulation,
  type Traffic,
} from "../../../testing.ts";
import { SYNCHRONOUS_SUBTLE } from "../../../src/testing/synchronous_subtle.ts";
import { MaliciousRelay } from "../../support/malicious_relay.ts";
import { record } from "../../support/recorder.ts";

const SECOND = 1000;
const MESSAGE = "the-plain-text-of-a-message";
const BYTES = Uint8Array.from({ length: 300 }, (_, at) => at * 7);
const KEY = Uint8Array.from({ length: 32 }, (_, at) => 200 - at);

type Options = PrivateOptions & SimulatedPeerOptions;

/** Bytes as characters, so that one search finds all. */
const characters = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

/** The forms in which something might be seen. */
function forms(secret: string): string[] {
  // Whatever stands before it.
  const encoded = [0, 1, 2].map((before) =>
    btoa("\0".repeat(before) + secret).slice(before && 4, -4)
  );
  const bytes = Uint8Array.from(secret, (char) => char.charCodeAt(0));
  return [secret, bytes.toHex(), ...encoded];
}

/** The modes of a pair: what each is given, before it has any code. */
const MODES: Record<string, [made: Options, given: Options]> = {
  "a code that was made": [{ pairCode: undefined }, {}],
  "a code that was agreed on": [
    { pairCode: "77-museum-napkin-outfit" },
    { pairCode: "77 MUSEUM nap OUT" },
  ],
  "a text": [
    { pairCode: "room", secret: "correct horse battery staple" },
    { pairCode: "room", secret: "correct horse battery staple" },
  ],
  "a key": [
    { pairCode: undefined, secret: KEY },
    { pairCode: undefined, secret: KEY },
  ],
};

for (const [mode, [made, given]] of Object.entries(MODES)) {
  for (const webrtc of [true, false]) {
    const path = webrtc ? "direct" : "relay";
    Deno.test(`private SocketPeer with ${mode} shows the server nothing, on the ${path} path`, async () => {
      const world = new Simulation();
      const seen: Traffic[] = [];
      world.ontraffic = (traffic) => {
        // The data channel is sealed by WebRTC.
        if (traffic.via === "relay") seen.push(traffic);
      };
      const relays = [new MaliciousRelay(), new MaliciousRelay()];
      const a = world.peer({ webrtc, ...made }, relays[0].PeerClass);
      await world.clock.pass(SECOND);
      const b = world.peer(
        { webrtc, pairCode: a.pairCode, ...given },
        relays[1].PeerClass,
      );
      const [ofA, ofB] = [record(a), record(b)];
      const send = () => {
        for (const peer of [a, b]) {
          peer.send(MESSAGE);
          peer.send({ [MESSAGE]: MESSAGE });
          peer.send(BYTES);
        }
      };
      send();
      await world.clock.pass(2 * SECOND);
      send();
      world.cutSockets();
      send();
      await world.clock.pass(10 * SECOND);
      world.closeChannels();
      send();
      await world.clock.pass(10 * SECOND);
      assertEquals([ofA.messages.length, ofB.messages.length], [12, 12]);
      assertEquals(a.path, path);
      const exported = await a.exportKey("label");
      assertEquals(exported, await b.exportKey("label"));
      a.close();
      await world.clock.pass(10 * SECOND);

      const words = /^\d+-(.+-.+-.+)$/.exec(a.pairCode)?.[1] ?? "";
      const secrets = [
        MESSAGE,
        characters(BYTES.subarray(100, 120)),
        characters(KEY.subarray(4, 16)),
        characters(exported),
        "correct horse",
        "candidate",
        "fingerprint",
        ...words ? [words, words.slice(0, words.lastIndexOf("-"))] : [],
        ...words ? [words.slice(words.indexOf("-") + 1)] : [],
        ...mode.endsWith("agreed on") ? words.split("-") : [],
      ];
      const all = seen.map(({ data }) =>
        typeof data === "string" ? data : characters(new Uint8Array(data))
      ).join("\n");
      assert(all.includes("private.start") && all.length > 2000);
      for (const secret of secrets) {
        for (const form of forms(secret)) {
          assert(!all.includes(form), `${form} is seen`);
        }
      }
      // The server does not see how much has arrived either.
      assert(!/"received":[^0]/.test(all));
      // The server sees nothing at all of WebRTC.
      assert(!/rtc\./.test(all));

      const sealed = seen
        .filter(({ direction, data }) =>
          direction === "out" &&
          (typeof data !== "string" || data.includes("private.start"))
        )
        .map(({ data }) =>
          typeof data === "string" ? data : characters(new Uint8Array(data))
        );
      assert(sealed.length > 10);
      assertEquals(new Set(sealed).size, sealed.length, "nothing comes twice");
      const nonces = relays.flatMap(({ nonces }) => nonces);
      assert(nonces.length >= sealed.length);
      assertEquals(new Set(nonces).size, nonces.length, "nor does any nonce");
    });
  }
}

Deno.test("private SocketPeer takes other keys for each conversation", async () => {
  const world = new Simulation();
  const relay = new MaliciousRelay();
  const room: Options = { pairCode: "room", secret: KEY, webrtc: false };
  const a = world.peer(room, relay.PeerClass);
  const words = new Set<string | null>();
  const keys = new Set<string>();
  for (let round = 1; round <= 4; round++) {
    const b = world.peer(room, new MaliciousRelay().PeerClass);
    await world.clock.pass(5 * SECOND);
    assert(a.connected && b.connected);
    words.add(a.verification);
    keys.add((await a.exportKey("label")).toHex());
    b.destroy();
    await world.clock.pass(SECOND);
    const used = new Set(relay.nonces.map((nonce) => nonce.split(" ")[0]));
    assertEquals([words.size, keys.size, used.size], [round, round, round]);
  }
  const shares = relay.sent
    .filter((passing): passing is string =>
      typeof passing === "string" && passing.includes('"share"')
    )
    .map((text) => JSON.parse(text).data.hello.private.share);
  assert(shares.length >= 4);
  assertEquals(new Set(shares).size, shares.length);
});

Deno.test("private SocketPeer writes no secret into an error", async () => {
  const world = new Simulation();
  const a = world.peer(
    { pairCode: "7-museum-napkin-outfit" },
    new MaliciousRelay().PeerClass,
  );
  const b = world.peer(
    { pairCode: "7-museum-napkin-otter" },
    new MaliciousRelay().PeerClass,
  );
  const [ofA, ofB] = [record(a), record(b)];
  await world.clock.pass(SECOND);
  a.connect();
  await world.clock.pass(SECOND);
  assertEquals(ofA.codes, ["WRONG_SECRET", "CODE_USED"]);
  assertEquals(ofB.codes, ["WRONG_SECRET"]);
  for (const [error] of [...ofA.args.error, ...ofB.args.error]) {
    const { message, cause } = error as Error;
    assert(!/museum|napkin|outfit|otter/.test(`${message} ${cause}`));
  }
});

Deno.test("Cipher takes a new key after 2^24 records, and opens what is of either side of that", async () => {
  const epochs: number[] = [];
  const make = () =>
    new Cipher(SYNCHRONOUS_SUBTLE, (epoch) => {
      epochs.push(epoch);
      const key = new Uint8Array(32).fill(epoch + 1);
      return SYNCHRONOUS_SUBTLE
        .importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);
    });
  const [one, other] = [make(), make()];
  const bytes = new TextEncoder().encode("record");
  const last = 2 ** 24 - 1;
  const sealed = await Promise.all(
    [last, last + 1, last + 2].map((at) => one.seal(at, bytes, "")),
  );
  for (const [index, each] of sealed.entries()) {
    assertEquals(await other.open(last + index, each, ""), bytes);
  }
  assertEquals(epochs, [0, 0, 1, 1]);
  // The number alone would be the same where only its lower half counted.
  const low = await one.seal(5, bytes, "");
  const high = await one.seal(5 + 2 ** 32, bytes, "");
  assert(low.toHex() !== high.toHex());
});
