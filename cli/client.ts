/** The API as the CLI sees it: the generated client with the CLI's retries, limits of time and errors. */
import { createClient as createApiClient } from "../client/index.ts";
import type { App, AppEvent, AppStatus, AuditEntry, AuditEntryPage, DeployConfig, DeployImage, Deployment, Domain, Explanation, LabelsPatch, operations, QuotaList, Release, Secret, SecretChange, SecretPut, SettingsPatch, SharedEnvChange, Usage, UsagePage, Whoami } from "../client/index.ts";
import { accessCalls } from "./access-client.ts";
import { releaseCalls } from "./release-client.ts";
import { jobCalls } from "./jobs-client.ts";
import type { Target } from "./config.ts";
import { CliError } from "./errors.ts";
import { volumeCalls } from "./volumes-client.ts";
import { networkError, notBerth, sendRequest, type Call } from "./transport.ts";

/** Node accepts 16 KiB of headers; a configuration beyond this goes as a part of the body. */
const CONFIG_HEADER_MAX_BYTES = 8192;
const PAGE_MAX = 100;

export interface Upload {
  contentType: string;
  /** A buffer for small contexts, else a stream. */
  body: Uint8Array | AsyncIterable<Uint8Array>;
}
interface Encoded {
  headers: Record<string, string>;
  body: Uint8Array | AsyncIterable<Uint8Array>;
}

export type UsageFilter = Omit<NonNullable<operations["listUsage"]["parameters"]["query"]>, "limit" | "cursor">;
export type AuditFilter = Omit<NonNullable<operations["listAudit"]["parameters"]["query"]>, "limit" | "cursor">;
export type Client = ReturnType<typeof createClient>;

