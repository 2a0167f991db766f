/**
 * Files over a pipe of messages. It takes three small headers, as JSON:
 *
 * - `{ demo: "file", id, name, type, size }`: a file begins;
 * - `{ demo: "part", id }`: the bytes that come next belong to it;
 * - `{ demo: "cancel", id, by }`: it ends early; `by` says whose file it is.
 *
 * Messages arrive once and in order, so nothing else has to be said: a file is
 * whole when all its bytes are there. Between two parts may stand anything,
 * such as a chat message or a part of another file.
 */

import { inBytes, make, makeButton, write } from "./dom.js";

/** Large enough to be fast, small enough for others to come between. */
const PART_BYTES = 65_536;
/** All of a file is kept in memory until it is saved. */
const MAX_BYTES = 2 ** 30;
/** After so long without progress, the other side is said not to read. */
const HELD_UP_MS = 1000;

/** Images that a browser shows and runs nothing of. */
const IMAGES = ["avif", "gif", "jpeg", "png", "webp"].map((name) =>
  `image/${name}`
);

/** All files of one conversation, both ways. */
export class Files {
  #pipe;
  #outgoing = new Map();
  #incoming = new Map();
  /** Which file the next bytes belong to, and whether any was named. */
  #next;
  #named = false;
  #lastId = 0;

  /**
   * @param {object} pipe
   * @param {(message: unknown) => number | undefined} pipe.send Sends, and
   * returns how many bytes were sent in all by then; nothing if it was refused.
   * @param {() => Promise<void>} pipe.drained Waits until it has room again.
   * @param {(who: string, card: Element) => void} pipe.show Shows a file.
   * @param {() => void} pipe.pause Stops reading, or reads on.
   */
  constructor(pipe) {
    this.#pipe = pipe;
  }

  /** Whether a file is on its way here. */
  get receiving() {
    return this.#incoming.size > 0;
  }

  /** Sends a file, part by part, no faster than the other side takes it. */
  async send(file) {
    const { send, drained, show } = this.#pipe;
    const id = ++this.#lastId;
    const { name, type, size } = file;
    const card = new Card(name, size);
    card.button("Cancel", () => this.#cancelOwn(id, "You cancelled it."));
    show("own", card.element);
    if (size > MAX_BYTES) {
      return card.end(
        `Too large: this page sends up to ${inBytes(MAX_BYTES)}.`,
      );
    }
    const transfer = { card, parts: [], delivered: 0, movedAt: 0 };
    this.#outgoing.set(id, transfer);
    const goesOn = () => this.#outgoing.get(id) === transfer;
    try {
      if (!send({ demo: "file", id, name, type, size })) throw new Error();
      for (let at = 0; at < size; at += PART_BYTES) {
        const slice = file.slice(at, at + PART_BYTES);
        const bytes = new Uint8Array(await slice.arrayBuffer());
        if (!goesOn()) return;
        // The two are sent in one turn: nothing comes between them.
        if (!send({ demo: "part", id })) throw new Error();
        const end = send(bytes);
        if (!end) throw new Error();
        transfer.parts.push({ end, bytes: bytes.length });
        await drained();
        if (!goesOn()) return;
      }
      transfer.done = () => card.finish(file, "The other has it all.");
      if (size === 0) this.#delivered(id, transfer);
    } catch {
      // It cannot be read any more, or the conversation is over.
      if (goesOn()) this.#cancelOwn(id, "It could not be sent.");
    }
  }

  /** Takes one of the headers above; returns whether it was one. */
  header(message) {
    const { demo, id } = message;
    if (demo === "file") this.#begin(message);
    else if (demo === "part") {
      // Of one that was cancelled there may be more on the way.
      this.#next = this.#incoming.get(id);
      this.#named = true;
    } else if (demo === "cancel") {
      if (message.by === "receiver") {
        this.#endOwn(id, "The other did not want it.");
      } else this.#endOther(id, "The other has cancelled it.");
    } else return false;
    return true;
  }

  /** Takes the bytes of the file that was named; returns whether one was. */
  bytes(bytes) {
    const named = this.#named;
    const transfer = this.#next;
    this.#named = false;
    this.#next = undefined;
    if (transfer && this.#incoming.has(transfer.id)) this.#add(transfer, bytes);
    return named;
  }

  /**
   * Shows how far all have come.
   *
   * @param delivered How many bytes of all that was sent have arrived.
   * @param paused Whether nothing is read here.
   */
  progress(delivered, paused) {
    const now = performance.now();
    for (const [id, transfer] of this.#outgoing) {
      const { card, parts } = transfer;
      const before = transfer.delivered;
      while (parts[0]?.end <= delivered) {
        transfer.delivered += parts.shift().bytes;
      }
      if (transfer.delivered !== before || !transfer.movedAt) {
        transfer.movedAt = now;
      }
      const heldUp = now - transfer.movedAt > HELD_UP_MS;
      card.progress(
        transfer.delivered,
        heldUp ? "Waiting: the other does not read now." : "Sending.",
      );
      if (transfer.done && parts.length === 0) this.#delivered(id, transfer);
    }
    for (const { card, got, pause } of this.#incoming.values()) {
      card.progress(
        got,
        paused ? "Paused: you read nothing, chat neither." : "Receiving.",
      );
      write(pause, paused ? "Read on" : "Pause");
    }
  }

  /** The conversation is over: no file goes on. */
  stop() {
    for (const id of [...this.#outgoing.keys()]) {
      this.#endOwn(id, "It did not arrive: the conversation ended.");
    }
    for (const id of [...this.#incoming.keys()]) {
      this.#endOther(id, "It did not arrive: the conversation ended.");
    }
  }

  #begin({ id, name, type, size }) {
    const right = Number.isSafeInteger(id) && typeof name === "string" &&
      Number.isSafeInteger(size) && size >= 0 && !this.#incoming.has(id);
    if (!right) return;
    const card = new Card(name.slice(0, 255), size);
    const cancel = (why) => {
      this.#pipe.send({ demo: "cancel", id, by: "receiver" });
      this.#endOther(id, why);
    };
    const pause = card.button("Pause", () => this.#pipe.pause());
    card.button("Cancel", () => cancel("You did not want it."));
    this.#pipe.show("other", card.element);
    // A link to anything else would open as a page of this origin.
    const shown = IMAGES.includes(type) ? type : "application/octet-stream";
    const transfer = { id, card, pause, size, type: shown, parts: [], got: 0 };
    this.#incoming.set(id, transfer);
    if (size > MAX_BYTES) return cancel("Too large for this page.");
    if (size > 0) return;
    this.#add(transfer, new Uint8Array());
  }

  #add(transfer, bytes) {
    const { id, card, parts, size, type } = transfer;
    parts.push(bytes);
    transfer.got += bytes.length;
    if (transfer.got < size) return;
    this.#incoming.delete(id);
    const fits = transfer.got === size;
    if (fits) card.finish(new Blob(parts, { type }), "Received.", true);
    else card.end("It is larger than it should be, and was not kept.");
  }

  #delivered(id, { done }) {
    this.#outgoing.delete(id);
    done();
  }

  #cancelOwn(id, why) {
    if (!this.#outgoing.has(id)) return;
    this.#pipe.send({ demo: "cancel", id, by: "sender" });
    this.#endOwn(id, why);
  }

  #endOwn(id, why) {
    this.#outgoing.get(id)?.card.end(why);
    this.#outgoing.delete(id);
  }

  #endOther(id, why) {
    this.#incoming.get(id)?.card.end(why);
    this.#incoming.delete(id);
  }
}

