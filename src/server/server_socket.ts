/**
 * What the server needs of an accepted WebSocket, whatever it stands on.
 *
 * @module
 */

/** Bytes of a message, as the platform hands them over: never copied. */
export type Bytes = ArrayBuffer | Uint8Array<ArrayBuffer>;

/** An accepted WebSocket that is open. */
export interface ServerSocket {
  /** Bytes that wait to be sent. */
  readonly bufferedAmount: number;
  /**
   * Whether its client has said that it answers heartbeats: then the platform
   * sends it no pings.
   */
  readonly answersHeartbeats?: boolean;
  /** Sends a text or binary message; does nothing once it is closing. */
  send(data: string | Bytes): void;
  /** Starts the closing handshake; does nothing once it is closing. */
  close(code: number, reason: string): void;
  /** Cuts it off, told or not; Deno has no way to. */
  terminate?(): void;
}

/** What a {@linkcode ServerSocket} reports. */
export interface ServerSocketHandlers {
  /** A text message. */
  onText(text: string): void;
  /** A binary message, as it came. */
  onBinary(bytes: Bytes): void;
  /** The socket is closed; may be reported more than once. */
  onClose(code: number, reason: string): void;
}
