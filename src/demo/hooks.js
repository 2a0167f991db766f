/**
 * The page's own hands on what is beneath the library: its WebSockets and its
 * RTCPeerConnections. The library has no such hooks, and needs none: it takes
 * the platform's classes when a peer is made, so that a page may put its own in
 * their place before. Here they remember what was made with them.
 */

/** Sockets and connections that are open or about to be. */
const sockets = new Set();
const connections = new Set();

/** Closed by the page: the server takes that for a line that broke. */
const CUT = 3999;

if (globalThis.WebSocket) {
  globalThis.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.add(this);
      this.addEventListener("close", () => sockets.delete(this));
    }
  };
}

if (globalThis.RTCPeerConnection) {
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    #channels = new Set();

    constructor(...args) {
      super(...args);
      connections.add(this);
    }

    createDataChannel(...args) {
      const channel = super.createDataChannel(...args);
      this.#channels.add(channel);
      return channel;
    }

    stopChannels() {
      for (const channel of this.#channels) channel.close();
    }

    // Nobody is told of a connection that is closed at this end.
    close() {
      connections.delete(this);
      super.close();
    }
  };
}

/** Cuts the way to the server. */
export function cutSockets() {
  for (const socket of sockets) socket.close(CUT);
}

/** Stops the data channel. */
export function stopChannels() {
  for (const connection of connections) connection.stopChannels();
}

/**
 * What the data channel runs over: "direct", or "turn" where a TURN server is
 * on its way; undefined where nothing is known of it.
 */
export async function channelWay() {
  for (const connection of connections) {
    if (connection.connectionState !== "connected") continue;
    const way = wayOf(await connection.getStats());
    if (way) return way;
  }
  return undefined;
}

/** The same, of a report of `getStats()`. */
export function wayOf(report) {
  const entries = [...report.values()];
  const transport = entries.find(({ type }) => type === "transport");
  const pair = report.get(transport?.selectedCandidatePairId) ??
    // Firefox marks the pair itself.
    entries.find(({ type, selected, nominated, state }) =>
      type === "candidate-pair" &&
      (selected ?? (nominated && state === "succeeded"))
    );
  if (!pair) return undefined;
  const ends = [pair.localCandidateId, pair.remoteCandidateId];
  return ends.some((id) => report.get(id)?.candidateType === "relay")
    ? "turn"
    : "direct";
}
