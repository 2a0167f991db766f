/**
 * Checks which way imports flow, and that only the modules meant for it touch
 * the platform.
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { root, startDeno } from "./deno.ts";
import { ENTRIES } from "./entries.ts";

const SHARED = ["src/protocol/", "src/errors.ts", "src/runtime.ts"];

/**
 * What each part may import; the first row that covers a module counts. `a/`
 * is all that lies under a folder, `a/*` only what lies right in it. Nothing
 * here has `jsr:`, and nothing that client.ts reaches has `node:`.
 */
const RULES: readonly { from: string; may: readonly string[] }[] = [
  { from: "mod.ts", may: ["client.ts", "src/server/mod.ts"] },
  { from: "client.ts", may: ["src/client/", ...SHARED] },
  {
    from: "private.ts",
    may: ["client.ts", "src/private/", "src/client/", ...SHARED],
  },
  { from: "server.ts", may: ["src/server/", ...SHARED] },
  { from: "metrics.ts", may: ["src/server/"] },
  { from: "brokers.ts", may: ["src/server/"] },
  { from: "testing.ts", may: ["src/testing/", ...SHARED] },

  { from: "src/errors.ts", may: [] },
  { from: "src/runtime.ts", may: ["src/errors.ts"] },
  { from: "src/protocol/", may: ["src/protocol/", "src/errors.ts"] },

  {
    from: "src/client/transports/",
    may: ["src/client/transports/transport.ts", ...SHARED],
  },
  { from: "src/client/", may: ["src/client/", ...SHARED] },

  { from: "src/private/", may: ["src/private/", "src/client/", ...SHARED] },

  {
    from: "src/server/adapters/",
    may: ["src/server/", ...SHARED, "npm:ws", "node:"],
  },
  {
    // Packages for the command alone: nobody else is to load them.
    from: "src/server/brokers/redis_at.ts",
    may: ["src/server/brokers/", "npm:@redis/client"],
  },
  {
    from: "src/server/brokers/nats_at.ts",
    may: ["src/server/brokers/", "npm:@nats-io/transport-node"],
  },
  { from: "src/server/brokers/", may: ["src/server/", ...SHARED] },
  {
    from: "src/server/cli.ts",
    may: ["src/server/", "src/demo/", ...SHARED, "node:"],
  },
  {
    from: "src/server/demo_chaos.ts",
    may: ["src/server/adapters/", "node:"],
  },
  { from: "src/server/flags.ts", may: ["src/server/*", ...SHARED, "node:"] },
  { from: "src/server/mod.ts", may: ["src/server/", ...SHARED] },
  {
    // The one place that joins the core to its default adapter and broker.
    from: "src/server/socket_peer_server.ts",
    may: ["src/server/", ...SHARED],
  },
  {
    // Nothing else may load what only operators need.
    from: "src/server/metrics.ts",
    may: ["src/server/*", ...SHARED, "npm:prom-client"],
  },
  {
    // What spans nodes, which only the exchange knows of.
    from: "src/server/nodes/",
    may: [
      "src/server/nodes/",
      "src/server/*",
      "src/server/brokers/broker.ts",
      ...SHARED,
    ],
  },
  {
    from: "src/server/exchange.ts",
    may: ["src/server/*", "src/server/nodes/shared_registry.ts", ...SHARED],
  },
  {
    from: "src/server/",
    may: ["src/server/*", "src/server/brokers/broker.ts", ...SHARED],
  },

  { from: "src/demo/", may: ["src/demo/"] },
  {
    // What Web Crypto does, without waiting for it.
    from: "src/testing/synchronous_subtle.ts",
    may: ["src/runtime.ts", "node:"],
  },
  {
    // Joins both sides without a network; nothing but testing.ts imports it.
    from: "src/testing/",
    may: ["src/testing/", "src/client/", "src/server/", ...SHARED],
  },
];

/** Where the platform may be touched; all else gets it passed in. */
const PLATFORM_MODULES = [
  "src/runtime.ts",
  "src/server/adapters/",
  "src/server/cli.ts",
  "src/server/demo_chaos.ts",
  "src/demo/",
];

