import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";
import {
  type Command,
  helpText,
  parseCommand,
  settingRows,
} from "../../../src/server/flags.ts";
import { resolveServerOptions } from "../../../src/server/options.ts";

/** Reads a command line, in an environment of these variables and files. */
function parse(
  args: string[],
  variables: Record<string, string> = {},
  files: Record<string, string> = {},
): Command {
  return parseCommand(args, (name) => variables[name], (path) => {
    if (path in files) return files[path];
    throw new Deno.errors.NotFound(`No such file: ${path}\nat all`);
  });
}

/** What each setting takes, what that becomes, and where. */
const EXAMPLES: Readonly<
  Record<string, { text: string; value: unknown; of?: "logs" | "metrics" }>
> = {
  "PORT": { text: "0", value: { port: 0 } },
  "HOST": { text: "::1", value: { host: "::1" } },
  "SOCKETPEER_PATH": { text: "/ws", value: { path: "/ws" } },
  "SOCKETPEER_ALLOWED_ORIGIN": {
    text: "https://a.example",
    value: { allowedOrigins: ["https://a.example"] },
  },
  "SOCKETPEER_PROTOCOL": {
    text: "chat.v1",
    value: { protocols: ["chat.v1"] },
  },
  "SOCKETPEER_TRUST_PROXY": {
    text: "x-forwarded-for",
    value: { trustProxy: "x-forwarded-for" },
  },
  "SOCKETPEER_PEER_TIMEOUT": { text: "250", value: { peerTimeout: 250 } },
  "SOCKETPEER_PAIR_TIMEOUT": { text: "250", value: { pairTimeout: 250 } },
  "SOCKETPEER_HEARTBEAT_INTERVAL": {
    text: "250",
    value: { heartbeatInterval: 250 },
  },
  "SOCKETPEER_MAX_CONNECTIONS": { text: "7", value: { maxConnections: 7 } },
  "SOCKETPEER_MAX_CONNECTIONS_PER_ADDRESS": {
    text: "7",
    value: { maxConnectionsPerAddress: 7 },
  },
  "SOCKETPEER_MAX_CONTROL_LENGTH": {
    text: "700",
    value: { maxControlLength: 700 },
  },
  "SOCKETPEER_MAX_PAIR_CODE_LENGTH": {
    text: "7",
    value: { maxPairCodeLength: 7 },
  },
  "SOCKETPEER_MAX_PACKET_BYTES": {
    text: "700",
    value: { maxPacketBytes: 700 },
  },
  "SOCKETPEER_MAX_BUFFERED_BYTES": {
    text: "700",
    value: { maxBufferedBytes: 700 },
  },
  "SOCKETPEER_CONTROL_RATE": {
    text: "500/5",
    value: { controlRate: { burst: 500, perSecond: 5 } },
  },
  "SOCKETPEER_ADDRESS_CONTROL_RATE": {
    text: "1/0.5",
    value: { addressControlRate: { burst: 1, perSecond: 0.5 } },
  },
  "SOCKETPEER_REFUSE_BEFORE_UPGRADE": {
    text: "true",
    value: { refuseBeforeUpgrade: true },
  },
  "SOCKETPEER_PAIR_RATE": {
    text: "10/2",
    value: { pairRate: { burst: 10, perSecond: 2 } },
  },
  "SOCKETPEER_ICE_SERVER": {
    text: "stun:stun.example.org",
    value: { iceServers: [{ urls: "stun:stun.example.org" }] },
  },
  "SOCKETPEER_LOG_FORMAT": {
    text: "json",
    value: { format: "json", level: "info" },
    of: "logs",
  },
  "SOCKETPEER_LOG_LEVEL": {
    text: "debug",
    value: { format: "text", level: "debug" },
    of: "logs",
  },
  "SOCKETPEER_METRICS_PORT": {
    text: "9090",
    value: { host: "127.0.0.1", port: 9090 },
    of: "metrics",
  },
  "SOCKETPEER_METRICS_HOST": {
    text: "::1",
    value: { host: "::1", port: undefined },
    of: "metrics",
  },
};
/** Those that make no sense alone, or stand beside the options. */
const TESTED_BELOW = [
  "SOCKETPEER_PROXY_HOPS",
  "SOCKETPEER_PROXY_NETWORK",
  "SOCKETPEER_DRAIN_TIMEOUT",
  "SOCKETPEER_TURN_URL",
  "SOCKETPEER_TURN_SECRET_FILE",
  "SOCKETPEER_TURN_SECRET",
  "SOCKETPEER_TURN_TTL",
  "SOCKETPEER_BROKER",
  "SOCKETPEER_BROKER_SECRET_FILE",
  "SOCKETPEER_BROKER_SECRET",
];
/** Options that no text can stand for; what makes a broker stands beside them. */
const NOT_TEXT = [
  "listen",
  "authorize",
  "pairCodeValidator",
  "observer",
  "broker",
];

