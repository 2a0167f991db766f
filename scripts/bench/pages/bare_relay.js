/** A WebSocket and a forwarder. */
globalThis.createPipe = (options, onmessage) => {
  const { socket, found } = openSignaling(options, onmessage);
  const breathe = breather();
  return {
    opened: found,
    send(data) {
      socket.send(data);
      return breathe();
    },
  };
};
