/** Deploying an image that is in the registry. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { eq } from "drizzle-orm";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import { blobKey } from "../../core/blob-store/keys.ts";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { apps, blobs as blobRows, manifests, releases, repositoryBlobs, tags } from "../../core/db/schema.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let blobs: BlobStore;
let api: TestApi;
let tenant: Awaited<ReturnType<TestApi["tenant"]>>;
let digest: string;

before(async () => {
  stores = await startStores();
  blobs = openS3BlobStore(stores.env as never);
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs }, { migrate: false, redisPrefix: stores.redisPrefix });
  tenant = await api.tenant();
  digest = await seedImage(`${tenant.name}/web`, "v1", "own");
  await seedImage("library/web", "v2", "catalogue");
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

const hash = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

async function seedImage(repository: string, tag: string, command: string): Promise<string> {
  const layer = hash(Buffer.from(command));
  const config = Buffer.from(JSON.stringify({ architecture: process.arch === "arm64" ? "arm64" : "amd64", os: "linux", config: { Cmd: [command], ExposedPorts: { "81/tcp": {} } }, rootfs: { type: "layers", diff_ids: [layer] } }));
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const content = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: hash(config), size: config.length },
      layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", digest: layer, size: command.length }],
    }),
  );
  for (const bytes of [config, Buffer.from(command)]) {
    await blobs.putBytes(blobKey(hash(bytes)), bytes);
    await api.db.insert(blobRows).values({ digest: hash(bytes), sizeBytes: bytes.length, storageKey: blobKey(hash(bytes)) });
    await api.db.insert(repositoryBlobs).values({ repository, digest: hash(bytes) });
  }
  await api.db.insert(manifests).values({ repository, digest: hash(content), mediaType, content });
  await api.db.insert(tags).values({ repository, tag, digest: hash(content) });
  return hash(content);
}

const deploy = (app: string, body: unknown, token = tenant.token) => api.call("POST", `/v1/apps/${app}/deployments`, { token, body });

test("by tag, by digest, with and without tenant and host", async () => {
  const references = ["web:v1", `${tenant.name}/web:v1`, `web@${digest}`, `${new URL(api.url).host}/${tenant.name}/web:v1`, `${tenant.name}/web@${digest}`];
  for (const [index, image] of references.entries()) {
    const { status, body, headers } = await deploy("web", { image, env: { A: String(index) }, settings: { replicas: 2 } });
    assert.equal(status, 202, JSON.stringify(body));
    assert.equal(headers.get("location"), `/v1/deployments/${body.id}`);
    assert.equal(body.state, "releasing");
    assert.equal(body.release, `v${index + 1}`);
    assert.equal(body.build, null);
  }
  const [app] = await api.db.select().from(apps).where(eq(apps.name, "web"));
  const [release] = await api.db.select().from(releases).where(eq(releases.id, app!.targetReleaseId!));
  assert.equal(release?.image.manifestDigest, digest);
  assert.deepEqual(release?.image.cmd, ["own"]);
  assert.deepEqual(release?.env, { A: "4" });
  assert.equal(release?.settings.replicas, 2);
  assert.equal(release?.repository, `${tenant.name}/web`);
});

test("of the catalogue", async () => {
  for (const image of ["web:v2", "library/web:v2"]) assert.equal((await deploy("catalogue", { image })).status, 202);
});

test("what is not there, or another tenant's, or no name, is refused and makes no app", async () => {
  const other = await api.tenant();
  for (const [image, status, code] of [
    ["web:v9", 422, "image_not_found"],
    ["web", 422, "image_not_found"],
    [`web@sha256:${"0".repeat(64)}`, 422, "image_not_found"],
    ["docker.io/library/web:v2", 422, "image_not_found"],
    ["We b", 400, "invalid_request"],
  ] as const) {
    const answer = await deploy("none", { image });
    assert.equal(answer.body.code, code, image);
    assert.equal(answer.status, status);
  }
  for (const image of [`${tenant.name}/web:v1`, "web:v1", `${tenant.name}/web@${digest}`, `web@${digest}`]) {
    assert.equal((await deploy("none", { image }, other.token)).body.code, "image_not_found", image);
  }
  assert.equal((await deploy("none", { image: "web:v1", settings: { port: 0 } })).body.code, "invalid_config");
  assert.equal((await deploy("none", { imagge: "web:v1" })).body.code, "invalid_request");
  assert.equal((await deploy("none", "{")).body.code, "invalid_request");
  assert.equal((await deploy("Bad_Name", { image: "web:v1" })).body.code, "invalid_name");
  assert.equal((await api.db.select().from(apps).where(eq(apps.name, "none"))).length, 0);
});
