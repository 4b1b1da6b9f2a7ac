/** The API as the CLI sees it: typed, checked with the contract's schemas, with errors that say what to do. */
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import type { App, AppStatus, DeployConfig, Deployment, Release, Whoami } from "../core/contract/api.ts";
import type { SettingsPatch } from "../core/contract/release-config.ts";
import type { Target } from "./config.ts";
import { CliError, EXIT, problemError, usageError } from "./errors.ts";

const REQUEST_TIMEOUT_MS = 30_000;
/** Tries of a call that changes nothing. */
const SAFE_TRIES = 3;
const RETRY_DELAY_MS = 250;
const RETRY_AFTER_MAX_MS = 5000;
const RETRY_STATUS = new Set([429, 502, 503, 504]);
/** Node accepts 16 KiB of headers; a configuration beyond this goes as a part of the body. */
const CONFIG_HEADER_MAX_BYTES = 8192;

// Loaded while the first request is on its way.
const contract = () => import("../core/contract/api.ts");
type Contract = Awaited<ReturnType<typeof contract>>;

export interface Upload {
  contentType: string;
  /** A buffer for small contexts, else a stream. */
  body: Uint8Array | AsyncIterable<Uint8Array>;
}
export interface DeployImage {
  image: string;
  env: Record<string, string>;
  settings: SettingsPatch;
}

interface Call {
  method?: "GET" | "POST" | "PATCH" | "DELETE" | "PUT";
  headers?: Record<string, string>;
  body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  signal?: AbortSignal;
  /** 0: no limit. */
  timeoutMs?: number;
  /** What was being done, for messages. */
  doing: string;
}

export type Client = ReturnType<typeof createClient>;

export function createClient(target: Target) {
  const send = (path: string, call: Call) => sendRequest(target, path, call);
  async function ask<T extends z.ZodType>(path: string, schema: (contract: Contract) => T, call: Call): Promise<z.infer<T>> {
    const [response, schemas] = await Promise.all([send(path, call), contract()]);
    return readBody(response, schema(schemas), target);
  }
  async function pages<T extends z.ZodType>(path: string, schema: (contract: Contract) => T, limit: number, doing: string): Promise<z.infer<T>[]> {
    const items: z.infer<T>[] = [];
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ limit: String(Math.min(100, limit - items.length)), ...(cursor === null ? {} : { cursor }) });
      const page: { items: z.infer<T>[]; nextCursor: string | null } = await ask(`${path}?${query}`, (c) => c.pageOf(schema(c)), { doing });
      items.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null && items.length < limit);
    return items;
  }
  const json = (value: unknown) => ({ headers: { "content-type": "application/json" }, body: JSON.stringify(value) });

  return {
    target,
    whoami: (): Promise<Whoami> => ask("/v1/whoami", (c) => c.WhoamiSchema, { doing: "asking who you are" }),
    apps: (): Promise<App[]> => pages("/v1/apps", (c) => c.AppSchema, Number.POSITIVE_INFINITY, "listing the apps"),
    app: (app: string): Promise<App> => ask(appPath(app), (c) => c.AppSchema, { doing: `reading ${app}` }),
    patchSettings: (app: string, settings: SettingsPatch): Promise<Deployment | App> =>
      ask(appPath(app), deploymentOrApp, { method: "PATCH", ...json({ settings }), doing: `changing ${app}` }),
    async destroyApp(app: string): Promise<void> {
      const response = await send(appPath(app), { method: "DELETE", doing: `destroying ${app}` });
      await response.body?.cancel();
    },
    status: (app: string): Promise<AppStatus> => ask(`${appPath(app)}/status`, (c) => c.AppStatusSchema, { doing: `reading the status of ${app}` }),
    releases: (app: string, limit: number): Promise<Release[]> => pages(`${appPath(app)}/releases`, (c) => c.ReleaseSchema, limit, `listing the releases of ${app}`),
    rollback: (app: string, release: string | undefined): Promise<Deployment> =>
      ask(`${appPath(app)}/rollback`, (c) => c.DeploymentSchema, { method: "POST", ...json(release === undefined ? {} : { release }), doing: `rolling ${app} back` }),
    env: (app: string): Promise<Record<string, string>> => ask(`${appPath(app)}/env`, envList, { doing: `reading the environment of ${app}` }),
    patchEnv: (app: string, patch: Record<string, string | null>): Promise<Deployment | undefined> =>
      ask(`${appPath(app)}/env`, deploymentOrNothing, { method: "PATCH", ...json(patch), doing: `changing the environment of ${app}` }),
    deployImage: (app: string, image: DeployImage, signal: AbortSignal): Promise<Deployment> =>
      ask(`${appPath(app)}/deployments`, (c) => c.DeploymentSchema, { method: "POST", ...json(image), signal, doing: `deploying ${app}` }),
    deployContext: (app: string, config: DeployConfig, upload: Upload, signal: AbortSignal): Promise<Deployment> =>
      ask(`${appPath(app)}/deployments`, (c) => c.DeploymentSchema, { method: "POST", ...encodeUpload(config, upload), signal, timeoutMs: 0, doing: `uploading to ${app}` }),
    cancelDeployment: (id: string): Promise<Deployment> =>
      ask(`/v1/deployments/${encodeURIComponent(id)}/cancel`, (c) => c.DeploymentSchema, { method: "POST", doing: "cancelling" }),
    /** Opens a stream of events; its body is read by `eventStream`. */
    openEvents: (path: string, lastEventId: string | undefined, signal: AbortSignal): Promise<Response> =>
      send(path, {
        headers: { accept: "text/event-stream", ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }) },
        signal,
        timeoutMs: 0,
        doing: "following",
      }),
  };
}

