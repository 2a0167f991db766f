/**
 * The flags and variables of the command, all in one table: what it reads,
 * what `--help` says and what docs/server.md lists come from here.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { LOG_LEVELS, type LogLevel } from "./logs.ts";
import {
  type Rate,
  type ResolvedServerOptions,
  resolveServerOptions,
  type SocketPeerServerOptions,
} from "./options.ts";

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
}

/** One thing that can be set. */
interface Setting {
  /** The flag, without its dashes; none for what must not be seen. */
  readonly flag?: string;
  /** The variable of the environment, which the flag is preferred to. */
  readonly variable: string;
  /** Stands for the value in the help. */
  readonly value: string;
  /** What it does. */
  readonly meaning: string;
  /** The option of the server that it sets, whose default is its default. */
  readonly option?: keyof SocketPeerServerOptions & keyof ResolvedServerOptions;
  /** What holds without it, where that is no value: `"all"`. */
  readonly unset?: string;
  /** The default of what is no option of the server. */
  readonly fallback?: string;
  /** Whether a flag may be repeated, and a variable hold several. */
  readonly list?: boolean;
  /** Turns text into a value. */
  read(text: string, name: string): unknown;
}

/** Everything that can be set, in the order of the help. */
const SETTINGS = {
  port: {
    flag: "port",
    variable: "PORT",
    value: "N",
    meaning: "port to listen on; 0 for any free one",
    option: "port",
    read: wholeNumber,
  },
  host: {
    flag: "host",
    variable: "HOST",
    value: "H",
    meaning: "address to listen on",
    option: "host",
    read: word,
  },
  path: {
    flag: "path",
    variable: "SOCKETPEER_PATH",
    value: "P",
    meaning: "path that peers connect to",
    option: "path",
    read: word,
  },
  allowedOrigins: {
    flag: "allowed-origin",
    variable: "SOCKETPEER_ALLOWED_ORIGIN",
    value: "O",
    meaning: "let only pages of this origin connect, such as " +
      "https://example.org or https://*.example.org; may be repeated",
    option: "allowedOrigins",
    unset: "all",
    list: true,
    read: word,
  },
  protocols: {
    flag: "protocol",
    variable: "SOCKETPEER_PROTOCOL",
    value: "P",
    meaning: "subprotocol that clients may offer, and get; may be repeated",
    option: "protocols",
    unset: "all",
    list: true,
    read: word,
  },
  refuseBeforeUpgrade: {
    flag: "refuse-before-upgrade",
    variable: "SOCKETPEER_REFUSE_BEFORE_UPGRADE",
    value: "BOOL",
    meaning:
      "whether to refuse with a bare HTTP status: a page is not told of " +
      "it, and dials again for ever; true or false",
    option: "refuseBeforeUpgrade",
    read: boolean,
  },
  trustProxy: {
    flag: "trust-proxy",
    variable: "SOCKETPEER_TRUST_PROXY",
    value: "HEADER",
    meaning: "header in which a reverse proxy names the address that it " +
      "serves, such as x-forwarded-for",
    option: "trustProxy",
    unset: "none",
    read: word,
  },
  proxyHops: {
    flag: "proxy-hops",
    variable: "SOCKETPEER_PROXY_HOPS",
    value: "N",
    meaning:
      "how many reverse proxies of yours stand in a row, each of which " +
      "adds an entry to that header",
    unset: "none",
    read: wholeNumber,
  },
  proxyNetworks: {
    flag: "proxy-network",
    variable: "SOCKETPEER_PROXY_NETWORK",
    value: "NET",
    meaning: "network of your reverse proxies, whose entries in that header " +
      "are passed over, such as 10.0.0.0/8; may be repeated",
    unset: "none",
    list: true,
    read: word,
  },
  peerTimeout: {
    flag: "peer-timeout",
    variable: "SOCKETPEER_PEER_TIMEOUT",
    value: "MS",
    meaning: "let a peer go that waits alone for so many milliseconds; 0 for " +
      "never",
    option: "peerTimeout",
    read: wholeNumber,
  },
  pairTimeout: {
    flag: "pair-timeout",
    variable: "SOCKETPEER_PAIR_TIMEOUT",
    value: "MS",
    meaning: "close a socket that has not asked for a place for so many " +
      "milliseconds",
    option: "pairTimeout",
    read: wholeNumber,
  },
  heartbeatInterval: {
    flag: "heartbeat-interval",
    variable: "SOCKETPEER_HEARTBEAT_INTERVAL",
    value: "MS",
    meaning: "ask each socket for a sign of life so often; after two without " +
      "one it is dead",
    option: "heartbeatInterval",
    read: wholeNumber,
  },
  maxConnections: {
    flag: "max-connections",
    variable: "SOCKETPEER_MAX_CONNECTIONS",
    value: "N",
    meaning: "most sockets in all; 0 for no limit",
    option: "maxConnections",
    read: wholeNumber,
  },
  maxConnectionsPerAddress: {
    flag: "max-connections-per-address",
    variable: "SOCKETPEER_MAX_CONNECTIONS_PER_ADDRESS",
    value: "N",
    meaning: "most sockets of one address; 0 for no limit",
    option: "maxConnectionsPerAddress",
    read: wholeNumber,
  },
  maxControlLength: {
    flag: "max-control-length",
    variable: "SOCKETPEER_MAX_CONTROL_LENGTH",
    value: "N",
    meaning: "longest control message, in UTF-16 code units",
    option: "maxControlLength",
    read: wholeNumber,
  },
  maxPairCodeLength: {
    flag: "max-pair-code-length",
    variable: "SOCKETPEER_MAX_PAIR_CODE_LENGTH",
    value: "N",
    meaning: "longest pair code, in UTF-16 code units",
    option: "maxPairCodeLength",
    read: wholeNumber,
  },
  maxPacketBytes: {
    flag: "max-packet-bytes",
    variable: "SOCKETPEER_MAX_PACKET_BYTES",
    value: "N",
    meaning: "largest packet; clients make packets of up to the default",
    option: "maxPacketBytes",
    read: wholeNumber,
  },
  maxBufferedBytes: {
    flag: "max-buffered-bytes",
    variable: "SOCKETPEER_MAX_BUFFERED_BYTES",
    value: "N",
    meaning: "most bytes that may wait for a socket that does not read; over " +
      "it the socket is closed",
    option: "maxBufferedBytes",
    read: wholeNumber,
  },
  controlRate: {
    flag: "control-rate",
    variable: "SOCKETPEER_CONTROL_RATE",
    value: "N/S",
    meaning: "control messages of one socket: so many at once, and so many " +
      "in each second after",
    option: "controlRate",
    read: rate,
  },
  addressControlRate: {
    flag: "address-control-rate",
    variable: "SOCKETPEER_ADDRESS_CONTROL_RATE",
    value: "N/S",
    meaning: "control messages of all sockets of one address",
    option: "addressControlRate",
    read: rate,
  },
  pairRate: {
    flag: "pair-rate",
    variable: "SOCKETPEER_PAIR_RATE",
    value: "N/S",
    meaning: "attempts to pair from one address; one that finds no partner " +
      "counts ten times, unless it waited for the whole --peer-timeout",
    option: "pairRate",
    read: rate,
  },
  iceServers: {
    flag: "ice-server",
    variable: "SOCKETPEER_ICE_SERVER",
    value: "URL",
    meaning: "STUN server for the peers' data channels, such as " +
      "stun:stun.example.org; may be repeated",
    option: "iceServers",
    unset: "none",
    list: true,
    read: stunUrl,
  },
  turnUrls: {
    flag: "turn-url",
    variable: "SOCKETPEER_TURN_URL",
    value: "URL",
    meaning: "TURN server that shares the secret below, such as " +
      "turn:turn.example.org; may be repeated",
    option: "turn",
    unset: "none",
    list: true,
    read: turnUrl,
  },
  turnSecretFile: {
    flag: "turn-secret-file",
    variable: "SOCKETPEER_TURN_SECRET_FILE",
    value: "F",
    meaning: "file with that secret, coturn's static-auth-secret",
    unset: "none",
    read: word,
  },
  turnSecret: {
    // No flag: everybody on a machine can read the command lines of all.
    variable: "SOCKETPEER_TURN_SECRET",
    value: "S",
    meaning: "that secret itself, where there is no file; it has no flag, as " +
      "everybody on a machine can read its command lines",
    unset: "none",
    read: word,
  },
  turnTtl: {
    flag: "turn-ttl",
    variable: "SOCKETPEER_TURN_TTL",
    value: "S",
    meaning: "how long credentials for it are good, in seconds",
    read: wholeNumber,
  },
  broker: {
    flag: "broker",
    variable: "SOCKETPEER_BROKER",
    value: "URL",
    meaning: "engine that joins this server to others, such as " +
      "redis://localhost:6379 or nats://localhost:4222; with a password in " +
      "it, only the variable takes it",
    unset: "none",
    read: brokerUrl,
  },
  brokerSecretFile: {
    flag: "broker-secret-file",
    variable: "SOCKETPEER_BROKER_SECRET_FILE",
    value: "F",
    meaning: "file with a secret of at least 32 characters, the same at all " +
      "of these servers, which keeps pair codes from the engine",
    unset: "none",
    read: word,
  },
  brokerSecret: {
    // No flag, as above.
    variable: "SOCKETPEER_BROKER_SECRET",
    value: "S",
    meaning: "that secret itself, where there is no file",
    unset: "none",
    read: word,
  },
  logFormat: {
    flag: "log-format",
    variable: "SOCKETPEER_LOG_FORMAT",
    value: "F",
    meaning: "how the lines on standard error look: text or json",
    fallback: "text",
    read: oneOf("text", "json"),
  },
  logLevel: {
    flag: "log-level",
    variable: "SOCKETPEER_LOG_LEVEL",
    value: "L",
    meaning: `the least that is logged: ${LOG_LEVELS.join(", ")}`,
    fallback: "info",
    read: oneOf(...LOG_LEVELS),
  },
  metricsPort: {
    flag: "metrics-port",
    variable: "SOCKETPEER_METRICS_PORT",
    value: "N",
    meaning: "port for /metrics, /healthz and /readyz; 0 for any free one",
    unset: "off",
    read: portNumber,
  },
  metricsHost: {
    flag: "metrics-host",
    variable: "SOCKETPEER_METRICS_HOST",
    value: "H",
    meaning: "address for them",
    fallback: "127.0.0.1",
    read: word,
  },
  drainTimeout: {
    flag: "drain-timeout",
    variable: "SOCKETPEER_DRAIN_TIMEOUT",
    value: "MS",
    meaning: "how long peers have to go elsewhere after SIGTERM or SIGINT; a " +
      "second signal ends it at once",
    fallback: "5000",
    read: wholeNumber,
  },
} satisfies Readonly<Record<string, Setting>>;

