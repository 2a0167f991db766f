/**
 * The documents name all that there is: each name stands in a record over its
 * type, so that none can be forgotten here either.
 */

import { assertEquals } from "@std/assert";
import type { CloseReason, SocketPeerErrorCode } from "../../../client.ts";
import type { ServerEvent } from "../../../server.ts";
import { REFUSAL_REASONS } from "../../../src/server/server_event.ts";
import { EVENTS } from "../../support/recorder.ts";

const ERRORS: Record<SocketPeerErrorCode, true> = {
  BUSY: true,
  CODE_USED: true,
  CONNECT_TIMEOUT: true,
  CRYPTO_MISSING: true,
  ENDED: true,
  INSECURE_CONTEXT: true,
  MESSAGE_TOO_LARGE: true,
  MESSAGE_UNREADABLE: true,
  NOT_PRIVATE: true,
  PAIR_CODE_REFUSED: true,
  PEER_CLOSED: true,
  PEER_TIMEOUT: true,
  PROTOCOL: true,
  QUEUE_FULL: true,
  RECONNECT_TIMEOUT: true,
  SERVER_CLOSED: true,
  SOCKET: true,
  TAMPERED: true,
  UPGRADE: true,
  WEBRTC_MISSING: true,
  WRONG_SECRET: true,
};

const CLOSE_REASONS: Record<CloseReason, true> = {
  local: true,
  remote: true,
  replaced: true,
  away: true,
  lost: true,
  server: true,
  error: true,
};

const SERVER_EVENTS: Record<ServerEvent["type"], true> = {
  open: true,
  close: true,
  wait: true,
  pair: true,
  upgrade: true,
  refuse: true,
  error: true,
  crowd: true,
  drain: true,
  broker: true,
  link: true,
  claim: true,
};

/** The names in the first column of the table with such a head. */
async function namesIn(
  document: string,
  heading: string,
  head: string,
): Promise<string[]> {
  const url = new URL(`../../../docs/${document}`, import.meta.url);
  const lines = (await Deno.readTextFile(url)).split("\n");
  const from = lines.indexOf(heading);
  const table = lines.findIndex((line, index) =>
    index > from && line.startsWith(`| ${head} `)
  );
  assertEquals(from >= 0 && table >= 0, true, `${document} has no ${heading}`);
  const rows = lines.slice(table + 2);
  const end = rows.findIndex((line) => !line.startsWith("|"));
  return rows.slice(0, end < 0 ? undefined : end).map((row) =>
    row.match(/^\| `"?(\w+)/)?.[1] ?? row
  );
}

/** A test that a document lists these names, each once. */
function lists(
  document: string,
  heading: string,
  head: string,
  names: readonly string[],
): void {
  Deno.test(`docs/${document} lists each ${head} under ${heading}`, async () => {
    assertEquals(
      (await namesIn(document, heading, head)).sort(),
      names.toSorted(),
    );
  });
}

const { local: _asExpected, ...unexpected } = CLOSE_REASONS;

lists("client.md", "## Events", "event", EVENTS);
lists("client.md", "## Events", "reason", Object.keys(CLOSE_REASONS));
lists("client.md", "## Errors", "code", Object.keys(ERRORS));
lists("server.md", "## Events", "event", Object.keys(SERVER_EVENTS));
lists("server.md", "## Events", "reason", Object.keys(REFUSAL_REASONS));
lists("troubleshooting.md", "## By error code", "code", Object.keys(ERRORS));
lists(
  "troubleshooting.md",
  "### `close` with a reason that was not expected",
  "reason",
  Object.keys(unexpected),
);
