import { assert, assertEquals, assertFalse, assertMatch } from "@std/assert";
import { settingRows } from "../../src/server/flags.ts";
import {
  HANDSHAKE,
  RawClient,
  RawConnection,
  RawPair,
} from "../support/raw_client.ts";
import { type Outcome, ServerProcess } from "../support/server_process.ts";

/** Flags for a port of its own, and no word of what goes right. */
const QUIET = ["--port=0", "--host=127.0.0.1", "--log-level=error"];
/** The same flags, with an address for operators. */
const PROBED = [...QUIET, "--metrics-port=0"];

/** Runs the command to an end that it comes to by itself. */
async function outcomeOf(
  args: string[],
  variables?: Record<string, string>,
): Promise<Outcome> {
  await using command = new ServerProcess(args, variables);
  return await command.ended();
}

function assertOneLine(text: string): void {
  assertMatch(text, /^socketpeer: [^\n]+\n$/);
}

/** A part of every key that a test sends. */
const KEY = "key of";

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

async function get(url: URL): Promise<Answer> {
  const response = await fetch(url);
  const type = response.headers.get("content-type") ?? "";
  return { status: response.status, type, body: await response.text() };
}

/** Where peers connect to. */
function peersUrl(address: URL): string {
  return new URL("/socketpeer/", address).href;
}

/** All that the demo page consists of beside its first module. */
function demoModules(): string[] {
  const folder = new URL("../../src/demo/", import.meta.url);
  return [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith(".js") && name !== "demo.js");
}

