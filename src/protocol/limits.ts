/**
 * Sizes and times that both ends of a wire agree on, each with why.
 *
 * @module
 */

/** Version of the protocol that this code speaks; 1 is the first socketpeer. */
export const PROTOCOL_VERSION = 2;

/**
 * Largest packet, in bytes. A data channel whose other end names no
 * `max-message-size` takes 65536 (RFC 8841 section 6.1), so a packet of this
 * size may travel on any transport, and be replayed on any other.
 */
export const MAX_PACKET_BYTES = 65_536;

/**
 * Largest packet that a client sends, in bytes: it leaves room for the 16 bytes
 * by which a cipher with an authentication tag lengthens it.
 */
export const PACKET_ROOM: number = MAX_PACKET_BYTES - 16;

/**
 * Most bytes of packets that one peer may have in flight, sent but not
 * acknowledged. It bounds what the server and the receiver hold for a pair, and
 * feeds 10 MB/s over a path with a round trip of 200 ms. Two of them, before and
 * after a socket was replaced, are less than the 4 MiB that may wait for one
 * socket of the server.
 */
export const WINDOW_BYTES = 1_966_080;

/**
 * A receiver acknowledges at the latest after this many bytes: to acknowledge
 * on a data channel costs as much as to send 10 KiB.
 */
export const ACK_BYTES = 524_288;

/** The same for a sender that begins, or is slow: it doubles from there. */
export const FIRST_ACK_BYTES = 32_768;

/** A receiver acknowledges at the latest after this many milliseconds. */
export const ACK_DELAY_MS = 20;

/** Largest control message, in bytes: a long SDP is about 10 KB. */
export const MAX_CONTROL_BYTES = 65_536;

/** Longest `hello` as JSON, in UTF-16 code units: it has room for more fields. */
export const MAX_HELLO_LENGTH = 4096;

/** Longest pair code, in UTF-16 code units. */
export const MAX_PAIR_CODE_LENGTH = 256;

/** Longest `id` or `key` of a peer, in UTF-16 code units. */
export const MAX_ID_LENGTH = 64;

/**
 * Longest time that a server keeps the place of a conversation whose two
 * peers are both away, in milliseconds, whatever the peers ask for.
 */
export const MAX_RESUME_TIMEOUT_MS = 600_000;
