import type { Page } from "puppeteer";

declare global {
  /** In a page: puts a proxy between this page and an address. */
  var standIn: (address: string, port: number) => Promise<number>;
}

/** What Chromium has to be told for that. */
export const proxyFlags: readonly string[] = [
  // A proxy has to know the addresses that it stands in for.
  "--disable-features=WebRtcHideLocalIpsWithMdns",
];

/** Makes a page's connections know only stand-ins for the other side. */
export async function proxyWebRtc(
  page: Page,
  standIn: (address: string, port: number) => Promise<number>,
): Promise<void> {
  await page.exposeFunction("standIn", standIn);
  await page.evaluateOnNewDocument(() => {
    const { prototype } = RTCPeerConnection;
    const { addIceCandidate, setRemoteDescription } = prototype;
    prototype.setRemoteDescription = function (
      { type, sdp = "" }: RTCSessionDescriptionInit,
    ) {
      // Every candidate comes by itself too.
      const bare = sdp.replace(/^a=candidate.*\r\n/gm, "");
      return Reflect.apply(setRemoteDescription, this, [{ type, sdp: bare }]);
    };
    prototype.addIceCandidate = async function (
      init?: RTCIceCandidateInit | null,
    ) {
      const words = init?.candidate?.split(" ") ?? [];
      if (words.length > 1) {
        const [, , protocol, , address, port] = words;
        // Only UDP over IPv4 goes through the proxy.
        if (protocol !== "udp" || !/^[\d.]+$/.test(address)) return;
        words[5] = String(await standIn(address, Number(port)));
        // A candidate object has nothing of its own that could be spread.
        const { sdpMid, sdpMLineIndex, usernameFragment } = init!;
        const candidate = words.join(" ");
        init = { candidate, sdpMid, sdpMLineIndex, usernameFragment };
      }
      await Reflect.apply(addIceCandidate, this, [init]);
    };
  });
}
