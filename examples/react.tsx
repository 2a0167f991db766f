/**
 * A chat for two in React: an effect that makes the peer, and survives
 * StrictMode, which runs each effect twice while one develops.
 */

import { SocketPeer } from "@socketpeer/socketpeer/client";
// @ts-types="@types/react" -- for Deno alone
import { StrictMode, useEffect, useState } from "react";
// @ts-types="@types/react-dom/client" -- for Deno alone
import { createRoot } from "react-dom/client";

/** The peer of a component, and what it has got. */
function usePeer(pairCode: string) {
  const [peer, setPeer] = useState<SocketPeer>();
  const [state, setState] = useState("idle");
  const [messages, setMessages] = useState<string[]>([]);

  useEffect(() => {
    // It connects only after this, so one that is closed at once never has.
    const peer = new SocketPeer({ pairCode, url: "http://localhost:3000" });
    peer.on("statechange", (state) => setState(state));
    peer.on("data", (message: string) => {
      setMessages((messages) => [...messages, message]);
    });
    setPeer(peer);
    setMessages([]);
    // Delivers what was sent. Nothing that comes later is for this component.
    return () => {
      peer.off("statechange").off("data").close();
    };
  }, [pairCode]);

  return { peer, state, messages };
}

function Chat({ pairCode }: { pairCode: string }) {
  const { peer, state, messages } = usePeer(pairCode);
  return (
    <>
      <p role="status">{state}</p>
      <ul>{messages.map((message, at) => <li key={at}>{message}</li>)}</ul>
      <form
        action={(form) => {
          peer?.send(String(form.get("text")));
        }}
      >
        <input name="text" aria-label="Message" required />
      </form>
    </>
  );
}

createRoot(document.body).render(
  <StrictMode>
    <Chat pairCode={location.hash.slice(1) || "hello"} />
  </StrictMode>,
);
