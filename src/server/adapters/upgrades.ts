/**
 * The upgrades of a server of `node:http` that others listen to as well: those
 * of a path are for who has taken it, and nobody else sees them.
 *
 * @module
 */

import { after } from "../../runtime.ts";
import { pathKey, peersPathKeys } from "../peers_path.ts";
import type { HttpServer, IncomingRequest, RequestSocket } from "./ws.ts";

/** Takes the upgrades of a path. */
export interface UpgradeTaker {
  /** Whether this taker is about to let go of its path. */
  closing(): boolean;
  /** Takes one that is for its path. */
  take(...upgrade: Upgrade): void;
  /** Answers one that is not, and that nobody else answers. */
  refuse(request: IncomingRequest, socket: RequestSocket): void;
}

/** What listeners of an upgrade are given. */
type Upgrade = [
  request: IncomingRequest,
  socket: RequestSocket,
  head: unknown,
];

/** How the upgrades of one server are shared among those that take them. */
interface Sharing {
  readonly takers: Map<string, UpgradeTaker>;
  /** Leaves the server as it was. */
  stop(): void;
}

/** Where a server has that: of whichever copy of this module comes first. */
const SHARING = Symbol.for("socketpeer.upgrades");
type SharingServer = HttpServer & { [SHARING]?: Sharing };

/** How long others have to answer an upgrade, before it is answered here. */
const ANSWER_TIMEOUT_MS = 1000;

/**
 * Takes the upgrades of a server on a path.
 *
 * @returns Ends that.
 * @throws {TypeError} If another takes those already, and is not closing.
 */
export function takeUpgrades(
  server: SharingServer,
  path: string,
  taker: UpgradeTaker,
): () => void {
  const { takers, stop } = server[SHARING] ??= share(server);
  const keys = peersPathKeys(path);
  if (keys.some((key) => takers.get(key)?.closing() === false)) {
    throw new TypeError(
      `Cannot take peers on "${path}" as another SocketPeerServer does on ` +
        `this server: close that one first, or choose another "path"`,
    );
  }
  for (const key of keys) takers.set(key, taker);
  return () => {
    for (const key of keys) {
      // The path may have a new one since this began to close.
      if (takers.get(key) === taker) takers.delete(key);
    }
    if (takers.size === 0) stop();
  };
}

function share(server: SharingServer): Sharing {
  const takers = new Map<string, UpgradeTaker>();
  const take = (...upgrade: Upgrade) => {
    const [request] = upgrade;
    const taker = takers.get(pathKey(pathOf(request.url) ?? ""));
    taker?.take(...upgrade);
    return taker !== undefined;
  };
  // Without a listener, Node makes plain requests of upgrades. It has nothing
  // to do but for who calls listeners past this `emit`, as Fastify does of
  // those that come to a second address.
  server.on("upgrade", take);

  // Some listeners answer upgrades on every path, if only to refuse them, and
  // there is no other way to keep one from them, whoever listens first.
  const { emit } = server;
  const inherited = !Object.hasOwn(server, "emit");
  const emitOthers: HttpServer["emit"] = (event, ...args) => {
    if (event !== "upgrade" || takers.size === 0) {
      return emit.call(server, event, ...args);
    }
    const upgrade = args as unknown as Upgrade;
    if (take(...upgrade)) return true;
    const [request, socket] = upgrade;
    const [taker] = takers.values();
    // What breaks is closed; without a listener it would end the process.
    socket.on("error", ignore);
    const before = traces(socket);
    const heard = emit.call(server, event, ...args);
    const refuse = () => {
      const answered = !socket.writable || traces(socket) !== before;
      if (!answered) taker?.refuse(request, socket);
    };
    if (server.listenerCount("upgrade") > 1) after(ANSWER_TIMEOUT_MS, refuse);
    else refuse();
    return heard;
  };
  server.emit = emitOthers;

  return {
    takers,
    stop() {
      server.off("upgrade", take);
      delete server[SHARING];
      // Whoever has replaced it since then still calls it.
      if (server.emit !== emitOthers) return;
      if (inherited) delete (server as Partial<HttpServer>).emit;
      else server.emit = emit;
    },
  };
}

/** What who answers on a socket, or is about to, leaves on it. */
function traces(socket: RequestSocket): string {
  return `${socket.bytesWritten} ${socket.listenerCount("error")}`;
}

function ignore(): void {}

/** The path of a request's target: `/path?query`, or a whole address. */
export function pathOf(target = ""): string | undefined {
  // Two slashes at the start are a path here, not a host.
  const address = target.startsWith("/") ? `http://localhost${target}` : target;
  return URL.canParse(address) ? new URL(address).pathname : undefined;
}
