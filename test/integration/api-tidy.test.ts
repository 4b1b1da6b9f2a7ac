// needs no root
/** What the API removes by itself. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eq } from "drizzle-orm";
import { removeOldContexts } from "../../api/upload/old-contexts.ts";
import { openMemoryBlobStore } from "../../core/blob-store/memory.ts";
import { newId } from "../../core/contract/ids.ts";
import { builds } from "../../core/db/schema.ts";
import { seedApp, startTestApi, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
const blobs = openMemoryBlobStore();

before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs }, { redisPrefix: stores.redisPrefix, migrate: false });
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

test("contexts go when their builds ended long ago, or when there is no build; what may still be built stays", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const later = (hours: number) => new Date(Date.now() + hours * 3_600_000);
  const make = async (name: string, build: { state: "succeeded" | "failed" | "queued"; finishedAt: Date | null } | undefined) => {
    const key = `contexts/${tenant.id}/${name}`;
    await blobs.putBytes(key, Buffer.from("x"));
    if (build !== undefined) await api.db.insert(builds).values({ id: newId("build"), tenantId: tenant.id, appId: app.id, contextKey: key, contextFormat: "tar", contextBytes: 7, ...build });
    return key;
  };
  const keys = {
    old: await make("old", { state: "succeeded", finishedAt: later(0) }),
    failed: await make("failed", { state: "failed", finishedAt: later(0) }),
    fresh: await make("fresh", { state: "succeeded", finishedAt: later(3) }),
    waiting: await make("waiting", { state: "queued", finishedAt: null }),
    stray: await make("stray", undefined),
  };
  assert.equal(await removeOldContexts({ db: api.db, blobs }, later(1)), 0, "too young");
  assert.equal(await removeOldContexts({ db: api.db, blobs }, later(4)), 3);
  const left = [];
  for await (const { key } of blobs.list("contexts/")) left.push(key);
  assert.deepEqual(left.toSorted(), [keys.fresh, keys.waiting].toSorted());
  const [old] = await api.db.select().from(builds).where(eq(builds.contextKey, keys.old));
  const [waiting] = await api.db.select().from(builds).where(eq(builds.contextKey, keys.waiting));
  assert.deepEqual([old?.contextBytes, waiting?.contextBytes], [0, 7], "what is gone is not paid for");
});
