/**
 * The demo page. `start()` and the form's `onsubmit` are all that a chat needs
 * of the library; the rest shows what happens meanwhile.
 */

import { breakButtons, showPings } from "./chaos.js";
import { isPrivate } from "./client.js";
import { completeField } from "./complete_field.js";
import { $, inBytes, make, write } from "./dom.js";
import { Files } from "./files.js";
import { channelWay } from "./hooks.js";
import { Meter } from "./meter.js";
import { Pings } from "./pings.js";
import { drawPlainCode, readPlainCode } from "./plain_code.js";
import { qrCode } from "./qr.js";

/** Messages, and room for more, come too often for a log. */
const EVENTS = ("code connect connect_error connect_timeout reconnect " +
  "reconnect_error reconnect_timeout upgrade_attempt upgrade upgrade_error " +
  "downgrade close busy error statechange").split(" ");

/** Where the person here is, and the peer: what to say of it. */
const STATES = {
  /** The visitor has a code to give away. */
  invite: {
    idle: "Not connected. Trying again …",
    connecting: "Reaching the server …",
    waiting: "Ready. Waiting for the other to enter your code …",
    reconnecting: "Not connected. Trying again …",
  },
  /** The visitor has entered the code of the other. */
  join: {
    connecting: "Reaching the server …",
    waiting: "Nobody else is here with this code. Waiting … If it has been " +
      "used before, ask for a new one.",
    reconnecting: "Not connected. Trying again …",
  },
  /** A conversation has begun, and has not ended. */
  talk: {
    connected: `Connected to the other peer, ${
      isPrivate ? "" : "not "
    }in private.`,
    waiting: "The other peer is out of reach. Waiting for it to come back …",
    reconnecting: "The connection broke. Trying to get it back …",
    closed: "Closing, when all that you sent has arrived …",
  },
  /** The code is good for no more. */
  over: { closed: "The conversation is over." },
  /** There is no cryptography here. */
  broken: {},
};

/** What is said where the state does not matter. */
const STOPPED = "Not connected.";

const PATHS = {
  none: "",
  relay: ", through the server",
  direct: ", from page to page",
  turn: ", by a TURN server",
};

/**
 * How much may wait for the other: less than the library would take, so that
 * it is soon seen that somebody does not read.
 */
const HIGH_WATER_BYTES = 1_048_576;

const REASONS = {
  local: "You closed the conversation.",
  remote: "The other peer closed the conversation, or left.",
  replaced: "Another peer has taken the other one's place.",
  away: "The other peer stayed away for too long.",
  lost: "The connection was lost.",
  server: "The server has ended the conversation.",
  error: "The other peer broke the protocol.",
};

/**
 * What an error means to the person here, and what to do next, by its stable
 * `code`.
 */
const HINTS = {
  BUSY: "Two others talk by this code. If you are none of them, in another " +
    "tab, agree on a new code.",
  CODE_USED: "This code is used up. Take a new one, and say it to the other.",
  CRYPTO_MISSING:
    "This browser is too old to be private. Update it: it takes " +
    "Chrome 133, Firefox 130 or Safari 17.",
  NOT_PRIVATE: "The other side does not talk in private, or the server hides " +
    "that it does. Nothing was sent. Make sure that the other uses this page.",
  PAIR_CODE_REFUSED: "The server does not take this code. Take a new one.",
  PEER_CLOSED: "Not sent, as the conversation is closed. Take a new code.",
  QUEUE_FULL: "Not sent, as too much waits for the other. Try again later.",
  SOCKET: "The server is out of reach. This page tries again by itself.",
  TAMPERED: "Somebody on the way, such as the server, has changed what the " +
    "other sent. It was not taken, and another connection is tried. If this " +
    "comes again, do not use this server.",
  UPGRADE: "No direct path yet: messages go through the server.",
  WRONG_SECRET: "Somebody came with other words: a slip, or a guess. Your " +
    "code is good for three such attempts in all: have the other enter it " +
    "again, or take a new one.",
};