/** The options that were given. */
function given(options: Command["options"]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  );
}

/** A flag such as `--port`, by its variable. */
function flagOf(variable: string): string {
  const row = settingRows().find((row) => row.variable === variable)!;
  return row.flag.split(" ")[0];
}

Deno.test("parseCommand() leaves every option to its default", () => {
  const { help, options, logs, metrics, drainTimeout } = parse([]);
  assertFalse(help);
  assertEquals(given(options), {});
  assertEquals(logs, { format: "text", level: "info" });
  assertEquals(metrics, { host: "127.0.0.1", port: undefined });
  assertEquals(drainTimeout, 5000);
});

Deno.test("parseCommand() turns each flag, and each variable, into what it stands for", () => {
  const variables = settingRows().map(({ variable }) => variable);
  assertEquals(
    [...Object.keys(EXAMPLES), ...TESTED_BELOW].sort(),
    variables.sort(),
  );
  for (const [variable, { text, value, of }] of Object.entries(EXAMPLES)) {
    const flag = flagOf(variable);
    for (
      const command of [
        parse([flag, text]),
        parse([`${flag}=${text}`], { [variable]: "not looked at" }),
        parse([], { [variable]: text }),
      ]
    ) {
      assertEquals(of ? command[of] : given(command.options), value);
      resolveServerOptions(command.options);
    }
  }
  assertEquals(parse(["--drain-timeout", "0"]).drainTimeout, 0);
});

Deno.test("parseCommand() has a flag for every option that text can stand for", () => {
  const { options } = parse([]);
  const missing = Object.keys(resolveServerOptions({}))
    .filter((name) => !(name in options) && !NOT_TEXT.includes(name));
  assertEquals(missing, []);
});

Deno.test("parseCommand() takes several values of a list", () => {
  const origins = ["https://a.example", "https://b.example"];
  const flags = origins.map((origin) => `--allowed-origin=${origin}`);
  assertEquals(parse(flags).options.allowedOrigins, origins);
  for (const separator of [" ", ",", ", ", "\n"]) {
    const { options } = parse([], {
      SOCKETPEER_ALLOWED_ORIGIN: origins.join(separator),
    });
    assertEquals(options.allowedOrigins, origins);
  }
});

Deno.test("parseCommand() takes a broker with its secret, from a file or a variable", () => {
  const secret = "0123456789abcdef0123456789abcdef";
  const url = "redis://localhost:6379";
  const flags = ["--broker", url];
  for (
    const { broker, options } of [
      parse(flags, { SOCKETPEER_BROKER_SECRET: secret }),
      parse([...flags, "--broker-secret-file", "f"], {}, { f: `${secret}\n` }),
      parse([], {
        SOCKETPEER_BROKER: url,
        SOCKETPEER_BROKER_SECRET: secret,
      }),
    ]
  ) {
    assertEquals([broker, options.brokerSecret], [url, secret]);
  }
  const secretUrl = "rediss://user:s3cret@redis.example.org";
  const variables = {
    SOCKETPEER_BROKER: secretUrl,
    SOCKETPEER_BROKER_SECRET: secret,
  };
  assertEquals(parse([], variables).broker, secretUrl);
});

