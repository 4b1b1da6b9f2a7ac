/** Deploying an image that is in the registry. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { and, eq } from "drizzle-orm";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import { blobKey } from "../../core/blob-store/keys.ts";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { apps, blobs as blobRows, manifests, releases, repositoryBlobs, tags } from "../../core/db/schema.ts";
import { endPreviews } from "../../core/db/system-queries/previews.ts";
import { randomName, startTestApi, type TestApi } from "../support/api.ts";
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

test("a sidecar's image is what it was when its release was made: a tag that moves changes it with the next deployment", async () => {
  const name = randomName("pod");
  const first = await seedImage(`${tenant.name}/proxy`, "one", "first proxy");
  const other = await api.tenant();
  await seedImage(`${other.name}/secret`, "v1", "another's");
  const settings = { sidecars: [{ name: "proxy", image: "proxy:one", memoryBytes: 2 ** 26 }], init: [{ name: "migrate", command: ["up"] }] };
  const made = await deploy(name, { image: "web:v1", settings });
  assert.equal(made.status, 202, JSON.stringify(made.body));
  const [app] = await api.db.select().from(apps).where(eq(apps.name, name));
  const latest = async () => (await api.db.select().from(releases).where(eq(releases.appId, app!.id))).toSorted((a, b) => b.number - a.number)[0];
  const proxy = async () => (await latest())?.images["proxy:one"]?.manifestDigest;
  assert.deepEqual([await proxy(), (await latest())?.images["proxy:one"]?.cmd, Object.keys((await latest())?.images ?? {})], [first, ["first proxy"], ["proxy:one"]]);
  const second = await seedImage(`${tenant.name}/proxy`, "two", "second proxy");
  await api.db.update(tags).set({ digest: second }).where(and(eq(tags.repository, `${tenant.name}/proxy`), eq(tags.tag, "one")));
  assert.equal((await api.call("PATCH", `/v1/apps/${name}/env`, { token: tenant.token, body: { A: "1" } })).status, 202);
  assert.deepEqual([(await latest())?.number, await proxy()], [2, first]);
  assert.equal((await deploy(name, { image: "web:v1" })).status, 202);
  assert.deepEqual([(await latest())?.number, await proxy()], [3, second]);
  const patch = (sidecars: object[] | null) => api.call("PATCH", `/v1/apps/${name}`, { token: tenant.token, body: { settings: { sidecars } } });
  for (const [image, code] of [["proxy:nine", "image_not_found"], [`${other.name}/secret:v1`, "image_not_found"], ["No Name", "invalid_request"]] as const) {
    const refused = await patch([{ name: "bad", image }]);
    assert.deepEqual([refused.body.code, refused.body.errors[0].path], [code, "image of the container «bad»"], image);
  }
  assert.equal((await patch([{ name: "migrate" }])).body.code, "invalid_config");
  assert.equal((await patch([{ name: "main" }])).body.code, "invalid_config");
  assert.equal((await patch([{ name: "big", memoryBytes: 64 * 2 ** 30 }])).body.code, "quota_exceeded");
  assert.equal((await patch(null)).status, 202);
  assert.deepEqual((await latest())?.images, {});
});

test("promotion runs another app's image with the target's own configuration, from a repository of its own", async () => {
  const [staging, prod] = [randomName("staging"), randomName("prod")];
  assert.equal((await deploy(staging, { image: "web:v1", env: { STAGE: "staging" } })).status, 202);
  assert.equal((await api.call("POST", "/v1/apps", { token: tenant.token, body: { name: prod, env: { STAGE: "prod" }, settings: { memoryBytes: 2 ** 27 } } })).status, 201);
  const promote = (to: string, body: object, token = tenant.token) => api.call("POST", `/v1/apps/${to}/promote`, { token, body });
  assert.equal((await promote(prod, { from: staging })).body.code, "no_release", "it has none that is live");
  assert.equal((await promote(prod, { from: prod })).body.code, "conflict");
  assert.equal((await promote(prod, { from: staging, release: "v9" })).status, 404);
  const stranger = await api.tenant();
  assert.equal((await api.call("POST", "/v1/apps", { token: stranger.token, body: { name: "mine" } })).status, 201);
  assert.equal((await promote("mine", { from: staging, release: "v1" }, stranger.token)).status, 404, "another tenant's app is none");

  const made = await promote(prod, { from: staging, release: "v1" });
  assert.deepEqual([made.status, made.body.reason, made.body.release], [202, `promoted from ${staging} v1`, "v1"]);
  const [app] = await api.db.select().from(apps).where(eq(apps.name, prod));
  const [release] = await api.db.select().from(releases).where(eq(releases.appId, app!.id));
  assert.deepEqual([release?.image.manifestDigest, release?.env, release?.settings.memoryBytes, release?.repository], [digest, { STAGE: "prod" }, 2 ** 27, `${tenant.name}/${prod}`]);
  const linked = await api.db.select().from(manifests).where(eq(manifests.repository, `${tenant.name}/${prod}`));
  assert.deepEqual(linked.map((row) => row.digest), [digest]);
  assert.equal((await api.db.select().from(repositoryBlobs).where(eq(repositoryBlobs.repository, `${tenant.name}/${prod}`))).length, 2, "its config and its layer");
  const { body: log } = await api.call("GET", `/v1/audit?verb=app.promote`, { token: tenant.token });
  assert.deepEqual([log.items[0].detail.from, log.items[0].detail.release, log.items[0].detail.digest], [staging, "v1", digest]);
});

test("a preview is an app beside the app: its configuration and secrets, at most one instance, an end; it is promoted and goes with its app", async () => {
  const shop = randomName("shop");
  const call = (method: string, path: string, body?: object, token = tenant.token) => api.call(method, path, { token, ...(body === undefined ? {} : { body }) });
  assert.equal((await deploy(shop, { image: "web:v1", env: { MODE: "x" }, settings: { replicas: 3, concurrency: 7, strategy: { kind: "rolling" } } })).status, 202);
  assert.equal((await call("PUT", `/v1/apps/${shop}/secrets/KEY`, { kind: "env", value: "of the shop" })).status, 202);
  for (const bad of ["canary", "a--b", "A"]) assert.ok((await call("PUT", `/v1/apps/${shop}/previews/${bad}`, {})).status >= 400, bad);
  assert.equal((await call("PUT", `/v1/apps/${shop}/previews/${"p".repeat(39)}`, {})).body.code, "invalid_name");
  const put = await call("PUT", `/v1/apps/${shop}/previews/pr-1`, {});
  assert.equal(put.status, 200);
  const { name, of, app } = put.body;
  assert.deepEqual([name, of, app.name], ["pr-1", shop, `pr-1--${shop}`]);
  assert.match(app.url, new RegExp(`//pr-1--${shop}-${tenant.name}\\.`));
  assert.deepEqual([app.settings.scaling.max, app.settings.scaling.min, app.settings.concurrency, app.settings.strategy], [1, 0, 7, undefined]);
  assert.equal((await call("PUT", `/v1/apps/${app.name}/previews/pr-2`, {})).body.code, "conflict");
  assert.ok(!(await call("GET", "/v1/apps?limit=100")).body.items.some((one: { name: string }) => one.name === app.name), "it is no app of the list");
  assert.deepEqual((await call("GET", `/v1/apps/${shop}/previews`)).body.items.map((one: { name: string }) => one.name), ["pr-1"]);
  assert.ok([400, 422].includes((await call("POST", "/v1/apps", { name: `x--${shop}` })).status), "such a name is a preview's");

  assert.equal((await deploy(app.name, { image: "web:v1" })).status, 202);
  const [row] = await api.db.select().from(apps).where(eq(apps.name, app.name));
  const [release] = await api.db.select().from(releases).where(eq(releases.appId, row!.id));
  assert.deepEqual([release?.env, release?.secrets.map((one) => one.name)], [{ MODE: "x" }, ["KEY"]]);
  const own = await call("POST", "/v1/tokens", { name: randomName("ci"), scopes: ["read", "deploy"], app: shop });
  assert.equal((await call("GET", `/v1/apps/${app.name}`, undefined, own.body.secret ?? own.body.token)).status, 200, "a token of the app sees its previews");

  const promoted = await call("POST", `/v1/apps/${shop}/promote`, { from: app.name, release: "v1" });
  assert.deepEqual([promoted.status, promoted.body.reason], [202, `promoted from pr-1--${shop} v1`]);

  await api.db.update(apps).set({ expiresAt: new Date(Date.now() - 1) }).where(eq(apps.id, row!.id));
  assert.equal((await call("PUT", `/v1/apps/${shop}/previews/pr-1`, {})).status, 200, "who deploys it again lets it live on");
  assert.ok(!(await endPreviews(api.db, new Date())).some((one) => one.apps.includes(row!.id)));
  await api.db.update(apps).set({ expiresAt: new Date(Date.now() - 1) }).where(eq(apps.id, row!.id));
  assert.ok((await endPreviews(api.db, new Date())).some((one) => one.apps.includes(row!.id)));
  assert.equal((await call("GET", `/v1/apps/${app.name}`)).status, 404);

  assert.equal((await call("PUT", `/v1/apps/${shop}/previews/pr-3`, {})).status, 200);
  assert.equal((await call("DELETE", `/v1/apps/${shop}`)).status, 204);
  assert.equal((await call("GET", `/v1/apps/pr-3--${shop}`)).status, 404);
});