export function appPath(app: string): string {
  return `/v1/apps/${encodeURIComponent(app)}`;
}

const deploymentOrApp = (c: Contract) => c.DeploymentSchema.or(c.AppSchema);
const deploymentOrNothing = (c: Contract) => c.DeploymentSchema.optional();
const envList = (c: Contract) => c.EnvPatchSchema.transform((env) => Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value ?? ""])));

/** The request's headers and body: the configuration as a header, or as a part where it is too long for one. */
export function encodeUpload(config: DeployConfig, upload: Upload): Pick<Call, "headers" | "body"> {
  const text = JSON.stringify(config).replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
  if (text.length <= CONFIG_HEADER_MAX_BYTES) return { headers: { "content-type": upload.contentType, "berth-config": text }, body: upload.body };
  const boundary = `berth-${crypto.randomUUID()}`;
  const part = (name: string, type: string, file: string) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${file}\r\ncontent-type: ${type}\r\n\r\n`;
  async function* body(): AsyncGenerator<Uint8Array> {
    const encode = (value: string) => Buffer.from(value, "utf8");
    yield encode(`${part("config", "application/json", "")}${text}\r\n${part("context", upload.contentType, '; filename="context"')}`);
    if (upload.body instanceof Uint8Array) yield upload.body;
    else yield* upload.body;
    yield encode(`\r\n--${boundary}--\r\n`);
  }
  return { headers: { "content-type": `multipart/form-data; boundary=${boundary}` }, body: body() };
}

async function sendRequest(target: Target, path: string, call: Call): Promise<Response> {
  if (target.token === undefined) {
    throw new CliError(`There is no token for ${target.api}.`, { exitCode: EXIT.auth, code: "unauthenticated", hint: "Sign in with «berth login», or set BERTH_TOKEN." });
  }
  const safe = (call.method ?? "GET") === "GET";
  for (let tried = 1; ; tried++) {
    try {
      const response = await fetchOnce(target, path, call);
      if (response.ok) return response;
      if (safe && tried < SAFE_TRIES && RETRY_STATUS.has(response.status)) {
        await response.body?.cancel();
        await sleep(retryDelayMs(response.headers.get("retry-after"), tried), undefined, signalOption(call));
        continue;
      }
      throw await responseError(response, target, call.doing);
    } catch (error) {
      if (error instanceof CliError || call.signal?.aborted) throw error;
      if (!safe || tried >= SAFE_TRIES) throw networkError(error, target, call.doing);
      await sleep(RETRY_DELAY_MS * tried, undefined, signalOption(call));
    }
  }
}

function signalOption(call: Call): { signal?: AbortSignal } {
  return call.signal === undefined ? {} : { signal: call.signal };
}

function retryDelayMs(header: string | null, tried: number): number {
  const seconds = Number(header);
  return header !== null && Number.isFinite(seconds) ? Math.min(seconds * 1000, RETRY_AFTER_MAX_MS) : RETRY_DELAY_MS * tried;
}

async function fetchOnce(target: Target, path: string, call: Call): Promise<Response> {
  const { timeoutMs = REQUEST_TIMEOUT_MS } = call;
  const signals = [...(call.signal === undefined ? [] : [call.signal]), ...(timeoutMs === 0 ? [] : [AbortSignal.timeout(timeoutMs)])];
  return await fetch(`${target.api}${path}`, {
    method: call.method ?? "GET",
    headers: { authorization: `Bearer ${target.token}`, accept: "application/json", "user-agent": "berth-cli", ...call.headers },
    ...(call.body === undefined ? {} : { body: call.body, duplex: "half" }),
    ...(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }),
    redirect: "error",
  });
}

async function readBody<T extends z.ZodType>(response: Response, schema: T, target: Target): Promise<z.infer<T>> {
  const text = await response.text().catch((error: unknown) => {
    throw networkError(error, target, "reading the answer");
  });
  let value: unknown;
  try {
    value = text === "" ? undefined : JSON.parse(text);
  } catch {
    throw notBerth(target);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CliError(`The API's answer is not understood (${issue?.path.join(".") || "body"}: ${issue?.message}).`, {
    code: "bad_response",
    hint: "The CLI and the API may be of different versions.",
  });
}

