import { connect, type NatsConnection } from "@nats-io/transport-node";
import { deadline } from "@std/async";
import { delimiter, join } from "node:path";

/** Longest that anything may take, in milliseconds. */
const LIMIT_MS = 15_000;

/** Where a NATS server is, if this machine has one. */
export const natsServerPath: string | undefined = findNatsServer();

if (natsServerPath === undefined) {
  // deno-lint-ignore no-console -- a test that is not run has to be seen
  console.warn("No NATS is here, so its tests are skipped: get nats-server");
}

function findNatsServer(): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter);
  return folders.map((folder) => join(folder, "nats-server")).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Its JetStream is on. */
const JETSTREAM = "jetstream: enabled";

/** A NATS server of this machine, which keeps nothing; gone with its scope. */
export class NatsServer implements AsyncDisposable {
  readonly #folder: string;
  readonly #settings: string;
  #child: Deno.ChildProcess | null = null;

  private constructor(
    folder: string,
    readonly port: number,
    readonly monitorPort: number,
    readonly webSocketPort: number,
    settings: string,
  ) {
    this.#folder = folder;
    this.#settings = settings;
  }

  /** Has a place for one that does not run yet, with such settings. */
  static async prepare(settings = JETSTREAM): Promise<NatsServer> {
    const folder = await Deno.makeTempDir({ prefix: "nats" });
    const [port, monitorPort, webSocketPort] = [1, 2, 3].map(freePort);
    return new NatsServer(folder, port, monitorPort, webSocketPort, settings);
  }

  /** Starts one, with such settings. */
  static async start(settings?: string): Promise<NatsServer> {
    const server = await NatsServer.prepare(settings);
    await server.start();
    return server;
  }

  /** Where it listens. */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Starts it, with nothing in it, where it was before. */
  async start(): Promise<void> {
    const config = join(this.#folder, "nats.conf");
    await Deno.writeTextFile(
      config,
      `listen: "127.0.0.1:${this.port}", http: "127.0.0.1:${this.monitorPort}"
websocket: { listen: "127.0.0.1:${this.webSocketPort}", no_tls: true }
${this.#settings}\n`,
    );
    const store = await Deno.makeTempDir({ dir: this.#folder });
    this.#child = new Deno.Command(natsServerPath!, {
      args: ["--config", config, "--store_dir", store],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const settled = async () => {
      while (!await this.#answers()) await tick();
    };
    await deadline(settled(), LIMIT_MS);
  }

  /** Ends it on the spot, as a machine that fails. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    child?.kill("SIGKILL");
    await child?.status;
  }

  /** Stops it, and has it go on: it answers nobody meanwhile. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child!.kill(signal);
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

  /** What it says of itself to those who watch it. */
  async monitor(page: "varz" | "connz"): Promise<Answer> {
    const url = `http://127.0.0.1:${this.monitorPort}/${page}`;
    const response = await fetch(url);
    return await response.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #answers(): Promise<boolean> {
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

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
