/**
 * Whom a request comes from, where proxies stand in front.
 *
 * @module
 */

import {
  countedAddress,
  isInNetworks,
  isLoopback,
  type Network,
  normalizeAddress,
  parseNetwork,
} from "./ip_address.ts";

/**
 * Which entry of a header is believed. Each proxy adds the address that it
 * serves at the end; what stands before those of yours is whatever the client
 * has sent.
 */
export interface TrustProxyOptions {
  /** The header's name, such as `x-forwarded-for`. */
  readonly header: string;
  /**
   * How many proxies of yours stand in a row: the entry that counts is that
   * many from the end. Nobody may get past the first of them. From 1 to 32.
   */
  readonly hops?: number;
  /**
   * The networks of your proxies, such as `10.0.0.0/8` or `2001:db8::/32`, or
   * their addresses: the last entry that is in none of them counts. The header
   * of a connection that comes from elsewhere, and not from this machine, is
   * not believed.
   */
  readonly networks?: readonly string[];
}

/** A trusted proxy whose settings were checked. */
export interface TrustedProxy {
  /** In lower case. */
  readonly header: string;
  readonly hops?: number;
  readonly networks?: readonly Network[];
}

/** What counts of a request here. */
interface ProxiedRequest {
  readonly remoteAddress: string | undefined;
  header(name: string): string | null | undefined;
}

/** More proxies in a row than anybody has. */
const MAX_HOPS = 32;

/** Addresses that no client on the internet has: RFC 1918, 6598, 4193, … */
const PRIVATE = [
  ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"],
  ...["127.0.0.0/8", "169.254.0.0/16", "::1", "fc00::/7", "fe80::/10"],
].map((text) => parseNetwork(text)!);

/**
 * Checks the option.
 *
 * @throws {TypeError | RangeError} If it is not what it must be.
 */
export function resolveTrustProxy(
  option: string | TrustProxyOptions | undefined,
): TrustedProxy | undefined {
  if (option === undefined) return undefined;
  const { header, hops, networks }: TrustProxyOptions =
    typeof option === "object" && option !== null ? option : { header: option };
  if (typeof header !== "string" || !/^[\w-]+$/.test(header)) {
    throw new TypeError(
      `Cannot use "${header}" as "trustProxy": it must be the name of a ` +
        `header, or an object with that as "header"`,
    );
  }
  const name = header.toLowerCase();
  if (hops !== undefined && networks !== undefined) {
    throw new TypeError(
      `Cannot use both "hops" and "networks" of "trustProxy" as each says ` +
        `which address counts: give one`,
    );
  }
  if (hops !== undefined) {
    if (Number.isInteger(hops) && hops >= 1 && hops <= MAX_HOPS) {
      return { header: name, hops };
    }
    throw new RangeError(
      `Cannot use ${hops} as "hops" of "trustProxy": it must be a whole number ` +
        `from 1 to ${MAX_HOPS}`,
    );
  }
  if (networks === undefined) return { header: name };
  if (!Array.isArray(networks)) {
    throw new TypeError(
      `Cannot use "${networks}" as "networks" of "trustProxy": it must be an array`,
    );
  }
  return { header: name, networks: networks.map(network) };
}

function network(text: unknown): Network {
  const parsed = typeof text === "string" ? parseNetwork(text) : undefined;
  if (parsed !== undefined) return parsed;
  throw new TypeError(
    `Cannot use "${text}" in "networks" of "trustProxy": it must look like ` +
      `"10.0.0.0/8" or "2001:db8::/32"`,
  );
}

/**
 * Whom a request counts for: by the header of a trusted proxy, or else by its
 * TCP connection. A loopback address is nobody's.
 */
export function peerAddress(
  request: ProxiedRequest,
  trusted: TrustedProxy | undefined,
): string | undefined {
  const remote = normalizeAddress(request.remoteAddress ?? "");
  // Who comes past the proxy is counted as who they are.
  const address = trusted && namedAddress(request, remote, trusted) || remote;
  return address === undefined || isLoopback(address)
    ? undefined
    : countedAddress(address);
}

/** The address that the header names, if it can be believed. */
function namedAddress(
  { header }: ProxiedRequest,
  remote: string | undefined,
  { header: name, hops, networks }: TrustedProxy,
): string | undefined {
  const list = header(name);
  if (!list) return undefined;
  // From the last, which the nearest proxy has added. One that sends
  // thousands is not to cost as much.
  const entries = list.split(",").slice(-MAX_HOPS).reverse();
  if (hops !== undefined) {
    // With fewer it came past the first of the proxies.
    return normalizeAddress(entries[Math.min(hops, entries.length) - 1]);
  }
  const direct = networks && remote !== undefined && !isLoopback(remote) &&
    !isInNetworks(remote, networks);
  if (direct) return undefined;
  const passedOver = networks ?? PRIVATE;
  let farthest: string | undefined;
  for (const entry of entries) {
    const address = normalizeAddress(entry);
    if (address === undefined) break;
    if (!isInNetworks(address, passedOver)) return address;
    // Of private addresses alone the last one is the client's, as what stands
    // before it is forged; of proxies' it is the first.
    if (networks || farthest === undefined) farthest = address;
  }
  return farthest;
}