async function responseError(response: Response, target: Target, doing: string): Promise<CliError> {
  const [text, { ProblemSchema }] = await Promise.all([response.text().catch(() => ""), import("../core/contract/errors.ts")]);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const problem = ProblemSchema.safeParse(value);
  if (problem.success) return problemError(problem.data);
  if (response.status === 401) return problemError({ code: "unauthenticated", detail: "The token is not accepted.", type: "", title: "", status: 401 });
  if (response.status >= 500) return new CliError(`${target.api} answered ${response.status} while ${doing}.`, { code: "internal", hint: "Try again in a moment; see the API's log if it stays." });
  return notBerth(target, response.status);
}

function notBerth(target: Target, status?: number): CliError {
  const what = status === undefined ? "did not answer as Berth's API does" : `answered ${status}, and not as Berth's API does`;
  return new CliError(`${target.api} ${what}.`, { code: "bad_response", hint: "Check the URL: BERTH_API, or «berth login --api URL»." });
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/;

/** Why nothing came back, and what to do. An error of the body's own (a file that cannot be read) is passed on. */
export function networkError(error: unknown, target: Target, doing: string): CliError {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof CliError) return cause;
  }
  const codes = causeCodes(error);
  const has = (...wanted: string[]) => wanted.some((code) => codes.includes(code));
  const host = URL.parse(target.api)?.host ?? target.api;
  const elsewhere = "or point elsewhere with BERTH_API or «berth login --api URL»";
  const say = (message: string, hint: string) => new CliError(message, { code: "unreachable", hint, cause: error });
  if (has("ECONNREFUSED")) return say(`Nothing answers at ${target.api} (connection refused).`, `Start Berth there with «./infra/up», ${elsewhere}.`);
  if (has("ENOTFOUND", "EAI_AGAIN")) return say(`The host of ${target.api} is not known to DNS.`, `Check the name and your connection, ${elsewhere}.`);
  if (has("EHOSTUNREACH", "ENETUNREACH")) return say(`There is no way to ${host} from here.`, `Check your connection, ${elsewhere}.`);
  if (codes.some((code) => CERTIFICATE.test(code))) return say(`The certificate of ${host} is not accepted (${codes.join(", ")}).`, "Check the URL; for an own authority set NODE_EXTRA_CA_CERTS.");
  if (has("TimeoutError", "ETIMEDOUT", "UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT")) {
    return say(`${target.api} did not answer in time while ${doing}.`, "It may be overloaded; try again in a moment.");
  }
  if (has("ECONNRESET", "EPIPE", "UND_ERR_SOCKET")) return say(`The connection to ${host} broke while ${doing}.`, "See «berth status» for what was done, then try again.");
  const last = codes.length === 0 ? "" : ` (${codes.join(", ")})`;
  return say(`${target.api} cannot be reached${last}: ${error instanceof Error ? error.message : String(error)}.`, `Check the URL, ${elsewhere}.`);
}

function causeCodes(error: unknown): string[] {
  const codes: string[] = [];
  const visit = (value: unknown, depth: number): void => {
    if (!(value instanceof Error) || depth > 8) return;
    const code = (value as NodeJS.ErrnoException).code;
    if (typeof code === "string") codes.push(code);
    if (value.name === "TimeoutError") codes.push("TimeoutError");
    if (value instanceof AggregateError) for (const inner of value.errors) visit(inner, depth + 1);
    visit(value.cause, depth + 1);
  };
  visit(error, 0);
  return codes;
}

/** Whether a stream that failed like this may be opened again. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof CliError)) return true;
  const code = error.details.code;
  return code === "unreachable" || code === "internal" || code === "rate_limited" || (code?.endsWith("_unavailable") ?? false);
}

/** A token as it can stand in a header, else a usage error. */
export function checkTokenText(text: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]{8,512}$/.test(token)) throw usageError("That is not a token.", "A token looks like berth_… and has no spaces.");
  return token;
}
