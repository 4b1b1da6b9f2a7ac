// needs no root
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { prepareConfig } from "../../infra/config.ts";
import { checkExternalStores } from "../../infra/external-stores.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let dir: string;
before(async () => {
  stores = await startStores({ migrate: false });
  dir = mkdtempSync(join(tmpdir(), "external-"));
});
after(async () => {
  await stores.stop();
  rmSync(dir, { recursive: true, force: true });
});

let count = 0;
const check = async (env: Record<string, string>) => checkExternalStores(await prepareConfig({ BERTH_DATA: join(dir, String(count++)), ...env }, { anyPorts: true }));

test("stores that answer are taken, and a missing bucket is made", async () => {
  await check({ ...stores.env, BERTH_S3_BUCKET: "another" });
  await check({ ...stores.env, BERTH_S3_BUCKET: "another" });
});

test("what cannot be used is named, without its password", async () => {
  const password = new URL(stores.databaseUrl).password;
  const wrongUser = stores.databaseUrl.replace("//berth:", "//nobody:");
  await assert.rejects(check({ BERTH_DATABASE_URL: wrongUser }), (error: Error) => /BERTH_DATABASE_URL/.test(error.message) && !error.message.includes(password));
  await assert.rejects(check({ BERTH_DATABASE_URL: "postgres://u:p@127.0.0.1:1/berth" }), /BERTH_DATABASE_URL.*ECONNREFUSED/);
  await assert.rejects(check({ BERTH_REDIS_URL: "redis://127.0.0.1:1/0" }), /BERTH_REDIS_URL.*ECONNREFUSED/);
  await assert.rejects(check({ BERTH_REDIS_URL: stores.redisUrl.replace(/:[^:@]+@/, ":wrong@") }), /BERTH_REDIS_URL.*WRONGPASS/);
  await assert.rejects(check({ ...stores.s3, BERTH_S3_SECRET_ACCESS_KEY: "wrongwrongwrongwrong" }), /BERTH_S3_ENDPOINT.*denied/);
});
