/**
 * The demo page. `start()` and the form's `onsubmit` are all that a chat needs
 * of the library; the rest shows what happens meanwhile.
 */

/** Every event of a peer but those that `start()` itself listens to. */
const EVENTS = [
  "connect",
  "connect_error",
  "connect_timeout",
  "data",
  "drain",
  "reconnect",
  "reconnect_error",
  "reconnect_timeout",
  "upgrade_attempt",
  "upgrade",
  "upgrade_error",
  "downgrade",
  "close",
  "busy",
  "error",
  "statechange",
];

const PATHS = {
  none: "",
  relay: ", through the server",
  direct: ", from page to page and past the server",
};

const REASONS = {
  local: "You closed the conversation.",
  remote: "The other peer closed the conversation, or left.",
  replaced: "Another peer has taken the other one's place.",
  away: "The other peer stayed away for too long.",
  lost: "The connection was lost.",
  server: "The server has ended the conversation.",
  error: "The conversation had to end: the other peer broke a rule.",
};

/** What to do about an error, by its stable `code`. */
const HINTS = {
  BUSY: "Two others hold this code. Take a new code, or leave this page " +
    "open: it tries again by itself.",
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
/** The labels of own messages that may still be on their way. */
let sent = [];
/** The same, of a conversation that is closed but not over yet. */
let leaving = [];

/** Makes a peer for a pair code, or for a random one where that is empty. */
function start(code) {
  // Two peers of one page under one code would pair with each other.
  peer?.destroy();
  peer = undefined;
  try {
    // Without a `url` it finds the server that the page came from, and with
    // no `autoconnect: false` it connects when this function is done.
    peer = new SocketPeer({ pairCode: code || undefined });
  } catch (error) {
    problem(error);
    return;
  }

  peer.on("connect", () => {
    begun = true;
    note("The other peer is here.");
    label(sent, "");
  });
  peer.on("reconnect", () => label(sent, ""));
  peer.on("data", (message) => say("other", describe(message)));
  peer.on("upgrade", () => problem(null));
  peer.on("error", (error) => {
    // That nobody has come yet is no problem: the peer goes on waiting.
    const patient = ["CONNECT_TIMEOUT", "PEER_TIMEOUT"].includes(error.code);
    if (!(patient && state === "waiting")) problem(error);
  });
  peer.on("statechange", (to) => {
    state = to;
    if (to === "waiting" || to === "connected") problem(null);
    if (to === "closed") [leaving, sent] = [sent, []];
  });
  peer.on("close", ({ reason, unacknowledged }) => {
    if (begun) note(REASONS[reason]);
    label(leaving, "");
    label(
      leaving.slice(leaving.length - unacknowledged),
      begun ? "may not have arrived" : "not delivered",
    );
    begun = false;
  });
  for (const name of EVENTS) {
    peer.on(name, (...details) => {
      log(name, details);
      show();
    });
  }

  // After the #, where no server sees it when the page is loaded.
  history.replaceState(null, "", "#" + encodeURIComponent(peer.pairCode));
  $("code").textContent = peer.pairCode;
  $("link").textContent = $("link").href = location.href;
  show();
}

$("form").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value;
  if (!text || !peer) return;
  // Nothing is on its way: what was sent before has arrived.
  if (peer.bufferedAmount === 0) sent = [];
  try {
    peer.send(text);
  } catch (error) {
    // It has taken nothing, so the text stays in its box.
    problem(error);
    return;
  }
  const line = say("own", text);
  const status = line.appendChild(document.createElement("small"));
  if (!peer.connected) status.textContent = "waits for the other peer";
  sent.push(status);
  $("text").value = "";
  $("text").focus();
};

$("close").onclick = () => {
  peer?.close();
  show();
  $("connect").focus();
};

$("connect").onclick = () => {
  // A peer that was closed may take a moment to say goodbye first.
  if (state === "closed") state = "connecting";
  peer?.connect();
  show();
  $("text").focus();
};

$("new").onclick = () => start("");

