/**
 * What two pages do with a pipe, the same for every library. Each library's
 * script defines `createPipe(options, onmessage)`, which returns a pipe:
 *
 *     opened        resolves when messages can be sent
 *     send(data)    returns a promise where it is better to wait
 */

globalThis.bench = {
  pipe: null,
  onmessage: () => {},

  /** Makes the pipe, and resolves when it is open. */
  async open(options) {
    this.create(options);
    await this.pipe.opened;
  },

  create(options) {
    this.pipe = createPipe(options, (data) => this.onmessage(data));
  },

  /** Answers when so many bytes have come. */
  expect(total) {
    let received = 0;
    this.onmessage = (data) => {
      received += data.byteLength ?? data.length;
      if (received < total) return;
      this.onmessage = () => {};
      this.pipe.send("done");
    };
  },

  /** Sends so many bytes; resolves with how long they took to arrive. */
  async transfer(total, messageBytes) {
    const small = messageBytes <= 64;
    const message = small
      ? "x".repeat(messageBytes)
      : new Uint8Array(messageBytes);
    const done = new Promise((resolve) => this.onmessage = resolve);
    const start = performance.now();
    for (let sent = 0; sent < total; sent += messageBytes) {
      const wait = this.pipe.send(message);
      if (wait) await wait;
    }
    await done;
    return performance.now() - start;
  },

  /**
   * Sends bytes by the pipe's stream, if it has one; resolves as `transfer()`
   * does.
   */
  async stream(total, chunkBytes) {
    if (!this.pipe.writable?.()) return null;
    const done = new Promise((resolve) => this.onmessage = resolve);
    const start = performance.now();
    const writer = this.pipe.writable().getWriter();
    for (let sent = 0; sent < total; sent += chunkBytes) {
      await writer.ready;
      writer.write(new Uint8Array(chunkBytes));
    }
    writer.releaseLock();
    await done;
    return performance.now() - start;
  },

  /** Counts what comes from now on. */
  count() {
    this.received = 0;
    this.onmessage = (data) => {
      this.received += data.byteLength ?? data.length;
      this.onarrival?.({ received: this.received, at: Date.now() });
    };
  },

  /** Resolves when the next message has come. */
  arrival() {
    return new Promise((resolve) => this.onarrival = resolve);
  },

  /** Sends as much as the pipe takes, from now on. */
  async flood(messageBytes) {
    const message = new Uint8Array(messageBytes);
    for (;;) {
      const wait = this.pipe.send(message);
      if (wait) await wait;
    }
  },

  /** How often the pipe has left its data channel. */
  downgrades() {
    return this.pipe.downgrades?.() ?? 0;
  },

  echo() {
    this.onmessage = (data) => this.pipe.send(data);
  },

  /** How long a message of 64 bytes takes to and fro, in the middle. */
  async roundTrips(count) {
    const message = "x".repeat(64);
    const times = [];
    for (let i = 0; i < count; i++) {
      const back = new Promise((resolve) => this.onmessage = resolve);
      const start = performance.now();
      this.pipe.send(message);
      await back;
      times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[count >> 1];
  },

  /** Waits for another page that starts, and greets it. */
  wait(options) {
    this.create(options);
    this.pipe.opened.then(() => this.pipe.send("hello"));
  },

  /** From this page's first script to its pipe, and to its first message. */
  async start(options) {
    const first = new Promise((resolve) => {
      this.onmessage = () => resolve(performance.now() - startedAt);
    });
    this.create(options);
    await this.pipe.opened;
    const openedMs = performance.now() - startedAt;
    return { openedMs, firstMs: await first };
  },
};

/** Lets the browser do what it has to, every thousand messages. */
globalThis.breather = () => {
  const { port1, port2 } = new MessageChannel();
  let sent = 0;
  return () => {
    if (++sent % 1000 !== 0) return undefined;
    return new Promise((resolve) => {
      port1.onmessage = resolve;
      port2.postMessage(null);
    });
  };
};

/** A WebSocket to a bare forwarder that has found the other page. */
globalThis.openSignaling = ({ port, code }, onmessage) => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => socket.send(code);
  const found = new Promise((resolve) => {
    socket.onmessage = () => {
      socket.onmessage = ({ data }) => onmessage(data);
      resolve();
    };
  });
  return { socket, found };
};
