/**
 * Credentials that the server makes, at a real TURN server: Debian's coturn.
 * Where it is missing these tests are skipped, and counted as that.
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import wrtc from "@roamhq/wrtc";
import type { IceServer } from "../../server.ts";
import { IceServers } from "../../src/server/ice_servers.ts";
import { startTurnServer, turnServerPath } from "../support/turn_server.ts";

const WAIT_MS = 15_000;
const ignore = turnServerPath === undefined;

/** One side of a data channel that goes through a TURN server or nowhere. */
function connection(iceServers: readonly IceServer[]) {
  return new wrtc.RTCPeerConnection({
    iceServers: [...iceServers],
    iceTransportPolicy: "relay",
  });
}

/** The kinds of candidates that a connection finds with these servers. */
async function candidates(
  iceServers: readonly IceServer[],
): Promise<Set<string>> {
  const kinds = new Set<string>();
  const peer = connection(iceServers);
  try {
    peer.createDataChannel("test");
    const done = new Promise<void>((resolve) => {
      peer.onicecandidate = ({ candidate }: RTCPeerConnectionIceEvent) => {
        if (candidate) kinds.add(candidate.type ?? "unknown");
        else resolve();
      };
    });
    await peer.setLocalDescription(await peer.createOffer());
    await deadline(done, WAIT_MS);
    return kinds;
  } finally {
    peer.close();
  }
}

/**
 * Sets a description, and resolves when it has all candidates in it: one that
 * is sent by itself may come before the description, and be lost.
 */
async function describe(
  connection: RTCPeerConnection,
  description: RTCSessionDescriptionInit,
): Promise<void> {
  const gathered = new Promise<void>((resolve) => {
    connection.onicecandidate = ({ candidate }) => candidate || resolve();
  });
  await connection.setLocalDescription(description);
  await deadline(gathered, WAIT_MS);
}

/** What `turn` of the options becomes for one peer. */
function credentials(
  turn: { urls: readonly string[]; secret: string; ttl: number },
  ageSeconds = 0,
): Promise<readonly IceServer[]> {
  return new IceServers({ iceServers: [], turn, observer() {} }, {
    now: () => Date.now() - ageSeconds * 1000,
    after: () => () => {},
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  }).get();
}

Deno.test({
  name: "IceServers makes credentials with which two peers talk through coturn",
  ignore,
  async fn() {
    await using turn = await startTurnServer();
    const { urls, secret } = turn;
    const servers = await Promise.all(
      [0, 1].map(() => credentials({ urls, secret, ttl: 60 })),
    );
    const [a, b] = servers.map(connection);
    try {
      const heard = new Promise((resolve) => {
        b.ondatachannel = ({ channel }: RTCDataChannelEvent) => {
          channel.onmessage = ({ data }) => resolve(data);
        };
      });
      const channel = a.createDataChannel("test");
      channel.onopen = () => channel.send("through coturn");
      await describe(a, await a.createOffer());
      await b.setRemoteDescription(a.localDescription!);
      await describe(b, await b.createAnswer());
      await a.setRemoteDescription(b.localDescription!);
      assertEquals(await deadline(heard, WAIT_MS), "through coturn");
    } finally {
      a.close();
      b.close();
    }
    for (const [{ username }] of servers) {
      await turn.said(new RegExp(`user <${username}>: .*ALLOCATE.* success`));
    }
  },
});

Deno.test({
  name:
    "IceServers makes credentials that coturn refuses with another secret, or once they expire",
  ignore,
  async fn() {
    await using turn = await startTurnServer();
    const { secret } = turn;
    // One of the server's addresses is enough to be refused.
    const urls = turn.urls.slice(0, 1);
    const good = { urls, secret, ttl: 60 };
    const relay = new Set(["relay"]);
    assertEquals(await candidates(await credentials(good)), relay);
    const none = new Set<string>();
    const wrong = { ...good, secret: `${secret}!` };
    assertEquals(await candidates(await credentials(wrong)), none);
    assertEquals(await candidates(await credentials(good, 61)), none);
    const [server] = await credentials(good);
    // Whoever has credentials can't make them last longer.
    const username = `9${server.username}`;
    assertEquals(await candidates([{ ...server, username }]), none);
  },
});