Deno.test("server.ts prints its address and serves the demo page and the libraries", async () => {
  await using command = new ServerProcess(["--port", "0"]);
  const address = await command.address();
  assert(Number(address.port) > 0);
  // The command listens on every address of this machine, and prints one that
  // opens.
  assertEquals(address.hostname, "localhost");
  const files = {
    "/": [/^text\/html\b/, /<!doctype html>/i],
    "/?code=blue-sky": [/^text\/html\b/, /<!doctype html>/i],
    "/demo.css": [/^text\/css\b/, /\{/],
    "/demo.js": [/^text\/javascript\b/, /SocketPeer/],
    ...Object.fromEntries(
      demoModules().map((name) => [
        `/${name}`,
        [/^text\/javascript\b/, /export/] as const,
      ]),
    ),
    "/socketpeer.min.js": [/^text\/javascript\b/, /SocketPeer/],
    "/socketpeer.private.min.js": [/^text\/javascript\b/, /completeCode/],
  };
  for (const [path, [type, content]] of Object.entries(files)) {
    const response = await fetch(new URL(path, address));
    const body = await response.text();
    assertEquals(response.status, 200, path);
    assertMatch(response.headers.get("content-type")!, type);
    assertMatch(response.headers.get("content-type")!, /charset=utf-8/i);
    assert(content.test(body), path);
  }
});

Deno.test("server.ts serves the library to pages of any origin, compressed, and once", async () => {
  await using command = new ServerProcess(["--port", "0"]);
  const { port } = await command.address();
  const answerTo = async (path: string, header: string) => {
    using connection = await RawConnection.open(Number(port));
    return await connection.request(
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${header}\r\n\r\n`,
    );
  };
  const path = "/socketpeer.min.js";
  const tags: string[] = [];
  for (const encoding of ["identity", "gzip", "br"]) {
    const accept = `Accept-Encoding: ${encoding}`;
    const { status, headers } = await answerTo(path, accept);
    assertEquals(status, 200);
    assertEquals(headers.get("content-encoding") ?? "identity", encoding);
    assertEquals(headers.get("vary"), "Accept-Encoding");
    assertEquals(headers.get("access-control-allow-origin"), "*");
    assertEquals(headers.get("cross-origin-resource-policy"), "cross-origin");
    tags.push(headers.get("etag")!);
  }
  for (const tag of [...tags, `"of another", ${tags[0]}`]) {
    const { status, headers } = await answerTo(path, `If-None-Match: ${tag}`);
    assertEquals(status, 304);
    assertEquals(headers.get("access-control-allow-origin"), "*");
  }
  const other = await answerTo(path, `If-None-Match: "of another"`);
  assertEquals(other.status, 200);
  // The page is for people alone.
  const page = await answerTo("/", `If-None-Match: ${tags[0]}`);
  assertEquals(page.status, 200);
  assertEquals(page.headers.get("access-control-allow-origin"), null);
  assertMatch(
    page.headers.get("content-security-policy")!,
    /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/,
  );
});

Deno.test("server.ts serves nothing else", async () => {
  await using command = new ServerProcess([
    "--port",
    "0",
    "--host",
    "127.0.0.1",
  ]);
  const address = await command.address();
  for (
    const path of [
      "/deno.json",
      "/server.ts",
      "/src/server/cli.ts",
      "/index.html",
      "/demo.js/",
      "//demo.js",
      "/..%2f..%2fdeno.json",
      "/%2e%2e/deno.json",
      "/__proto__",
      "/constructor",
    ]
  ) {
    const response = await fetch(new URL(address.origin + path));
    await response.body?.cancel();
    assertEquals(response.status, 404, path);
  }
  const response = await fetch(peersUrl(address));
  await response.body?.cancel();
  assertEquals(response.status, 426);
});

Deno.test("server.ts pairs peers and relays their packets", async () => {
  await using command = new ServerProcess([
    "--port",
    "0",
    "--host",
    "127.0.0.1",
  ]);
  const url = peersUrl(await command.address());
  await using pair = await RawPair.open(url, "code");
  await pair.check();
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test({
    name: `server.ts stops cleanly on ${signal}`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using command = new ServerProcess(QUIET);
      const address = await command.address();
      command.kill(signal);
      const { code, stdout, stderr } = await command.ended();
      assertEquals(code, 0);
      assertEquals(stdout, `socketpeer listens on ${address}\n`);
      assertEquals(stderr, "");
    },
  });

  Deno.test({
    name: `server.ts stops cleanly on ${signal} while peers are connected`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using command = new ServerProcess(QUIET);
      const address = await command.address();
      const url = peersUrl(address);
      await using pair = await RawPair.open(url, "code");
      await using waiting = await RawClient.pair(url, "another", "c");
      await waiting.control("peer.waiting");
      await using silent = await RawClient.open(url);
      // One client does not answer, and one has not finished its request.
      const port = Number(address.port);
      using _mute = await RawConnection.upgrade(port);
      using slow = await RawConnection.open(port);
      await slow.write("GET / HTTP/1.1\r\nHost: localhost\r\n");
      for (const client of [pair.a, pair.b, waiting]) await client.heard();

      command.kill(signal);
      const { code, stderr } = await command.ended();
      assertEquals([code, stderr], [0, ""]);
      for (const client of [pair.a, pair.b, waiting, silent]) {
        assertEquals(await client.closeCode(), 1012);
      }
    },
  });
}

Deno.test("server.ts explains every flag for --help", async () => {
  for (const args of [["--help"], ["--port", "0", "--help"]]) {
    const { code, stdout, stderr } = await outcomeOf(args);
    assertEquals([code, stderr], [0, ""]);
    for (const { flag, variable } of settingRows()) {
      assert(stdout.includes(flag), flag);
      assert(stdout.includes(variable), variable);
    }
  }
});

Deno.test("server.ts says in one line what is wrong with its flags, and exits with 2", async () => {
  for (
    const args of [
      ["--colour"],
      ["3000"],
      ["--port"],
      ["--port", "x"],
      ["--port", "-1"],
      ["--port", "65536"],
      ["--port="],
      ["--peer-timeout", "soon"],
      ["--peer-timeout", "99999999999"],
      ["--allowed-origin", "example.org"],
      ["--allowed-origin", "https://example.org/app"],
      ["--pair-rate", "many"],
      ["--path", "socketpeer"],
      ["--turn-url", "turn:turn.example.org"],
      ["--turn-secret", "on the command line"],
      ["--metrics-port", "65536"],
      ["--log-level", "loud"],
    ]
  ) {
    const { code, stdout, stderr } = await outcomeOf([
      "--host",
      "127.0.0.1",
      "--port",
      "0",
      ...args,
    ]);
    assertEquals([args, code, stdout], [args, 2, ""]);
    assertOneLine(stderr);
    assert(stderr.includes("--help"), stderr);
  }
});

Deno.test("server.ts says in one line that its variable PORT is no port, and exits with 2", async () => {
  const variables = { PORT: "http", HOST: "127.0.0.1" };
  const { code, stdout, stderr } = await outcomeOf([], variables);
  assertEquals([code, stdout], [2, ""]);
  assertOneLine(stderr);
});

Deno.test("server.ts says in one line that its port is taken, and exits with 1", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = `${listener.addr.port}`;
  const args = ["--host", "127.0.0.1", "--port", port];
  const { code, stdout, stderr } = await outcomeOf(args);
  assertEquals([code, stdout], [1, ""]);
  assertOneLine(stderr);
  assertMatch(stderr, new RegExp(`port ${port} .* with --port$`, "m"));
});

Deno.test("server.ts says in one line that its port for metrics is taken, and exits with 1", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = `--metrics-port=${listener.addr.port}`;
  const { code, stdout, stderr } = await outcomeOf([...QUIET, port]);
  assertEquals([code, stdout], [1, ""]);
  assertOneLine(stderr);
  assertMatch(stderr, /another with --metrics-port$/m);
});

Deno.test("server.ts shows metrics and probes on a port of their own, and not where peers are", async () => {
  await using command = new ServerProcess(PROBED);
  const address = await command.address();
  const metrics = await command.metrics();
  await using pair = await RawPair.open(peersUrl(address), "code");
  await pair.check();
  const numbers = await get(metrics);
  assertMatch(numbers.type, /^text\/plain; version=0\.0\.4\b/);
  assertMatch(numbers.body, /^socketpeer_connections 2$/m);
  assertMatch(numbers.body, /^socketpeer_pairs 1$/m);
  assertMatch(numbers.body, /^socketpeer_pairing_seconds_count 1$/m);
  assertMatch(numbers.body, /^socketpeer_relayed_packets_total [1-9]/m);
  assertMatch(numbers.body, /^process_resident_memory_bytes [1-9]/m);
  for (const path of ["/healthz", "/readyz"]) {
    assertEquals((await get(new URL(path, metrics))).status, 200, path);
  }
  for (const path of ["/", "/socketpeer/", "/metrics/"]) {
    assertEquals((await get(new URL(path, metrics))).status, 404, path);
  }
  for (const path of ["/metrics", "/healthz", "/readyz"]) {
    assertEquals((await get(new URL(path, address))).status, 404, path);
  }
});

Deno.test({
  name:
    "server.ts is alive and not ready while it drains, until a second signal ends it",
  ignore: Deno.build.os === "windows",
  async fn() {
    const args = [...PROBED, "--log-level=info", "--drain-timeout=30000"];
    await using command = new ServerProcess(args);
    const port = Number((await command.address()).port);
    const metrics = await command.metrics();
    // The client does not answer, so there is something to wait for.
    using _mute = await RawConnection.upgrade(port);

    command.kill("SIGTERM");
    await command.logged(/ info drain connections=1$/m);
    const [alive, ready, { body }] = await Promise.all(
      ["/healthz", "/readyz", "/metrics"].map((path) =>
        get(new URL(path, metrics))
      ),
    );
    assertEquals([alive.status, ready.status], [200, 503]);
    assertMatch(body, /^socketpeer_draining 1$/m);

    command.kill("SIGTERM");
    assertEquals((await command.ended()).signal, "SIGTERM");
  },
});

Deno.test("server.ts logs what happens as JSON, and has no pair code or key in any log or metric", async () => {
  const code = "blue-sky";
  const args = ["--log-level=debug", "--log-format=json"];
  await using command = new ServerProcess([
    ...PROBED,
    ...args,
    "--control-rate=4/1",
  ]);
  const address = await command.address();
  const url = peersUrl(address);
  {
    await using pair = await RawPair.open(url, code);
    await pair.check();
    // Busy, and malformed in ways that quote the code.
    await using busy = await RawClient.pair(url, code, "c");
    await busy.closeCode();
    await using broken = await RawClient.open(url);
    broken.sendRaw(`{"type":"pair","data":{"code":"${code}","key":"${KEY}`);
    await broken.closeCode();
    await using short = await RawClient.pair(url, code, "d", { key: 1 });
    await short.closeCode();
    await using typed = await RawClient.open(url);
    typed.send(`${code} ${KEY}`, { code });
    await typed.closeCode();
    await using silent = await RawClient.open(url);
    await using waiting = await RawClient.pair(url, `${code}-2`, "e");
    await waiting.control("peer.waiting");
    // Too many, however it ends.
    for (let i = 0; i < 8; i++) waiting.send(code, { code });
    await silent.close();
    const wrong = new URL(`${address.origin}/${code}?${code}`);
    assertEquals((await get(wrong)).status, 404);
  }
  const { body } = await get(await command.metrics());
  command.kill("SIGTERM");
  const { stdout, stderr } = await command.ended();

  const lines = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  const seen = new Set(lines.map(({ event }) => event));
  for (const event of ["open", "close", "wait", "pair", "refuse", "drain"]) {
    assert(seen.has(event), `no "${event}" in ${[...seen]}`);
  }
  for (const secret of [code, KEY]) {
    for (const text of [stdout, stderr, body]) {
      assertFalse(text.includes(secret), text);
    }
  }
});

Deno.test("server.ts reads the variables PORT and HOST", async () => {
  await using command = new ServerProcess([], { PORT: "0", HOST: "127.0.0.1" });
  const address = await command.address();
  assertEquals(address.hostname, "127.0.0.1");
  assertFalse(["", "3000"].includes(address.port));
});

Deno.test("server.ts prints where it is in the network, and what its page is there", async () => {
  const addresses = Deno.networkInterfaces()
    .filter(({ family, address }) =>
      family === "IPv4" && !/^(127|169\.254)\./.test(address)
    )
    .map(({ address }) => address);
  await using command = new ServerProcess(["--port=0", "--log-level=error"]);
  const { port, href } = await command.address();
  const [local] = (await (await fetch(href)).text())
    .match(/data-network="[^"]*"/)!;
  const urls = addresses.map((address) => `http://${address}:${port}/`);
  assertEquals(local, `data-network="${urls.join(" ")}"`);
  // The addresses are told to nobody else.
  using connection = await RawConnection.open(Number(port));
  const { body } = await connection.request(
    "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
  );
  assert(body.includes('data-network=""'), body);
  command.kill("SIGTERM");
  const { stdout } = await command.ended();
  for (const url of urls) assert(stdout.includes(`in the network: ${url}\n`));
  assertEquals(stdout.includes("not private there"), urls.length > 0);
});

Deno.test({
  name:
    "server.ts lets its own page kill it with --demo-chaos, and starts again on its port",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using command = new ServerProcess([...QUIET, "--demo-chaos"]);
    const address = await command.address();
    const url = new URL("/demo-chaos", address);
    const statusOf = async (method: string, headers = {}) => {
      const response = await fetch(url, { method, headers });
      await response.body?.cancel();
      return response.status;
    };
    for (const origin of ["https://evil.example", "null", `x${url.origin}`]) {
      assertEquals(await statusOf("POST", { origin }), 403, origin);
    }
    assertEquals(await statusOf("POST"), 403);
    assertEquals(await statusOf("GET", { origin: url.origin }), 405);

    await using client = await RawClient.pair(peersUrl(address), "code", "a");
    await client.control("peer.waiting");
    assertEquals(await statusOf("POST", { origin: url.origin }), 202);
    // No goodbye: Deno has a number of its own for that.
    assert([0, 1006].includes(await client.closeCode()));
    for (let back = false; !back;) {
      back = await get(address).then(() => true, () => false);
    }
    await using again = await RawClient.pair(peersUrl(address), "code", "a");
    await again.control("peer.waiting");
    // Both processes end, as both hold its output.
    command.kill("SIGTERM");
    assertEquals((await command.ended()).code, 0);
  },
});

Deno.test("server.ts leaves nothing behind when what watches over --demo-chaos is killed", async () => {
  await using command = new ServerProcess([...QUIET, "--demo-chaos"]);
  await command.address();
  command.kill("SIGKILL");
  await command.ended();
});

Deno.test("server.ts prefers flags to variables", async () => {
  await using command = new ServerProcess([
    "--port",
    "0",
    "--host",
    "127.0.0.1",
  ], {
    PORT: "not a port",
    HOST: "host.invalid",
  });
  assertEquals((await command.address()).hostname, "127.0.0.1");
});

Deno.test("server.ts tells its page which path peers connect to", async () => {
  await using command = new ServerProcess([...QUIET, '--path=/a"b&c']);
  const { body } = await get(await command.address());
  assertMatch(body, / data-server="\.\/a%22b&amp;c"/);
});

Deno.test("server.ts lets peers connect to the path of its page", async () => {
  await using command = new ServerProcess([...QUIET, "--path=/"]);
  const address = await command.address();
  await using pair = await RawPair.open(address.href, "code");
  await pair.check();
  assertMatch((await get(address)).body, /<!doctype html>/i);
});

Deno.test("server.ts takes empty variables for none", async () => {
  await using command = new ServerProcess(["--port", "0"], {
    PORT: "",
    HOST: "",
  });
  assertEquals((await command.address()).hostname, "localhost");
});

Deno.test({
  name: "server.ts prints an address of IPv6 that opens",
  ignore: !hasIPv6(),
  async fn() {
    await using command = new ServerProcess(["--port", "0", "--host", "::1"]);
    const address = await command.address();
    assertEquals(address.hostname, "[::1]");
    const response = await fetch(address);
    await response.body?.cancel();
    assertEquals(response.status, 200);
  },
});

Deno.test("server.ts lets in pages of allowed origins alone", async () => {
  await using command = new ServerProcess([
    "--port=0",
    "--host=127.0.0.1",
    "--allowed-origin=https://a.example",
    "--allowed-origin=https://b.example",
  ]);
  const url = peersUrl(await command.address());
  const statuses = [];
  for (const name of ["a", "b", "c"]) {
    using connection = await RawConnection.open(Number(new URL(url).port));
    const origin = `Origin: https://${name}.example`;
    const request = HANDSHAKE.replace("\r\n\r\n", `\r\n${origin}\r\n\r\n`);
    const { status } = await connection.request(request);
    statuses.push(status);
  }
  assertEquals(statuses, [101, 101, 403]);
});

Deno.test("server.ts lets a peer go after --peer-timeout", async () => {
  await using command = new ServerProcess([
    "--port=0",
    "--host=127.0.0.1",
    "--peer-timeout=50",
  ]);
  const url = peersUrl(await command.address());
  await using client = await RawClient.pair(url, "code", "a");
  await client.control("peer.waiting");
  assertEquals(await client.closeCode(), 4004);
});

Deno.test("server.ts writes nothing to the terminal whatever it is asked", async () => {
  await using command = new ServerProcess(QUIET);
  const address = await command.address();
  for (
    const [request, wanted] of [
      ["GET /%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", 404],
      ["GET / HTTP/1.1\r\nHost: [bad\r\n\r\n", 400],
      [
        "GET /socketpeer/ HTTP/1.1\r\nHost: localhost\r\n" +
        "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        400,
      ],
    ] as const
  ) {
    using connection = await RawConnection.open(Number(address.port));
    const { status } = await connection.request(request);
    assertEquals([request, status], [request, wanted]);
  }
  command.kill("SIGTERM");
  assertEquals((await command.ended()).stderr, "");
});

function hasIPv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}