/** What is seen of one file. */
class Card {
  element = make("div");
  #size;
  #bar = make("progress");
  /** Numbers are not read aloud: the bar has them for who asks. */
  #numbers = make("span");
  #status = make("span");
  #buttons = make("p");

  constructor(name, size) {
    this.#size = size;
    this.element.className = "file";
    this.#bar.max = Math.max(size, 1);
    this.#bar.ariaLabel = `Progress of ${name}`;
    this.#numbers.ariaHidden = "true";
    this.#numbers.className = "numbers";
    this.#status.className = "file-status";
    this.#buttons.className = "buttons";
    const line = make("p", this.#status, " ", this.#numbers);
    line.className = "hint";
    this.name = name;
    this.element.append(make("b", name), this.#bar, line, this.#buttons);
    this.progress(0, "");
  }

  button(text, onclick) {
    const button = makeButton(text, onclick);
    // Which file it is for, where the button is met alone.
    button.setAttribute("aria-description", this.name);
    this.#buttons.append(button);
    return button;
  }

  progress(bytes, status) {
    this.#bar.value = Math.min(bytes, this.#size);
    write(this.#status, status);
    write(this.#numbers, `${inBytes(bytes)} of ${inBytes(this.#size)}`);
  }

  end(status) {
    this.#bar.remove();
    this.#settle(status);
  }

  /** The file is whole: the receiver can save it, and both see an image. */
  finish(blob, status, save = false) {
    this.#bar.value = this.#bar.max;
    this.#bar.remove();
    if (IMAGES.includes(blob.type) || save) this.#link(blob, save);
    this.#settle(status);
  }

  #link(blob, save) {
    const url = URL.createObjectURL(blob);
    if (IMAGES.includes(blob.type)) {
      const image = Object.assign(new Image(), { src: url, alt: this.name });
      // What says to be an image may be none.
      image.onerror = () => image.remove();
      this.element.append(image);
    }
    if (!save) return;
    const link = make("a", `Save ${this.name}`);
    Object.assign(link, { href: url, download: this.name });
    this.element.append(link);
  }

  #settle(status) {
    const focused = this.#buttons.contains(document.activeElement);
    this.#buttons.remove();
    write(this.#status, status);
    write(this.#numbers, inBytes(this.#size));
    // The focus must not fall back to the start of the page.
    const link = this.element.querySelector("a");
    if (focused) (link ?? this.element.closest("[tabindex]"))?.focus();
  }
}
