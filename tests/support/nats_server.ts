import { connect, type NatsConnection } from "@nats-io/transport-node";
import { join } from "node:path";
import { EngineProcess } from "./engine_process.ts";
import { findFile } from "./find_file.ts";
import { freePort } from "./free_port.ts";

/** Where a NATS server is, if this machine has one. */
export const natsServerPath: string | undefined = await findFile([
  "nats-server",
]);

if (natsServerPath === undefined) {
  // deno-lint-ignore no-console -- a test that is not run has to be seen
  console.warn("No NATS is here, so its tests are skipped: get nats-server");
}

/** The setting that has JetStream on. */
const JETSTREAM = "jetstream: enabled";

/** A NATS server of this machine. */
export class NatsServer extends EngineProcess {
  readonly #settings: string;

  private constructor(
    folder: string,
    readonly port: number,
    readonly monitorPort: number,
    readonly webSocketPort: number,
    settings: string,
  ) {
    super(folder);
    this.#settings = settings;
  }

  /**
   * Prepares a place for a server that does not run yet, with such settings.
   */
  static async prepare(settings = JETSTREAM): Promise<NatsServer> {
    const folder = await Deno.makeTempDir({ prefix: "nats" });
    const [port, monitorPort, webSocketPort] = [1, 2, 3].map(freePort);
    return new NatsServer(folder, port, monitorPort, webSocketPort, settings);
  }

  /** Starts a server, with such settings. */
  static async start(settings?: string): Promise<NatsServer> {
    const server = await NatsServer.prepare(settings);
    await server.start();
    return server;
  }

  /** The address that the server listens on. */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  protected override async commandLine(): Promise<
    [path: string, ...args: string[]]
  > {
    const config = join(this.folder, "nats.conf");
    await Deno.writeTextFile(
      config,
      `listen: "127.0.0.1:${this.port}", http: "127.0.0.1:${this.monitorPort}"
websocket: { listen: "127.0.0.1:${this.webSocketPort}", no_tls: true }
${this.#settings}\n`,
    );
    const store = await Deno.makeTempDir({ dir: this.folder });
    return [natsServerPath!, "--config", config, "--store_dir", store];
  }

  /** A connection of an app. */
  connect(): Promise<NatsConnection> {
    return connect({ servers: this.url, reconnect: false });
  }

  /** Asks JetStream something. */
  async ask(what: string, data: unknown = {}): Promise<Answer> {
    const connection = await this.connect();
    try {
      const subject = `$JS.API.${what}`;
      const answer = await connection.request(subject, JSON.stringify(data));
      return answer.json<Answer>();
    } finally {
      await connection.close();
    }
  }

  /** What the server says of itself to those who watch it. */
  async monitor(page: "varz" | "connz"): Promise<Answer> {
    const url = `http://127.0.0.1:${this.monitorPort}/${page}`;
    const response = await fetch(url);
    return await response.json();
  }

  protected override async answers(): Promise<boolean> {
    try {
      using connection = await Deno.connect({
        hostname: "127.0.0.1",
        port: this.port,
      });
      return await connection.read(new Uint8Array(4096)) !== null;
    } catch {
      return false;
    }
  }
}

// deno-lint-ignore no-explicit-any -- whatever it says
type Answer = any;