type Key = keyof typeof SETTINGS;
const ROWS = Object.entries(SETTINGS) as [Key, Setting][];

/** A setting as people read of it. */
export interface SettingRow {
  /** Such as `--port N`; empty where there is none. */
  readonly flag: string;
  /** Such as `PORT`. */
  readonly variable: string;
  /** What holds without both. */
  readonly default: string;
  /** What it does. */
  readonly meaning: string;
}

/** Every setting as people read of it. */
export function settingRows(): SettingRow[] {
  const defaults = resolveServerOptions({
    turn: { urls: "turn:example.org", secret: "none" },
  });
  return ROWS.map(([key, setting]) => ({
    flag: setting.flag ? `--${setting.flag} ${setting.value}` : "",
    variable: setting.variable,
    default: setting.unset ?? setting.fallback ?? inWords(
      key === "turnTtl" ? defaults.turn!.ttl : defaults[setting.option!],
    ),
    meaning: setting.meaning,
  }));
}

function inWords(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  const { burst, perSecond } = value as Rate;
  return `${burst}/${perSecond}`;
}

/** What `--help` prints. */
export function helpText(): string {
  const settings = settingRows().map((row) => {
    const names = row.flag
      ? `${row.flag}, or the variable ${row.variable}`
      : `the variable ${row.variable}`;
    return `  ${names}\n${wrap(`${row.meaning} (default ${row.default})`)}`;
  });
  return `Pairs socketpeer's peers, and relays their messages.

Usage: deno run -A server.ts [flags]

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
  readFile: (path: string) => string,
): Command {
  const { help, ...flags } = parseFlags(args);
  const values: { [K in Key]?: unknown } = {};
  const options: Record<string, unknown> = {};
  for (const [key, setting] of ROWS) {
    const value = valueOf(setting, flags, variable);
    values[key] = value;
    if (setting.option) options[setting.option] = value;
  }
  if (values.iceServers) {
    const urls = values.iceServers as string[];
    options.iceServers = urls.map((urls) => ({ urls }));
  }
  options.turn = turnOf(values, readFile);
  options.trustProxy = trustProxyOf(values);
  options.brokerSecret = brokerSecretOf(values, readFile);
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
  if (given !== undefined) {
    const name = `--${setting.flag}`;
    return Array.isArray(given)
      ? given.map((text) => read(text, name))
      : read(given as string, name);
  }
  // An empty variable is none, but an empty flag is a mistake.
  const text = variable(setting.variable);
  if (!text) {
    return fallback === undefined ? undefined : read(fallback, "the default");
  }
  if (!list) return read(text, setting.variable);
  const texts = text.split(/[\s,]+/).filter((each) => each !== "");
  return texts.map((each) => read(each, setting.variable));
}

function trustProxyOf(
  values: { [K in Key]?: unknown },
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
  values: { [K in Key]?: unknown },
  readFile: (path: string) => string,
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
  values: { [K in Key]?: unknown },
  readFile: (path: string) => string,
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
  values: { [K in Key]?: unknown },
  readFile: (path: string) => string,
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
  for (const [, { flag, list }] of ROWS) {
    if (flag) options[flag] = { type: "string", multiple: list ?? false };
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
    `Cannot use ${JSON.stringify(text)} as ${name}: give ${wanted}`,
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
  throw refusal(text, name, "something");
}

function boolean(text: string, name: string): boolean {
  if (text === "true" || text === "false") return text === "true";
  throw refusal(text, name, "true or false");
}

function rate(text: string, name: string): Rate {
  const [, burst, perSecond] = text.match(/^(\d+)\/(\d+(?:\.\d+)?)$/) ?? [];
  if (burst) return { burst: Number(burst), perSecond: Number(perSecond) };
  throw refusal(text, name, `how many at once and in each second: "500/5"`);
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
    `Cannot use what it is given as ${name}: give the address of Redis or ` +
      `NATS, such as "redis://localhost:6379" or "nats://localhost:4222"`,
  );
}

function oneOf(...words: string[]) {
  return (text: string, name: string): string => {
    if (words.includes(text)) return text;
    throw refusal(text, name, words.join(" or "));
  };
}
