/** A data channel with nothing around it. */
globalThis.createPipe = (options, onmessage) => {
  const { socket, found } = openSignaling(options, onSignal);
  const connection = new RTCPeerConnection();
  const signal = (message) => socket.send(JSON.stringify(message));
  connection.onicecandidate = ({ candidate }) => signal({ candidate });
  let channel;
  let toldOpen;
  const opened = new Promise((resolve) => toldOpen = resolve);
  const use = (it) => {
    channel = it;
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => onmessage(data);
    if (channel.readyState === "open") toldOpen();
    else channel.onopen = toldOpen;
  };
  connection.ondatachannel = (event) => use(event.channel);
  found.then(async () => {
    if (!options.initiator) return;
    use(connection.createDataChannel(""));
    await connection.setLocalDescription();
    signal({ description: connection.localDescription });
  });
  async function onSignal(text) {
    const { description, candidate } = JSON.parse(text);
    if (!description) {
      if (candidate) await connection.addIceCandidate(candidate);
      return;
    }
    await connection.setRemoteDescription(description);
    if (description.type === "offer") {
      await connection.setLocalDescription();
      signal({ description: connection.localDescription });
    }
  }
  const write = (chunk) => pipe.send(chunk);
  const pipe = {
    opened,
    writable: () => new WritableStream({ write }),
    send(data) {
      // Chromium is fastest with these limits, for small messages and large
      // ones.
      const small = data.length <= 64;
      const [high, low] = small ? [2 ** 22, 2 ** 20] : [2 ** 18, 2 ** 16];
      if (data.length <= 2 ** 18) channel.send(data);
      else {
        // The message is larger than a channel takes at once.
        for (let i = 0; i < data.length; i += 2 ** 16) {
          channel.send(data.subarray(i, i + 2 ** 16));
        }
      }
      if (channel.bufferedAmount < high) return undefined;
      channel.bufferedAmountLowThreshold = low;
      return new Promise((resolve) => channel.onbufferedamountlow = resolve);
    },
  };
  return pipe;
};
