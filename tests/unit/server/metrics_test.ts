import { assert, assertEquals, assertMatch } from "@std/assert";
import { Metrics } from "../../../metrics.ts";
import * as closeCodes from "../../../src/protocol/close_code.ts";
import {
  REFUSAL_REASONS,
  type ServerEvent,
  type ServerStats,
} from "../../../src/server/server_event.ts";

const NOTHING: ServerStats = {
  connections: 0,
  waiting: 0,
  pairs: 0,
  relayedPackets: 0,
  relayedBytes: 0,
};

function closed(code: number): ServerEvent {
  return { type: "close", code, reason: "", openMs: 1000 };
}

/** Every series of `socketpeer_…` by its name with labels. */
async function read(metrics: Metrics): Promise<Record<string, number>> {
  const lines = (await metrics.text()).matchAll(/^(socketpeer_\S+) (\S+)$/gm);
  return Object.fromEntries([...lines].map(([, name, n]) => [name, Number(n)]));
}

function metricsOf(stats: () => ServerStats = () => NOTHING): Metrics {
  return new Metrics(stats, { process: false });
}

Deno.test("Metrics.text() shows the server's own numbers as they are when it is called", async () => {
  let stats = {
    connections: 5,
    waiting: 1,
    pairs: 2,
    relayedPackets: 100,
    relayedBytes: 4096,
  };
  const metrics = metricsOf(() => stats);
  for (const times of [1, 1, 2]) {
    stats = { ...stats, relayedBytes: 4096 * times, pairs: times };
    const series = await read(metrics);
    assertEquals(series.socketpeer_connections, 5);
    assertEquals(series.socketpeer_waiting_peers, 1);
    assertEquals(series.socketpeer_pairs, times);
    assertEquals(series.socketpeer_relayed_packets_total, 100);
    assertEquals(series.socketpeer_relayed_bytes_total, 4096 * times);
  }
});

Deno.test("Metrics.observe() counts each kind of event, and is bound", async () => {
  const metrics = metricsOf();
  const { observe } = metrics;
  const events: ServerEvent[] = [
    { type: "open", address: "192.0.2.1" },
    { type: "open" },
    closed(4000),
    closed(1012),
    closed(1012),
    { type: "refuse", reason: "busy" },
    { type: "wait" },
    { type: "upgrade" },
    { type: "upgrade" },
    { type: "error", option: "pairCodeValidator", error: new Error("down") },
    { type: "drain", connections: 3 },
  ];
  assertEquals((await read(metrics)).socketpeer_draining, 0);
  for (const event of events) observe(event);
  const series = await read(metrics);
  assertEquals(series.socketpeer_connections_opened_total, 2);
  assertEquals(series['socketpeer_connections_closed_total{code="4000"}'], 1);
  assertEquals(series['socketpeer_connections_closed_total{code="1012"}'], 2);
  assertEquals(series['socketpeer_refusals_total{reason="busy"}'], 1);
  assertEquals(series['socketpeer_refusals_total{reason="size"}'], 0);
  assertEquals(series.socketpeer_upgrades_total, 2);
  assertEquals(
    series['socketpeer_option_errors_total{option="pairCodeValidator"}'],
    1,
  );
  assertEquals(series.socketpeer_draining, 1);
});

Deno.test("Metrics.observe() takes the times of a pairing in seconds", async () => {
  const metrics = metricsOf();
  metrics.observe({ type: "pair", waitedMs: 12_000, pairingMs: 3 });
  metrics.observe({ type: "pair", waitedMs: 400, pairingMs: 30 });
  const series = await read(metrics);
  assertEquals(series.socketpeer_pairing_seconds_count, 2);
  assertEquals(series.socketpeer_pairing_seconds_sum, 0.033);
  assertEquals(series['socketpeer_pairing_seconds_bucket{le="0.005"}'], 1);
  assertEquals(series['socketpeer_pairing_seconds_bucket{le="0.05"}'], 2);
  assertEquals(series['socketpeer_wait_seconds_bucket{le="0.5"}'], 1);
  assertEquals(series['socketpeer_wait_seconds_bucket{le="30"}'], 2);
});

