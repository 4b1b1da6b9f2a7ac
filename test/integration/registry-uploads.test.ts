// needs no root
/** Uploads that break, overlap, lie or lose their stores. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { eq, sql } from "drizzle-orm";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import { blobKey } from "../../core/blob-store/keys.ts";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { MEDIA } from "../../core/registry/manifest.ts";
import { uploads } from "../../core/db/schema.ts";
import { removeStaleUploads } from "../../api/registry/uploads.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { digestOf } from "../support/oci.ts";
import { errorCode, registryClient, type Tenant } from "../support/registry.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let blobs: BlobStore;
let api: TestApi;
let alice: Tenant;
let bob: Tenant;
let client: ReturnType<typeof registryClient>;

before(async () => {
  stores = await startStores();
  blobs = openS3BlobStore(stores.s3 as never);
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs }, { migrate: false });
  client = registryClient(api.url);
  [alice, bob] = [await api.tenant(), await api.tenant()];
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

const uploadKeys = async () => (await Array.fromAsync(blobs.list("uploads/"))).map(({ key }) => key);
const until = async (what: string, check: () => Promise<boolean>) => {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await new Promise((resolve) => setTimeout(resolve, 20))) if (await check()) return;
  throw new Error(`not within 10 s: ${what}`);
};
const isBusy = async (path: string) => (await api.db.select().from(uploads).where(eq(uploads.id, path.split("/").at(-1) as never)))[0]?.busy === true;

/** A request whose body is sent bit by bit. */
function slowRequest(method: string, path: string, token: string, headers: Record<string, string> = {}) {
  const sent = request(api.url + path, { method, headers: { authorization: `Bearer ${token}`, ...headers } });
  const answered = new Promise<number>((resolve, reject) => {
    sent.on("error", reject);
    sent.on("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
  });
  answered.catch(() => {});
  sent.flushHeaders();
  return { sent, answered };
}

test("a chunk that breaks off counts as never sent; the upload goes on where it was", async () => {
  const repository = `${alice.name}/broken`;
  const bytes = randomBytes(12 * 2 ** 20);
  const path = await client.begin(repository, alice.token);
  assert.equal((await client.ask("PATCH", path, { token: alice.token, body: bytes.subarray(0, 1000) })).status, 202);
  const keysBefore = await uploadKeys();
  const { sent, answered } = slowRequest("PATCH", path, alice.token, { "content-length": String(bytes.length - 1000) });
  sent.write(bytes.subarray(1000, 9 * 2 ** 20));
  await until("the chunk arrives", () => isBusy(path));
  sent.destroy();
  await assert.rejects(answered);
  await until("the upload is free", async () => !(await isBusy(path)));
  assert.equal((await client.ask("GET", path, { token: alice.token })).headers.get("range"), "0-999");
  assert.deepEqual(await uploadKeys(), keysBefore);
  assert.equal((await client.ask("PATCH", path, { token: alice.token, body: bytes.subarray(1000), headers: { "content-range": `1000-${bytes.length - 1}` } })).status, 202);
  assert.equal((await client.ask("PUT", `${path}?digest=${digestOf(bytes)}`, { token: alice.token })).status, 201);
  const back = await client.ask("GET", `/v2/${repository}/blobs/${digestOf(bytes)}`, { token: alice.token });
  assert.ok(bytes.equals(Buffer.from(await back.arrayBuffer())));
  await until("the pieces are gone", async () => (await uploadKeys()).length === 0);
});

test("while one request appends, another is refused", async () => {
  const repository = `${alice.name}/two`;
  const path = await client.begin(repository, alice.token);
  const { sent, answered } = slowRequest("PATCH", path, alice.token);
  sent.write("first ");
  await until("the first has the upload", () => isBusy(path));
  for (const [method, more] of [["PATCH", ""], ["PUT", `?digest=${digestOf("second")}`], ["DELETE", ""]] as const) {
    const refused = await client.ask(method, path + more, { token: alice.token, ...(method === "DELETE" ? {} : { body: "second" }) });
    assert.equal(refused.status, 409, method);
  }
  sent.end("one");
  assert.equal(await answered, 202);
  assert.equal((await client.ask("PUT", `${path}?digest=${digestOf("first one")}`, { token: alice.token })).status, 201);
});

test("a request that was taken for dead and comes back changes nothing: digest and bytes stay together", async () => {
  const repository = `${alice.name}/fence`;
  const path = await client.begin(repository, alice.token);
  const { sent, answered } = slowRequest("PATCH", path, alice.token);
  sent.write("the first ");
  await until("the first has the upload", () => isBusy(path));
  await api.db.update(uploads).set({ updatedAt: sql`now() - interval '1 hour'` }).where(eq(uploads.id, path.split("/").at(-1) as never));
  assert.equal((await client.ask("PATCH", path, { token: alice.token, body: "the second" })).status, 202);
  sent.end("request");
  assert.equal(await answered, 409);
  assert.equal((await client.ask("PUT", `${path}?digest=${digestOf("the second")}`, { token: alice.token })).status, 201);
  assert.equal(await (await client.ask("GET", `/v2/${repository}/blobs/${digestOf("the second")}`, { token: alice.token })).text(), "the second");
});

test("any API process goes on with an upload that another began", async () => {
  const other = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs }, { migrate: false });
  try {
    const clients = [client, registryClient(other.url)] as const;
    const repository = `${alice.name}/processes`;
    const bytes = randomBytes(200_000);
    const path = await client.begin(repository, alice.token);
    for (let n = 0; n < 4; n++) assert.equal((await clients[n % 2 === 0 ? 1 : 0].ask("PATCH", path, { token: alice.token, body: bytes.subarray(n * 50_000, (n + 1) * 50_000) })).status, 202);
    assert.equal((await clients[1].ask("PUT", `${path}?digest=${digestOf(bytes)}`, { token: alice.token })).status, 201);
    assert.ok(bytes.equals(Buffer.from(await (await client.ask("GET", `/v2/${repository}/blobs/${digestOf(bytes)}`, { token: alice.token })).arrayBuffer())));
  } finally {
    await other.close();
  }
});