/** The same, for who has entered a code. */
const JOINING_HINTS = {
  WRONG_SECRET: "These are not the words of the other side. Ask for the code " +
    "again and enter it below, or take a new one. If both of you have the " +
    "same, somebody may be guessing.",
  PAIR_CODE_REFUSED: "The server does not take this code. Enter another one.",
};

/** Errors that a better connection does not make undone. */
const SERIOUS = ["CODE_USED", "NOT_PRIVATE", "TAMPERED", "WRONG_SECRET"];
/** Errors after which another code may help. */
const OF_THE_CODE = [...SERIOUS, "BUSY", "PAIR_CODE_REFUSED"];

let peer;
let step = "invite";
let state = "idle";
/** The code of the error that is shown. */
let shown;
/** How many messages were sent, with those that nobody reads. */
let count = 0;
/** Own messages that the other peer may not have yet: number, and label. */
let sent = [];
/** The same, of a conversation that is closed and not over yet. */
let leaving = [];
/** What goes on in the conversation beside the chat. */
let files;
let meter = new Meter();
let pings;
/** What the data channel runs over, as far as the browser tells. */
let way;
/** Whether nothing is read. */
let paused = false;

/**
 * What the client here takes for a code that was entered, or for one of its
 * own. The two kinds look different, as a private peer and a plain one can not
 * meet, and as a plain one would tell the server all of a private code.
 *
 * @throws {TypeError} If it is of the other kind, or, where this page is not
 * private, of none.
 */
function codeFor(entered) {
  const plain = entered && readPlainCode(entered);
  if (isPrivate && plain) {
    throw new TypeError(
      "This code is of a page without https, and this page is private: the " +
        "two can not meet. Both must open the same address",
    );
  }
  if (isPrivate) return entered;
  if (!entered || plain) return plain || drawPlainCode();
  throw new TypeError(
    /^\W*\d/.test(entered)
      ? "This code is of a private page, and this page is not private: the " +
        "two can not meet. Both must open the same address"
      : "This is no code of this page: it must have 16 letters, and no vowel",
  );
}

/**
 * Makes the peer: for the other's code, or for one of its own.
 *
 * @throws {TypeError} If that is no code; all stays as it was.
 */
function start(pairCode) {
  // The server is beside the page, wherever that is.
  const url = new URL(document.body.dataset.server, location.href).href;
  const next = new SocketPeer({
    pairCode: codeFor(pairCode),
    url,
    autoconnect: false,
    highWaterMark: HIGH_WATER_BYTES,
  });
  if (pairCode && next.pairCode === peer?.pairCode && step === "invite") {
    throw new TypeError(
      "This is your own code: let the other enter it. If they gave you one, " +
        "enter that",
    );
  }
  stop();
  peer = next;
  step = pairCode ? "join" : "invite";
  problem(null);
  write("joined", pairCode ? peer.pairCode : "");
  // A private one has none until the server has given its number.
  invite(pairCode ? "" : peer.pairCode);
  count = 0;
  meter = new Meter();
  pings = new Pings((message) => trySend(message));
  files = new Files({
    send: (message) => trySend(message),
    drained: () => next.drained(),
    show: (who, card) => say(who, card),
    pause: togglePause,
  });

  peer.on("code", invite);
  peer.on("connect", () => {
    step = "talk";
    problem(null);
    say("note", "The other peer is here.");
    label(sent, "");
    // Another program would make nothing of pings.
    trySend({ demo: "hello" });
    if (isPrivate) {
      write("verification", peer.verification.replaceAll("-", " "));
    }
  });
  pause(false);
  peer.on("reconnect", () => label(sent, ""));
  peer.on("upgrade", () => shown === "UPGRADE" && problem(null));
  peer.on("close", ({ reason, unacknowledged }) => {
    const begun = step === "talk";
    if (begun) {
      step = "over";
      say("note", REASONS[reason]);
    }
    label(leaving, "");
    label(
      leaving.filter(({ number }) => number > count - unacknowledged),
      begun ? "may not have arrived" : "not delivered",
    );
    files.stop();
    pings.stop();
    pause(false);
  });
  peer.on("error", (error) => {
    // That nobody has come yet is no problem: the peer goes on waiting.
    const alone = ["CONNECT_TIMEOUT", "PEER_TIMEOUT"].includes(error.code);
    if (!alone || state === "connecting") problem(error);
    const { code } = error;
    if (code === "CRYPTO_MISSING") step = "broken";
    else if (code === "CODE_USED" || code === "PAIR_CODE_REFUSED") {
      step = "over";
    } else if (code === "WRONG_SECRET" || code === "NOT_PRIVATE") {
      // Else it is tried again by itself.
      if (error.attemptsLeft === 0) step = "over";
    }
  });
  peer.on("statechange", (to) => {
    state = to;
    const well = to === "waiting" || to === "connected";
    if (well && !SERIOUS.includes(shown)) problem(null);
    if (to === "closed") [leaving, sent] = [sent, []];
  });
  for (const name of EVENTS) {
    peer.on(name, (...details) => {
      log(name, details);
      show();
    });
  }
  // A plain peer would wait for another one, by the same code.
  peer.on("close", () => step === "over" && next.close());
  peer.connect();
  show();
}

