/**
 * The flags and variables of the command: those of the server's options follow
 * from their rows in `option_table.ts`, the others stand here. What the command
 * reads, what `--help` says and what the documents list comes from both.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { LOG_LEVELS, type LogLevel } from "./logs.ts";
import {
  defaultInWords,
  OPTION_ROWS,
  type OptionKind,
  type OptionRow,
  OPTIONS,
  TURN_TTL_SECONDS,
} from "./option_table.ts";
import type { Rate, SocketPeerServerOptions } from "./options.ts";

/** What the command was asked for. */
export interface Command {
  /** Show the help, and nothing else. */
  readonly help: boolean;
  /** Options of the server. */
  readonly options: SocketPeerServerOptions;
  /** Where the engine is that joins this server to others, if there is one. */
  readonly broker?: string;
  /** What is logged, and how. */
  readonly logs: {
    readonly format: "text" | "json";
    readonly level: LogLevel;
  };
  /** Where metrics and probes are, if they are wanted. */
  readonly metrics: { readonly host: string; readonly port?: number };
  /** How long peers have to go elsewhere when it stops, in milliseconds. */
  readonly drainTimeout: number;
  /** Whether the demo page may kill the server. */
  readonly demoChaos: boolean;
}

/** One thing that can be set. */
interface Setting {
  /** The flag, without its dashes; none for what must not be seen. */
  readonly flag?: string;
  /**
   * The variable of the environment, which the flag is preferred to; without
   * it, it follows from the flag: `SOCKETPEER_PATH` from `path`.
   */
  readonly variable?: string;
  /** Stands for the value in the help. */
  readonly value: string;
  /** What it does, in Markdown. */
  readonly says: string;
  /** What holds without it, as people read it; else `fallback`. */
  readonly unset?: string;
  /** What is read without it; else it is left to the server's options. */
  readonly fallback?: string;
  /** Whether a flag may be repeated, and a variable hold several. */
  readonly list?: boolean;
  /** Whether the flag alone means true. */
  readonly bare?: boolean;
  /** Turns text into a value. */
  read(text: string, name: string): unknown;
}

type OptionName = keyof typeof OPTIONS;
/** What settings were set to, by their names. */
type Values = Readonly<Record<string, unknown>>;
/** Reads a file that a setting names. */
type ReadFile = (path: string) => string;

/** How text becomes a value of a kind, and what the help says of that. */
interface KindRule {
  /** Stands for the value in the help. */
  readonly value: string;
  /** What the help says behind the sentence of the option. */
  readonly hint?: string;
  read(text: string, name: string): unknown;
}

/** A rule for each kind of option that text can stand for. */
const KINDS: Readonly<Record<Exclude<OptionKind, "given">, KindRule>> = {
  boolean: { value: "BOOL", hint: "true or false", read: boolean },
  list: { value: "TEXT", hint: "may be repeated", read: word },
  rate: {
    value: "N/S",
    hint: "N at once, and S in each second after",
    read: rate,
  },
  text: { value: "TEXT", read: word },
  whole: { value: "N", read: wholeNumber },
};

/** An option that several settings make together. */
interface Composition {
  readonly settings: Readonly<Record<string, Setting>>;
  /** Makes the option of what they are set to. */
  compose(values: Values, readFile: ReadFile): unknown;
}

