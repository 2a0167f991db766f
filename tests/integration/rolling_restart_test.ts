/**
 * One server takes over from another while messages pass: real processes
 * behind a proxy, each told to stop as soon as the next is there.
 */

// deno-lint-ignore-file no-console -- the table is what it is for
import wrtc from "@roamhq/wrtc";
import { assert, assertEquals, assertLess } from "@std/assert";
import { deadline } from "@std/async";
import { SocketPeer, type SocketPeerOptions } from "../../client.ts";
import { type BreakageRow, breakageTable } from "../support/breakage_table.ts";
import { createMeter, type Meter } from "../support/meter.ts";
import { ServerProcess } from "../support/server_process.ts";
import { tcpProxy } from "../support/tcp_proxy.ts";

const PATIENCE_MS = 30_000;
const ROLLS = 4;
/** How long a server may take for its peers to go elsewhere. */
const DRAIN_MS = 5000;

const rows: BreakageRow[] = [];

Deno.test.afterAll(() => {
  if (rows.length > 0) console.log(`\n${breakageTable(rows)}\n`);
});

/** A server on a port of its own, which logs what it does. */
class Server extends ServerProcess {
  constructor() {
    super([
      ...["--port=0", "--host=127.0.0.1", "--log-level=info"],
      `--drain-timeout=${DRAIN_MS}`,
    ]);
  }

  async port(): Promise<number> {
    return Number((await this.address()).port);
  }

  /** Resolves when so many pairs have found each other here. */
  paired(count: number): Promise<void> {
    return this.logged(new RegExp(`(?: info pair [^]*){${count}}`));
  }

  /**
   * Tells the server to stop; resolves with how, and after how long, it did.
   */
  async stop(): Promise<{ code: number; stoppedMs: number }> {
    const toldAt = performance.now();
    this.kill("SIGTERM");
    const { code } = await this.ended();
    return { code, stoppedMs: performance.now() - toldAt };
  }
}

/** Two peers that send numbered messages to each other all the time. */
class Conversation implements Disposable {
  readonly #peers: readonly [SocketPeer, SocketPeer];
  readonly #meters: readonly Meter[];
  /** What happened to the two of them since they began to send. */
  readonly events: readonly [string[], string[]] = [[], []];

  constructor(options: SocketPeerOptions) {
    this.#peers = [new SocketPeer(options), new SocketPeer(options)];
    this.#meters = this.#peers.map((peer) => createMeter(peer));
  }

  /** Waits for an event of both. */
  async until(name: "connect" | "upgrade"): Promise<void> {
    const seen = this.#peers.map((peer) =>
      new Promise<void>((resolve) => peer.once(name, resolve))
    );
    await deadline(Promise.all(seen), PATIENCE_MS);
  }

  start(): void {
    const names = ["upgrade", "downgrade", "reconnect", "close"] as const;
    this.#peers.forEach((peer, side) => {
      for (const name of names) {
        peer.on(name, () => this.events[side].push(name));
      }
      peer.on("statechange", (_to, from) => {
        if (from === "connected") this.events[side].push("lost");
      });
    });
    for (const meter of this.#meters) {
      meter.start();
      meter.measure();
    }
  }

  /** Stops, and checks that everything came once and in order. */
  async finish(name: string): Promise<void> {
    for (const meter of this.#meters) {
      meter.measured();
      meter.stop();
    }
    const flushed = this.#peers.map((peer) => peer.flush());
    await deadline(Promise.all(flushed), PATIENCE_MS);
    const [a, b] = this.#meters.map((meter) => meter.report());
    for (const [{ sent }, got] of [[a, b], [b, a]]) {
      assert(sent > 0);
      assertEquals(
        [got.received, got.missing, got.doubled, got.outOfOrder, got.corrupt],
        [sent, 0, 0, 0, 0],
      );
    }
    rows.push({ name, reports: [a, b] });
  }

  [Symbol.dispose](): void {
    for (const meter of this.#meters) meter.stop();
    for (const peer of this.#peers) peer.destroy();
  }
}

Deno.test({
  name:
    "SocketPeer loses nothing while one server process takes over from another",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using servers = new AsyncDisposableStack();
    let server = servers.use(new Server());
    await using proxy = tcpProxy(await server.port());
    const url = `http://127.0.0.1:${proxy.port}`;
    using relay = new Conversation({ url, pairCode: "relay" });
    using direct = new Conversation({
      url,
      pairCode: "direct",
      // deno-lint-ignore no-explicit-any -- its types are those of a browser
      wrtc: wrtc as any,
    });
    await Promise.all([relay.until("connect"), direct.until("upgrade")]);
    for (const conversation of [relay, direct]) conversation.start();

    for (let roll = 0; roll < ROLLS; roll++) {
      const next = servers.use(new Server());
      proxy.aim(await next.port());
      const { code, stoppedMs } = await server.stop();
      assertEquals(code, 0);
      // The server has stopped by itself, and not because its time was over.
      assertLess(stoppedMs, DRAIN_MS);
      // Both conversations have come over, whether they need it or not.
      await next.paired(2);
      server = next;
    }

    await relay.finish("rolling restart, no data channel");
    await direct.finish("rolling restart under a data channel");
    const moves = Array(ROLLS).fill(["lost", "reconnect"]).flat();
    assertEquals(relay.events, [moves, moves]);
    assertEquals(direct.events, [[], []]);
  },
});
