// needs no root
/** The generated client against a real API: what its documentation says. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createClient, type App, type BerthClient, type SettingsPatch } from "../../client/index.ts";
import { openMemoryBlobStore } from "../../core/blob-store/memory.ts";
import { tags } from "../../core/db/schema.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { whileLiving } from "../support/living.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
let berth: BerthClient;
let tenantName: string;
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: openMemoryBlobStore() }, { redisPrefix: stores.redisPrefix, migrate: false });
  await api.db.insert(tags).values({ repository: "library/busybox", tag: "latest", digest: `sha256:${"1".repeat(64)}` });
  const tenant = await api.tenant();
  tenantName = tenant.name;
  berth = createClient({ baseUrl: api.url, token: tenant.token });
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

const path = { app: "web" };

test("makes once, lists in pages, changes what was read", async () => {
  const header = { "Idempotency-Key": crypto.randomUUID() };
  const body = { name: "web", labels: { env: "prod" } };
  const { data: made } = await berth.POST("/v1/apps", { params: { header }, body });
  const again = await berth.POST("/v1/apps", { params: { header }, body });
  assert.deepEqual([again.data, again.response.headers.get("idempotency-replayed")], [made, "true"]);
  for (const name of ["a", "b"]) await berth.POST("/v1/apps", { body: { name, labels: { env: "prod" } } });
  const found: App[] = [];
  for (let cursor: string | undefined; ; ) {
    const { data: page } = await berth.GET("/v1/apps", { params: { query: { limit: 2, label: ["env=prod", "!old"], ...(cursor === undefined ? {} : { cursor }) } } });
    found.push(...(page?.items ?? []));
    cursor = page?.nextCursor ?? undefined;
    if (cursor === undefined) break;
  }
  assert.deepEqual(found.map(({ name }) => name), ["web", "a", "b"]);
  const { response } = await berth.GET("/v1/apps/{app}", { params: { path } });
  const seen = { "If-Match": response.headers.get("etag") ?? "" };
  const settings: SettingsPatch = { replicas: 2 };
  assert.equal((await berth.PATCH("/v1/apps/{app}", { params: { path, header: seen }, body: { settings } })).response.status, 200);
  const late = await berth.PATCH("/v1/apps/{app}", { params: { path, header: seen }, body: { settings } });
  assert.deepEqual([late.data, late.error?.code, late.response.status], [undefined, "version_mismatch", 412]);
});

test("a problem is `error`, typed; only what gets no answer throws", async () => {
  const { data, error } = await berth.GET("/v1/apps/{app}", { params: { path: { app: "none" } } });
  assert.deepEqual([data, error?.code, error?.status], [undefined, "not_found", 404]);
  const stranger = await createClient({ baseUrl: api.url, token: "wrong" }).GET("/v1/whoami");
  assert.equal(stranger.error?.code, "unauthenticated");
  await assert.rejects(createClient({ baseUrl: "http://127.0.0.1:1", token: "x" }).GET("/v1/whoami"), TypeError);
});

test("uploads a stream, and follows what comes of it", async () => {
  async function* context(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("FROM busy");
    yield Buffer.from("box\n");
  }
  const { data: deployment, error } = await berth.POST("/v1/apps/{app}/deployments", {
    params: { path },
    headers: { "content-type": "text/x-dockerfile" },
    body: context() as unknown as string,
    bodySerializer: (body) => body as never,
    duplex: "half",
  });
  assert.equal(deployment?.state, "building", JSON.stringify(error));
  const last = await whileLiving(api, tenantName, async () => {
    const { data: stream } = await berth.GET("/v1/deployments/{id}/events", { params: { path: { id: deployment?.id ?? "" } }, parseAs: "stream" });
    let text = "";
    for await (const chunk of (stream as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) text += chunk;
    return JSON.parse(/data: (.*)\n\n$/.exec(text)?.[1] ?? "{}") as { state?: string };
  });
  assert.equal(last.state, "live");
});

test("another fetch takes the place of the global one", async () => {
  const asked: string[] = [];
  const own = createClient({
    baseUrl: `${api.url}/`,
    token: "berth_x",
    userAgent: "mine",
    fetch: async (request) => {
      asked.push(`${request.method} ${new URL(request.url).pathname} ${request.headers.get("user-agent")} ${request.headers.get("authorization")} ${request.redirect}`);
      return Response.json({ items: [], nextCursor: null });
    },
  });
  assert.deepEqual((await own.GET("/v1/apps")).data?.items, []);
  assert.deepEqual(asked, ["GET /v1/apps mine Bearer berth_x error"]);
});