/** Options that no single text can stand for. */
const COMPOSITIONS: Readonly<Partial<Record<OptionName, Composition>>> = {
  trustProxy: {
    settings: {
      trustProxy: {
        flag: "trust-proxy",
        value: "HEADER",
        says: OPTIONS.trustProxy.says,
        unset: "none",
        read: word,
      },
      proxyHops: {
        flag: "proxy-hops",
        value: "N",
        says: "how many reverse proxies of yours stand in a row, each of " +
          "which adds an entry to that header",
        unset: "none",
        read: wholeNumber,
      },
      proxyNetworks: {
        flag: "proxy-network",
        value: "NET",
        says: "network of your reverse proxies, whose entries in that header " +
          "are passed over, such as `10.0.0.0/8`; may be repeated",
        unset: "none",
        list: true,
        read: word,
      },
    },
    compose: trustProxyOf,
  },
  iceServers: {
    settings: {
      iceServers: {
        flag: "ice-server",
        value: "URL",
        says: "STUN server for the peers' data channels, such as " +
          "`stun:stun.example.org`; may be repeated",
        unset: "none",
        list: true,
        read: stunUrl,
      },
    },
    compose({ iceServers }) {
      return (iceServers as string[] | undefined)?.map((urls) => ({ urls }));
    },
  },
  turn: {
    settings: {
      turnUrls: {
        flag: "turn-url",
        value: "URL",
        says: "TURN server that shares the secret below, such as " +
          "`turn:turn.example.org`; may be repeated",
        unset: "none",
        list: true,
        read: turnUrl,
      },
      turnSecretFile: {
        flag: "turn-secret-file",
        value: "FILE",
        says: "file with that secret, coturn's `static-auth-secret`",
        unset: "none",
        read: word,
      },
      turnSecret: {
        // No flag: everybody on a machine can read the command lines of all.
        variable: "SOCKETPEER_TURN_SECRET",
        value: "TEXT",
        says: "that secret itself, where there is no file; it has no flag, " +
          "as everybody on a machine can read its command lines",
        unset: "none",
        read: word,
      },
      turnTtl: {
        flag: "turn-ttl",
        value: "N",
        says: "how long credentials for it are good",
        unset: `${TURN_TTL_SECONDS} s`,
        read: wholeNumber,
      },
    },
    compose: turnOf,
  },
  brokerSecret: {
    settings: {
      broker: {
        flag: "broker",
        value: "URL",
        says: "engine that joins this server to others, such as " +
          "`redis://localhost:6379` or `nats://localhost:4222`; with a " +
          "password in it, only the variable takes it",
        unset: "none",
        read: brokerUrl,
      },
      brokerSecretFile: {
        flag: "broker-secret-file",
        value: "FILE",
        says: "file with a secret of at least 32 characters, the same at all " +
          "of these servers, which keeps pair codes from the engine",
        unset: "none",
        read: word,
      },
      brokerSecret: {
        // No flag, as above.
        variable: "SOCKETPEER_BROKER_SECRET",
        value: "TEXT",
        says: "that secret itself, where there is no file",
        unset: "none",
        read: word,
      },
    },
    compose: brokerSecretOf,
  },
};

/** What is of the command, and of no server in a program. */
const COMMAND_SETTINGS: Readonly<Record<string, Setting>> = {
  logFormat: {
    flag: "log-format",
    value: "FORMAT",
    says: "how the lines on standard error look: text or json",
    fallback: "text",
    read: oneOf("text", "json"),
  },
  logLevel: {
    flag: "log-level",
    value: "LEVEL",
    says: `the least that is logged: ${LOG_LEVELS.join(", ")}`,
    fallback: "info",
    read: oneOf(...LOG_LEVELS),
  },
  metricsPort: {
    flag: "metrics-port",
    value: "N",
    says: "port for `/metrics`, `/healthz` and `/readyz`; 0 for any free one",
    unset: "off",
    read: portNumber,
  },
  metricsHost: {
    flag: "metrics-host",
    value: "TEXT",
    says: "address for them",
    fallback: "127.0.0.1",
    read: word,
  },
  drainTimeout: {
    flag: "drain-timeout",
    value: "MS",
    says: "how long peers have to go elsewhere after SIGTERM or SIGINT; a " +
      "second signal ends it at once",
    unset: "5000 ms",
    fallback: "5000",
    read: wholeNumber,
  },
  demoChaos: {
    flag: "demo-chaos",
    value: "",
    says: "let whoever opens the demo page kill this server, which then " +
      "starts again; to show what survives, and for nothing else",
    fallback: "false",
    bare: true,
    read: boolean,
  },
};

/** Everything that can be set, by name, in the order of the help. */
const SETTINGS: readonly (readonly [name: string, Setting])[] = [
  ...OPTION_ROWS.flatMap(([name]) => settingsOf(name)),
  ...Object.entries(COMMAND_SETTINGS),
];

/** The settings that an option has: none where only a program can give it. */
function settingsOf(name: OptionName): [name: string, Setting][] {
  const composition = COMPOSITIONS[name];
  if (composition) return Object.entries(composition.settings);
  const row: OptionRow = OPTIONS[name];
  if (row.kind === "given" || row.flag === undefined) return [];
  const { value, hint, read } = KINDS[row.kind];
  return [[name, {
    flag: row.flag,
    variable: row.variable,
    value: row.unit === "ms" ? "MS" : value,
    says: hint ? `${row.says}; ${hint}` : row.says,
    unset: defaultInWords(row),
    list: row.kind === "list",
    read,
  }]];
}

/** The variable of a setting. */
function variableOf({ flag, variable }: Setting): string {
  return variable ?? `SOCKETPEER_${flag!.toUpperCase().replaceAll("-", "_")}`;
}

/** A setting as people read of it. */
export interface SettingRow {
  /** Such as `--port N`; empty where there is none. */
  readonly flag: string;
  /** Such as `PORT`. */
  readonly variable: string;
  /** What holds without both. */
  readonly default: string;
  /** What it does, in Markdown. */
  readonly meaning: string;
}

/** Every setting as people read of it. */
export function settingRows(): SettingRow[] {
  return SETTINGS.map(([, setting]) => ({
    flag: setting.flag ? `--${setting.flag} ${setting.value}`.trim() : "",
    variable: variableOf(setting),
    default: setting.unset ?? setting.fallback ?? "",
    meaning: withFlags(setting.says),
  }));
}