$("form").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value;
  if (!text) return;
  try {
    send(text);
  } catch (error) {
    // Nothing was taken: the text stays.
    problem(error);
    return;
  }
  const status = make("small", peer.connected ? "" : "waits for the other");
  say("own", text, status);
  sent.push({ number: count, status });
  $("text").value = "";
  $("text").focus();
};

/** Sends a message of any kind; returns how many bytes were, with it. */
function send(message) {
  // All that was sent before has arrived.
  if (peer.bufferedAmount === 0) sent = [];
  peer.send(message);
  count++;
  return meter.send(bytesOf(message));
}

/** The same, of what nobody has typed: nothing where it is refused. */
function trySend(message) {
  try {
    return send(message);
  } catch (error) {
    if (error.code === "QUEUE_FULL") problem(error);
    return undefined;
  }
}

/** Takes a message of the other peer. */
function take(message) {
  meter.take(bytesOf(message));
  const { demo } = message ?? {};
  if (demo === "hello") pings.start();
  else if (demo === "ping") pings.ping(message);
  else if (demo === "pong") pings.pong(message);
  else {
    const ofFile = message instanceof Uint8Array
      ? files.bytes(message)
      : demo && files.header(message);
    if (!ofFile) say("other", inWords(message));
  }
}

/**
 * Stops reading, or reads on. Without a listener the library takes nothing, and
 * the other side is held up: that is all it takes.
 */
function pause(whether) {
  paused = whether;
  peer.off("data", take);
  if (!paused) peer.on("data", take);
  $("pause").ariaPressed = String(paused);
}

function togglePause() {
  pause(!paused);
  watch();
  show();
  write(
    "broken",
    paused
      ? "You read nothing. What the other sends waits there, once there is " +
        "no room left on the way."
      : "You read on.",
  );
}

$("pause").onclick = togglePause;

/** Sends files, one beside the other. */
function sendFiles(list) {
  if ($("text").disabled) return;
  for (const file of list) files.send(file);
}

$("attach").onclick = () => $("files").click();
$("files").onchange = () => {
  sendFiles($("files").files);
  // Else the same one could not be chosen again.
  $("files").value = "";
};
addEventListener("paste", ({ clipboardData }) => {
  sendFiles(clipboardData.files);
});

/** Whether files are dragged, and not a text, which belongs to the field. */
function dragsFiles({ dataTransfer }) {
  return dataTransfer?.types.includes("Files");
}
addEventListener("dragover", (event) => {
  if (!dragsFiles(event)) return;
  // Wherever it is dropped: a browser would leave the page to show it.
  event.preventDefault();
  document.body.classList.add("dragged");
});
addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) document.body.classList.remove("dragged");
});
addEventListener("drop", (event) => {
  if (!dragsFiles(event)) return;
  event.preventDefault();
  document.body.classList.remove("dragged");
  sendFiles(event.dataTransfer.files);
});

breakButtons(() => meter.mark());