Deno.test("Metrics shows what is shared with other nodes, and nothing of it without a broker", async () => {
  const sharing = {
    up: true,
    downMs: 0,
    births: 2,
    nodes: 3,
    links: 1,
    claims: 4,
    remotePeers: 5,
    forwardedPackets: 60,
    forwardedBytes: 700,
    forwardedMessages: 8,
    waitingBytes: 9,
  };
  const metrics = metricsOf(() => ({ ...NOTHING, sharing }));
  metrics.observe({ type: "link", reason: "gap" });
  metrics.observe({ type: "claim", ms: 3 });
  const series = await read(metrics);
  assertEquals([
    series.socketpeer_broker_up,
    series.socketpeer_broker_joins_total,
    series.socketpeer_nodes,
    series.socketpeer_links,
    series.socketpeer_claimed_codes,
    series.socketpeer_remote_peers,
    series.socketpeer_forwarded_packets_total,
    series.socketpeer_forwarded_bytes_total,
    series.socketpeer_forwarded_messages_total,
    series.socketpeer_link_waiting_bytes,
  ], [1, 2, 3, 1, 4, 5, 60, 700, 8, 9]);
  assertEquals(series['socketpeer_links_lost_total{reason="gap"}'], 1);
  assertEquals(series['socketpeer_links_lost_total{reason="bye"}'], 0);
  assertEquals(series.socketpeer_claim_seconds_sum, 0.003);
  const alone = await read(metricsOf());
  assertEquals([alone.socketpeer_broker_up, alone.socketpeer_nodes], [0, 0]);
});

Deno.test("Metrics has every reason for a refusal from the start", async () => {
  const names = Object.keys(await read(metricsOf()));
  for (const reason of Object.keys(REFUSAL_REASONS)) {
    assert(names.includes(`socketpeer_refusals_total{reason="${reason}"}`));
  }
});

Deno.test("Metrics has a series of its own for each close code of the protocol", async () => {
  const metrics = metricsOf();
  const codes = Object.values(closeCodes)
    .filter((value) => typeof value === "number");
  for (const code of codes) metrics.observe(closed(code));
  const series = await read(metrics);
  for (const code of codes) {
    const name = `socketpeer_connections_closed_total{code="${code}"}`;
    assertEquals(series[name], 1, name);
  }
});

Deno.test("Metrics makes no series of its own for whatever close codes clients send", async () => {
  const metrics = metricsOf();
  for (let code = 3000; code < 5000; code++) metrics.observe(closed(code));
  const names = Object.keys(await read(metrics))
    .filter((name) => name.startsWith("socketpeer_connections_closed_total"));
  assert(names.length < 20, names.join());
  assert(names.includes('socketpeer_connections_closed_total{code="other"}'));
});

Deno.test("Metrics follows Prometheus' conventions for names", async () => {
  const text = await metricsOf().text();
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  assert(types.length > 10);
  for (const [, name, type] of types) {
    assertMatch(name, /^socketpeer_[a-z_]+$/);
    assertEquals(name.endsWith("_total"), type === "counter", name);
    if (type === "histogram") assertMatch(name, /_seconds$/);
    assert(!/_(?:ms|milliseconds|kb|count)(?:_|$)/.test(name), name);
  }
});

Deno.test("Metrics.contentType is the one that Prometheus asks for", () => {
  assertMatch(metricsOf().contentType, /^text\/plain; version=0\.0\.4\b/);
});

Deno.test("Metrics has the numbers of the process unless told not to", async () => {
  assertEquals((await metricsOf().text()).includes("process_"), false);
  const text = await new Metrics(() => NOTHING).text();
  assertMatch(text, /^process_resident_memory_bytes [1-9]/m);
  assertMatch(text, /^process_start_time_seconds [1-9]/m);
  // Two servers of one process do not stand in each other's way.
  assertEquals(await new Metrics(() => NOTHING).text() !== "", true);
});

Deno.test("docs/operating.md lists every metric as it is", async () => {
  const document = await Deno.readTextFile(
    new URL("../../../docs/operating.md", import.meta.url),
  );
  const rows = document.matchAll(
    /^\| `(socketpeer_\w+)(?:\{(\w+)\})?` +\| (\w+) +\| (.*?) +\|$/gm,
  );
  const metrics = metricsOf();
  for (const option of ["pairCodeValidator", "iceServers"] as const) {
    metrics.observe({ type: "error", option, error: null });
  }
  metrics.observe(closed(1000));
  const text = await metrics.text();
  const names = [];
  for (const [, name, label, type, help] of rows) {
    names.push(name);
    assert(text.includes(`# HELP ${name} ${help}\n`), name);
    assert(text.includes(`# TYPE ${name} ${type}\n`), name);
    if (label) assertMatch(text, new RegExp(`^${name}\\{${label}="`, "m"));
  }
  const all = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  assertEquals(names.toSorted(), all.toSorted());
});