export function createClient(target: Target) {
  const api = createApiClient({ baseUrl: target.api, token: target.token ?? "", userAgent: "berth-cli" });
  const via = (doing: string, more: Omit<Call, "doing"> = {}) => ({ fetch: (request: Request) => sendRequest(target, request, { doing, ...more }) });
  const ask = <T extends object>(key: keyof T & string, asked: Promise<{ data?: T }>) => answer(target, asked, key);
  const at = (app: string) => ({ params: { path: { app } } });
  /** A stream of events; its body is read by `eventStream`. */
  const events = (lastEventId: string | undefined, signal: AbortSignal) => ({
    ...via("following", { signal, timeoutMs: 0 }),
    headers: { accept: "text/event-stream", ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }) },
    parseAs: "stream" as const,
  });

  return {
    target,
    ...accessCalls({ api, via, ask, pages }),
    ...releaseCalls({ api, via, ask, pages }),
    ...volumeCalls({ api, via, ask, pages }),
    ...jobCalls({ api, via, ask, pages }),
    whoami: (): Promise<Whoami> => ask("token", api.GET("/v1/whoami", via("asking who you are"))),
    apps: (label: readonly string[] = []): Promise<App[]> =>
      pages(Number.POSITIVE_INFINITY, (query) => ask("items", api.GET("/v1/apps", { params: { query: { ...query, ...(label.length === 0 ? {} : { label: [...label] }) } }, ...via("listing the apps") }))),
    app: (app: string): Promise<App> => ask("settings", api.GET("/v1/apps/{app}", { ...at(app), ...via(`reading ${app}`) })),
    patchSettings: (app: string, settings: SettingsPatch): Promise<Deployment | App> =>
      ask("id", api.PATCH("/v1/apps/{app}", { ...at(app), body: { settings }, ...via(`changing ${app}`) })),
    /** Labels start nothing: the answer is the app. */
    patchLabels: (app: string, labels: LabelsPatch): Promise<App> =>
      ask("labels", api.PATCH("/v1/apps/{app}", { ...at(app), body: { labels }, ...via(`labelling ${app}`) }) as Promise<{ data?: App }>),
    startMaintenance: (app: string, body: { retryAfterS?: number }): Promise<App> =>
      ask("maintenance", api.PUT("/v1/apps/{app}/maintenance", { ...at(app), body, ...via(`starting the maintenance of ${app}`) })),
    endMaintenance: (app: string): Promise<App> => ask("settings", api.DELETE("/v1/apps/{app}/maintenance", { ...at(app), ...via(`ending the maintenance of ${app}`) })),
    quota: (): Promise<QuotaList> => ask("items", api.GET("/v1/quota", via("reading the quota"))),
    /** `volumes: "delete"`: they go with it. */
    async destroyApp(app: string, query: { volumes?: "delete" }): Promise<void> {
      await api.DELETE("/v1/apps/{app}", { params: { path: { app }, query }, ...via(`destroying ${app}`) });
    },
    status: (app: string): Promise<AppStatus> => ask("instances", api.GET("/v1/apps/{app}/status", { ...at(app), ...via(`reading the status of ${app}`) })),
    events: (app: string, limit: number): Promise<AppEvent[]> =>
      pages(limit, (query) => ask("items", api.GET("/v1/apps/{app}/events", { params: { path: { app }, query }, ...via(`listing the events of ${app}`) }))),
    explain: (app: string): Promise<Explanation> => ask("sentences", api.GET("/v1/apps/{app}/explain", { ...at(app), ...via(`explaining ${app}`) })),
    releases: (app: string, limit: number): Promise<Release[]> =>
      pages(limit, (query) => ask("items", api.GET("/v1/apps/{app}/releases", { params: { path: { app }, query }, ...via(`listing the releases of ${app}`) }))),
    usage: (filter: UsageFilter): Promise<Usage[]> =>
      pages(Number.POSITIVE_INFINITY, (query) => ask("items", asJson<UsagePage>(api.GET("/v1/usage", { params: { query: { ...filter, ...query } }, ...via("reading what was used") })))),
    audit: (filter: AuditFilter, limit: number): Promise<AuditEntry[]> =>
      pages(limit, (query) => ask("items", asJson<AuditEntryPage>(api.GET("/v1/audit", { params: { query: { ...filter, ...query } }, ...via("reading the audit log") })))),
    rollback: (app: string, release: string | undefined): Promise<Deployment> =>
      ask("state", api.POST("/v1/apps/{app}/rollback", { ...at(app), body: release === undefined ? {} : { release }, ...via(`rolling ${app} back`) })),
    env: (app: string): Promise<Record<string, string>> => answer(target, api.GET("/v1/apps/{app}/env", { ...at(app), ...via(`reading the environment of ${app}`) })),
    /** Undefined: nothing had to be rolled out. */
    patchEnv: async (app: string, patch: Record<string, string | null>): Promise<Deployment | undefined> =>
      (await settled(target, api.PATCH("/v1/apps/{app}/env", { ...at(app), body: patch, ...via(`changing the environment of ${app}`) }))).data,
    sharedEnv: (): Promise<Record<string, string>> => answer(target, api.GET("/v1/env", via("reading the shared variables"))),
    patchSharedEnv: (patch: Record<string, string | null>): Promise<SharedEnvChange> => ask("deployments", api.PATCH("/v1/env", { body: patch, ...via("changing the shared variables") })),
    /** Of an app; without one, those that all apps share. */
    secrets: (app: string | undefined): Promise<Secret[]> =>
      pages(Number.POSITIVE_INFINITY, (query) =>
        ask("items", app === undefined ? api.GET("/v1/secrets", { params: { query }, ...via("listing the shared secrets") }) : api.GET("/v1/apps/{app}/secrets", { params: { path: { app }, query }, ...via(`listing the secrets of ${app}`) })),
      ),
    putSecret: (app: string | undefined, name: string, body: SecretPut): Promise<SecretChange> =>
      ask("deployments", app === undefined ? api.PUT("/v1/secrets/{name}", { params: { path: { name } }, body, ...via(`setting ${name}`) }) : api.PUT("/v1/apps/{app}/secrets/{name}", { params: { path: { app, name } }, body, ...via(`setting ${name}`) })),
    deleteSecret: (app: string | undefined, name: string): Promise<SecretChange> =>
      ask("deployments", app === undefined ? api.DELETE("/v1/secrets/{name}", { params: { path: { name } }, ...via(`removing ${name}`) }) : api.DELETE("/v1/apps/{app}/secrets/{name}", { params: { path: { app, name } }, ...via(`removing ${name}`) })),
    domains: (app: string): Promise<Domain[]> =>
      pages(Number.POSITIVE_INFINITY, (query) => ask("items", api.GET("/v1/apps/{app}/domains", { params: { path: { app }, query }, ...via(`listing the domains of ${app}`) }))),
    addDomain: (app: string, host: string): Promise<Domain> => ask("host", api.POST("/v1/apps/{app}/domains", { ...at(app), body: { host }, ...via(`claiming ${host}`) })),
    checkDomain: (app: string, host: string): Promise<Domain> => ask("host", api.POST("/v1/apps/{app}/domains/{host}/check", { params: { path: { app, host } }, ...via(`looking for the record of ${host}`) })),
    async removeDomain(app: string, host: string): Promise<void> {
      await api.DELETE("/v1/apps/{app}/domains/{host}", { params: { path: { app, host } }, ...via(`removing ${host}`) });
    },
    deployment: (id: string): Promise<Deployment> => ask("state", api.GET("/v1/deployments/{id}", { params: { path: { id } }, ...via("reading the deployment") })),
    deployImage: (app: string, image: DeployImage, signal: AbortSignal): Promise<Deployment> =>
      ask("state", api.POST("/v1/apps/{app}/deployments", { ...at(app), body: image, ...via(`deploying ${app}`, { signal }) })),
    deployContext(app: string, config: DeployConfig, upload: Upload, signal: AbortSignal): Promise<Deployment> {
      const { headers, body } = encodeUpload(config, upload);
      // Its description says a string where the bytes are: they go out as they are.
      const sent = { body: body as unknown as string, bodySerializer: (bytes: unknown) => bytes as never, headers, duplex: "half" as const };
      return ask("state", api.POST("/v1/apps/{app}/deployments", { ...at(app), ...sent, ...via(`uploading to ${app}`, { signal, timeoutMs: 0 }) }));
    },
    cancelDeployment: (id: string): Promise<Deployment> => ask("state", api.POST("/v1/deployments/{id}/cancel", { params: { path: { id } }, ...via("cancelling") })),
    followDeployment: async (id: string, lastEventId: string | undefined, signal: AbortSignal): Promise<Response> =>
      (await api.GET("/v1/deployments/{id}/events", { params: { path: { id } }, ...events(lastEventId, signal) })).response,
    followBuildLog: async (id: string, lastEventId: string | undefined, signal: AbortSignal): Promise<Response> =>
      (await api.GET("/v1/builds/{id}/logs", { params: { path: { id } }, ...events(lastEventId, signal) })).response,
    followAppLogs: async (app: string, query: { tail: number; follow: boolean; container?: string }, lastEventId: string | undefined, signal: AbortSignal): Promise<Response> =>
      (await api.GET("/v1/apps/{app}/logs", { params: { path: { app }, query }, ...events(lastEventId, signal) })).response,
  };
}