test("chunks that lie about their place or size are refused, and so is an upload of somebody else's", async () => {
  const repository = `${alice.name}/lies`;
  const path = await client.begin(repository, alice.token);
  for (const [headers, status] of [
    [{ "content-range": "0-99" }, 416],
    [{ "content-range": "5-9" }, 416],
    [{ "content-range": "x" }, 416],
    [{ "content-range": "4-0" }, 416],
  ] as const) {
    assert.equal((await client.ask("PATCH", path, { token: alice.token, body: "12345", headers })).status, status, JSON.stringify(headers));
  }
  assert.equal((await client.ask("GET", path, { token: alice.token })).headers.get("range"), "0-0");
  const foreign = path.replace(`/${alice.name}/lies/`, `/${bob.name}/lies/`);
  for (const method of ["GET", "PATCH", "DELETE"]) assert.equal((await client.ask(method, foreign, { token: bob.token, ...(method === "PATCH" ? { body: "x" } : {}) })).status, 404, method);
  assert.equal((await client.ask("PATCH", path.replace("/lies/", "/others/"), { token: alice.token, body: "x" })).status, 404);
  for (const id of ["x", "upl_01h455vb4pex5vsknk084sn02q", "%00", "%zz"]) {
    const response = await client.ask("GET", `/v2/${repository}/blobs/uploads/${id}`, { token: alice.token });
    assert.ok([400, 404].includes(response.status), `${id}: ${response.status}`);
  }
  assert.equal((await client.ask("DELETE", path, { token: alice.token })).status, 204);
  assert.equal((await client.ask("GET", path, { token: alice.token })).status, 404);
});

test("an empty blob is a blob", async () => {
  const repository = `${alice.name}/empty`;
  const path = await client.begin(repository, alice.token);
  assert.equal((await client.ask("PUT", `${path}?digest=${digestOf("")}`, { token: alice.token })).status, 201);
  const head = await client.ask("HEAD", `/v2/${repository}/blobs/${digestOf("")}`, { token: alice.token });
  assert.equal(head.headers.get("content-length"), "0");
  assert.equal(await (await client.ask("GET", `/v2/${repository}/blobs/${digestOf("")}`, { token: alice.token })).text(), "");
});

