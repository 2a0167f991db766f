/**
 * What has come through, and when: numbers for the page, and a picture of the
 * last minute in which a break and the recovery can be seen.
 */

/** How long one bar of the picture is, in milliseconds, and how many fit. */
const STEP_MS = 500;
const STEPS = 120;
/** What the rate is taken over, in bars. */
const RATE_STEPS = 4;

/** From the best to the worst. */
const WAYS = ["direct", "turn", "relay", "none"];

const HEIGHT = 40;
/** Bars as high as the picture: 100 MB in one step. */
const FULL = Math.log10(1e8);

const SVG = "http://www.w3.org/2000/svg";

/** Counts bytes and draws them, for one conversation. */
export class Meter {
  /** Bytes of the other peer that were taken here. */
  arrived = 0;
  /** Bytes of this peer that the other one has taken. */
  delivered = 0;
  /** Bytes that were given to the library. */
  #sent = 0;
  /** What each of the last steps has brought, and the path at its end. */
  #steps = [];
  #last = { arrived: 0, delivered: 0 };
  #marked = false;
  /** The worst path since the last step. */
  #worst;

  /** A message was accepted; returns how many bytes were, with it. */
  send(bytes) {
    return this.#sent += bytes;
  }

  /** A message has come. */
  take(bytes) {
    this.arrived += bytes;
  }

  /** So many bytes wait to be acknowledged, with what it takes to carry them. */
  waiting(bytes) {
    this.delivered = Math.max(this.delivered, this.#sent - bytes);
  }

  /** Something was broken just now. */
  mark() {
    this.#marked = true;
  }

  /** Messages take this path now. A break may be shorter than a step. */
  saw(path) {
    if (WAYS.indexOf(path) > WAYS.indexOf(this.#worst)) this.#worst = path;
  }

  /** Ends a step. */
  step(path) {
    this.saw(path);
    this.#steps.push({
      path: this.#worst,
      marked: this.#marked,
      arrived: this.arrived - this.#last.arrived,
      delivered: this.delivered - this.#last.delivered,
    });
    this.#marked = false;
    this.#worst = undefined;
    this.#last = { arrived: this.arrived, delivered: this.delivered };
    if (this.#steps.length > STEPS) this.#steps.shift();
  }

  /** Bytes a second, either way. */
  get rates() {
    const steps = this.#steps.slice(-RATE_STEPS);
    const rate = (way) =>
      steps.reduce((sum, step) => sum + step[way], 0) * 1000 /
      (Math.max(steps.length, 1) * STEP_MS);
    return { arrived: rate("arrived"), delivered: rate("delivered") };
  }

  /**
   * Draws the last minute into an SVG: upward what arrived, downward what was
   * delivered, each by its magnitude, so that a ping can be seen beside a file;
   * between them the path.
   */
  draw(svg) {
    const paths = { arrived: "", delivered: "", mark: "" };
    const ways = { direct: "", turn: "", relay: "", none: "" };
    const offset = STEPS - this.#steps.length;
    for (const [i, step] of this.#steps.entries()) {
      const x = offset + i;
      const up = barHeight(step.arrived);
      const down = barHeight(step.delivered);
      if (up) paths.arrived += `M${x} ${HEIGHT - up}h.8v${up}h-.8z`;
      if (down) paths.delivered += `M${x} ${HEIGHT + 6}h.8v${down}h-.8z`;
      if (step.marked) paths.mark += `M${x + 0.5} 0v${2 * HEIGHT + 6}`;
      // Not by color alone: direct is thick, TURN dashed, the relay thin.
      ways[step.path] += {
        direct: `M${x} ${HEIGHT + 1}h1v4h-1z`,
        turn: `M${x} ${HEIGHT + 1}h.6v4h-.6z`,
        relay: `M${x} ${HEIGHT + 2}h1v2h-1z`,
        none: "",
      }[step.path];
    }
    for (const [name, d] of Object.entries({ ...paths, ...ways })) {
      let path = svg.querySelector(`.${name}`);
      if (!path) {
        path = document.createElementNS(SVG, "path");
        path.setAttribute("class", name);
        svg.append(path);
      }
      path.setAttribute("d", d);
    }
  }
}

Meter.STEP_MS = STEP_MS;

function barHeight(bytes) {
  if (bytes <= 0) return 0;
  return Math.min(HEIGHT, Math.max(2, HEIGHT * Math.log10(bytes) / FULL));
}
