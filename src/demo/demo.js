/**
 * The demo page. `start()` and the form's `onsubmit` are all that a chat needs
 * of the library; the rest shows what happens meanwhile.
 */

const EVENTS =
  ("connect connect_error connect_timeout data drain reconnect reconnect_error " +
    "reconnect_timeout upgrade_attempt upgrade upgrade_error downgrade close " +
    "busy error statechange").split(" ");

const STATES = {
  idle: "Not connected.",
  connecting: "Reaching the server …",
  waiting: "Ready. Waiting for the other peer to open the link …",
  connected: "Connected to the other peer.",
  reconnecting: "Not connected. Trying again …",
  closed: "Closed. Connect begins again, with the same code.",
};

/** The same, where a conversation has begun and is to go on. */
const INTERRUPTED = {
  waiting: "The other peer is out of reach. Waiting for it to come back …",
  reconnecting: "The connection broke. Trying to get it back …",
};

const PATHS = {
  none: "",
  relay: ", through the server",
  direct: ", from page to page",
};

const REASONS = {
  local: "You closed the conversation.",
  remote: "The other peer closed the conversation, or left.",
  replaced: "Another peer has taken the other one's place.",
  away: "The other peer stayed away for too long.",
  lost: "The connection was lost.",
  server: "The server has ended the conversation.",
  error: "The other peer broke the protocol.",
};

/** What an error means to the person here, by its stable `code`. */
const HINTS = {
  BUSY:
    "Two others hold this code. Take a new one, or wait: it is tried again.",
  PAIR_CODE_REFUSED: "The server does not take this code. Take a new one.",
  PEER_CLOSED: "Not sent, as you are not connected. Press Connect first.",
  SOCKET: "The server is out of reach. This page tries again by itself.",
  UPGRADE: "No direct path yet: messages go through the server.",
};

const $ = (id) => document.getElementById(id);

let peer;
let state = "idle";
/** Whether a conversation has begun that has not ended. */
let begun = false;
/** Labels of own messages that the other peer may not have yet. */
let sent = [];
/** The same, of a conversation that is closed and not over yet. */
let leaving = [];

/** Makes the peer for a pair code, or for a random one where that is empty. */
function start(code) {
  // Two peers of one page under one code would pair with each other.
  peer?.destroy();
  peer = undefined;
  try {
    // The server is beside the page, wherever that is. The peer connects by
    // itself when this function is done.
    const url = new URL(document.body.dataset.server, location.href).href;
    peer = new SocketPeer({ pairCode: code || undefined, url });
  } catch (error) {
    state = "idle";
    write("code", "");
    write("link", "");
    problem(error);
    show();
    return;
  }

  peer.on("connect", () => {
    begun = true;
    say("note", "The other peer is here.");
    label(sent, "");
  });
  peer.on("data", (message) => say("other", inWords(message)));
  peer.on("reconnect", () => label(sent, ""));
  peer.on("upgrade", () => problem(null));
  peer.on("close", ({ reason, unacknowledged }) => {
    if (begun) say("note", REASONS[reason]);
    label(leaving, "");
    label(
      leaving.slice(leaving.length - unacknowledged),
      begun ? "may not have arrived" : "not delivered",
    );
    begun = false;
  });
  peer.on("error", (error) => {
    // That nobody has come yet is no problem: the peer goes on waiting.
    const alone = ["CONNECT_TIMEOUT", "PEER_TIMEOUT"].includes(error.code);
    if (!alone || state === "connecting") problem(error);
  });
  peer.on("statechange", (to) => {
    state = to;
    if (to === "waiting" || to === "connected") problem(null);
    if (to === "closed") [leaving, sent] = [sent, []];
  });
  for (const name of EVENTS) {
    peer.on(name, (...details) => {
      log(name, details);
      show();
    });
  }

  // Behind the #, which a browser does not send when it asks for the page.
  history.replaceState(null, "", "#" + encodeURIComponent(peer.pairCode));
  write("code", peer.pairCode);
  write("link", $("link").href = location.href);
}

