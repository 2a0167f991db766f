import { deadline } from "@std/async";
import { Metrics } from "../../metrics.ts";
import type { ServerEvent, SocketPeerServerOptions } from "../../server.ts";
import { startServer, type TestServer } from "./start_server.ts";

/** No wait in a test takes nearly as long. */
const WAIT_MS = 10_000;

/** A server of this process, and what it tells. */
export interface ObservedServer extends TestServer {
  /** Everything that it has told. */
  readonly events: readonly ServerEvent[];
  /** Where peers connect to. */
  readonly peersUrl: string;
  /** Resolves when what it has told until then passes a test. */
  until(test: (events: readonly ServerEvent[]) => boolean): Promise<void>;
  /** Resolves when every socket that was opened is closed. */
  allClosed(): Promise<void>;
  /** The numbers of a metric with one label, by what this says; no zeros. */
  counted(metric: string): Promise<Record<string, number>>;
}

/** Starts a server, which is closed when its scope is left. */
export function observedServer(
  options: SocketPeerServerOptions = {},
): ObservedServer {
  const events: ServerEvent[] = [];
  let wake = () => {};
  const metrics: Metrics = new Metrics(() => server.peerServer.stats, {
    process: false,
  });
  const server = startServer({
    ...options,
    observer(event) {
      metrics.observe(event);
      events.push(event);
      wake();
    },
  });
  const until = async (
    test: (events: readonly ServerEvent[]) => boolean,
  ) => {
    const passed = async () => {
      while (!test(events)) {
        await new Promise<void>((resolve) => wake = resolve);
      }
    };
    await deadline(passed(), WAIT_MS);
  };
  const count = (type: string) =>
    events.filter((event) => event.type === type).length;
  return {
    ...server,
    events,
    peersUrl: `${server.url}/socketpeer/`,
    until,
    allClosed: () => until(() => count("open") === count("close")),
    async counted(metric) {
      const lines = (await metrics.text()).matchAll(
        new RegExp(`^${metric}\\{\\w+="(.*)"\\} (.+)$`, "gm"),
      );
      return Object.fromEntries(
        [...lines].map(([, label, count]) => [label, Number(count)] as const)
          .filter(([, count]) => count !== 0),
      );
    },
  };
}
