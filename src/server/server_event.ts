/**
 * What a server tells of itself while it runs: for logs and metrics.
 *
 * @module
 */

/** Why a connection, or a request for one, was refused or ended by a limit. */
export type RefusalReason =
  /** The page's origin is not allowed. */
  | "origin"
  /** `authorize` has refused it, failed, or not decided in time. */
  | "authorize"
  /** The server has as many connections as `maxConnections`. */
  | "connections"
  /** The address has as many connections as `maxConnectionsPerAddress`. */
  | "address"
  /** The server is closing. */
  | "closing"
  /** Two others hold the pair code. */
  | "busy"
  /** The pair code is not accepted. */
  | "pair_code"
  /** Too many attempts to pair from the address. */
  | "pair_rate"
  /** Too many control messages. */
  | "control_rate"
  /** A message larger than allowed. */
  | "size"
  /** A socket that does not read what waits for it. */
  | "unread"
  /** What came is not the protocol. */
  | "malformed";

/** Every reason to refuse; a record, so that none can be forgotten. */
export const REFUSAL_REASONS: Readonly<Record<RefusalReason, true>> = {
  origin: true,
  authorize: true,
  connections: true,
  address: true,
  closing: true,
  busy: true,
  pair_code: true,
  pair_rate: true,
  control_rate: true,
  size: true,
  unread: true,
  malformed: true,
};

/** Why what was under way between two nodes may be lost. */
export type LinkLoss =
  /** Something is missing in what came. */
  | "gap"
  /** The other node has lost something. */
  | "reset"
  /** The other node says nothing. */
  | "silent"
  /** The other node is not there any more. */
  | "unheard"
  /** The other node closes. */
  | "bye"
  /** This node was cut off. */
  | "reborn";

/**
 * One thing that happened. No event has a pair code or a key in it; `address`
 * is where the peer connects from, as limits count it, if that is known: an
 * IPv4 address, or an IPv6 prefix such as `2001:db8:0:1::/64`.
 */
export type ServerEvent =
  /** A WebSocket is open. */
  | {
    readonly type: "open";
    readonly address?: string;
    /** What `authorize` returned. No log of this package writes it down. */
    readonly auth?: unknown;
  }
  /** A WebSocket is closed, or given up; `code` is the close code. */
  | {
    readonly type: "close";
    readonly address?: string;
    readonly code: number;
    readonly reason: string;
    /** How long it was open, in milliseconds. */
    readonly openMs: number;
  }
  /** A limit was met, or a request refused. */
  | {
    readonly type: "refuse";
    readonly address?: string;
    readonly reason: RefusalReason;
  }
  /**
   * Nearly all connections come from one address, as they do where a reverse
   * proxy stands in front and `trustProxy` is missing or wrong. Told once.
   */
  | {
    readonly type: "crowd";
    /** Missing where that is this machine. */
    readonly address?: string;
    /** How many it has open. */
    readonly connections: number;
    /** How many are open in all. */
    readonly total: number;
  }
  /** A peer has its place, and is alone. */
  | { readonly type: "wait" }
  /** Two peers have found each other, at first or again. */
  | {
    readonly type: "pair";
    /** Since the first of them has been alone, in milliseconds. */
    readonly waitedMs: number;
    /** Since the second of them has: mostly from its `pair` to now. */
    readonly pairingMs: number;
  }
  /** A peer reports that its messages leave on a data channel from now on. */
  | { readonly type: "upgrade" }
  /** A function of the options threw, or failed. */
  | {
    readonly type: "error";
    readonly option: "authorize" | "pairCodeValidator" | "iceServers";
    readonly error: unknown;
  }
  /**
   * With the option `broker`: this server is one of the nodes from now on, or
   * is cut off from the others.
   */
  | {
    readonly type: "broker";
    readonly up: boolean;
    /** Why it is cut off. */
    readonly reason?: string;
  }
  /**
   * What was under way from or to another node may be lost: the peers concerned
   * find each other again, and send again what has not arrived.
   */
  | { readonly type: "link"; readonly reason: LinkLoss }
  /** The broker has said which node a pair code belongs to. */
  | { readonly type: "claim"; readonly ms: number }
  /** The server closes: so many sockets are told to go elsewhere. */
  | { readonly type: "drain"; readonly connections: number };

/** One kind of event. */
export type EventOf<Type extends ServerEvent["type"]> = Extract<
  ServerEvent,
  { readonly type: Type }
>;

/** Takes what happens; what it throws is dropped. */
export type ServerObserver = (event: ServerEvent) => void;

/** An observer of which nothing that it throws comes back. */
export function quiet(observer: ServerObserver): ServerObserver {
  return (event) => {
    try {
      const result: unknown = observer(event);
      // An async function fits the type too, and its failure would be fatal.
      if (result instanceof Promise) result.catch(() => {});
    } catch {
      // A log that fails must not end a conversation.
    }
  };
}

/** What a server has and has done, at this moment. */
export interface ServerStats {
  /** Sockets that are open. */
  readonly connections: number;
  /** Peers that wait alone. */
  readonly waiting: number;
  /** Conversations with both peers here. */
  readonly pairs: number;
  /** Packets relayed since the start. */
  readonly relayedPackets: number;
  /** Bytes of those packets. */
  readonly relayedBytes: number;
  /** With the option `broker`: what is shared with other nodes. */
  readonly sharing?: SharingStats;
}

/** What a server shares with other nodes, at this moment. */
export interface SharingStats {
  /** Whether it is one of the nodes; else it is cut off, or not there yet. */
  readonly up: boolean;
  /** For how long it has not been, in milliseconds. */
  readonly downMs: number;
  /** How often it has become one of them since the start. */
  readonly births: number;
  /** How many nodes there are, this one too, as far as it knows. */
  readonly nodes: number;
  /** How many of the others peers here have to do with. */
  readonly links: number;
  /** Pair codes that this node decides about. */
  readonly claims: number;
  /** Peers of other nodes that have their places here. */
  readonly remotePeers: number;
  /** Packets and signaling sent to other nodes since the start. */
  readonly forwardedPackets: number;
  /** Bytes of messages sent to other nodes since the start. */
  readonly forwardedBytes: number;
  /**
   * Messages sent to other nodes since the start: the fewer for so many
   * packets, the more packets share one.
   */
  readonly forwardedMessages: number;
  /** Bytes that wait for other nodes to take what was sent to them. */
  readonly waitingBytes: number;
}
