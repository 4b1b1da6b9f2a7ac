/**
 * The registry as a build sees it: a small HTTP proxy on the host's end of the build's own network, which adds the
 * credential itself. So no credential ever enters a sandbox, and its steps reach only what the build may read and write.
 */
import { createServer, request as httpRequest, type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline } from "node:stream";

export interface RegistryProxyOptions {
  address: string;
  port: number;
  /** The only address that is answered. */
  peer: string;
  /** Where the registry is, `http://127.0.0.1:7070`. */
  apiUrl: string;
}

/** What the present build may do. */
export interface RegistryAccess {
  /** `<tenant>/<app>`: may be read and written, with what lies below it. */
  repository: string;
  /** `<tenant>/`: may be read. */
  tenantPrefix: string;
  /** A bearer token; asked for each request, so that it can be renewed. */
  token(): Promise<string>;
}

export interface RegistryProxy {
  /** From now on for this build; undefined: for nobody. */
  serve(access: RegistryAccess | undefined): void;
  close(): Promise<void>;
}

const CATALOGUE = "library/";
const REDIRECTS_MAX = 3;
const IDLE_TIMEOUT_MS = 120_000;
/** Headers that belong to one connection, or that the proxy sets itself. */
const DROPPED = ["connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-authorization", "authorization", "host", "te", "trailer"];
const READS = new Set(["GET", "HEAD"]);

/** The repository of a path below `/v2/`, or undefined when the path names none. */
export function repositoryOf(path: string): string | undefined {
  const match = /^\/v2\/([a-z0-9][a-z0-9._/-]*)\/(?:manifests|blobs|tags|referrers)\/[^/]/.exec(path);
  return match?.[1]?.includes("..") ? undefined : match?.[1];
}

/** Whether this build may send this request. */
export function isAllowed(access: Pick<RegistryAccess, "repository" | "tenantPrefix">, method: string, repository: string): boolean {
  if (repository === access.repository || repository.startsWith(`${access.repository}/`)) return true;
  return READS.has(method) && (repository.startsWith(CATALOGUE) || repository.startsWith(access.tenantPrefix));
}

export function startRegistryProxy(options: RegistryProxyOptions): Promise<RegistryProxy> {
  let access: RegistryAccess | undefined;
  const server = createServer((request, response) => {
    handle(options, access, request, response).catch((error: unknown) => {
      if (!response.headersSent) refuse(response, 502, "UNKNOWN", `the registry did not answer: ${(error as Error).message}`);
      else response.destroy();
    });
  });
  server.on("connection", (socket) => {
    socket.setNoDelay(true);
    if (socket.remoteAddress !== options.peer) socket.destroy();
  });
  // A layer may take long; a silent connection may not.
  server.requestTimeout = 0;
  server.timeout = IDLE_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.address, () => {
      resolve({
        serve: (next) => {
          access = next;
          if (next === undefined) server.closeAllConnections();
        },
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
}

async function handle(options: RegistryProxyOptions, access: RegistryAccess | undefined, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? "/";
  const method = request.method ?? "GET";
  if (access === undefined) return refuse(response, 503, "UNAVAILABLE", "no build runs here");
  if (path === "/v2/" || path === "/v2") {
    response.writeHead(200, { "content-type": "application/json", "docker-distribution-api-version": "registry/2.0" }).end("{}");
    return;
  }
  const { pathname, search, searchParams } = new URL(path, "http://registry");
  const repository = repositoryOf(pathname);
  // «from» of a blob mount names a second repository.
  const from = searchParams.get("from");
  if (repository === undefined || !isAllowed(access, method, repository) || (from !== null && !isAllowed(access, "GET", from))) {
    return refuse(response, 404, "NAME_UNKNOWN", "this build may not use that repository");
  }
  const token = await access.token();
  // What was checked is what is sent: not the text that another reader could understand otherwise.
  const target = new URL(options.apiUrl.replace(/\/$/, "") + pathname + search);
  const headers: OutgoingHttpHeaders = { ...kept(request.headers), authorization: `Bearer ${token}` };
  await forward(request, response, target, headers, REDIRECTS_MAX);
}

function forward(request: IncomingMessage, response: ServerResponse, target: URL, headers: OutgoingHttpHeaders, redirectsLeft: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const send = target.protocol === "https:" ? httpsRequest : httpRequest;
    const upstream: ClientRequest = send(target, { method: request.method, headers }, (answer) => {
      const { location } = answer.headers;
      const status = answer.statusCode ?? 502;
      if (location !== undefined && READS.has(request.method ?? "") && [301, 302, 303, 307, 308].includes(status) && redirectsLeft > 0) {
        answer.resume();
        // The blob store is out of a build's reach: the proxy goes there, without the registry's credential.
        const next = new URL(location, target);
        const { authorization: _own, ...rest } = headers;
        forward(request, response, next, next.origin === target.origin ? headers : rest, redirectsLeft - 1).then(resolve, reject);
        return;
      }
      response.writeHead(status, { ...kept(answer.headers), ...(location === undefined ? {} : { location: ownLocation(location, target) }) });
      pipeline(answer, response, () => resolve());
    });
    upstream.setNoDelay(true);
    upstream.on("error", reject);
    response.on("close", () => {
      if (!response.writableFinished) upstream.destroy();
    });
    if (READS.has(request.method ?? "")) upstream.end();
    else pipeline(request, upstream, () => {});
  });
}

/** A location within the registry, as the build reaches it: by path alone. */
function ownLocation(location: string, base: URL): string {
  const url = new URL(location, base);
  return url.pathname.startsWith("/v2/") ? url.pathname + url.search : location;
}

function kept(headers: IncomingMessage["headers"]): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !DROPPED.includes(name) && name !== "www-authenticate"));
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { "content-type": "application/json", connection: "close" }).end(JSON.stringify({ errors: [{ code, message }] }));
}
