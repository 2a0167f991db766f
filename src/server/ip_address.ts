/**
 * IP addresses: one way to write each, what limits count, and networks.
 *
 * @module
 */

/**
 * The form in which nearly every address comes: the one way in which it is
 * written.
 */
const PLAIN_IPV4 =
  /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/;
const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/**
 * One way to write each IP address, without its port: as `192.0.2.1`,
 * `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`, or one of these in the
 * `for=` of a `Forwarded` header. An IPv4 address inside IPv6 is the IPv4 one.
 *
 * @returns `undefined` if it is no IP address.
 */
export function normalizeAddress(text: string): string | undefined {
  const trimmed = text.trim();
  // Most connections need nothing of what follows, which takes far longer.
  if (PLAIN_IPV4.test(trimmed)) return trimmed;
  const forwarded = /(?:^|;)\s*for="?([^";]*)/i.exec(trimmed);
  const address = (forwarded?.[1] ?? trimmed).trim()
    .replace(/^\[([^\]]*)\](?::\d+)?$/, "$1")
    .replace(/^([\d.]+):\d+$/, "$1")
    // The zone of a link-local address names an interface of this machine.
    .replace(/%.*$/, "");
  const host = IPV4.test(address)
    ? address
    : address.includes(":")
    ? `[${address}]`
    : undefined;
  const hostname = host && hostnameOf(host);
  if (!hostname?.startsWith("[")) return hostname;
  const mapped = /^\[::ffff:([\da-f]+):([\da-f]+)\]$/.exec(hostname);
  if (!mapped) return hostname.slice(1, -1);
  const [high, low] = mapped.slice(1).map((group) => parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** A host as addresses of the web have it, if it can be one. */
function hostnameOf(host: string): string | undefined {
  try {
    return new URL(`http://${host}`).hostname;
  } catch {
    return undefined;
  }
}

/** Whether an address, written in its one way, is of this machine. */
export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/**
 * What limits go by: an IPv4 address, or the first half of one of IPv6, such
 * as `2001:db8:0:1::/64`. Whoever has one address of IPv6 has its whole /64
 * (RFC 6177) and can take another of it for each connection (RFC 8981): counted
 * by the whole address, they would never meet a limit.
 */
export function countedAddress(address: string): string {
  if (!address.includes(":")) return address;
  // Each stands for an address of IPv4 (RFC 6052), whose owner has no other.
  if (/^64:ff9b::[^:]*(?::[^:]*)?$/.test(address)) return address;
  const half = groupsOf(address).slice(0, 4);
  // The second half, of zeros, is the longest run of them.
  while (half.at(-1) === "0") half.pop();
  return `${half.join(":")}::/64`;
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): string[] {
  const [head, tail] = address.split("::")
    .map((part) => part.split(":").filter((group) => group !== ""));
  const zeros = tail ? 8 - head.length - tail.length : 0;
  return [...head, ...Array<string>(zeros).fill("0"), ...tail ?? []];
}

/** The first bits of all addresses of a network, after their version. */
export type Network = string;

/**
 * Reads a network such as `10.0.0.0/8` or `2001:db8::/32`, or an address that
 * stands for itself.
 *
 * @returns `undefined` if it is neither.
 */
export function parseNetwork(text: string): Network | undefined {
  const [, host, length] =
    /^([\d.]+|[\da-f]*:[\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const address = host && normalizeAddress(host);
  if (!address) return undefined;
  const bits = bitsOf(address);
  const all = bits.length - VERSION_LENGTH;
  const kept = length === undefined ? all : Number(length);
  return kept <= all ? bits.slice(0, VERSION_LENGTH + kept) : undefined;
}

/** Whether an address, written in its one way, is in one of these networks. */
export function isInNetworks(
  address: string,
  networks: readonly Network[],
): boolean {
  const bits = bitsOf(address);
  return networks.some((network) => bits.startsWith(network));
}

const VERSION_LENGTH = 2;

/** Its version, and its bits: `4:` and 32 of them, or `6:` and 128. */
function bitsOf(address: string): string {
  const [version, parts, base, width] = address.includes(":")
    ? ["6:", groupsOf(address), 16, 16] as const
    : ["4:", address.split("."), 10, 8] as const;
  const bits = parts.map((part) =>
    parseInt(part, base).toString(2).padStart(width, "0")
  );
  return version + bits.join("");
}