/** A sentence about options, told to somebody who has their flags. */
function withFlags(says: string): string {
  return says.replace(/`(\w+)`/g, (quoted, name) => {
    const row = OPTION_ROWS.find(([each]) => each === name)?.[1];
    return row?.flag ? `\`--${row.flag}\`` : quoted;
  });
}

/** What `--help` prints. */
export function helpText(): string {
  const settings = settingRows().map((row) => {
    const names = row.flag
      ? `${row.flag}, or the variable ${row.variable}`
      : `the variable ${row.variable}`;
    const meaning = row.meaning.replaceAll("`", "");
    return `  ${names}\n${wrap(`${meaning} (default ${row.default})`)}`;
  });
  return `Pairs socketpeer's peers, and relays their messages.

Usage: npx socketpeer [flags]
   or: deno run -A jsr:@socketpeer/socketpeer/server [flags]

${settings.join("\n")}
  --help
      show this

A flag counts more than its variable. A variable that holds several values
has spaces or commas between them.

It serves the demo page at /, and the library at /socketpeer.min.js and, with
privacy, at /socketpeer.private.min.js. It stops on SIGINT and SIGTERM.`;
}

/** Text in lines of at most 76 characters, six of them spaces. */
function wrap(text: string): string {
  return text.replace(/(.{1,70})(?: |$)/g, "      $1\n").trimEnd();
}

/**
 * Reads the flags and variables of the command.
 *
 * @param readFile Reads a file that one of them names.
 * @throws {TypeError | RangeError} If one is not what it must be; its message
 * is for the terminal.
 */
export function parseCommand(
  args: string[],
  variable: (name: string) => string | undefined,
  readFile: ReadFile,
): Command {
  const { help, ...flags } = parseFlags(args);
  const values = Object.fromEntries(
    SETTINGS.map(([name, setting]) => [
      name,
      valueOf(setting, flags, variable),
    ]),
  );
  const options = Object.fromEntries(
    OPTION_ROWS.flatMap(([name, row]) => {
      const composition = COMPOSITIONS[name];
      if (composition) return [[name, composition.compose(values, readFile)]];
      return row.flag === undefined ? [] : [[name, values[name]]];
    }),
  );
  return {
    help: help === true,
    options,
    broker: values.broker as string | undefined,
    logs: {
      format: values.logFormat as "text" | "json",
      level: values.logLevel as LogLevel,
    },
    metrics: {
      host: values.metricsHost as string,
      port: values.metricsPort as number | undefined,
    },
    drainTimeout: values.drainTimeout as number,
    demoChaos: values.demoChaos as boolean,
  };
}

/** What a setting is set to, by flag or variable; else its fallback. */
function valueOf(
  setting: Setting,
  flags: Record<string, unknown>,
  variable: (name: string) => string | undefined,
): unknown {
  const { list, read, fallback } = setting;
  const given = setting.flag === undefined ? undefined : flags[setting.flag];
  if (given === true) return true;
  if (given !== undefined) {
    const name = `--${setting.flag}`;
    return Array.isArray(given)
      ? given.map((text) => read(text, name))
      : read(given as string, name);
  }
  // An empty variable is none, but an empty flag is a mistake.
  const name = variableOf(setting);
  const text = variable(name);
  if (!text) {
    return fallback === undefined ? undefined : read(fallback, "the default");
  }
  if (!list) return read(text, name);
  const texts = text.split(/[\s,]+/).filter((each) => each !== "");
  return texts.map((each) => read(each, name));
}

function trustProxyOf(
  values: Values,
): SocketPeerServerOptions["trustProxy"] {
  const header = values.trustProxy as string | undefined;
  const hops = values.proxyHops as number | undefined;
  const networks = values.proxyNetworks as string[] | undefined;
  if (hops === undefined && networks === undefined) return header;
  if (header !== undefined) return { header, hops, networks };
  throw new TypeError(
    `Cannot use --proxy-hops or --proxy-network without a header: name it ` +
      `with --trust-proxy`,
  );
}

function brokerSecretOf(
  values: Values,
  readFile: ReadFile,
): string | undefined {
  const secret = secretOf("broker", values, readFile);
  if (values.broker !== undefined && secret === undefined) {
    throw new TypeError(
      `Cannot use --broker without a secret: name a file with ` +
        `--broker-secret-file, or set SOCKETPEER_BROKER_SECRET. It has at ` +
        `least 32 characters, such as "openssl rand -hex 32" makes, and is ` +
        `the same at all servers`,
    );
  }
  if (values.broker !== undefined || secret === undefined) return secret;
  throw new TypeError(
    `Cannot use a broker's secret without a broker: name it with --broker`,
  );
}

