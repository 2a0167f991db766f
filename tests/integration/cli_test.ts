import { assert, assertEquals, assertFalse, assertMatch } from "@std/assert";
import { deadline } from "@std/async";
import {
  HANDSHAKE,
  RawClient,
  RawConnection,
  RawPair,
} from "../support/raw_client.ts";

const ROOT = new URL("../../", import.meta.url);

/** A machine under load takes its time to start a process. */
const WAIT_MS = 30_000;

/** What came out of the command by its end. */
interface Outcome {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `server.ts` in a process of its own, which is gone when its scope is left. */
class Command implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  #stdout = "";
  #stderr = "";
  #wake: () => void = () => {};
  readonly #ended: Promise<Outcome>;

  constructor(args: string[], variables: Record<string, string> = {}) {
    const { PORT: _port, HOST: _host, ...env } = Deno.env.toObject();
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "server.ts", ...args],
      cwd: ROOT,
      clearEnv: true,
      env: { ...env, NO_COLOR: "1", ...variables },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#ended = this.#watch();
  }

  /** Resolves with the address that it prints, once it has. */
  async address(): Promise<URL> {
    const printed = async () => {
      for (;;) {
        const [line, rest] = this.#stdout.split("\n", 2);
        if (rest !== undefined) return line;
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    };
    const failed = this.#ended.then(({ code, stderr }) => {
      throw new Error(`It ended with ${code}: ${stderr}`);
    });
    const line = await deadline(Promise.race([printed(), failed]), WAIT_MS);
    failed.catch(() => {});
    const [address] = line.match(/http:\S+/) ?? [];
    if (!address) throw new Error(`There is no address in "${line}"`);
    return new URL(address);
  }

  /** Sends it a signal. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Resolves when it has ended. */
  ended(): Promise<Outcome> {
    return deadline(this.#ended, WAIT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.ended();
  }

  async #watch(): Promise<Outcome> {
    const { stdout, stderr, status } = this.#child;
    const reading = Promise.all([
      this.#read(stdout, (text) => this.#stdout += text),
      this.#read(stderr, (text) => this.#stderr += text),
    ]);
    const { code, signal } = await status;
    await reading;
    return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
  }

  async #read(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    add: (text: string) => void,
  ): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      add(text);
      this.#wake();
    }
  }
}

/** Runs the command to an end that it comes to by itself. */
async function outcomeOf(
  args: string[],
  variables?: Record<string, string>,
): Promise<Outcome> {
  await using command = new Command(args, variables);
  return await command.ended();
}

function assertOneLine(text: string): void {
  assertMatch(text, /^socketpeer: [^\n]+\n$/);
}

/** Where peers connect to. */
function peersUrl(address: URL): string {
  return new URL("/socketpeer/", address).href;
}

Deno.test("server.ts prints its address and serves the demo page and the library", async () => {
  await using command = new Command(["--port", "0"]);
  const address = await command.address();
  assert(Number(address.port) > 0);
  // It listens on every address of this machine, and prints one that opens.
  assertEquals(address.hostname, "localhost");
  const files = {
    "/": [/^text\/html\b/, /<!doctype html>/i],
    "/?code=blue-sky": [/^text\/html\b/, /<!doctype html>/i],
    "/demo.css": [/^text\/css\b/, /\{/],
    "/demo.js": [/^text\/javascript\b/, /SocketPeer/],
    "/socketpeer.min.js": [/^text\/javascript\b/, /SocketPeer/],
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

Deno.test("server.ts serves nothing else", async () => {
  await using command = new Command(["--port", "0", "--host", "127.0.0.1"]);
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
  await using command = new Command(["--port", "0", "--host", "127.0.0.1"]);
  const url = peersUrl(await command.address());
  await using pair = await RawPair.open(url, "code");
  await pair.check();
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test({
    name: `server.ts stops cleanly on ${signal}`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using command = new Command(["--port", "0", "--host", "127.0.0.1"]);
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
      await using command = new Command(["--port", "0", "--host", "127.0.0.1"]);
      const address = await command.address();
      const url = peersUrl(address);
      await using pair = await RawPair.open(url, "code");
      await using waiting = await RawClient.pair(url, "another", "c");
      await waiting.control("peer.waiting");
      await using silent = await RawClient.open(url);
      // One that does not answer, and one that has not finished its request.
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
    const flags = ["--port", "--host", "--allowed-origin", "--peer-timeout"];
    for (const word of [...flags, "--help", "PORT", "HOST"]) {
      assert(stdout.includes(word), word);
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
});

Deno.test("server.ts reads the variables PORT and HOST", async () => {
  await using command = new Command([], { PORT: "0", HOST: "127.0.0.1" });
  const address = await command.address();
  assertEquals(address.hostname, "127.0.0.1");
  assertFalse(["", "3000"].includes(address.port));
});

Deno.test("server.ts prefers flags to variables", async () => {
  await using command = new Command(["--port", "0", "--host", "127.0.0.1"], {
    PORT: "not a port",
    HOST: "host.invalid",
  });
  assertEquals((await command.address()).hostname, "127.0.0.1");
});

Deno.test("server.ts takes empty variables for none", async () => {
  await using command = new Command(["--port", "0"], { PORT: "", HOST: "" });
  assertEquals((await command.address()).hostname, "localhost");
});

Deno.test({
  name: "server.ts prints an address of IPv6 that opens",
  ignore: !hasIPv6(),
  async fn() {
    await using command = new Command(["--port", "0", "--host", "::1"]);
    const address = await command.address();
    assertEquals(address.hostname, "[::1]");
    const response = await fetch(address);
    await response.body?.cancel();
    assertEquals(response.status, 200);
  },
});

Deno.test("server.ts lets in pages of allowed origins alone", async () => {
  await using command = new Command([
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
  await using command = new Command([
    "--port=0",
    "--host=127.0.0.1",
    "--peer-timeout=50",
  ]);
  const url = peersUrl(await command.address());
  await using client = await RawClient.pair(url, "code", "a");
  assertEquals(await client.control("peer.waiting"), undefined);
  assertEquals(await client.closeCode(), 4004);
});

Deno.test("server.ts writes nothing to the terminal whatever it is asked", async () => {
  await using command = new Command(["--port", "0", "--host", "127.0.0.1"]);
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
