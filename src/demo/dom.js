/** What every part of the demo page does with elements. */

/** The element of an id. */
export const $ = (id) => document.getElementById(id);

/** Texts go in as text, never as HTML: the other peer may send anything. */
export function make(tag, ...parts) {
  const element = document.createElement(tag);
  element.append(...parts);
  return element;
}

/** Writes only what is new, as a screen reader reads it aloud. */
export function write(target, text) {
  const element = typeof target === "string" ? $(target) : target;
  if (element.textContent !== `${text}`) element.textContent = text;
}

/** A button that submits nothing. */
export function makeButton(text, onclick) {
  const button = make("button", text);
  return Object.assign(button, { type: "button", onclick });
}

/** A number of bytes, for people. */
export function inBytes(count) {
  if (count < 1000) return `${Math.round(count)} B`;
  const [size, unit] = [[1e3, "kB"], [1e6, "MB"], [1e9, "GB"]]
    .findLast(([size]) => count >= size * 0.9995) ?? [1e3, "kB"];
  const value = count / size;
  return `${value < 99.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}