function turnOf(
  values: Values,
  readFile: ReadFile,
): SocketPeerServerOptions["turn"] {
  const urls = values.turnUrls as string[] | undefined;
  const secret = secretOf("turn", values, readFile);
  const ttl = values.turnTtl as number | undefined;
  if (urls && secret) {
    return ttl === undefined ? { urls, secret } : { urls, secret, ttl };
  }
  if (urls) {
    throw new TypeError(
      `Cannot use --turn-url without the TURN server's secret: name a file ` +
        `with --turn-secret-file, or set SOCKETPEER_TURN_SECRET`,
    );
  }
  if (secret === undefined && ttl === undefined) return undefined;
  throw new TypeError(
    `Cannot use a secret or --turn-ttl without a TURN server: name it with ` +
      `--turn-url`,
  );
}

/** A secret, from the file that has it, else as it is. */
function secretOf(
  whose: "broker" | "turn",
  values: Values,
  readFile: ReadFile,
): string | undefined {
  const file = values[`${whose}SecretFile`] as string | undefined;
  if (file === undefined) {
    return values[`${whose}Secret`] as string | undefined;
  }
  const flag = `--${whose}-secret-file`;
  let text: string;
  try {
    text = readFile(file);
  } catch (cause) {
    const [reason] = (cause as Error).message.split("\n");
    throw new TypeError(
      `Cannot read the file that ${flag} names: ${reason}`,
      { cause },
    );
  }
  // Editors end a file with a line break.
  const secret = text.trim();
  if (secret !== "") return secret;
  throw new TypeError(
    `Cannot take a secret from the file that ${flag} names: it is empty`,
  );
}

function parseFlags(args: string[]): Record<string, unknown> {
  const options: Record<
    string,
    { type: "string" | "boolean"; multiple?: boolean }
  > = { help: { type: "boolean" } };
  for (const [, { flag, list, bare }] of SETTINGS) {
    if (!flag) continue;
    options[flag] = {
      type: bare ? "boolean" : "string",
      multiple: list ?? false,
    };
  }
  try {
    return parseArgs({ args, options }).values;
  } catch (cause) {
    // It says more than fits a line.
    const [message] = (cause as Error).message.split("\n");
    throw new TypeError(message, { cause });
  }
}

function refusal(text: string, name: string, wanted: string): TypeError {
  return new TypeError(
    `Cannot use ${JSON.stringify(text)} as ${name}: it must be ${wanted}`,
  );
}

function wholeNumber(text: string, name: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw refusal(text, name, "a whole number");
}

function portNumber(text: string, name: string): number {
  const port = wholeNumber(text, name);
  if (port <= 65_535) return port;
  throw refusal(text, name, "a port from 0 to 65535");
}

function word(text: string, name: string): string {
  if (text !== "") return text;
  throw refusal(text, name, "a text that is not empty");
}

function boolean(text: string, name: string): boolean {
  if (text === "true" || text === "false") return text === "true";
  throw refusal(text, name, "true or false");
}

function rate(text: string, name: string): Rate {
  const [, burst, perSecond] = text.match(/^(\d+)\/(\d+(?:\.\d+)?)$/) ?? [];
  if (burst) return { burst: Number(burst), perSecond: Number(perSecond) };
  throw refusal(
    text,
    name,
    'how many at once and in each second, such as "500/5"',
  );
}

function stunUrl(text: string, name: string): string {
  if (/^stuns?:[^\s]+$/.test(text)) return text;
  throw refusal(
    text,
    name,
    `a STUN server such as "stun:stun.example.org"; TURN servers have ` +
      `--turn-url`,
  );
}

function turnUrl(text: string, name: string): string {
  if (/^turns?:[^\s]+$/.test(text)) return text;
  throw refusal(text, name, `a TURN server such as "turn:turn.example.org"`);
}

const BROKER_URL = /^(rediss?|nats|tls):\/\/\S+$/;

function brokerUrl(text: string, name: string): string {
  const isAddress = BROKER_URL.test(text) && URL.canParse(text);
  // Everybody on a machine can read the command lines of all.
  const isSecret = isAddress &&
    (new URL(text).password !== "" || /^(nats|tls):\/\/[^/]*@/.test(text));
  if (isSecret && name === "--broker") {
    throw new TypeError(
      `Cannot use a password in --broker, as everybody on this machine can ` +
        `read it there: set SOCKETPEER_BROKER instead`,
    );
  }
  if (isAddress) return text;
  throw new TypeError(
    `Cannot use what is given as ${name}: it must be the address of Redis ` +
      `or NATS, such as "redis://localhost:6379" or "nats://localhost:4222"`,
  );
}

function oneOf(...words: string[]) {
  return (text: string, name: string): string => {
    if (words.includes(text)) return text;
    throw refusal(text, name, words.join(" or "));
  };
}
