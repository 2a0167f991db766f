/**
 * What the tests use of `@std/http`, for where JSR cannot be reached.
 *
 * @module
 */

import { extname, join, resolve, sep } from "node:path";

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=UTF-8",
  ".html": "text/html; charset=UTF-8",
  ".js": "text/javascript; charset=UTF-8",
  ".json": "application/json; charset=UTF-8",
  ".mjs": "text/javascript; charset=UTF-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=UTF-8",
};

interface ServeDirOptions {
  /** The folder whose files are served. @default {"."} */
  fsRoot?: string;
  /** The part of the path that stands for it. @default {""} */
  urlRoot?: string;
  /** Nothing is ever logged here. */
  quiet?: boolean;
}

/** Answers with the file that the request's path names within a folder. */
export async function serveDir(
  request: Request,
  options: ServeDirOptions = {},
): Promise<Response> {
  const { fsRoot = ".", urlRoot = "" } = options;
  const root = resolve(fsRoot);
  let path: string;
  try {
    path = decodeURIComponent(new URL(request.url).pathname);
  } catch {
    return plain(400, "Bad Request");
  }
  if (urlRoot) {
    if (!path.startsWith(`/${urlRoot}/`)) return plain(404, "Not Found");
    path = path.slice(urlRoot.length + 1);
  }
  let file = join(root, path);
  // Encoded slashes and dots outlive the URL parser.
  if (file !== root && !file.startsWith(root + sep)) {
    return plain(404, "Not Found");
  }
  if (path.endsWith("/")) file = join(file, "index.html");
  return await serveFile(request, file);
}

/** Answers with one file. */
export async function serveFile(
  request: Request,
  path: string,
): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return plain(405, "Method Not Allowed");
  }
  let body: Uint8Array<ArrayBuffer>;
  try {
    body = await Deno.readFile(path);
  } catch {
    return plain(404, "Not Found");
  }
  const type = CONTENT_TYPES[extname(path)] ?? "application/octet-stream";
  return new Response(request.method === "HEAD" ? null : body, {
    headers: {
      "content-length": String(body.byteLength),
      "content-type": type,
    },
  });
}

function plain(status: number, statusText: string): Response {
  return new Response(statusText, { status, statusText });
}