/** Shows what has come through since, and how. */
function watch() {
  if (!peer) return;
  meter.waiting(peer.bufferedAmount);
  files.progress(meter.delivered, paused);
  showPings(pings);
  const { arrived, delivered } = meter.rates;
  const { roundTripMs } = pings;
  write("round-trip", roundTripMs ? `${Math.ceil(roundTripMs)} ms` : "–");
  write("rate-in", `${inBytes(arrived)}/s`);
  write("rate-out", `${inBytes(delivered)}/s`);
  write("arrived", inBytes(meter.arrived));
  write("delivered", inBytes(meter.delivered));
}

setInterval(async () => {
  const path = peer?.path ?? "none";
  way = path === "direct" ? await channelWay() : undefined;
  if (step !== "talk") return;
  watch();
  meter.step(way ?? path);
  meter.draw($("plot"));
  showPath();
}, Meter.STEP_MS);

/** Ends a peer and hears no more of it: two of one page could meet each other. */
function stop() {
  // What is said of it from now on belongs to none that is shown.
  peer?.removeAllListeners();
  peer?.destroy();
  files?.stop();
  pings?.stop();
  for (const { status } of [...leaving, ...sent]) {
    if (status.textContent) status.textContent = "not delivered";
  }
  peer = undefined;
  state = "idle";
  leaving = [];
  sent = [];
}

/** Takes a code of its own. */
function renew() {
  try {
    start();
  } catch (error) {
    broken(error);
  }
}

/** Joins by the other's code, or says below the field what is wrong with it. */
function join(code) {
  try {
    start(code);
  } catch (error) {
    if (error.code) {
      broken(error);
      return true;
    }
    $("other-code").value = code;
    $("other-code").ariaInvalid = "true";
    write("join-error", `${error.message}.`);
    return false;
  }
  $("other-code").value = "";
  return true;
}

/** There can be no peer. */
function broken(error) {
  stop();
  step = "broken";
  problem(error);
  show();
}

$("join").onsubmit = (event) => {
  event.preventDefault();
  if (join($("other-code").value)) $("status-title").focus();
  else $("other-code").focus();
};

$("other-code").oninput = () => {
  $("other-code").ariaInvalid = "false";
  write("join-error", "");
};

$("close").onclick = () => {
  peer.close();
  $("status-title").focus();
};

$("connect").onclick = () => {
  peer.connect();
  $("status-title").focus();
};

for (const button of document.querySelectorAll(".new")) {
  button.onclick = () => {
    renew();
    $("invite-title").focus();
  };
}

/** Makes a button copy the text of an element. */
function copies(button, source) {
  const { textContent } = $(button);
  $(button).onclick = async () => {
    try {
      // Not every browser lets every page.
      await navigator.clipboard.writeText($(source).textContent);
      write(button, "Copied");
    } catch {
      getSelection().selectAllChildren($(source));
      // Old, and all that there is without https.
      write(button, document.execCommand("copy") ? "Copied" : "Selected");
    }
    setTimeout(() => write(button, textContent), 3000);
  };
}
copies("copy-code", "code");
copies("copy-link", "link");

/** Shows a code to give away, and the link that carries it. */
function invite(code) {
  write("code", code || "…");
  $("copy-code").disabled = !code;
  $("link-parts").hidden = !code;
  if (!code) return;
  const link = new URL(location.href);
  // Behind the #, which a browser does not send when it asks for the page.
  link.hash = code;
  write("link", $("link").href = link.href);
  const rows = qrCode(link.href);
  // SVG has no property for it.
  $("qr").toggleAttribute("hidden", !rows);
  if (!rows) return;
  const size = rows.length + 8;
  $("qr").setAttribute("viewBox", `-4 -4 ${size} ${size}`);
  const dots = rows.flatMap((row, y) =>
    row.map((dark, x) => dark ? `M${x} ${y}h1v1h-1z` : "")
  );
  $("qr").firstElementChild.setAttribute("d", dots.join(""));
}

/** Joins by the code in the address, if one is there. */
function joinByAddress() {
  const code = location.hash.slice(1);
  if (!code) return false;
  // It is good for once: neither a reload nor the history is to use it again.
  history.replaceState(null, "", location.pathname + location.search);
  try {
    return join(decodeURIComponent(code));
  } catch {
    return join(code);
  }
}

