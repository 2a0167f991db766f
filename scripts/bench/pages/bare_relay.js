/** A WebSocket and a forwarder. */
globalThis.createPipe = (options, onmessage) => {
  const { socket, found } = openSignaling(options, onmessage);
  const breathe = breather();
  const untilRoom = async () => {
    while (socket.bufferedAmount > 2 ** 20) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  return {
    opened: found,
    send(data) {
      socket.send(data);
      // No event tells that less is buffered.
      if (socket.bufferedAmount > 2 ** 20) return untilRoom();
      return breathe();
    },
  };
};
