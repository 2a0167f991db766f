/** simple-peer, as the stream that it is. */
globalThis.createPipe = (options, onmessage) => {
  const { socket, found } = openSignaling(options, (text) => {
    peer.signal(JSON.parse(text));
  });
  let peer;
  const opened = found.then(() => {
    peer = new SimplePeer({
      initiator: options.initiator,
      config: { iceServers: [] },
    });
    peer.on("signal", (data) => socket.send(JSON.stringify(data)));
    peer.on("data", onmessage);
    return new Promise((resolve) => peer.once("connect", resolve));
  });
  const write = (data) => {
    if (peer.write(data)) return undefined;
    return new Promise((resolve) => peer.once("drain", resolve));
  };
  return {
    opened,
    send(data) {
      if (data.length <= 2 ** 18) return write(data);
      // The message is larger than a channel takes at once.
      let wait;
      for (let i = 0; i < data.length; i += 2 ** 16) {
        wait = write(data.subarray(i, i + 2 ** 16));
      }
      return wait;
    },
  };
};