Deno.test("parseCommand() takes no broker without a secret, or with a password for all to read", () => {
  const variables = { SOCKETPEER_BROKER_SECRET: "s".repeat(32) };
  const refusals: [string[], Record<string, string>, string][] = [
    [["--broker", "redis://localhost"], {}, "--broker-secret-file"],
    [[], variables, "--broker"],
    [["--broker", "redis://:s3cret@localhost"], variables, "SOCKETPEER_BROKER"],
    [["--broker", "nats://token@localhost"], variables, "SOCKETPEER_BROKER"],
    [["--broker", "localhost:6379"], variables, "redis://localhost:6379"],
    [["--broker", "redis://"], variables, "redis://localhost:6379"],
  ];
  for (const [flags, variables, hint] of refusals) {
    const { message } = assertThrows(() => parse(flags, variables), TypeError);
    assert(message.includes(hint), message);
    assertFalse(message.includes("s3cret"), message);
  }
});

Deno.test("parseCommand() joins what it is told of proxies", () => {
  const header = "x-forwarded-for";
  const flags = ["--trust-proxy", header];
  const hops = parse([...flags, "--proxy-hops", "2"]).options;
  assertEquals(resolveServerOptions(hops).trustProxy, { header, hops: 2 });
  const networks = ["10.0.0.0/8", "2001:db8::/32"];
  for (
    const { options } of [
      parse([...flags, ...networks.flatMap((net) => ["--proxy-network", net])]),
      parse(flags, { SOCKETPEER_PROXY_NETWORK: networks.join(", ") }),
    ]
  ) {
    const trustProxy = { header, hops: undefined, networks };
    assertEquals(options.trustProxy, trustProxy);
    resolveServerOptions(options);
  }
  for (const flag of ["--proxy-hops=2", "--proxy-network=10.0.0.0/8"]) {
    assertThrows(() => parse([flag]), TypeError, "--trust-proxy");
  }
});

Deno.test("parseCommand() joins the TURN server's settings", () => {
  const urls = ["turn:t.example.org", "turns:t.example.org:443"];
  const flags = urls.flatMap((url) => ["--turn-url", url]);
  const secret = "north star";
  const files = { "/run/secret": "  from a file\n" };
  const variables = { SOCKETPEER_TURN_SECRET: secret };
  assertEquals(parse(flags, variables).options.turn, { urls, secret });
  const { options } = parse(
    [...flags, "--turn-secret-file=/run/secret", "--turn-ttl", "600"],
    variables,
    files,
  );
  assertEquals(options.turn, { urls, secret: "from a file", ttl: 600 });
  assertEquals(
    parse([], {
      SOCKETPEER_TURN_URL: urls.join(" "),
      SOCKETPEER_TURN_SECRET_FILE: "/run/secret",
      SOCKETPEER_TURN_TTL: "600",
    }, files).options.turn,
    options.turn,
  );
});

Deno.test("parseCommand() rejects half a TURN server, and a secret that it cannot read", () => {
  const url = "--turn-url=turn:t.example.org";
  const secret = { SOCKETPEER_TURN_SECRET: "north star" };
  const rejected: [args: string[], variables: Record<string, string>][] = [
    [[url], {}],
    [[], secret],
    [["--turn-ttl", "600"], {}],
    [[url, "--turn-secret-file", "/missing"], {}],
    [[url, "--turn-secret-file", "/empty"], {}],
    [["--turn-url=stun:t.example.org"], secret],
    [["--ice-server=turn:t.example.org"], {}],
  ];
  for (const [args, variables] of rejected) {
    const error = assertThrows(
      () => parse(args, variables, { "/empty": "\n" }),
      TypeError,
      "turn",
    );
    assertEquals(error.message.split("\n").length, 1, error.message);
    assertFalse(error.message.includes("north star"));
  }
});

Deno.test("parseCommand() has no flag for the secret itself", () => {
  assertThrows(() => parse(["--turn-secret", "north star"]), TypeError);
});

Deno.test("parseCommand() reads no variable where there is a flag", () => {
  const { options } = parse(["--port", "1", "--host", "localhost"], {
    PORT: "not a port",
    HOST: "127.0.0.1",
  });
  assertEquals([options.port, options.host], [1, "localhost"]);
});

