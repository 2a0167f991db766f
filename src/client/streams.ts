/**
 * Web Streams over a peer, with backpressure from one side's reader to the
 * other side's writer.
 *
 * @module
 */

import { ConversationEndedError } from "../errors.ts";
import type { Message } from "../protocol/message.ts";
import type { Emitter } from "./emitter.ts";
import type { CloseInfo, SocketPeerEvents } from "./events.ts";

/** What may wait for a reader, in bytes, before no more is taken in. */
const HIGH_WATER_BYTES = 65_536;
/** What a message counts in memory beside its bytes, however empty it is. */
const MESSAGE_COST_BYTES = 128;

/** The part of a peer that a stream stands on. */
export interface StreamingPeer<Received = Message>
  extends Emitter<SocketPeerEvents<Received>> {
  /** See `SocketPeer.send()`. */
  send(data: unknown): boolean;
  /** See `SocketPeer.drained()`. */
  drained(): Promise<void>;
  /** See `SocketPeer.flush()`. */
  flush(): Promise<void>;
  /** See `SocketPeer.close()`. */
  close(): void;
  /** See `SocketPeer.destroy()`. */
  destroy(): void;
}

/**
 * The messages of a peer's present conversation, from now on.
 *
 * @param pause Called when the reader falls behind, and when it catches up.
 * @param messageBytes How many bytes the message had that is being reported.
 */
export function readableOf<Received>(
  peer: StreamingPeer<Received>,
  pause: (paused: boolean) => void,
  messageBytes: () => number,
): ReadableStream<Received> {
  let stop: () => void;
  return new ReadableStream<Received>({
    start(controller) {
      const onData = (message: Received) => {
        controller.enqueue(message);
        if (controller.desiredSize! <= 0) pause(true);
      };
      const onClose = (info: CloseInfo) => {
        stop();
        // A stream that was cut short must not look whole.
        if (info.clean || info.reason === "local") controller.close();
        else controller.error(new ConversationEndedError(info));
      };
      stop = () => {
        peer.off("data", onData).off("close", onClose);
        pause(false);
      };
      peer.on("data", onData).on("close", onClose);
    },
    pull: () => pause(false),
    cancel: () => stop(),
  }, {
    highWaterMark: HIGH_WATER_BYTES,
    size: () => messageBytes() + MESSAGE_COST_BYTES,
  });
}

/** A stream whose chunks are sent in a peer's present conversation. */
export function writableOf(peer: StreamingPeer): WritableStream<unknown> {
  let onClose: (info: CloseInfo) => void;
  return new WritableStream<unknown>({
    start(controller) {
      onClose = (info) => controller.error(new ConversationEndedError(info));
      peer.once("close", onClose);
    },
    async write(chunk) {
      if (!peer.send(chunk)) await peer.drained();
    },
    async close() {
      await peer.flush();
      // The other side's stream would break if this program ended before.
      await new Promise((resolve) =>
        peer.off("close", onClose).once("close", resolve).close()
      );
    },
    abort() {
      peer.off("close", onClose).destroy();
    },
  });
}
