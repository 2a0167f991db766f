/**
 * The errors of socketpeer: one base class with a stable `code`, and a
 * subclass for each failure of `send()` that a caller can act on.
 *
 * @module
 */

/**
 * What went wrong, for programs: codes stay as they are while the wording of
 * messages may change.
 *
 * - `BUSY`: two other peers hold the pair code.
 * - `CODE_USED`: the words of a private pair code are good for no more.
 * - `CONNECT_TIMEOUT`: no conversation began within the option `timeout`.
 * - `CRYPTO_MISSING`: the platform lacks what a private peer needs.
 * - `ENDED`: the conversation ended before everything was acknowledged.
 * - `INSECURE_CONTEXT`: the page is of an origin where browsers give no
 *   cryptography: of neither https: nor localhost.
 * - `MESSAGE_TOO_LARGE`: a message is larger than a peer takes.
 * - `MESSAGE_UNREADABLE`: a Blob given to `send()` could not be read.
 * - `NOT_PRIVATE`: the other peer is not private, or the server hides that.
 * - `PAIR_CODE_REFUSED`: the server does not accept the pair code.
 * - `PEER_CLOSED`: `send()` was called on a closed peer.
 * - `PEER_TIMEOUT`: the server let a peer go that waited alone too long.
 * - `PROTOCOL`: what arrived is not socketpeer's protocol.
 * - `QUEUE_FULL`: the send queue has no room for the message.
 * - `RECONNECT_TIMEOUT`: an attempt to reconnect took longer than `timeout`.
 * - `SERVER_CLOSED`: the server ended the connection, and says why.
 * - `SOCKET`: the WebSocket could not be opened, or broke.
 * - `TAMPERED`: what a private peer got is not what the other one sent.
 * - `UPGRADE`: no data channel could be opened, or it broke.
 * - `WEBRTC_MISSING`: a data channel is required but WebRTC is missing.
 * - `WRONG_SECRET`: the other side of a private pair code does not know its
 *   words.
 */
export type SocketPeerErrorCode =
  | "BUSY"
  | "CODE_USED"
  | "CONNECT_TIMEOUT"
  | "CRYPTO_MISSING"
  | "ENDED"
  | "INSECURE_CONTEXT"
  | "MESSAGE_TOO_LARGE"
  | "MESSAGE_UNREADABLE"
  | "NOT_PRIVATE"
  | "PAIR_CODE_REFUSED"
  | "PEER_CLOSED"
  | "PEER_TIMEOUT"
  | "PROTOCOL"
  | "QUEUE_FULL"
  | "RECONNECT_TIMEOUT"
  | "SERVER_CLOSED"
  | "SOCKET"
  | "TAMPERED"
  | "UPGRADE"
  | "WEBRTC_MISSING"
  | "WRONG_SECRET";

/** The base of every error that socketpeer throws or emits. */
export class SocketPeerError extends Error {
  /** What went wrong, for programs. */
  declare readonly code: SocketPeerErrorCode;

  /** Creates the error; `options.cause` keeps the error beneath it. */
  constructor(
    code: SocketPeerErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "SocketPeerError";
    this.code = code;
  }
}

/** Thrown by `send()` when a message would overfill the send queue. */
export class SendQueueFullError extends SocketPeerError {
  /** Bytes waiting in the queue when the message was refused. */
  declare readonly queuedBytes: number;

  /** Creates the error. */
  constructor(messageBytes: number, queuedBytes: number, maxBytes: number) {
    super(
      "QUEUE_FULL",
      `Cannot queue a message of ${messageBytes} bytes behind ${queuedBytes} of at ` +
        `most ${maxBytes}: wait for "drain", or raise "maxBufferedBytes"`,
    );
    this.name = "SendQueueFullError";
    this.queuedBytes = queuedBytes;
  }
}

/** Thrown by `send()` for a message larger than the other peer takes. */
export class MessageTooLargeError extends SocketPeerError {
  /** Bytes of the refused message. */
  declare readonly messageBytes: number;
  /** Bytes of the largest message that is taken. */
  declare readonly maxBytes: number;

  /** Creates the error. */
  constructor(messageBytes: number, maxBytes: number) {
    super(
      "MESSAGE_TOO_LARGE",
      `Cannot send a message of ${messageBytes} bytes of at most ${maxBytes}: ` +
        `send it in parts, or raise "maxMessageBytes" on both peers`,
    );
    this.name = "MessageTooLargeError";
    this.messageBytes = messageBytes;
    this.maxBytes = maxBytes;
  }
}

/** Thrown by `send()` after `close()`, until `connect()` is called again. */
export class PeerClosedError extends SocketPeerError {
  /** Creates the error. */
  constructor() {
    super(
      "PEER_CLOSED",
      `Cannot send as the peer is closed: call "connect()"`,
    );
    this.name = "PeerClosedError";
  }
}

/**
 * Rejects `flush()` and `drained()`, and breaks the streams, where the
 * conversation ended first.
 */
export class ConversationEndedError extends SocketPeerError {
  /** How many accepted messages were not acknowledged. */
  declare readonly unacknowledged: number;

  /** Creates the error. */
  constructor(
    { reason, unacknowledged }: { reason: string; unacknowledged: number },
  ) {
    super(
      "ENDED",
      `Cannot go on as the conversation has ended ("${reason}"): ` +
        `${unacknowledged} messages were not acknowledged`,
    );
    this.name = "ConversationEndedError";
    this.unacknowledged = unacknowledged;
  }
}

/**
 * Emitted where the other side of a private pair code does not know the secret,
 * or is not private.
 */
export class WrongPeerError extends SocketPeerError {
  /** How many more may fail before the secret is used up. */
  declare readonly attemptsLeft: number;

  /** Creates the error. */
  constructor(
    code: "NOT_PRIVATE" | "WRONG_SECRET",
    message: string,
    attemptsLeft: number,
  ) {
    super(code, message);
    this.name = "WrongPeerError";
    this.attemptsLeft = attemptsLeft;
  }
}

/** Thrown by the parsers of the protocol for input that does not follow it. */
export class ProtocolError extends SocketPeerError {
  /** Creates the error. */
  constructor(message: string, options?: ErrorOptions) {
    super("PROTOCOL", message, options);
    this.name = "ProtocolError";
  }
}
