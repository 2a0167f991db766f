import { assertEquals } from "@std/assert";
import { Negotiation } from "../../../src/client/negotiation.ts";
import type { RtcSignal } from "../../../src/protocol/control.ts";
import type {
  DataChannelLike,
  PeerConnectionLike,
} from "../../../src/runtime.ts";
import { systemRuntime } from "../../../src/runtime.ts";

/** Describes itself at once, and finds no candidates. */
class Connection implements PeerConnectionLike {
  signalingState = "stable";
  connectionState = "new";
  localDescription: { type: string; sdp: string } | null = null;
  onnegotiationneeded: (() => void) | null = null;
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;

  createDataChannel(): DataChannelLike {
    return {} as DataChannelLike;
  }

  createOffer(): Promise<unknown> {
    return Promise.resolve();
  }

  createAnswer(): Promise<unknown> {
    return Promise.resolve();
  }

  // deno-lint-ignore require-await -- a promise by its interface
  async setLocalDescription(): Promise<void> {
    const answering = this.signalingState === "have-remote-offer";
    const type = answering ? "answer" : "offer";
    this.signalingState = answering ? "stable" : "have-local-offer";
    this.localDescription = { type, sdp: "v=0" };
  }

  // deno-lint-ignore require-await -- a promise by its interface
  async setRemoteDescription({ type }: { type: string }): Promise<void> {
    this.signalingState = type === "offer" ? "have-remote-offer" : "stable";
  }

  async addIceCandidate(): Promise<void> {}

  restartIce(): void {}

  close(): void {}
}

function negotiate(answer: boolean) {
  const connection = new Connection();
  const sent: (string | undefined)[] = [];
  const negotiation = new Negotiation({
    runtime: systemRuntime(),
    connection,
    config: () => ({}),
    polite: () => true,
    answer,
    generation: 1,
    signal: ({ description }) => sent.push(description?.type),
    onOpen: () => {},
    onError: (cause) => sent.push(String(cause)),
    onState: () => {},
  });
  /** Takes a description, and does all that follows. */
  const receive = (type: "offer" | "answer") => {
    const signal: RtcSignal = {
      generation: 1,
      description: { type, sdp: "v=0" },
    };
    negotiation.receive(signal);
    return settle();
  };
  return { connection, negotiation, receive, sent };
}

/** Nothing here waits for more than microtasks. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

// Late events of npm's wrtc and werift made a second offer right behind the
// answer; on a busy computer no data channel opened then.
for (const answers of [true, false]) {
  const side = answers ? "answered" : "offered";
  Deno.test(`Negotiation makes no offer when it is told late that one is needed, having ${side}`, async () => {
    const { connection, receive, sent } = negotiate(answers);
    await receive(answers ? "offer" : "answer");
    const before = [...sent];
    connection.onnegotiationneeded?.();
    await settle();
    assertEquals(before, [answers ? "answer" : "offer"]);
    assertEquals(sent, before);
  });

  Deno.test(`Negotiation makes an offer for another network path, having ${side}`, async () => {
    const { connection, negotiation, receive, sent } = negotiate(answers);
    await receive(answers ? "offer" : "answer");
    negotiation.restartIce();
    connection.onnegotiationneeded?.();
    await settle();
    assertEquals(sent, [answers ? "answer" : "offer", "offer"]);
  });
}
