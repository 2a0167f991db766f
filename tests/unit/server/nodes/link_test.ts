import { assert, assertEquals } from "@std/assert";
import {
  Link,
  LINK_WINDOW_BYTES,
  SILENCE_MS,
} from "../../../../src/server/nodes/link.ts";
import {
  decodeMessage,
  type Item,
  itemText,
  PACKET,
  sizeOf,
  textBytes,
} from "../../../../src/server/nodes/message.ts";
import { VirtualClock } from "../../../../testing.ts";
import { fuzz } from "../../../support/fuzz.ts";

const item = (text: string): Item => ({
  kind: PACKET,
  to: 1,
  from: 2,
  bytes: textBytes(text),
});

/** One end, what it has taken and lost, and what it has sent. */
class End {
  readonly link: Link;
  readonly events: string[] = [];
  /** Messages that have not been brought yet. */
  readonly out: Uint8Array<ArrayBuffer>[] = [];

  constructor(node: string, clock: VirtualClock) {
    let generation = 0;
    this.link = new Link({
      node,
      maxMessageBytes: 100_000,
      forwarded: {
        forwardedMessages: 0,
        forwardedPackets: 0,
        forwardedBytes: 0,
      },
      nextGeneration: () => ++generation,
      send: (message) => this.out.push(message),
      take: (item) => this.events.push(itemText(item)),
      lost: (reason) => this.events.push(`lost: ${reason}`),
      soon: (callback) => clock.after(0, callback),
      now: clock.now,
    });
  }

  /** What has happened since the last call. */
  told(): string[] {
    return this.events.splice(0);
  }

  receive(message: Uint8Array<ArrayBuffer>): void {
    const { head, items } = decodeMessage(message)!;
    this.link.receive(head, items);
  }
}

function setUp() {
  const clock = new VirtualClock();
  const [a, b] = ["A".repeat(11), "B".repeat(11)].map((node) =>
    new End(node, clock)
  );
  const otherOf = (end: End) => end === a ? b : a;
  /** Lets everything arrive, but for what is dropped. */
  const settle = (drop: (from: End) => boolean = () => false) => {
    for (let busy = true; busy;) {
      clock.advance(0);
      busy = false;
      for (const from of [a, b]) {
        const message = from.out.shift();
        if (!message) continue;
        busy = true;
        if (!drop(from)) otherOf(from).receive(message);
      }
    }
  };
  return { clock, a, b, settle };
}

/** Loses one message that has these in it. */
function lose({ clock, a }: ReturnType<typeof setUp>, ...texts: string[]) {
  for (const text of texts) a.link.push(item(text));
  clock.advance(0);
  a.out.length = 0;
}

Deno.test("Link brings what is pushed in one turn in one message, in order", () => {
  const pair = setUp();
  const { a, b, clock, settle } = pair;
  for (const text of ["1", "2", "3"]) a.link.push(item(text));
  clock.advance(0);
  assertEquals(a.out.length, 1);
  settle();
  assertEquals(b.told(), ["1", "2", "3"]);
  assertEquals([a.told(), clock.pending], [[], 0]);
});

Deno.test("Link sends nothing larger than a message may be, unless it is one item", () => {
  const { a, b, clock, settle } = setUp();
  for (let count = 0; count < 5; count++) {
    a.link.push(item("x".repeat(40_000)));
  }
  a.link.push(item("y".repeat(120_000)));
  clock.advance(0);
  const sizes = a.out.map(({ byteLength }) => byteLength);
  assertEquals(sizes.map((size) => Math.round(size / 1000)), [80, 80, 40, 120]);
  settle();
  assertEquals(b.told().length, 6);
});

Deno.test("Link is lost at both ends where a message is missing, and takes nothing of before", () => {
  const pair = setUp();
  const { a, b, settle } = pair;
  a.link.push(item("1"));
  b.link.push(item("one"));
  settle();
  lose(pair, "2");
  a.link.push(item("3"));
  settle();
  assertEquals(a.told(), ["one", "lost: reset"]);
  assertEquals(b.told(), ["1", "lost: gap"]);
  a.link.push(item("4"));
  b.link.push(item("two"));
  settle();
  assertEquals([a.told(), b.told()], [["two"], ["4"]]);
});

Deno.test("Link finds out that the first message was lost", () => {
  const pair = setUp();
  const { a, b, settle } = pair;
  lose(pair, "1");
  a.link.push(item("2"));
  settle();
  assertEquals([a.told(), b.told()], [["lost: reset"], ["lost: gap"]]);
  a.link.push(item("3"));
  settle();
  assertEquals(b.told(), ["3"]);
});

Deno.test("Link finds out that the last message was lost, when it asks", () => {
  const pair = setUp();
  const { a, b, settle } = pair;
  a.link.push(item("1"));
  settle();
  lose(pair, "2");
  a.link.ask();
  settle();
  assertEquals([a.told(), b.told()], [["lost: reset"], ["1", "lost: gap"]]);
});