$("copy").onclick = async () => {
  const button = $("copy");
  try {
    // There is no clipboard where the page came over plain http.
    await navigator.clipboard.writeText($("link").href);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($("link"));
    button.textContent = "Selected";
  }
  setTimeout(() => button.textContent = "Copy", 3000);
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
  const connected = peer?.connected;
  Object.assign(document.body.dataset, { state, path });
  write("state", stateInWords());
  write("path", path);
  write("path-words", PATHS[path]);
  write(
    "hint",
    stopped
      ? "You are not connected: press Connect to chat."
      : connected
      ? ""
      : "The other peer is not here. What you send now waits for it.",
  );
  $("close").hidden = stopped;
  $("connect").hidden = !stopped && state !== "reconnecting";
}

function stateInWords() {
  switch (state) {
    case "connecting":
      return "Reaching the server …";
    case "waiting":
      return begun
        ? "The other peer is out of reach. Waiting for it to come back …"
        : "Ready. Waiting for the other peer to open the link …";
    case "connected":
      return "Connected to the other peer.";
    case "reconnecting":
      return begun
        ? "The connection broke. Trying to get it back …"
        : "Not connected. Trying again …";
    default:
      return "Not connected. Connect begins again with the same code.";
  }
}

/** Shows what went wrong, or with null that all is well again. */
function problem(error) {
  const parts = error ? [HINTS[error.code], error.message] : [];
  const [hint, message] = parts.map((text, i) => {
    const part = document.createElement(i ? "span" : "strong");
    part.textContent = text ?? "Something went wrong.";
    return part;
  });
  $("problem").hidden = !error;
  $("problem").replaceChildren(...error ? [hint, message] : []);
}

/** Adds a line to the chat. */
function say(who, text) {
  const line = document.createElement("p");
  line.className = who;
  const speaker = document.createElement("span");
  speaker.className = "unseen";
  speaker.textContent = { own: "You: ", other: "Other peer: " }[who] ?? "";
  // As text, never as HTML: the other peer may send anything.
  line.append(speaker, text);
  append($("messages"), line);
  return line;
}

function note(text) {
  say("note", text);
}

function label(elements, text) {
  for (const element of elements) element.textContent = text;
}

/** A message in words: another program may send more than text. */
function describe(message) {
  if (typeof message === "string") return message;
  if (message instanceof Uint8Array) return `(${message.length} bytes)`;
  return JSON.stringify(message);
}

function log(name, [first, second]) {
  const line = document.createElement("p");
  const time = document.createElement("time");
  const event = document.createElement("b");
  time.textContent = new Date().toTimeString().slice(0, 8);
  event.textContent = name;
  line.append(time, " ", event, " ", detail(name, first, second));
  append($("events"), line);
}

function detail(name, first, second) {
  switch (name) {
    case "statechange":
      return `${second} → ${first}`;
    case "close":
      return `${first.reason}, ${first.unacknowledged} unacknowledged`;
    case "data":
      return describe(first).slice(0, 80);
    case "error":
      return `${first.code}: ${first.message}`;
    default:
      return first?.code ?? "";
  }
}

/** Adds a line to a list, which stays at its end if it was there. */
function append(list, line) {
  const { scrollHeight, scrollTop, clientHeight } = list;
  const atEnd = scrollHeight - scrollTop - clientHeight < 40;
  list.append(line);
  // So that a page that stays open for days does not grow for ever.
  if (list.childElementCount > 500) list.firstElementChild.remove();
  if (atEnd || line.className === "own") list.scrollTop = list.scrollHeight;
}

/** Writes only what is new, as a screen reader reads it aloud. */
function write(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

if (/^(localhost|127\..*|\[::1\])$/.test(location.hostname)) {
  const port = location.port && `:${location.port}`;
  $("local").hidden = false;
  $("local").textContent = "This link works on this machine alone. For a " +
    "phone, open this page by the machine's address on the network first, " +
    `such as ${location.protocol}//192.168.1.20${port}/.`;
}
start(codeInAddress());
