// needs no root
/** Manifests with what PostgreSQL's JSON takes none of, and as many as anybody likes to send. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { eq, sql } from "drizzle-orm";
import { openMemoryBlobStore } from "../../core/blob-store/memory.ts";
import { apps, manifests, tenants } from "../../core/db/schema.ts";
import { MEDIA } from "../../core/registry/manifest.ts";
import { seedApp, startTestApi, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

const ARCHITECTURE = process.arch === "x64" ? "amd64" : process.arch;
let stores: Stores;
let api: TestApi;
let tenant: Awaited<ReturnType<TestApi["tenant"]>>;
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: openMemoryBlobStore() }, { redisPrefix: stores.redisPrefix, migrate: false });
  tenant = await api.tenant();
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

const digestOf = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;
const send = (method: string, path: string, type: string, body: string) => fetch(`${api.url}/v2/${tenant.name}/${path}`, { method, headers: { authorization: `Bearer ${tenant.token}`, "content-type": type }, body });

test("an image whose manifest has odd JSON is promoted like any other", async () => {
  const [from, to] = [await seedApp(api.db, tenant.id), await seedApp(api.db, tenant.id)];
  const layer = "layer";
  const config = JSON.stringify({ os: "linux", architecture: ARCHITECTURE, rootfs: { type: "layers", diff_ids: [digestOf(layer)] }, config: { Cmd: ["a"] } });
  for (const blob of [layer, config]) assert.equal((await send("POST", `${from.name}/blobs/uploads/?digest=${digestOf(blob)}`, "application/octet-stream", blob)).status, 201);
  const descriptor = (mediaType: string, text: string) => JSON.stringify({ mediaType, digest: digestOf(text), size: text.length });
  const odd = { nul: '"\\u0000"', lone: '"\\ud800"', large: "1e999999", deep: "[".repeat(100_000) + "]".repeat(100_000) };
  for (const [tag, value] of Object.entries(odd)) {
    const manifest = `{"schemaVersion":2,"mediaType":"${MEDIA.ociManifest}","config":${descriptor("application/vnd.oci.image.config.v1+json", config)},"layers":[${descriptor("application/vnd.oci.image.layer.v1.tar", layer)}],"x":${value}}`;
    const child = `{"schemaVersion":2,"mediaType":"${MEDIA.ociIndex}","manifests":[${descriptor(MEDIA.ociManifest, manifest)}]}`;
    assert.equal((await send("PUT", `${from.name}/manifests/child-${tag}`, MEDIA.ociManifest, manifest)).status, 201, tag);
    assert.equal((await send("PUT", `${from.name}/manifests/${tag}`, MEDIA.ociIndex, child)).status, 201, tag);
    assert.equal((await api.call("POST", `/v1/apps/${from.name}/deployments`, { token: tenant.token, body: { image: `${from.name}:${tag}` } })).status, 202, tag);
    await api.db.execute(sql`update releases set live_at = now() where app_id = ${from.id}`);
    await api.db.update(apps).set({ liveReleaseId: sql`target_release_id` }).where(eq(apps.id, from.id));
    const { status, body } = await api.call("POST", `/v1/apps/${to.name}/promote`, { token: tenant.token, body: { from: from.name } });
    assert.equal(status, 202, `${tag}: ${JSON.stringify(body)}`);
    assert.equal((await send("GET", `${to.name}/blobs/${digestOf(layer)}`, "", undefined as never)).status, 200);
  }
});

test("manifests take room of what a tenant may store, also many at once", async () => {
  const other = await api.tenant();
  await api.db.update(tenants).set({ limits: { storageBytes: 50_000 } }).where(eq(tenants.id, other.id));
  const statuses = await Promise.all(
    Array.from({ length: 30 }, async (_, index) => {
      const body = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [], annotations: { n: `${index}`.padEnd(9000, "x") } });
      const response = await fetch(`${api.url}/v2/${other.name}/app/manifests/t${index}`, { method: "PUT", headers: { authorization: `Bearer ${other.token}`, "content-type": MEDIA.ociIndex }, body });
      return `${response.status} ${response.ok ? "" : await response.text()}`;
    }),
  );
  assert.equal(statuses.filter((status) => status.startsWith("201")).length, 5, statuses.join("\n"));
  assert.ok(statuses.every((status) => /^201|storageBytes/.test(status)), statuses.join("\n"));
  assert.equal(await api.db.$count(manifests, eq(manifests.repository, `${other.name}/app`)), 5);
});