Deno.test("Link takes a message once that comes twice", () => {
  const { a, b, clock } = setUp();
  a.link.push(item("1"));
  clock.advance(0);
  const [message] = a.out;
  b.receive(message.slice());
  b.receive(message.slice());
  assertEquals(b.told(), ["1"]);
});

Deno.test("Link is lost where the other is asked and says nothing", () => {
  const { a, clock } = setUp();
  a.link.ask();
  clock.advance(SILENCE_MS);
  a.link.ask();
  assertEquals([a.told(), a.link.silentMs], [[], SILENCE_MS]);
  clock.advance(1);
  a.link.ask();
  assertEquals([a.told(), a.link.silentMs], [["lost: silent"], 0]);
});

Deno.test("Link answers who asks, and asks nobody in return", () => {
  const { a, b, clock, settle } = setUp();
  a.link.ask();
  clock.advance(0);
  settle();
  assertEquals(a.link.silentMs, 0);
  clock.advance(60_000);
  assertEquals([a.out, b.out, clock.pending], [[], [], 0]);
});

Deno.test("Link is lost once for both where both find out at the same time", () => {
  const pair = setUp();
  const { a, b, clock, settle } = pair;
  a.link.push(item("1"));
  b.link.push(item("one"));
  settle();
  lose(pair, "2");
  b.link.push(item("two"));
  clock.advance(0);
  b.out.length = 0;
  a.link.push(item("3"));
  b.link.push(item("three"));
  settle();
  assertEquals(a.told(), ["one", "lost: gap"]);
  assertEquals(b.told(), ["1", "lost: gap"]);
  a.link.push(item("4"));
  b.link.push(item("four"));
  settle();
  assertEquals([a.told(), b.told()], [["four"], ["4"]]);
});

Deno.test("Link sends no more than the window before the other has taken it", () => {
  const { a, b, clock, settle } = setUp();
  const account = { waitingBytes: 0 };
  const each = item("x".repeat(10_000));
  const count = Math.ceil(3 * LINK_WINDOW_BYTES / sizeOf(each));
  for (let pushed = 0; pushed < count; pushed++) a.link.push(each, account);
  clock.advance(0);
  const sent = a.out.reduce((sum, { byteLength }) => sum + byteLength, 0);
  assert(sent >= LINK_WINDOW_BYTES && sent < LINK_WINDOW_BYTES + 100_000);
  assertEquals(account.waitingBytes, a.link.waitingBytes);
  assert(account.waitingBytes > LINK_WINDOW_BYTES);
  settle();
  assertEquals([account.waitingBytes, a.link.waitingBytes], [0, 0]);
  assertEquals(b.told().length, count);
});

Deno.test("Link drops what waits when it is lost, on nobody's account any more", () => {
  const { a, clock } = setUp();
  const account = { waitingBytes: 0 };
  for (let pushed = 0; pushed < 100; pushed++) {
    a.link.push(item("x".repeat(10_000)), account);
  }
  clock.advance(0);
  a.link.lose("unheard");
  assertEquals([account.waitingBytes, a.link.waitingBytes], [0, 0]);
  assertEquals(a.told(), ["lost: unheard"]);
});

Deno.test("Link loses nothing without both ends knowing, whatever is lost or doubled", async () => {
  let losses = 0;
  await fuzz(500, (chance) => {
    const pair = setUp();
    const { a, b, clock, settle } = pair;
    let pushed = 0;
    for (let steps = chance.below(40); steps > 0; steps--) {
      const end = chance.pick([a, b]);
      if (chance.below(5) === 0) end.link.ask();
      else end.link.push(item(`${pushed++}`));
      if (chance.below(3) === 0) settle(() => chance.below(6) === 0);
      const [message] = end.out;
      if (message && chance.below(8) === 0) end.out.unshift(message.slice());
    }
    // Whoever has business asks now and then.
    for (let rounds = 0; rounds < 3; rounds++) {
      a.link.ask();
      b.link.ask();
      clock.advance(1000);
      settle();
    }
    for (const [from, to] of [[a, b], [b, a]]) {
      // Since both know of the last loss, all arrives.
      from.told();
      to.told();
      from.link.push(item("at last"));
      settle();
      assertEquals([from.told(), to.told()], [[], ["at last"]]);
    }
  });
  await fuzz(300, (chance) => {
    const { a, b, settle } = setUp();
    let sent: number[] = [];
    for (let pushed = 0; pushed < 60; pushed++) {
      a.link.push(item(`${pushed}`));
      sent.push(pushed);
      if (chance.below(3) === 0) settle(() => chance.below(10) === 0);
      const lost = a.told().length > 0;
      const got = b.told();
      if (lost || got.some((event) => event.startsWith("lost"))) {
        losses++;
        // What was under way is anybody's guess; what is pushed now is not.
        settle();
        a.link.ask();
        b.link.ask();
        settle();
        a.told();
        b.told();
        sent = [];
        continue;
      }
      assertEquals(got.map(Number), sent.splice(0, got.length));
    }
  });
  assert(losses > 100, `${losses} losses`);
});
