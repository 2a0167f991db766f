/** PeerJS, with its own server. */
globalThis.createPipe = ({ port, code, initiator }, onmessage) => {
  const id = code.replace(/\W/g, "-");
  const peer = new Peer(`${id}-${initiator ? "b" : "a"}`, {
    host: "127.0.0.1",
    port,
    path: "/",
    config: { iceServers: [] },
  });
  let connection;
  const use = (it) => {
    connection = it;
    connection.on("data", onmessage);
    return new Promise((resolve) => connection.once("open", resolve));
  };
  const opened = initiator
    ? new Promise((resolve) => peer.once("open", resolve))
      .then(() => use(peer.connect(`${id}-a`, { reliable: true })))
    : new Promise((resolve) => peer.once("connection", resolve)).then(use);
  return {
    opened,
    send(data) {
      connection.send(data);
      // Above eight megabytes PeerJS would queue, and look again every 50 ms.
      const channel = connection.dataChannel;
      if (channel.bufferedAmount < 2 ** 22) return undefined;
      channel.bufferedAmountLowThreshold = 2 ** 20;
      return new Promise((resolve) => {
        channel.addEventListener("bufferedamountlow", resolve, { once: true });
      });
    },
  };
};
