/** The registry over real stores, asked by hand and by skopeo. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import { blobKey } from "../../core/blob-store/keys.ts";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { AppError } from "../../core/contract/errors.ts";
import { loadImage } from "../../core/registry/image.ts";
import { MEDIA } from "../../core/registry/manifest.ts";
import { buildToken, platformToken } from "../../core/registry/token.ts";
import { removeStaleUploads } from "../../api/registry/uploads.ts";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { digestOf, imageOf, writeLayout } from "../support/oci.ts";
import { basic, errorCode, registryClient, type Tenant } from "../support/registry.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let blobs: BlobStore;
let api: TestApi;
let alice: Tenant;
let bob: Tenant;
let dir: string;
let ask: ReturnType<typeof registryClient>["ask"];
let tokenFor: ReturnType<typeof registryClient>["tokenFor"];
let pushBlob: ReturnType<typeof registryClient>["pushBlob"];

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "berth-registry-"));
  stores = await startStores();
  blobs = openS3BlobStore({ BERTH_S3_REGION: "us-east-1", BERTH_S3_BUCKET: "berth", BERTH_S3_ACCESS_KEY_ID: "", BERTH_S3_SECRET_ACCESS_KEY: "", ...stores.s3 });
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs });
  ({ ask, tokenFor, pushBlob } = registryClient(api.url));
  [alice, bob] = [await api.tenant(), await api.tenant()];
});
after(async () => {
  await api?.close();
  await stores?.stop();
  rmSync(dir, { recursive: true, force: true });
});

test("a client without a token is told where to get one, and a wrong one gets none", async () => {
  const response = await ask("GET", "/v2/");
  assert.equal(response.status, 401);
  assert.match(response.headers.get("www-authenticate") ?? "", new RegExp(`^Bearer realm="${api.url}/v2/token",service="berth-registry"$`));
  const refused = await fetch(`${api.url}/v2/token`, { headers: { authorization: basic("berth_wrong") } });
  assert.equal(refused.status, 401);
  assert.equal((await ask("GET", "/v2/", { token: await tokenFor(alice) })).status, 200);
  assert.equal((await ask("GET", "/v2/", { token: alice.token })).status, 200, "a Berth token itself works too");
  for (const forged of ["a.b.c", `${(await tokenFor(alice)).slice(0, -4)}AAAA`]) assert.equal((await ask("GET", "/v2/", { token: forged })).status, 401);
});

test("skopeo pushes and pulls an image, and what comes back is what was sent", async () => {
  const image = await imageOf([["hello.txt", "hello"]], { Cmd: ["/hello"], Env: ["A=b"], ExposedPorts: { "9000/tcp": {}, "80": {}, "53/udp": {} }, User: "1000", WorkingDir: "/w" });
  writeLayout(join(dir, "layout"), image);
  const registry = new URL(api.url).host;
  const reference = `docker://${registry}/${alice.name}/web:v1`;
  await run(["skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", `x:${alice.token}`, `oci:${join(dir, "layout")}:latest`, reference]);
  await run(["skopeo", "copy", "--src-tls-verify=false", "--src-creds", `x:${alice.token}`, reference, `oci:${join(dir, "back")}:latest`]);
  const names = (layout: string) => readdirSync(join(dir, layout, "blobs/sha256")).toSorted();
  assert.deepEqual(names("back"), names("layout"));
  assert.deepEqual(readFileSync(join(dir, "back/blobs/sha256", image.layerDigest.slice(7))), image.layer);
  const stranger = await runUnchecked(["skopeo", "inspect", "--tls-verify=false", "--creds", `x:${bob.token}`, reference]);
  assert.notEqual(stranger.code, 0);

  const loaded = await loadImage({ db: api.db, blobs }, `${alice.name}/web`, "v1");
  assert.deepEqual([loaded.cmd, loaded.env, loaded.exposedPorts, loaded.user, loaded.workingDir], [["/hello"], ["A=b"], [80, 9000], "1000", "/w"]);
  assert.equal(loaded.layers[0]?.digest, image.layerDigest);
  assert.equal(loaded.manifestDigest, image.manifestDigest);
  await assert.rejects(loadImage({ db: api.db, blobs }, `${alice.name}/web`, "v2"), (error) => error instanceof AppError && error.code === "image_not_found");
  const tags = await ask("GET", `/v2/${alice.name}/web/tags/list`, { token: alice.token });
  assert.deepEqual(await tags.json(), { name: `${alice.name}/web`, tags: ["v1"] });
  const catalog = await ask("GET", "/v2/_catalog", { token: alice.token });
  assert.deepEqual(((await catalog.json()) as { repositories: string[] }).repositories, [`${alice.name}/web`]);
});

test("a blob comes in chunks, is resumed where it stopped, and a chunk in the wrong place is refused", async () => {
  const repository = `${alice.name}/chunks`;
  const token = await tokenFor(alice, `repository:${repository}:pull,push`);
  const bytes = randomBytes(300_000);
  const begun = await ask("POST", `/v2/${repository}/blobs/uploads/`, { token });
  assert.equal(begun.status, 202);
  const location = begun.headers.get("location") ?? "";
  const chunk = (start: number, end: number) => ask("PATCH", location, { token, body: bytes.subarray(start, end), headers: { "content-range": `${start}-${end - 1}`, "content-type": "application/octet-stream" } });
  assert.equal((await chunk(0, 100_000)).headers.get("range"), "0-99999");
  const wrong = await chunk(150_000, 200_000);
  assert.equal(wrong.status, 416);
  assert.equal(wrong.headers.get("range"), "0-99999");
  const status = await ask("GET", location, { token });
  assert.equal(status.status, 204);
  assert.equal(status.headers.get("range"), "0-99999");
  assert.equal((await chunk(100_000, 250_000)).status, 202);
  assert.equal((await ask("HEAD", `/v2/${repository}/blobs/${digestOf(bytes)}`, { token })).status, 404, "not visible before it is whole");
  const done = await ask("PUT", `${location}?digest=${digestOf(bytes)}`, { token, body: bytes.subarray(250_000) });
  assert.equal(done.status, 201, await done.text());
  const back = await ask("GET", `/v2/${repository}/blobs/${digestOf(bytes)}`, { token });
  assert.deepEqual(Buffer.from(await back.arrayBuffer()), bytes);
  const part = await ask("GET", `/v2/${repository}/blobs/${digestOf(bytes)}`, { token, headers: { range: "bytes=10-19" } });
  assert.equal(part.status, 206);
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(10, 20));
});

test("bytes with another digest than promised are refused and leave nothing", async () => {
  const repository = `${alice.name}/lies`;
  const token = await tokenFor(alice, `repository:${repository}:pull,push`);
  const promised = digestOf("something else");
  const response = await ask("POST", `/v2/${repository}/blobs/uploads/?digest=${promised}`, { token, body: "these bytes" });
  assert.equal(response.status, 400);
  assert.equal(await errorCode(response), "DIGEST_INVALID");
  assert.equal(await blobs.head(blobKey(promised)), undefined);
  const sha512 = await ask("POST", `/v2/${repository}/blobs/uploads/?digest=sha512:${"0".repeat(128)}`, { token, body: "x" });
  assert.equal(await errorCode(sha512), "DIGEST_INVALID");
});

test("knowing a digest grants nothing: no reading, no mounting, no manifest, and no telling whether it exists", async () => {
  const secret = randomBytes(1000);
  await pushBlob(alice, `${alice.name}/private`, secret);
  const own = `${bob.name}/web`;
  const token = await tokenFor(bob, `repository:${own}:pull,push`, `repository:${alice.name}/private:pull`);
  for (const digest of [digestOf(secret), digestOf("nobody has this")]) {
    assert.equal((await ask("GET", `/v2/${alice.name}/private/blobs/${digest}`, { token })).status, 401);
    assert.equal((await ask("GET", `/v2/${own}/blobs/${digest}`, { token })).status, 404);
    const mount = await ask("POST", `/v2/${own}/blobs/uploads/?mount=${digest}&from=${alice.name}/private`, { token });
    assert.equal(mount.status, 202, "an ordinary upload begins");
    const manifest = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociManifest, config: { mediaType: "x", digest, size: 1 }, layers: [] });
    const put = await ask("PUT", `/v2/${own}/manifests/latest`, { token, body: manifest, headers: { "content-type": MEDIA.ociManifest } });
    assert.equal(put.status, 404);
    assert.equal(await errorCode(put), "MANIFEST_BLOB_UNKNOWN");
  }
  await pushBlob(bob, own, secret);
  assert.equal((await ask("HEAD", `/v2/${own}/blobs/${digestOf(secret)}`, { token })).status, 200, "who has the bytes may have the blob");
});

test("within a tenant a blob is mounted without sending it; the catalogue is for all to read and nobody to write", async () => {
  const bytes = randomBytes(1000);
  await pushBlob(alice, `${alice.name}/one`, bytes);
  const token = await tokenFor(alice, `repository:${alice.name}/two:pull,push`, `repository:${alice.name}/one:pull`);
  const mounted = await ask("POST", `/v2/${alice.name}/two/blobs/uploads/?mount=${digestOf(bytes)}&from=${alice.name}/one`, { token });
  assert.equal(mounted.status, 201);
  assert.equal((await ask("HEAD", `/v2/${alice.name}/two/blobs/${digestOf(bytes)}`, { token })).status, 200);

  const platform = await platformToken(api.db, "library/base");
  const base = await imageOf([["base", "base"]]);
  for (const blob of [base.layer, base.config]) {
    assert.equal((await ask("POST", `/v2/library/base/blobs/uploads/?digest=${digestOf(blob)}`, { token: platform, body: blob })).status, 201);
  }
  assert.equal((await ask("PUT", "/v2/library/base/manifests/latest", { token: platform, body: base.manifest, headers: { "content-type": MEDIA.ociManifest } })).status, 201);
  const anonymous = await tokenFor(undefined, "repository:library/base:pull,push");
  assert.equal((await ask("GET", "/v2/library/base/manifests/latest", { token: anonymous })).status, 200);
  assert.equal((await ask("POST", "/v2/library/base/blobs/uploads/", { token: anonymous })).status, 401);
  assert.equal((await ask("POST", "/v2/library/base/blobs/uploads/", { token: await tokenFor(alice, "repository:library/base:pull,push") })).status, 401);

  const build = await buildToken(api.db, { tenantName: alice.name, repository: `${alice.name}/two` });
  assert.equal((await ask("GET", "/v2/library/base/manifests/latest", { token: build })).status, 200);
  assert.equal((await ask("POST", `/v2/${alice.name}/two/blobs/uploads/`, { token: build })).status, 202);
  assert.equal((await ask("POST", `/v2/${alice.name}/two/cache/blobs/uploads/`, { token: build })).status, 202);
  assert.equal((await ask("POST", `/v2/${alice.name}/one/blobs/uploads/`, { token: build })).status, 401, "a build writes its own repository alone");
});

test("ambiguous and mistyped manifests are refused; tags and manifests are deleted", async () => {
  const repository = `${alice.name}/manifests`;
  const image = await imageOf([["a", "a"]]);
  for (const blob of [image.layer, image.config]) await pushBlob(alice, repository, blob);
  const token = await tokenFor(alice, `repository:${repository}:pull,push,delete`);
  const put = (body: Uint8Array | string, type: string, tag = "t") => ask("PUT", `/v2/${repository}/manifests/${tag}`, { token, body, headers: { "content-type": type } });
  const parsed = JSON.parse(image.manifest.toString()) as Record<string, unknown>;
  for (const [body, type] of [
    [JSON.stringify({ ...parsed, manifests: [] }), MEDIA.ociManifest],
    [image.manifest, MEDIA.dockerManifest],
    [image.manifest, "application/json"],
    ["{", MEDIA.ociManifest],
  ] as const) {
    const refused = await put(body, type);
    assert.equal(refused.status, 400);
    assert.equal(await errorCode(refused), "MANIFEST_INVALID");
  }
  assert.equal((await put(image.manifest, MEDIA.ociManifest, digestOf("other"))).status, 400);
  assert.equal((await put(image.manifest, MEDIA.ociManifest, "one")).status, 201);
  assert.equal((await put(image.manifest, MEDIA.ociManifest, "two")).status, 201);
  const head = await ask("HEAD", `/v2/${repository}/manifests/one`, { token });
  assert.equal(head.headers.get("docker-content-digest"), image.manifestDigest);
  const firstPage = await ask("GET", `/v2/${repository}/tags/list?n=1`, { token });
  assert.deepEqual(((await firstPage.json()) as { tags: string[] }).tags, ["one"]);
  assert.match(firstPage.headers.get("link") ?? "", /last=one>; rel="next"/);
  assert.equal((await ask("DELETE", `/v2/${repository}/manifests/one`, { token })).status, 202);
  assert.equal((await ask("GET", `/v2/${repository}/manifests/one`, { token })).status, 404);
  assert.equal((await ask("DELETE", `/v2/${repository}/manifests/${image.manifestDigest}`, { token })).status, 202);
  assert.equal((await ask("GET", `/v2/${repository}/manifests/two`, { token })).status, 404);
});

test("referrers of a manifest are listed", async () => {
  const repository = `${alice.name}/signed`;
  const image = await imageOf([["a", "signed"]]);
  for (const blob of [image.layer, image.config]) await pushBlob(alice, repository, blob);
  const token = await tokenFor(alice, `repository:${repository}:pull,push`);
  const subject = { mediaType: MEDIA.ociManifest, digest: image.manifestDigest, size: image.manifest.length };
  const signature = JSON.stringify({ ...JSON.parse(image.manifest.toString()), artifactType: "application/x-signature", subject, annotations: { by: "alice" } });
  const put = await ask("PUT", `/v2/${repository}/manifests/${digestOf(signature)}`, { token, body: signature, headers: { "content-type": MEDIA.ociManifest } });
  assert.equal(put.headers.get("oci-subject"), image.manifestDigest);
  const response = await ask("GET", `/v2/${repository}/referrers/${image.manifestDigest}?artifactType=application/x-signature`, { token });
  const { manifests } = (await response.json()) as { manifests: { digest: string; annotations: object }[] };
  assert.deepEqual(manifests.map((each) => [each.digest, each.annotations]), [[digestOf(signature), { by: "alice" }]]);
});

test("an upload that nobody goes on with is cleaned away", async () => {
  const repository = `${alice.name}/stale`;
  const token = await tokenFor(alice, `repository:${repository}:pull,push`);
  const location = (await ask("POST", `/v2/${repository}/blobs/uploads/`, { token })).headers.get("location") ?? "";
  await ask("PATCH", location, { token, body: "begun" });
  assert.equal(await removeStaleUploads({ db: api.db, blobs }, new Date()), 0);
  assert.ok((await removeStaleUploads({ db: api.db, blobs }, new Date(Date.now() + 2 * 86_400_000))) >= 1);
  assert.equal((await ask("GET", location, { token })).status, 404);
  const left = [];
  for await (const { key } of blobs.list("uploads/")) left.push(key);
  assert.deepEqual(left, []);
});

test("with the blob store away a push says so, and works again when it is back", async () => {
  const repository = `${alice.name}/away`;
  const token = await tokenFor(alice, `repository:${repository}:pull,push`);
  await stores.kill("s3");
  const away = await ask("POST", `/v2/${repository}/blobs/uploads/?digest=${digestOf("bytes")}`, { token, body: "bytes" });
  assert.equal(away.status, 503);
  assert.equal(await errorCode(away), "UNAVAILABLE");
  await stores.start("s3");
  assert.equal((await ask("POST", `/v2/${repository}/blobs/uploads/?digest=${digestOf("bytes")}`, { token, body: "bytes" })).status, 201);
});