/** Shows where the peer stands now. */
function show() {
  const path = peer?.path ?? "none";
  Object.assign(document.body.dataset, { step, state, path });
  // What a data channel runs over is looked up once a step.
  if (path !== "direct") meter.saw(path);
  write("state", STATES[step][state] ?? STOPPED);
  showPath();
  $("lock").hidden = $("facts").hidden = step !== "talk";
  $("close").hidden = step !== "talk" || state === "closed";
  $("connect").hidden = state !== "reconnecting";
  const atFault = step !== "talk" && OF_THE_CODE.includes(shown);
  $("problem-new").hidden = !atFault;
  // Where something went wrong, the button stands there.
  $("again").hidden = atFault || step !== "join" && step !== "over";
  const stopped = step === "over" || step === "broken";
  for (const id of ["text", "send", "attach"]) {
    $(id).disabled = stopped || state === "closed";
  }
  $("hint").hidden = !paused && state === "connected" || step === "broken";
  write("hint", hint(stopped));
}

/** What the person here should know before writing. */
function hint(stopped) {
  if (stopped) {
    return "A code is good for one conversation: for another, take a new one, " +
      "or enter one.";
  }
  return state === "connected" && paused
    ? "You read nothing now: what the other sends waits."
    : "The other peer is not here. What you send now waits for it.";
}

/** Shows which way messages go. */
function showPath() {
  const path = peer?.path ?? "none";
  const shown = path === "direct" && way === "turn" ? "TURN" : path;
  write("path", shown);
  write("path-words", PATHS[shown.toLowerCase()]);
}

/** Shows what went wrong, or with null that all is well again. */
function problem(error) {
  const usedUp = error?.attemptsLeft === 0 && step === "invite";
  shown = usedUp ? "CODE_USED" : error?.code;
  const hints = step === "join" ? { ...HINTS, ...JOINING_HINTS } : HINTS;
  $("problem").hidden = !error;
  // What the library says is for programmers; the events have it too.
  write("problem-text", hints[shown] ?? (error ? `${error.message}.` : ""));
}

/** Adds a line to the chat. */
function say(who, ...parts) {
  const speaker = make("span", { own: "You: ", other: "Other: " }[who] ?? "");
  speaker.className = "unseen";
  // A file is more than a paragraph holds.
  const line = make("div", speaker, ...parts);
  line.className = who;
  append("messages", line);
  // Back to the end, for who has read further up.
  if (who === "own") $("messages").parentElement.scrollTop = 0;
}

function label(messages, text) {
  for (const { status } of messages) status.textContent = text;
}

function bytesOf(message) {
  if (message instanceof Uint8Array) return message.length;
  const text = typeof message === "string" ? message : JSON.stringify(message);
  return new TextEncoder().encode(text).length;
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
  if (name === "statechange") detail = `${second} → ${first}`;
  // A log gets copied to others.
  if (name === "code") detail = "";
  const time = make("time", new Date().toTimeString().slice(0, 8));
  append("events", make("p", time, " ", make("b", name), " ", detail));
}

/** Adds a line to a list; demo.css keeps its end in view. */
function append(id, line) {
  $(id).append(line);
  // A page may stay open for days.
  if ($(id).childElementCount > 500) $(id).firstElementChild.remove();
}

if (isPrivate) {
  completeField($("other-code"), $("words"), SocketPeer.completeCode);
} else $("other-code").placeholder = "bcdf-ghjk-mnpq-rstv";
write("host", location.host);
const network = document.body.dataset.network.split(" ").filter(Boolean);
$("addresses").append(...network.flatMap((href, i) => {
  const link = Object.assign(make("a", href), { href });
  return i ? [" or ", link] : [link];
}));
$("network").hidden = network.length === 0;
$("local").hidden = !/^(localhost|127\..*|\[::1\])$/.test(location.hostname);
addEventListener("hashchange", joinByAddress);
if (!joinByAddress()) renew();
