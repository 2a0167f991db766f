/**
 * The panel that breaks things: buttons, and what came of each. All that it
 * does could happen to anybody: a data channel that stops, a line that is cut,
 * a server that dies.
 */

import { $, write } from "./dom.js";
import { cutSockets, stopChannels } from "./hooks.js";

/**
 * Makes the buttons work.
 *
 * @param {() => void} broken Called when something was just broken.
 */
export function breakButtons(broken) {
  const breaks = (button, action, said) => {
    $(button).onclick = async () => {
      broken();
      try {
        await action();
        write("broken", said);
      } catch (error) {
        write("broken", `That did not work: ${error.message}.`);
      }
    };
  };
  breaks(
    "stop-channel",
    stopChannels,
    "The data channel was stopped. What it had is sent again through the " +
      "server, until there is another one.",
  );
  breaks(
    "cut-socket",
    cutSockets,
    "The line to the server was cut. The data channel does not need it; " +
      "meanwhile the page dials again.",
  );
  breaks(
    "cut-both",
    () => {
      stopChannels();
      cutSockets();
    },
    "Nothing is left. What you send waits, and arrives when a path is back.",
  );
  breaks(
    "kill-server",
    killServer,
    "The server was killed, and is started again in a few seconds. It kept " +
      "nothing that could be lost.",
  );
  $("kill-server").hidden = !document.body.dataset.chaos;
}

/** Asks the command to kill its server, which takes the flag --demo-chaos. */
async function killServer() {
  const { chaos } = document.body.dataset;
  const response = await fetch(new URL(chaos, location.href), {
    method: "POST",
  });
  if (!response.ok) throw new Error(`the server said ${response.status}`);
}

/** Shows what was counted. */
export function showPings(pings) {
  write("pings-out-sent", pings.sent);
  write("pings-out-arrived", pings.answered);
  write("pings-out-way", pings.sent - pings.answered - pings.lost);
  write("pings-out-lost", pings.lost);
  write("pings-in-sent", pings.heard);
  write("pings-in-arrived", pings.arrived);
  write("pings-in-way", "0");
  write("pings-in-lost", pings.missed);
}