/** What came back as JSON. `sendRequest` lets through what is a success; not even that need be of Berth. */
async function settled<R extends { data?: unknown }>(target: Target, asked: Promise<R>): Promise<R> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CliError || (error instanceof Error && error.name === "AbortError")) throw error;
    if (error instanceof SyntaxError) throw notBerth(target);
    throw networkError(error, target, "reading the answer");
  }
}

/** Of a route that answers in several types: what it answers when none is asked for. */
const asJson = <T>(asked: Promise<{ data?: unknown }>) => asked as Promise<{ data?: T }>;

/** `key`: a field that the answer must have. Something else may answer at the URL, or another version of the API. */
async function answer<T extends object>(target: Target, asked: Promise<{ data?: T }>, key?: keyof T & string): Promise<T> {
  const { data } = await settled(target, asked);
  if (typeof data !== "object" || data === null) throw notBerth(target);
  if (key === undefined || key in data) return data;
  throw new CliError(`The API's answer is not understood (${key} is missing).`, { code: "bad_response", hint: "The CLI and the API may be of different versions." });
}

interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

async function pages<T>(limit: number, ask: (query: { limit: number; cursor?: string }) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await ask({ limit: Math.min(PAGE_MAX, limit - items.length), ...(cursor === null ? {} : { cursor }) });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null && items.length < limit);
  return items;
}

/** The request's headers and body: the configuration as a header, or as a part where it is too long for one. */
export function encodeUpload(config: DeployConfig, upload: Upload): Encoded {
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