test("the blob store dies within a large upload: 503, and the same request works when it is back", async () => {
  const repository = `${alice.name}/outage`;
  const bytes = randomBytes(24 * 2 ** 20);
  const path = await client.begin(repository, alice.token);
  const { sent, answered } = slowRequest("PUT", `${path}?digest=${digestOf(bytes)}`, alice.token, { "content-length": String(bytes.length) });
  sent.write(bytes.subarray(0, 12 * 2 ** 20));
  await until("the upload runs", () => isBusy(path));
  await stores.kill("s3");
  sent.end(bytes.subarray(12 * 2 ** 20));
  assert.equal(await answered, 503);
  await stores.start("s3");
  assert.equal((await client.ask("PUT", `${path}?digest=${digestOf(bytes)}`, { token: alice.token, body: bytes })).status, 201);
  const back = await client.ask("GET", `/v2/${repository}/blobs/${digestOf(bytes)}`, { token: alice.token });
  assert.ok(bytes.equals(Buffer.from(await back.arrayBuffer())));
});

test("bytes that the store lost are there again after the next push", async () => {
  const repository = `${alice.name}/healed`;
  const bytes = randomBytes(1000);
  await client.pushBlob(alice, repository, bytes);
  await blobs.delete([blobKey(digestOf(bytes))]);
  await client.pushBlob(alice, repository, bytes);
  assert.ok(bytes.equals(Buffer.from(await (await client.ask("GET", `/v2/${repository}/blobs/${digestOf(bytes)}`, { token: alice.token })).arrayBuffer())));
});

test("the same blob pushed by many at once is stored once, and everybody has it", async () => {
  const bytes = randomBytes(300_000);
  const pushes = [alice, bob].flatMap((tenant) => Array.from({ length: 8 }, (_, n) => ({ tenant, repository: `${tenant.name}/crowd${n}` })));
  await Promise.all(pushes.map(({ tenant, repository }) => client.pushBlob(tenant, repository, bytes)));
  for (const { tenant, repository } of pushes) assert.equal((await client.ask("HEAD", `/v2/${repository}/blobs/${digestOf(bytes)}`, { token: tenant.token })).status, 200);
  assert.equal((await Array.fromAsync(blobs.list(blobKey(digestOf(bytes))))).length, 1);
});

test("what a dead process left of an upload goes with the stale upload", async () => {
  const path = await client.begin(`${alice.name}/dead`, alice.token);
  const id = path.split("/").at(-1);
  await blobs.putBytes(`uploads/${id}/0-abandoned`, Buffer.from("left behind"));
  const tomorrow = new Date(Date.now() + 25 * 3_600_000);
  const removed = await Promise.all([removeStaleUploads({ db: api.db, blobs }, tomorrow), removeStaleUploads({ db: api.db, blobs }, tomorrow)]);
  assert.ok(removed[0] + removed[1] >= 1);
  assert.deepEqual(await uploadKeys(), []);
  assert.equal(await api.db.$count(uploads), 0);
});

test("a manifest that lies about a size, or is too large, is refused", async () => {
  const repository = `${alice.name}/sizes`;
  await client.pushBlob(alice, repository, Buffer.from("config"));
  const put = (body: string) => client.ask("PUT", `/v2/${repository}/manifests/x`, { token: alice.token, body, headers: { "content-type": MEDIA.ociManifest } });
  const lie = await put(JSON.stringify({ schemaVersion: 2, config: { mediaType: "a/b", digest: digestOf("config"), size: 1 }, layers: [] }));
  assert.equal(lie.status, 400);
  assert.equal(await errorCode(lie), "MANIFEST_INVALID");
  assert.equal((await put(" ".repeat(5 * 2 ** 20))).status, 413);
});

test("a body that nobody will take is refused before it is sent whole, and the server goes on", async () => {
  const path = await client.begin(`${alice.name}/refused`, alice.token);
  const { sent, answered } = slowRequest("PATCH", path, "wrong", { "content-length": String(2 ** 30) });
  sent.write(Buffer.alloc(2 ** 20));
  assert.equal(await answered, 401);
  sent.destroy();
  assert.equal((await client.ask("GET", path, { token: alice.token })).status, 204);
});
