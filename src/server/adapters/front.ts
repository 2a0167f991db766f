/**
 * What the command listens with: Deno's own server, or one of `node:http` on
 * Node and Bun. Beside peers it answers people who ask for pages.
 *
 * @module
 */

import {
  type ConnectionInfo,
  isDeno,
  type ListeningServer,
  serve,
} from "./deno.ts";
import { requestPath } from "./fetch.ts";
import { createServer, listenOn, type OwnServer } from "./node.ts";
import { pathOf } from "./upgrades.ts";
import type { HttpServer, IncomingRequest } from "./ws.ts";

/** A request that is no WebSocket's. */
export interface PageRequest {
  /** Such as `GET`. */
  readonly method: string | undefined;
  /** The path that it asks for, if its address can be read. */
  readonly path: string | undefined;
  /** A header by its name in lower case. */
  header(name: string): string | null | undefined;
}

/** What such a request is answered. */
export interface PageAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array<ArrayBuffer> | null;
}

/** Answers what it has a page for. */
export type Pages = (request: PageRequest) => Promise<PageAnswer | undefined>;

/** Answers what is no page, where nothing else does: `SocketPeerServer`'s. */
type Handler = (
  request: Request,
  info: ConnectionInfo,
) => Response | Promise<Response>;

/** A server that does not listen yet. */
export interface Front {
  /** What a `SocketPeerServer` is given; `null` where its handler is called. */
  readonly beneath: HttpServer | null;
  /** Listens; rejects if it can't. */
  listen(
    hostname: string,
    port: number,
    pages: Pages,
    handler?: Handler,
  ): Promise<ListeningServer>;
}

/** Makes an answer of a text. */
export function textAnswer(
  status: number,
  body: string,
  type = "text/plain;charset=UTF-8",
): PageAnswer {
  return { status, headers: { "content-type": type }, body };
}

const PLAIN_TEXT = "text/plain; charset=utf-8";

/** What a request is answered for which there is nothing. */
const NOT_FOUND = textAnswer(404, "Not found\n", PLAIN_TEXT);

/** What a request is answered whose page fails, as Deno does by itself. */
const FAILED = textAnswer(500, "Internal Server Error\n", PLAIN_TEXT);

/**
 * Makes a server on whatever runs this.
 *
 * @throws {Error} On Node before 20.16.
 */
export function createFront(): Front {
  return isDeno() ? denoFront() : nodeFront();
}

function denoFront(): Front {
  return {
    beneath: null,
    // A promise, so that what it throws is a rejection as on Node.
    // deno-lint-ignore require-await
    async listen(hostname, port, pages, handler = () => respond(NOT_FOUND)) {
      return serve(hostname, port, async (request, info) => {
        const { headers } = request;
        const answer = await pages({
          method: request.method,
          path: requestPath(request),
          header: (name) => headers.get(name),
        });
        return answer ? respond(answer) : handler(request, info);
      });
    },
  };
}

function respond({ body, status, headers }: PageAnswer): Response {
  return new Response(body, { status, headers });
}

function nodeFront(): Front {
  const server = createServer();
  // Listens nowhere: it is told of what is for peers alone, and so is the only
  // one that could answer that.
  const beneath = createServer();
  server.on("upgrade", (...upgrade) => beneath.emit("upgrade", ...upgrade));
  return {
    beneath,
    async listen(hostname, port, pages) {
      server.on("request", async (request: IncomingRequest, response) => {
        const { method, url, headers } = request;
        const answer = await pages({
          method,
          path: pathOf(url),
          header: (name) => headers[name]?.toString(),
        }).catch(() => FAILED);
        if (!answer && beneath.listenerCount("request") > 0) {
          beneath.emit("request", request, response);
          return;
        }
        const { status, headers: fields, body } = answer ?? NOT_FOUND;
        response.writeHead(status, fields);
        response.end(body);
      });
      return await listening(server, hostname, port);
    },
  };
}

async function listening(
  server: OwnServer,
  hostname: string,
  port: number,
): Promise<ListeningServer> {
  const { listening, close } = listenOn(server, hostname, port);
  await listening;
  const { address, port: taken } = server.address() as {
    address: string;
    port: number;
  };
  return {
    addr: { hostname: address, port: taken },
    finished: new Promise((resolve) => server.on("close", resolve)),
    shutdown: close,
  };
}
