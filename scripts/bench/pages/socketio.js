/** socket.io, on a WebSocket from the start. */
globalThis.createPipe = ({ port, code }, onmessage) => {
  const socket = io(`http://127.0.0.1:${port}`, { transports: ["websocket"] });
  socket.emit("join", code);
  socket.on("message", onmessage);
  const breathe = breather();
  return {
    opened: new Promise((resolve) => socket.once("found", resolve)),
    send(data) {
      socket.emit("message", data);
      return breathe();
    },
  };
};
