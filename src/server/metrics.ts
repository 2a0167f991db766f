/**
 * A server's numbers, in the text format that Prometheus reads.
 *
 * It stands on `prom-client` and not on OpenTelemetry: that pushes to a
 * collector, which somebody has to run, and Deno turns it on for a whole
 * process by variables and flags, which a library can't. What reads this
 * format reads it over HTTP, and needs nothing beside the server; the
 * collector of OpenTelemetry is one of the programs that do.
 *
 * @module
 */

import {
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  Registry,
} from "prom-client";
import * as protocol from "../protocol/close_code.ts";
import {
  type EventOf,
  type LinkLoss,
  REFUSAL_REASONS,
  type ServerEvent,
  type ServerObserver,
  type ServerStats,
  type SharingStats,
} from "./server_event.ts";

/** Every way to lose a link; a record, so that none can be forgotten. */
const LOSSES: Readonly<Record<LinkLoss, true>> = {
  gap: true,
  reset: true,
  silent: true,
  unheard: true,
  bye: true,
  reborn: true,
};

/**
 * Close codes with a series of their own: those of the protocol, and those
 * that WebSockets report by themselves. A client may send thousands of others.
 */
const CLOSE_CODES: ReadonlySet<number> = new Set([
  ...[0, 1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011],
  ...Object.values(protocol).filter((value) => typeof value === "number"),
]);

/** From what a server does at once to what a slow validator takes. */
const PAIRING_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05]
  .concat([0.1, 0.25, 0.5, 1, 2.5, 5]);
/** From two peers that start together to people that wait for each other. */
const WAIT_SECONDS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

/** From an engine beside the server to one that is nearly away. */
const CLAIM_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05]
  .concat([0.1, 0.25, 0.5, 1, 2]);

/** The server's own numbers. */
type Numbered = Exclude<keyof ServerStats, "sharing"> | keyof SharingStats;

/**
 * A series for each number that the server has itself, a counter where its name
 * ends with `_total`; a record, so that none can be forgotten.
 */
const NUMBERS: Readonly<
  Record<Numbered, { readonly name: string; readonly help: string } | null>
> = {
  connections: {
    name: "socketpeer_connections",
    help: "WebSockets that are open.",
  },
  waiting: { name: "socketpeer_waiting_peers", help: "Peers that wait alone." },
  pairs: {
    name: "socketpeer_pairs",
    help: "Conversations with both peers here.",
  },
  relayedPackets: {
    name: "socketpeer_relayed_packets_total",
    help: "Packets passed from one peer to the other.",
  },
  relayedBytes: {
    name: "socketpeer_relayed_bytes_total",
    help: "Bytes of those packets.",
  },
  up: {
    name: "socketpeer_broker_up",
    help: "1 while this server is one of the nodes that its broker joins.",
  },
  // Prometheus knows how long `up` has been 0.
  downMs: null,
  births: {
    name: "socketpeer_broker_joins_total",
    help: "How often it has become one of them: over 1, it was cut off.",
  },
  nodes: { name: "socketpeer_nodes", help: "Nodes, this one too." },
  links: {
    name: "socketpeer_links",
    help: "Other nodes that peers of this one have to do with.",
  },
  claims: {
    name: "socketpeer_claimed_codes",
    help: "Pair codes that this node decides about.",
  },
  remotePeers: {
    name: "socketpeer_remote_peers",
    help: "Peers of other nodes that have their places here.",
  },
  forwardedPackets: {
    name: "socketpeer_forwarded_packets_total",
    help: "Packets and signaling sent to other nodes.",
  },
  forwardedBytes: {
    name: "socketpeer_forwarded_bytes_total",
    help: "Bytes of all messages to other nodes.",
  },
  forwardedMessages: {
    name: "socketpeer_forwarded_messages_total",
    help: "Messages to other nodes that have brought something.",
  },
  waitingBytes: {
    name: "socketpeer_link_waiting_bytes",
    help: "Bytes that wait for other nodes to take what was sent before.",
  },
};

/** Options of {@linkcode Metrics}. */
export interface MetricsOptions {
  /**
   * Whether to have the numbers of the process, too: memory, time on the
   * processor, lag of the event loop. `false` where your own registry of
   * prom-client has them already.
   *
   * @default {true}
   */
  process?: boolean;
}

