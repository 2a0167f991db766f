/**
 * Whose pages may connect: origins as an operator writes them, and as browsers
 * send them.
 *
 * @module
 */

/** Longer than any host's name, with its scheme and port. */
const MAX_ORIGIN_LENGTH = 300;
/** What an app or an extension has: a scheme of its own, and maybe a name. */
const APP_ORIGIN = /^([a-z][a-z0-9+.-]*):\/\/([^\s/?#@,*"]*|\*)\/?$/i;
/** Schemes of addresses that no page has. */
const NOT_OF_PAGES: ReadonlySet<string> = new Set([
  "ws",
  "wss",
  "http",
  "https",
]);
/** `*.` at the start of a host, with at least two labels behind it. */
const WILDCARD = /^(https?:\/\/)\*\.(?=[^./:]+\.[^./:]|localhost\b)/i;

/**
 * One of `allowedOrigins`, in the one way that browsers write it.
 *
 * @throws {TypeError} If it is none: it would never match.
 */
export function normalizeOrigin(value: string): string {
  if (value === "null") return value;
  const wildcard = WILDCARD.test(value);
  const address = wildcard ? value.replace(WILDCARD, "$1x.") : value;
  const parsed = URL.canParse(address) ? new URL(address) : undefined;
  // An address with a path would never match, and lock everybody out.
  const page = parsed && /^https?:$/.test(parsed.protocol) &&
    parsed.pathname === "/" && !parsed.hostname.includes("*");
  if (page) {
    return wildcard ? parsed.origin.replace("//x.", "//*.") : parsed.origin;
  }
  const [, scheme, name] = APP_ORIGIN.exec(value) ?? [];
  if (scheme && !NOT_OF_PAGES.has(scheme.toLowerCase())) {
    return `${scheme.toLowerCase()}://${name}`;
  }
  throw new TypeError(
    `Cannot use "${value}" in "allowedOrigins": it must look like ` +
      `"https://example.org", "https://*.example.org", ` +
      `"http://localhost:3000" or "capacitor://localhost"`,
  );
}

/** Whether an `Origin` header is one of these. */
export function isAllowedOrigin(
  origin: string,
  allowed: ReadonlySet<string>,
): boolean {
  if (allowed.has(origin)) return true;
  if (origin.length > MAX_ORIGIN_LENGTH) return false;
  const at = origin.indexOf("://") + 3;
  if (at < 3) return false;
  const scheme = origin.slice(0, at);
  // https://a.b.example.org is one of https://*.b.example.org, and so on.
  for (let dot = at; (dot = origin.indexOf(".", dot + 1)) > 0;) {
    if (allowed.has(`${scheme}*${origin.slice(dot)}`)) return true;
  }
  return allowed.has(`${scheme}*`);
}
