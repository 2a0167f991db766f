/**
 * Makes a peer in a page, or in a worker, and records what happens to it. It
 * is loaded before the bundle, so that it sees what the library does with the
 * platform, and can take WebRTC away from it (`?no-webrtc` in the address).
 */

if (new URLSearchParams(location.search).has("no-webrtc")) {
  delete globalThis.RTCPeerConnection;
}

globalThis.recorder = (() => {
  const NAMES = [
    "connect",
    "connect_error",
    "connect_timeout",
    "reconnect",
    "reconnect_error",
    "reconnect_timeout",
    "upgrade_attempt",
    "upgrade",
    "upgrade_error",
    "downgrade",
    "close",
    "busy",
    "error",
    "statechange",
  ];
  /** When numbered messages are sent beside those that are sent all the time. */
  const TURNS = ["connect", "reconnect", "upgrade", "downgrade"];

  const self = {
    peer: null,
    /** What happened, in order: `{ name, detail, path }`. */
    events: [],
    /** What came, in order, without the numbered messages. */
    messages: [],
    /** Types of the server's control messages, in order. */
    controls: [],
    /** The library's WebSockets, and connections that it used, in order. */
    sockets: [],
    connections: [],
    /** Binary messages by the way they took, in both directions. */
    relayed: 0,
    direct: 0,
    /** Bytes of the binary messages that left here. */
    relayedBytes: 0,
    directBytes: 0,

    /** Makes the page tell of another certificate than its own. */
    swapFingerprints() {
      const { send } = WebSocket.prototype;
      WebSocket.prototype.send = function (data) {
        const swapped = typeof data === "string"
          ? data.replace(
            /(a=fingerprint:sha-256 )(..)/g,
            (_, name, byte) => name + (byte === "00" ? "01" : "00"),
          )
          : data;
        return send.call(this, swapped);
      };
    },

    start(options) {
      const peer = self.peer = new SocketPeer(options);
      for (const name of NAMES) {
        peer.on(name, (info) => {
          const detail = info instanceof Error ? info.code : info;
          self.events.push({ name, detail, path: peer.path });
          if (traffic && TURNS.includes(name)) sendNumber();
          look();
        });
      }
      peer.on("data", (message) => {
        if (message?.number !== undefined) numbers.push(message.number);
        else if (message?.sent !== undefined) announced = message.sent;
        else self.messages.push(message);
        look();
      });
    },

    /** Resolves when a test of the peer, or of what is recorded, is met. */
    when(test) {
      return new Promise((resolve) => {
        waiting.add({ test, resolve });
        look();
      });
    },

    /** Details of an event as often as it happened: `count` times at least. */
    async until(name, count = 1) {
      const seen = () => self.events.filter((event) => event.name === name);
      await self.when(() => seen().length >= count);
      return seen().map(({ detail }) => detail);
    },

    /** What a large message is, in short. */
    async digest(message) {
      const text = typeof message === "string";
      const bytes = text ? new TextEncoder().encode(message) : message;
      const hash = await crypto.subtle.digest("SHA-256", bytes);
      return {
        kind: text ? "text" : message.constructor.name,
        bytes: bytes.length,
        hash: new Uint8Array(hash).join(),
      };
    },

    /** Sends numbered messages all the time, as fast as they get away. */
    startTraffic(paddingBytes) {
      padding = "x".repeat(paddingBytes);
      traffic = setInterval(() => {
        for (let i = 0; i < 20 && sendNumber(); i++);
      }, 1);
    },

    /** Tells the other peer how many were sent. */
    stopTraffic() {
      clearInterval(traffic);
      traffic = null;
      self.peer.send({ sent });
    },

    /** Resolves when so many came as long as traffic goes on. */
    untilTraffic(count) {
      const target = numbers.length + count;
      return self.when(() => numbers.length >= target);
    },

    /** How the other peer's traffic came, once that is stopped. */
    async trafficReport() {
      await self.when(() => announced !== null);
      const wrong = numbers.findIndex((number, index) => number !== index);
      return {
        sent: announced,
        received: numbers.length,
        // What came around the first that was not in its place.
        wrong: wrong < 0
          ? []
          : numbers.slice(Math.max(0, wrong - 2), wrong + 3),
      };
    },
  };

  let traffic = null;
  let padding = "";
  let sent = 0;
  let announced = null;
  const numbers = [];
  const waiting = new Set();

  function sendNumber() {
    return self.peer.send({ number: sent++, padding });
  }

  function look() {
    for (const waiter of waiting) {
      if (!waiter.test()) continue;
      waiting.delete(waiter);
      waiter.resolve();
    }
  }

  // Some changes have no event, so they are looked for.
  setInterval(look, 20);

  globalThis.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      self.sockets.push(this);
      this.addEventListener("message", ({ data }) => {
        if (typeof data !== "string") self.relayed++;
        else self.controls.push(JSON.parse(data).type);
        look();
      });
    }
    send(data) {
      if (typeof data !== "string") {
        self.relayed++;
        self.relayedBytes += data.byteLength;
      }
      super.send(data);
    }
  };

  if (globalThis.RTCPeerConnection) {
    globalThis.RTCPeerConnection = class extends RTCPeerConnection {
      createDataChannel(...args) {
        self.connections.push(this);
        return super.createDataChannel(...args);
      }
    };
    const { send } = RTCDataChannel.prototype;
    RTCDataChannel.prototype.send = function (data) {
      if (typeof data !== "string") {
        self.direct++;
        self.directBytes += data.byteLength;
      }
      return send.call(this, data);
    };
  }

  return self;
})();
