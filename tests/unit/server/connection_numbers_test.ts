import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { FakeServer, pairText, turn } from "../../support/fake_server.ts";

const ADDRESS = "192.0.2.1";

/** All numbers of one digit. */
const DIGITS = Array.from({ length: 9 }, (_, index) => `${index + 1}`);

/** A peer that has asked for a number, and which it got. */
async function draw(
  server: FakeServer,
  id: string,
  fields?: Record<string, unknown>,
  address?: string,
) {
  const peer = await server.join(id, { code: "", ...fields }, address);
  await turn();
  const [{ type, data }] = peer.socket.taken();
  assertEquals(type, "peer.waiting");
  assertEquals(data.interval, 15_000);
  return { ...peer, code: data.code as string };
}

Deno.test("Connection gives a number to a peer without a code, and pairs it with who types that", async () => {
  const server = new FakeServer();
  const a = await draw(server, "a");
  assertMatch(a.code, /^[1-9]$/);
  const b = await server.join("b", { code: ` ${a.code}` });
  assertEquals(a.socket.taken()[0].data.id, "b");
  const [found] = b.socket.taken();
  assertEquals([found.type, found.data.id], ["peer.found", "a"]);
  assertEquals(found.data.code, undefined);
  assertEquals(server.registry.pairs, 1);
  a.connection.onClose(4000);
  server.assertNothingLeft();
});

Deno.test("Connection tells no number to a peer that has a code", async () => {
  const server = new FakeServer();
  const { socket } = await server.join("a", { code: "7" });
  assertEquals(socket.taken(), [
    { type: "peer.waiting", data: { interval: 15_000 } },
  ]);
});

Deno.test("Connection gives none a number under which somebody waits", async () => {
  const server = new FakeServer();
  const free = "4";
  for (const code of DIGITS) {
    if (code !== free) await server.join(`waits for ${code}`, { code });
  }
  assertEquals((await draw(server, "a")).code, free);
  assertMatch((await draw(server, "b")).code, /^[1-9]\d$/);
});

Deno.test("Connection takes a peer back that comes with its number", async () => {
  const server = new FakeServer();
  const a = await draw(server, "a");
  const b = await server.join("b", { code: a.code });
  a.connection.onClose(1006);
  b.socket.taken();
  const again = await server.join("a", { code: a.code, partner: "b" });
  assertEquals(again.socket.types(), ["peer.found"]);
  assertEquals(b.socket.types(), ["peer.found"]);
  b.connection.onClose(4000);
});

Deno.test("Connection lets a number rest after its conversation", async () => {
  const server = new FakeServer({ peerTimeout: 0 });
  const a = await draw(server, "a");
  const b = await server.join("b", { code: a.code });
  server.pass(900_000, a, b);
  a.connection.onClose(4000);
  for (const code of DIGITS) {
    if (code !== a.code) await server.join(`waits for ${code}`, { code });
  }
  assertMatch((await draw(server, "c")).code, /^[1-9]\d$/);
});

Deno.test("Connection asks the validator for the number that was drawn", async () => {
  const asked: string[] = [];
  const server = new FakeServer();
  server.pairCodeValidator = (code) => asked.push(code) > 0;
  const { code } = await draw(server, "a");
  assertEquals(asked, [code]);
});

Deno.test("Connection says so where the validator does not take numbers", async () => {
  const server = new FakeServer();
  server.pairCodeValidator = () => false;
  const { socket } = await server.join("a", { code: "" });
  await turn();
  assertEquals(socket.closes, [
    { code: 4002, reason: "the number drawn as pair code is not accepted" },
  ]);
  assertEquals(server.refusals(), ["pair_code"]);
  server.assertNothingLeft();
});

Deno.test("Connection draws again where somebody takes the number meanwhile", async () => {
  const server = new FakeServer();
  const asked: string[] = [];
  let accept = () => {};
  server.pairCodeValidator = (code) => {
    asked.push(code);
    if (asked.length > 1) return true;
    return new Promise((resolve) => accept = () => resolve(true));
  };
  const drawer = await server.join("a", { code: "" });
  await turn();
  const [first] = asked;
  const stranger = await server.join("stranger", { code: first });
  accept();
  await turn();
  await turn();
  const [{ type, data }] = drawer.socket.taken();
  assertEquals(type, "peer.waiting");
  assertNotEquals(data.code, first);
  assertEquals(asked, [first, first, data.code]);
  assertEquals(stranger.socket.types(), ["peer.waiting"]);
  assertEquals(server.registry.waiting, 2);
});

Deno.test("Connection draws nothing for one that has left meanwhile", async () => {
  for (const code of [4000, 1006]) {
    const server = new FakeServer();
    const asked: string[] = [];
    server.pairCodeValidator = (code) => asked.push(code) > 0;
    const { connection } = server.connect();
    connection.onText(pairText("a", { code: "" }));
    connection.onClose(code);
    await turn();
    assertEquals(asked, []);
    server.assertNothingLeft();
  }
});

Deno.test("Connection sends one away for a while where no number is free", async () => {
  const server = new FakeServer({ maxPairCodeLength: 1 });
  for (const code of DIGITS) await server.join(`waits for ${code}`, { code });
  server.refusals();
  const { socket } = await server.join("a", { code: "" }, ADDRESS);
  await turn();
  assertEquals(socket.closeCode, 1013);
  assertMatch(
    socket.closes[0].reason,
    /^no number is free: retry in \d{4,5} ms$/,
  );
  assertEquals(server.refusals(), ["pair_code"]);
});

Deno.test("Connection refuses a code of blanks, and none in version 1", async () => {
  const server = new FakeServer();
  const blank = await server.join("a", { code: " \t" });
  assertEquals(blank.socket.closeCode, 4001);
  for (const code of ["", null]) {
    const { socket, connection } = server.connect();
    connection.onText(JSON.stringify({ type: "pair", data: code }));
    await turn();
    assertEquals(socket.types(), ["warning"]);
    assertEquals(socket.closeCode, 4001);
  }
  server.assertNothingLeft();
});

Deno.test("Connection counts one that draws a number as any attempt to pair", async () => {
  // Whoever draws and drops them makes numbers longer for all.
  const server = new FakeServer({
    pairRate: { burst: 10, perSecond: 0.001 },
  });
  const a = await draw(server, "a", {}, ADDRESS);
  const b = await server.join("b", { code: a.code });
  a.connection.onClose(4000);
  b.connection.onClose(4000);
  // The peer that drew has met its partner: that was one attempt.
  const c = await draw(server, "c", {}, ADDRESS);
  assert(server.addresses.takePair(ADDRESS));
  c.connection.onClose(4000);
  assertFalse(server.addresses.takePair(ADDRESS));
});
