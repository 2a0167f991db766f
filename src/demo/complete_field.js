/**
 * An input field for a spoken code that completes its words: a combobox with a
 * list, as the ARIA Authoring Practices describe it. A `<datalist>` would not
 * do: browsers show of it only what begins as the text does, and "7 OTT" is
 * the begin of "7-otter".
 */

/** How many words a code has beside its number. */
const WORD_COUNT = 3;

/**
 * Makes a field complete what is typed.
 *
 * @param {HTMLInputElement} input
 * @param {HTMLElement} list Where it shows the words that may be meant.
 * @param {(start: string) => string[]} complete What a text may become.
 */
export function completeField(input, list, complete) {
  Object.assign(input, {
    role: "combobox",
    ariaAutoComplete: "list",
    ariaExpanded: "false",
  });
  input.setAttribute("aria-controls", list.id);
  let texts = [];
  /** Which of them Enter would take; -1: none. */
  let active = -1;

  const mark = (index) => {
    active = index;
    [...list.children].forEach((option, i) => {
      option.setAttribute("aria-selected", String(i === active));
    });
    const marked = list.children[active];
    if (marked) input.setAttribute("aria-activedescendant", marked.id);
    else input.removeAttribute("aria-activedescendant");
  };
  const show = (found) => {
    texts = found;
    list.replaceChildren(...texts.map((text, i) => {
      const option = document.createElement("li");
      option.id = `${list.id}-${i}`;
      option.role = "option";
      // What stands before it stands in the field already.
      option.textContent = text.slice(text.lastIndexOf("-") + 1);
      option.onclick = () => take(i);
      return option;
    }));
    list.hidden = texts.length === 0;
    input.ariaExpanded = String(!list.hidden);
    mark(-1);
  };
  const take = (index) => {
    const text = texts[index];
    const whole = text.split("-").length > WORD_COUNT;
    input.value = whole ? text : `${text}-`;
    show([]);
    input.focus();
  };

  input.addEventListener("input", () => show(complete(input.value)));
  input.addEventListener("blur", () => show([]));
  // A click in the list must not take the focus from the field.
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("mousedown", (event) => event.preventDefault());
  input.addEventListener("keydown", (event) => {
    if (list.hidden || event.isComposing) return;
    const count = texts.length;
    if (event.key === "ArrowDown") mark((active + 1) % count);
    else if (event.key === "ArrowUp") mark((Math.max(active, 0) || count) - 1);
    else if (event.key === "Enter" && active >= 0) take(active);
    else if (event.key === "Escape") show([]);
    else return;
    event.preventDefault();
  });
}
