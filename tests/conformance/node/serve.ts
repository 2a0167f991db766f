/**
 * The process in which Node or Bun runs a server: told what to do by lines on
 * stdin, it tells what happens by lines on stdout. All are JSON.
 */

import { argv, exit, stdin, stdout } from "node:process";
import { createInterface } from "node:readline";
import {
  type AdapterHost,
  type HostKind,
  type HostOptions,
  hostServer,
} from "../../support/adapter_host.ts";

const { kind, options } = JSON.parse(argv[2]) as {
  kind: HostKind;
  options: HostOptions;
};

const say = (line: unknown) => stdout.write(`${JSON.stringify(line)}\n`);

async function obey(host: AdapterHost, line: string): Promise<unknown> {
  const { ask, options } = JSON.parse(line);
  switch (ask) {
    case "connections":
      return await host.connections();
    case "close":
      return await host.close(options);
    case "stop":
      return await host.stop();
  }
}

const host = await hostServer(kind, options, (event) => say({ event }));
say({ answer: host.port });
for await (const line of createInterface({ input: stdin })) {
  // Answers come in the order of the questions.
  const answer = await obey(host, line);
  say({ answer: answer ?? null });
}
exit();
