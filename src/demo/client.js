/**
 * Which of the two clients this page runs: the private one, or, where browsers
 * give a page no cryptography, as to a phone that opens it without https, the
 * plain one. Where the page came from decides that, and nothing else: one that
 * could be private and fails is never plain instead.
 */

/** Whether nobody but the two can read what is said. */
export const isPrivate = isSecureContext;

// Of what the page says, demo.css shows what is true then.
document.body.dataset.mode = isPrivate ? "private" : "plain";

const script = document.createElement("script");
script.src = isPrivate ? "socketpeer.private.min.js" : "socketpeer.min.js";
await new Promise((resolve, reject) => {
  script.onload = resolve;
  script.onerror = reject;
  document.head.append(script);
});
