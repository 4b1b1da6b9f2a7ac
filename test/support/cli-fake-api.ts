/**
 * A small stand-in for the API, for tests of the CLI alone: it answers what a test tells it to, in the contract's
 * shapes, and remembers what it was asked. The whole stack is tested with the real API in `test/e2e`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { AppSchema, DeploymentSchema, type App, type Build, type Deployment, type Release } from "../../core/contract/api.ts";
import { AppError, toProblem, type ErrorCode, type Failure } from "../../core/contract/errors.ts";
import { newId } from "../../core/contract/ids.ts";
import { SettingsSchema } from "../../core/contract/release-config.ts";

export const TOKEN = "berth_0123456789abcdefghijABCDEFGHIJ01abcdef";
const NOW = "2026-01-02T03:04:05.000Z";

export interface Seen {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  body: Buffer;
}
type Handler = (seen: Seen, response: ServerResponse) => void | Promise<void>;

export interface FakeApi {
  url: string;
  seen: Seen[];
  /** `GET /v1/apps/hello` → what answers it from now on. */
  on(route: string, handler: Handler): void;
  close(): Promise<void>;
}

export async function startFakeApi(): Promise<FakeApi> {
  const handlers = new Map<string, Handler>();
  const seen: Seen[] = [];
  const server: Server = createServer((request, response) => void answer(request, response));
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://x");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const one: Seen = { method: request.method ?? "", path: url.pathname, query: url.searchParams, headers: request.headers, body: Buffer.concat(chunks) };
    seen.push(one);
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return problem(response, "unauthenticated", "The token is not known.");
    const handler = handlers.get(`${one.method} ${one.path}`);
    if (handler === undefined) return problem(response, "not_found", `acme has no app «${one.path}».`);
    await handler(one, response);
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A run that picks other tests by name calls no `after`: the server alone must not keep it.
  server.unref();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    on: (route, handler) => void handlers.set(route, handler),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

export function problem(response: ServerResponse, code: ErrorCode, detail: string, more: Partial<Failure> = {}): void {
  const error = new AppError(code, detail, more);
  response.writeHead(error.status, { "content-type": "application/problem+json" }).end(JSON.stringify(toProblem(error, { requestId: "req_1" })));
}

/** Answers with events, ids counted from 1 unless given, and ends or cuts the stream. */
export function events(response: ServerResponse, list: readonly { event: string; data: unknown; id?: number }[], end: "end" | "cut" | "open" = "end"): void {
  if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
  for (const { event, data, id } of list) response.write(`${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  if (end === "end") response.end();
  // A moment later, so that what was written still arrives.
  if (end === "cut") setTimeout(() => response.destroy(), 30);
}

export function anApp(more: Partial<App> = {}): App {
  return AppSchema.parse({
    labels: {},
    version: 1,
    id: newId("app"),
    name: "hello",
    url: "http://hello-acme.berth.localhost:8080",
    settings: SettingsSchema.parse({}),
    liveRelease: "v3",
    targetRelease: "v3",
    maintenance: null,
    instances: { ready: 1, wanted: 1 },
    createdAt: NOW,
    ...more,
  });
}

export function aBuild(more: Partial<Build> = {}): Build {
  return { id: newId("build"), state: "running", manifestDigest: null, failure: null, timingsMs: {}, createdAt: NOW, startedAt: NOW, finishedAt: null, ...more };
}

export function aDeployment(more: Partial<Deployment> = {}): Deployment {
  return DeploymentSchema.parse({
    id: newId("deployment"),
    app: "hello",
    url: "http://hello-acme.berth.localhost:8080",
    state: "building",
    alreadyLive: false,
    reason: "upload",
    build: null,
    release: null,
    instances: [],
    failure: null,
    timingsMs: {},
    createdAt: NOW,
    finishedAt: null,
    ...more,
  });
}

export function aRelease(number: number, more: Partial<Release> = {}): Release {
  return {
    id: newId("release"),
    name: `v${number}`,
    reason: "upload",
    manifestDigest: `sha256:${"ab".repeat(32)}`,
    live: false,
    envNames: [],
    secrets: [],
    settings: SettingsSchema.parse({}),
    createdAt: NOW,
    liveAt: NOW,
    ...more,
  };
}

export const logLine = (seq: number, text: string, stream: "stdout" | "stderr" | "system" = "stdout") => ({ event: "log", id: seq, data: { seq, time: NOW, step: 1, stream, text } });
export const WHOAMI = { tenant: { id: newId("tenant"), name: "acme" }, token: { id: newId("token"), name: "first", kind: "deploy", expiresAt: null }, user: null, scopes: ["read", "deploy"], app: null, registry: "127.0.0.1:7070/acme" };
