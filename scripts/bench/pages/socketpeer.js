/**
 * This project, plain or private. `path` is the way that the pipe has to be open
 * on.
 */
globalThis.createPipe = ({ port, code, path }, onmessage) => {
  if (path === "relay") globalThis.RTCPeerConnection = undefined;
  const peer = new SocketPeer({
    pairCode: code,
    // The private client alone has `completeCode`, and needs a secret.
    secret: SocketPeer.completeCode && "of the two alone",
    url: `http://127.0.0.1:${port}`,
  });
  peer.on("data", onmessage);
  let downgrades = 0;
  peer.on("downgrade", () => downgrades++);
  const event = path === "direct" ? "upgrade" : "connect";
  return {
    opened: new Promise((resolve) => peer.once(event, resolve)),
    send(data) {
      if (peer.send(data)) return undefined;
      return new Promise((resolve) => peer.once("drain", resolve));
    },
    writable: () => peer.writable,
    downgrades: () => downgrades,
  };
};