/**
 * Counts what a server tells, and shows it to Prometheus.
 *
 * Nothing in it has a label that a client chooses: there are as many series
 * after a year as at the start.
 *
 * @example Answer Prometheus on a route of your own
 * ```ts
 * import { Metrics } from "@socketpeer/socketpeer/metrics";
 * import { SocketPeerServer } from "@socketpeer/socketpeer/server";
 *
 * const metrics: Metrics = new Metrics(() => peerServer.stats);
 * const peerServer: SocketPeerServer = new SocketPeerServer({
 *   listen: false,
 *   observer: metrics.observe,
 * });
 * const handler = async (request: Request): Promise<Response> => {
 *   if (new URL(request.url).pathname !== "/metrics") {
 *     return peerServer.handler(request);
 *   }
 *   return new Response(await metrics.text(), {
 *     headers: { "content-type": metrics.contentType },
 *   });
 * };
 *
 * const response = await handler(new Request("http://localhost/metrics"));
 * console.log(await response.text()); // # HELP socketpeer_connections …
 * await peerServer.close();
 * ```
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #opened: Counter;
  readonly #closes: Counter<"code">;
  readonly #refusals: Counter<"reason">;
  readonly #pairing: Histogram;
  readonly #wait: Histogram;
  readonly #upgrades: Counter;
  readonly #errors: Counter<"option">;
  readonly #draining: Gauge;
  readonly #losses: Counter<"reason">;
  readonly #claim: Histogram;

  /** What counts each kind of event; a record, so that none can be forgotten. */
  readonly #counts: {
    readonly [Type in ServerEvent["type"]]:
      | ((event: EventOf<Type>) => void)
      | null;
  } = {
    open: () => this.#opened.inc(),
    close: ({ code }) =>
      this.#closes.inc({ code: CLOSE_CODES.has(code) ? code : "other" }),
    refuse: ({ reason }) => this.#refusals.inc({ reason }),
    // A hint for people, told once.
    crowd: null,
    // A gauge has who waits now, and a histogram for how long they did.
    wait: null,
    pair: ({ pairingMs, waitedMs }) => {
      this.#pairing.observe(pairingMs / 1000);
      this.#wait.observe(waitedMs / 1000);
    },
    upgrade: () => this.#upgrades.inc(),
    error: ({ option }) => this.#errors.inc({ option }),
    // A gauge has whether it is joined now, and a counter how often it was.
    broker: null,
    link: ({ reason }) => this.#losses.inc({ reason }),
    claim: ({ ms }) => this.#claim.observe(ms / 1000),
    drain: () => this.#draining.set(1),
  };

  /**
   * Starts at nothing.
   *
   * @param stats Gives the server's own numbers whenever they are read.
   */
  constructor(stats: () => ServerStats, options: MetricsOptions = {}) {
    const registers = [this.#registry];
    for (const key of Object.keys(NUMBERS) as Numbered[]) {
      const number = NUMBERS[key];
      if (number === null) continue;
      const { name, help } = number;
      const read = () => {
        const { sharing, ...own } = stats();
        return Number({ ...sharing, ...own }[key] ?? 0);
      };
      if (name.endsWith("_total")) {
        new Counter({
          name,
          help,
          registers,
          collect() {
            // The server counts; a counter takes no number but an increase.
            this.reset();
            this.inc(read());
          },
        });
      } else {
        new Gauge({
          name,
          help,
          registers,
          collect() {
            this.set(read());
          },
        });
      }
    }

    this.#opened = new Counter({
      name: "socketpeer_connections_opened_total",
      help: "WebSockets that were opened.",
      registers,
    });
    this.#closes = new Counter({
      name: "socketpeer_connections_closed_total",
      help: "WebSockets that were closed, by close code.",
      labelNames: ["code"],
      registers,
    });
    this.#refusals = new Counter({
      name: "socketpeer_refusals_total",
      help: "Requests refused and limits met, by reason.",
      labelNames: ["reason"],
      registers,
    });
    this.#pairing = new Histogram({
      name: "socketpeer_pairing_seconds",
      help: "From the second peer's request to both knowing of each other.",
      buckets: PAIRING_SECONDS,
      registers,
    });
    this.#wait = new Histogram({
      name: "socketpeer_wait_seconds",
      help: "From the first peer's request to both knowing of each other.",
      buckets: WAIT_SECONDS,
      registers,
    });
    this.#upgrades = new Counter({
      name: "socketpeer_upgrades_total",
      help: "Peers that reported that their messages leave on a data channel.",
      registers,
    });
    this.#errors = new Counter({
      name: "socketpeer_option_errors_total",
      help: "Functions of the options that threw or failed, by option.",
      labelNames: ["option"],
      registers,
    });
    this.#draining = new Gauge({
      name: "socketpeer_draining",
      help: "1 from the moment that the server began to close.",
      registers,
    });

    this.#losses = new Counter({
      name: "socketpeer_links_lost_total",
      help: "Links to other nodes that were lost, by reason.",
      labelNames: ["reason"],
      registers,
    });
    this.#claim = new Histogram({
      name: "socketpeer_claim_seconds",
      help: "Until the broker has said whose a pair code is.",
      buckets: CLAIM_SECONDS,
      registers,
    });

    // A series that appears with its first event hides that from rate().
    for (const reason of Object.keys(REFUSAL_REASONS)) {
      this.#refusals.inc({ reason }, 0);
    }
    for (const reason of Object.keys(LOSSES)) this.#losses.inc({ reason }, 0);
    if (options.process ?? true) {
      collectDefaultMetrics({ register: this.#registry });
    }
  }

  /** The `content-type` of {@linkcode Metrics.text}. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All numbers as they are now. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Counts an event: a server's `observer`. It is bound. */
  readonly observe: ServerObserver = (event: ServerEvent): void => {
    const count = this.#counts[event.type] as
      | ((event: ServerEvent) => void)
      | null;
    count?.(event);
  };
}