Deno.test("parseCommand() takes an empty variable for none", () => {
  const variables = settingRows().map(({ variable }) => [variable, ""]);
  assertEquals(parse([], Object.fromEntries(variables)), parse([]));
});

Deno.test("parseCommand() finds --help beside other flags", () => {
  assert(parse(["--help"]).help);
  assert(parse(["--port", "0", "--help"]).help);
});

Deno.test("parseCommand() rejects numbers that are none", () => {
  for (
    const text of ["x", "-1", "1.5", "1e3", "0x10", " 1", "1 ", "٣", "NaN"]
  ) {
    for (const flag of ["--port", "--peer-timeout", "--metrics-port"]) {
      assertThrows(() => parse([`${flag}=${text}`]), TypeError, flag);
    }
    assertThrows(() => parse([], { PORT: text }), TypeError);
  }
});

Deno.test("parseCommand() rejects rates, ports and words that are none", () => {
  for (const text of ["5", "5/", "/5", "5/x", "-5/5", "5 / 5", "1.5/5"]) {
    assertThrows(() => parse([`--pair-rate=${text}`]), TypeError, "500/5");
  }
  assertThrows(() => parse(["--metrics-port=65536"]), TypeError, "65535");
  assertThrows(() => parse(["--log-level=loud"]), TypeError, "debug or info");
  assertThrows(() => parse(["--log-format=xml"]), TypeError, "text or json");
});

Deno.test("parseCommand() rejects a flag whose value is empty", () => {
  // Somebody wrote --port=$PORT, and the variable is missing.
  for (const { flag } of settingRows()) {
    const [name] = flag.split(" ");
    if (name !== "") assertThrows(() => parse([`${name}=`]), TypeError, name);
  }
});

Deno.test("parseCommand() says in one line what is wrong", () => {
  for (
    const args of [
      ["--colour"],
      ["--colour", "red"],
      ["-p", "3000"],
      ["3000"],
      ["--port"],
      ["--port", "-1"],
      ["--port", "--host"],
      ["--host"],
      ["--peer-timeout", "-5"],
      ["--allowed-origin"],
      ["--help=yes"],
      ["--port", "x\ny"],
    ]
  ) {
    const error = assertThrows(() => parse(args));
    assert(
      error instanceof TypeError || error instanceof RangeError,
      `${args}: ${error}`,
    );
    assertInstanceOf(error, Error);
    assertEquals(error.message.split("\n").length, 1, error.message);
  }
});

Deno.test("settingRows() takes each default from where it is resolved", () => {
  const rows = Object.fromEntries(
    settingRows().map((row) => [row.variable, row.default]),
  );
  const { port, pairRate } = resolveServerOptions({});
  assertEquals(rows.PORT, `${port}`);
  assertEquals(
    rows.SOCKETPEER_PAIR_RATE,
    `${pairRate.burst}/${pairRate.perSecond}`,
  );
  assertEquals(rows.SOCKETPEER_TURN_TTL, "3600");
  for (const [name, value] of Object.entries(rows)) {
    assertFalse(/undefined|object|NaN/.test(value), `${name}: ${value}`);
  }
});

Deno.test("helpText() names every flag, variable and default, in lines that fit", () => {
  const help = helpText();
  for (const row of settingRows()) {
    for (const words of [row.flag, row.variable, `(default ${row.default})`]) {
      assert(help.replace(/\s+/g, " ").includes(words), words);
    }
  }
  const long = help.split("\n").filter((line) => line.length > 90);
  assertEquals(long, []);
});

Deno.test("docs/server.md lists every setting of the command as --help does", async () => {
  const text = await Deno.readTextFile(
    new URL("../../../docs/server.md", import.meta.url),
  );
  const [, table] = text.split(/^\| flag +\| variable +\|.*\n.*\n/m);
  const listed = table.split("\n\n")[0].split("\n").map((line) => {
    const cells = line.replace(/^\| *| *\|$/g, "").split(/ *\| */);
    const [flag, variable, fallback, meaning] = cells
      .map((cell) => cell.replaceAll("`", ""));
    return { flag, variable, default: fallback, meaning };
  });
  assertEquals(listed, settingRows());
});