/**
 * The platform's values, not its types: `Deno.HttpServer` may be named
 * anywhere.
 */
const PLATFORM = new RegExp(
  "(?<![.#$\\w])(?:" +
    [
      "Deno\\.[a-z]\\w*",
      "(?:globalThis|crypto|document|window|navigator|performance|process)\\.\\w+",
      "new (?:WebSocket|RTCPeerConnection)\\b",
      "(?:set|clear)(?:Timeout|Interval)(?=\\()",
      "queueMicrotask(?=\\()",
      "Date\\.now",
      "new Date(?=\\(\\))",
      "Math\\.random",
    ].join("|") +
    ")",
  "g",
);

/** Comments and literals, in which a platform name does no harm. */
const NOT_CODE =
  /\/\*[^]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;

interface Module {
  specifier: string;
  dependencies?: {
    code?: { specifier?: string };
    type?: { specifier?: string };
  }[];
}

function covers(pattern: string, path: string): boolean {
  if (pattern.endsWith("/*")) {
    const folder = pattern.slice(0, -1);
    return path.startsWith(folder) && !path.slice(folder.length).includes("/");
  }
  if (pattern.endsWith("/") || pattern === "node:") {
    return path.startsWith(pattern);
  }
  return path === pattern || path.startsWith(`${pattern}@`);
}

/** A module of this project by its path, any other by its specifier. */
function nameOf(specifier: string): string {
  return specifier.startsWith(root.href)
    ? specifier.slice(root.href.length)
    : specifier;
}

/** Every module of the project that `entry` leads to, with its imports. */
async function readGraph(entry: string): Promise<Map<string, Set<string>>> {
  const child = startDeno(["info", "--json", entry], { stdout: "piped" });
  const { modules } = await new Response(child.stdout).json() as {
    modules: Module[];
  };
  const graph = new Map<string, Set<string>>();
  for (const { specifier, dependencies = [] } of modules) {
    if (!specifier.startsWith(root.href)) continue;
    const imports = dependencies
      .flatMap(({ code, type }) => [code?.specifier, type?.specifier])
      .filter((target) => target !== undefined);
    graph.set(nameOf(specifier), new Set(imports.map(nameOf)));
  }
  return graph;
}

function* findModules(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(new URL(folder, root))) {
    const path = folder + entry.name;
    if (entry.isDirectory) yield* findModules(`${path}/`);
    else if (path.endsWith(".ts")) yield path;
  }
}

const faults: string[] = [];
const sources = [...findModules("src/")].sort();

const graph = new Map<string, Set<string>>();
for (const entry of [...ENTRIES, ...sources]) {
  if (graph.has(entry)) continue;
  for (const [path, imports] of await readGraph(entry)) {
    graph.set(path, imports);
  }
}

for (const [path, imports] of graph) {
  const rule = RULES.find(({ from }) => covers(from, path));
  if (!rule) {
    faults.push(`${path}: no rule in scripts/check_layers.ts covers it`);
    continue;
  }
  for (const target of imports) {
    if (rule.may.some((pattern) => covers(pattern, target))) continue;
    const allowed = rule.may.join(", ") || "nothing";
    faults.push(
      `${path}: may not import ${target} (${rule.from} imports ${allowed})`,
    );
  }
}

for (const path of sources) {
  if (PLATFORM_MODULES.some((pattern) => covers(pattern, path))) continue;
  const source = Deno.readTextFileSync(new URL(path, root));
  // Line breaks stay, so that lines keep their numbers.
  const code = source.replace(NOT_CODE, (text) => text.replace(/[^\n]+/g, " "));
  code.split("\n").forEach((line, index) => {
    for (const [name] of line.matchAll(PLATFORM)) {
      faults.push(`${path}:${index + 1}: may not use ${name}: see Runtime`);
    }
  });
}

for (const fault of faults) console.error(fault);
if (faults.length > 0) Deno.exit(1);
console.log(`${graph.size} modules import in the right direction`);