$("form").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value;
  if (!text || !peer) return;
  // All that was sent before has arrived.
  if (peer.bufferedAmount === 0) sent = [];
  try {
    peer.send(text);
  } catch (error) {
    // Nothing was taken: the text stays.
    problem(error);
    return;
  }
  const status = make("small", peer.connected ? "" : "waits for the other");
  say("own", text, status);
  sent.push(status);
  // Back to the end, for who has read further up.
  $("messages").parentElement.scrollTop = 0;
  $("text").value = "";
  $("text").focus();
};

$("close").onclick = () => {
  peer?.close();
  $("connect").focus();
};

$("connect").onclick = () => {
  peer?.connect();
  $("close").focus();
};

$("new").onclick = () => start("");

$("copy").onclick = async () => {
  try {
    // Browsers have no clipboard for pages that came over plain http.
    await navigator.clipboard.writeText($("link").href);
    write("copy", "Copied");
  } catch {
    getSelection().selectAllChildren($("link"));
    write("copy", "Selected");
  }
  setTimeout(() => write("copy", "Copy link"), 3000);
};

addEventListener("hashchange", () => {
  const code = codeInAddress();
  if (code !== peer?.pairCode) start(code);
});

function codeInAddress() {
  const code = location.hash.slice(1);
  try {
    return decodeURIComponent(code);
  } catch {
    return code;
  }
}

/** Shows where the peer stands now. */
function show() {
  const path = peer?.path ?? "none";
  const stopped = state === "idle" || state === "closed";
  Object.assign(document.body.dataset, { state, path });
  write("state", begun && INTERRUPTED[state] || STATES[state]);
  write("path", path);
  write("path-words", PATHS[path]);
  $("hint").hidden = stopped || state === "connected";
  $("close").hidden = stopped;
  $("connect").hidden = !stopped && state !== "reconnecting";
}

/** Shows what went wrong, or with null that all is well again. */
function problem(error) {
  $("problem").hidden = !error;
  write("problem-hint", HINTS[error?.code] ?? "");
  write("problem-error", error?.message ?? "");
}

/** Adds a line to the chat. */
function say(who, ...parts) {
  const speaker = make("span", { own: "You: ", other: "Other: " }[who] ?? "");
  speaker.className = "unseen";
  const line = make("p", speaker, ...parts);
  line.className = who;
  append("messages", line);
}

/** Texts go in as text, never as HTML: the other peer may send anything. */
function make(tag, ...parts) {
  const element = document.createElement(tag);
  element.append(...parts);
  return element;
}

function label(elements, text) {
  for (const element of elements) element.textContent = text;
}

/** A message as text: another program may send more than that. */
function inWords(message) {
  if (typeof message === "string") return message;
  if (message instanceof Uint8Array) return `(${message.length} bytes)`;
  return JSON.stringify(message);
}

function log(name, [first, second]) {
  let detail = first?.code ?? JSON.stringify(first) ?? "";
  if (name === "error") detail += `: ${first.message}`;
  if (name === "data") detail = inWords(first).slice(0, 80);
  if (name === "statechange") detail = `${second} → ${first}`;
  const time = make("time", new Date().toTimeString().slice(0, 8));
  append("events", make("p", time, " ", make("b", name), " ", detail));
}

/** Adds a line to a list; demo.css keeps its end in view. */
function append(id, line) {
  $(id).append(line);
  // A page may stay open for days.
  if ($(id).childElementCount > 500) $(id).firstElementChild.remove();
}

/** Writes only what is new, as a screen reader reads it aloud. */
function write(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

if (/^(localhost|127\..*|\[::1\])$/.test(location.hostname)) {
  $("local").hidden = false;
  write("network", location.origin.replace(location.hostname, "192.168.1.20"));
}
start(codeInAddress());
