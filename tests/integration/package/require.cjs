/** Loads every entry with `require()`; prints one name of each. */

const entries = [
  require("@socketpeer/socketpeer"),
  require("@socketpeer/socketpeer/client"),
  require("@socketpeer/socketpeer/private"),
  require("@socketpeer/socketpeer/server"),
  require("@socketpeer/socketpeer/metrics"),
  require("@socketpeer/socketpeer/brokers"),
  require("@socketpeer/socketpeer/testing"),
];
const names = [
  "SocketPeerServer",
  "SocketPeer",
  "completeCode",
  "SocketPeerServer",
  "Metrics",
  "redisBroker",
  "Simulation",
];
const found = names.map((name, index) => typeof entries[index][name]);
process.stdout.write(found.join());
