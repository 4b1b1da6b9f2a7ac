/** Images in the registry: what may run, and what real clients do with them. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import { blobKey } from "../../core/blob-store/keys.ts";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { AppError } from "../../core/contract/errors.ts";
import { run } from "../../core/host/spawn.ts";
import { loadImage } from "../../core/registry/image.ts";
import { MEDIA } from "../../core/registry/manifest.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { digestOf, imageOf, writeLayout, type TestImage } from "../support/oci.ts";
import { registryClient, type Tenant } from "../support/registry.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let blobs: BlobStore;
let api: TestApi;
let alice: Tenant;
let client: ReturnType<typeof registryClient>;
let dir: string;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "berth-registry-"));
  stores = await startStores();
  blobs = openS3BlobStore(stores.s3 as never);
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs }, { migrate: false });
  client = registryClient(api.url);
  alice = await api.tenant();
});
after(async () => {
  await api?.close();
  await stores?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const OWN = process.arch === "arm64" ? "arm64" : "amd64";
const load = (repository: string, reference = "v1") => loadImage({ db: api.db, blobs }, repository, reference);
const isInvalid = (text: RegExp) => (error: unknown) => error instanceof AppError && error.code === "image_invalid" && text.test(error.message);

/** The image with another config or manifest. */
function changed(image: TestImage, change: { config?: object; manifest?: (manifest: Record<string, unknown>) => object }): TestImage {
  const config = Buffer.from(JSON.stringify({ ...(JSON.parse(image.config.toString()) as object), ...change.config }));
  const parsed = JSON.parse(image.manifest.toString()) as Record<string, unknown>;
  const withConfig = { ...parsed, config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(config), size: config.length } };
  const manifest = Buffer.from(JSON.stringify({ ...withConfig, ...change.manifest?.(withConfig) }));
  return { ...image, config, manifest, configDigest: digestOf(config), manifestDigest: digestOf(manifest) };
}

