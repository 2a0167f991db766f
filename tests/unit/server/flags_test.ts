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
import { OPTION_ROWS } from "../../../src/server/option_table.ts";
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

/** What a setting takes, what that becomes, and where. */
interface Example {
  readonly text: string;
  readonly value: unknown;
  readonly of?: "logs" | "metrics";
}

/** A text of each kind of option, and what it becomes; some have their own. */
const KINDS: Readonly<Record<string, [text: string, value: unknown]>> = {
  boolean: ["true", true],
  rate: ["1/0.5", { burst: 1, perSecond: 0.5 }],
  whole: ["7", 7],
};
const OWN: Readonly<Record<string, [text: string, value: unknown]>> = {
  allowedOrigins: ["https://a.example", ["https://a.example"]],
  host: ["::1", "::1"],
  path: ["/ws", "/ws"],
  protocols: ["chat.v1", ["chat.v1"]],
};

/** An example for each option with a flag, by the variable. */
const OPTION_EXAMPLES: Record<string, Example> = Object.fromEntries(
  OPTION_ROWS.flatMap(([name, { flag, kind }]) => {
    if (flag === undefined) return [];
    const [text, value] = OWN[name] ?? KINDS[kind];
    const { variable } = settingRows()
      .find((row) => row.flag.split(" ")[0] === `--${flag}`)!;
    return [[variable, { text, value: { [name]: value } }]];
  }),
);

const EXAMPLES: Readonly<Record<string, Example>> = {
  ...OPTION_EXAMPLES,
  "SOCKETPEER_TRUST_PROXY": {
    text: "x-forwarded-for",
    value: { trustProxy: "x-forwarded-for" },
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
/** The variables that make no sense alone, or stand beside the options. */
const TESTED_BELOW = [
  "SOCKETPEER_PROXY_HOPS",
  "SOCKETPEER_PROXY_NETWORK",
  "SOCKETPEER_DRAIN_TIMEOUT",
  "SOCKETPEER_DEMO_CHAOS",
  "SOCKETPEER_TURN_URL",
  "SOCKETPEER_TURN_SECRET_FILE",
  "SOCKETPEER_TURN_SECRET",
  "SOCKETPEER_TURN_TTL",
  "SOCKETPEER_BROKER",
  "SOCKETPEER_BROKER_SECRET_FILE",
  "SOCKETPEER_BROKER_SECRET",
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
  const missing = OPTION_ROWS.map(([name]) => name)
    .filter((name) => !(name in options));
  // What makes a broker stands beside the options.
  const functions = ["authorize", "pairCodeValidator", "observer"];
  assertEquals(missing.sort(), ["broker", "listen", ...functions].sort());
});

Deno.test("settingRows() names each variable after its flag, but for two that all servers have", () => {
  for (const { flag, variable } of settingRows()) {
    const [name] = flag.split(" ");
    if (name === "" || name === "--port" || name === "--host") continue;
    const words = name.slice(2).replaceAll("-", "_").toUpperCase();
    assertEquals(variable, `SOCKETPEER_${words}`);
  }
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

Deno.test("parseCommand() takes --demo-chaos alone, or its variable, and is without it by default", () => {
  const variable = "SOCKETPEER_DEMO_CHAOS";
  assertFalse(parse([]).demoChaos);
  assert(parse(["--demo-chaos"]).demoChaos);
  assert(parse(["--demo-chaos"], { [variable]: "false" }).demoChaos);
  assert(parse([], { [variable]: "true" }).demoChaos);
  assertFalse(parse([], { [variable]: "false" }).demoChaos);
  assertThrows(() => parse([], { [variable]: "1" }), TypeError, "true or");
  assertThrows(() => parse(["--demo-chaos=true"]), TypeError, "demo-chaos");
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
  assertEquals(rows.SOCKETPEER_TURN_TTL, "3600 s");
  assertEquals(rows.SOCKETPEER_DRAIN_TIMEOUT, `${parse([]).drainTimeout} ms`);
  assertEquals(rows.SOCKETPEER_LOG_LEVEL, parse([]).logs.level);
  assertEquals(rows.SOCKETPEER_METRICS_HOST, parse([]).metrics.host);
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