test("an image that cannot run here is refused with the reason", async () => {
  const image = await imageOf([["a", "a"]]);
  const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: image.layerDigest, size: image.layer.length };
  const cases: [string, TestImage, RegExp][] = [
    ["arch", changed(image, { config: { architecture: "s390x" } }), /made for linux\/s390x, not for linux\//],
    ["windows", changed(image, { config: { os: "windows" } }), /made for windows\//],
    ["diffids", changed(image, { config: { rootfs: { type: "layers", diff_ids: [] } } }), /has 1 layers, the config 0/],
    ["more-layers", changed(image, { manifest: () => ({ layers: [layer, layer] }) }), /has 2 layers, the config 1/],
    ["artifact", changed(image, { config: { rootfs: undefined } }), /not one of a container/],
    ["chart", changed(image, { manifest: () => ({ layers: [{ ...layer, mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip" }] }) }), /helm.*cannot be unpacked/],
    ["nul", changed(image, { config: { config: { Env: ["A=\0"] } } }), /NUL/],
    ["long-env", changed(image, { config: { config: { Env: Array.from({ length: 1000 }, (_, i) => `V${i}=${"x".repeat(100)}`) } } }), /more than 65536 characters/],
    ["volumes", changed(image, { config: { config: { Volumes: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`/v${i}`, {}])) } } }), /more than 64 volumes/],
    ["shape", changed(image, { config: { config: { Cmd: "not a list" } } }), /not one of a container/],
  ];
  for (const [name, bad, reason] of cases) {
    await client.pushImage(alice, `${alice.name}/${name}`, "v1", bad);
    await assert.rejects(load(`${alice.name}/${name}`), isInvalid(reason), name);
  }
});

test("an image whose blob was deleted says so, and runs again when it is pushed again", async () => {
  const repository = `${alice.name}/gone`;
  const image = await imageOf([["b", "b"]]);
  await client.pushImage(alice, repository, "v1", image);
  for (const digest of [image.layerDigest, image.configDigest]) {
    assert.equal((await client.ask("DELETE", `/v2/${repository}/blobs/${digest}`, { token: alice.token })).status, 202);
    assert.equal((await client.ask("DELETE", `/v2/${repository}/blobs/${digest}`, { token: alice.token })).status, 404);
    await assert.rejects(load(repository), isInvalid(/no longer there/));
    await client.pushImage(alice, repository, "v1", image);
    assert.equal((await load(repository)).manifestDigest, image.manifestDigest);
  }
  await blobs.delete([blobKey(image.configDigest)]);
  await assert.rejects(load(repository), isInvalid(/no longer there/));
});

test("of an image for many machines the one for this host runs; skopeo copies all of it, lists and deletes", async () => {
  const repository = `${alice.name}/multi`;
  const own = await imageOf([["own", "own"]], { Cmd: ["/own"] });
  const other = changed(await imageOf([["other", "other"]]), { config: { architecture: "s390x" } });
  writeLayout(join(dir, "multi"), own);
  for (const bytes of [other.layer, other.config, other.manifest]) writeFileSync(join(dir, "multi/blobs/sha256", digestOf(bytes).slice(7)), bytes);
  const entry = (image: TestImage, architecture: string) => ({ mediaType: MEDIA.ociManifest, digest: image.manifestDigest, size: image.manifest.length, platform: { os: "linux", architecture } });
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [entry(other, "s390x"), entry(own, OWN)] }));
  writeFileSync(join(dir, "multi/blobs/sha256", digestOf(index).slice(7)), index);
  const layout = JSON.parse(readFileSync(join(dir, "multi/index.json"), "utf8")) as { manifests: object[] };
  writeFileSync(join(dir, "multi/index.json"), JSON.stringify({ ...layout, manifests: [{ mediaType: MEDIA.ociIndex, digest: digestOf(index), size: index.length, annotations: { "org.opencontainers.image.ref.name": "latest" } }] }));

  const remote = `docker://${new URL(api.url).host}/${repository}`;
  const creds = `any:${alice.token}`;
  await run(["skopeo", "copy", "--all", "--dest-tls-verify=false", "--dest-creds", creds, `oci:${join(dir, "multi")}:latest`, `${remote}:v1`]);
  const image = await load(repository);
  assert.deepEqual([image.manifestDigest, image.cmd], [own.manifestDigest, ["/own"]]);
  assert.equal((await load(repository, digestOf(index))).manifestDigest, own.manifestDigest);
  await assert.rejects(load(repository, other.manifestDigest), isInvalid(/s390x/));
  await run(["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--src-creds", creds, "--dest-creds", creds, "--format", "v2s2", `${remote}:v1`, `${remote}:docker`]);
  assert.deepEqual((await load(repository, "docker")).cmd, ["/own"], "Docker's own manifest type");
  const listed = await run(["skopeo", "list-tags", "--tls-verify=false", "--creds", creds, remote]);
  assert.deepEqual((JSON.parse(listed.stdout) as { Tags: string[] }).Tags, ["docker", "v1"]);
  await run(["skopeo", "delete", "--tls-verify=false", "--creds", creds, `${remote}:docker`]);
  await assert.rejects(load(repository, "docker"), (error) => error instanceof AppError && error.code === "image_not_found");
  const only = await client.ask("PUT", `/v2/${repository}/manifests/only`, {
    token: alice.token,
    body: JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [entry(other, "s390x"), entry(other, "riscv64")] }),
    headers: { "content-type": MEDIA.ociIndex },
  });
  assert.equal(only.status, 201);
  await assert.rejects(load(repository, "only"), isInvalid(/not made for linux\//));
});

test("many large referrers come in pages", async () => {
  const repository = `${alice.name}/signed`;
  const image = await imageOf([["c", "c"]]);
  await client.pushImage(alice, repository, "v1", image);
  const subject = { mediaType: MEDIA.ociManifest, digest: image.manifestDigest, size: image.manifest.length };
  const expected: string[] = [];
  for (let n = 0; n < 3; n++) {
    const artifact = JSON.stringify({ ...(JSON.parse(image.manifest.toString()) as object), artifactType: n === 0 ? "a/first" : "a/other", subject, annotations: { n: String(n), filler: "x".repeat(3 * 2 ** 20) } });
    const put = await client.ask("PUT", `/v2/${repository}/manifests/${digestOf(artifact)}`, { token: alice.token, body: artifact, headers: { "content-type": MEDIA.ociManifest } });
    assert.equal(put.status, 201);
    expected.push(digestOf(artifact));
  }
  const collect = async (first: string) => {
    const found: string[] = [];
    for (let path: string | undefined = first; path !== undefined; ) {
      const response: Response = await client.ask("GET", path, { token: alice.token });
      const text = await response.text();
      assert.ok(text.length < 5 * 2 ** 20);
      found.push(...(JSON.parse(text) as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest));
      path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    }
    return found;
  };
  assert.deepEqual(await collect(`/v2/${repository}/referrers/${image.manifestDigest}`), expected.toSorted());
  assert.deepEqual(await collect(`/v2/${repository}/referrers/${image.manifestDigest}?artifactType=a/other`), expected.slice(1).toSorted());
  assert.deepEqual(await collect(`/v2/${repository}/referrers/${digestOf("nothing")}`), []);
});
