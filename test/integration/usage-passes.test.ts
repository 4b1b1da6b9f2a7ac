// needs no root
/** Usage that workers count: builds, storage, and what the billing hook is told. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eq } from "drizzle-orm";
import { newId, type AppId, type BuildId, type TenantId } from "../../core/contract/ids.ts";
import { BilledHourSchema, type BilledHour } from "../../core/contract/usage.ts";
import { openDb, type Db } from "../../core/db/client.ts";
import { blobs, builds, repositoryBlobs, usage, usageExports, usagePasses } from "../../core/db/schema.ts";
import { ensureTenant } from "../../core/db/system-queries/bootstrap.ts";
import { claimNextBuild } from "../../core/db/system-queries/build-claims.ts";
import { endBuild, giveUpLostBuilds, returnBuild } from "../../core/db/system-queries/builds.ts";
import { lockApp, removeApp } from "../../core/db/system-queries/rollout.ts";
import { countStorage } from "../../core/db/system-queries/storage-usage.ts";
import { openLog } from "../../core/log.ts";
import { billHours } from "../../workers/usage/billing.ts";
import { fileSink, httpSink } from "../../workers/usage/sinks.ts";
import { randomName, seedApp } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

const HOUR = 3_600_000;
const log = openLog("test", "silent");
let stores: Stores;
let db: Db;
let close: () => Promise<void>;
before(async () => {
  stores = await startStores({ only: ["postgres"] });
  ({ db, close } = openDb(stores.databaseUrl, { name: "test" }));
});
after(async () => {
  await close?.();
  await stores?.stop();
});

async function owner(): Promise<{ tenantId: TenantId; tenantName: string; appId: AppId; appName: string }> {
  const tenant = await ensureTenant(db, randomName("t"));
  const app = await seedApp(db, tenant.id);
  return { tenantId: tenant.id, tenantName: tenant.name, appId: app.id, appName: app.name };
}

async function queued({ tenantId, appId }: { tenantId: TenantId; appId: AppId }, more: Partial<typeof builds.$inferInsert> = {}): Promise<BuildId> {
  const id = newId("build");
  await db.insert(builds).values({ id, tenantId, appId, contextKey: "k", contextFormat: "tar", contextBytes: 1000, ...more });
  return id;
}

const rowsOf = (appId: AppId) => db.select().from(usage).where(eq(usage.appId, appId)).orderBy(usage.hour);
const buildMillis = async (appId: AppId) => (await rowsOf(appId)).reduce((sum, row) => sum + row.buildMillis, 0);

test("builds: each attempt counts from its claim to its end, however it ends, once", async () => {
  const mine = await owner();
  const id = await queued(mine);
  // In the middle of an hour, so that the test's own times stay within it.
  const base = Math.floor(Date.now() / HOUR) * HOUR + 10 * 60_000;
  const at = (seconds: number) => new Date(base + seconds * 1000);
  const claim = async (seconds: number) => {
    const claimed = await claimNextBuild(db, { worker: "w", leaseMs: 8000, busyWith: [] }, at(seconds));
    assert.equal(claimed?.build.id, id);
    return { id, attempt: claimed?.build.attempt ?? 0 };
  };
  const first = await claim(0);
  await returnBuild(db, first, at(3));
  assert.equal(await buildMillis(mine.appId), 3000, "given back by a worker that was told to end");
  await returnBuild(db, first, at(5));
  assert.equal(await buildMillis(mine.appId), 3000, "once");
  const lost = await claim(10);
  assert.equal(await buildMillis(mine.appId), 3000);
  const second = await claim(100);
  assert.equal(await buildMillis(mine.appId), 11_000, "the lost attempt counts until its lease ended");
  assert.equal(await endBuild(db, lost, "failed", { code: "build_failed", detail: "x" }, {}, at(101)), undefined);
  assert.equal(await buildMillis(mine.appId), 11_000, "a worker that was cut off ends nothing");
  await claim(200);
  assert.notEqual(second.attempt, 0);
  assert.equal((await giveUpLostBuilds(db, at(300))).length, 1);
  assert.equal((await giveUpLostBuilds(db, at(301))).length, 0);
  assert.equal(await buildMillis(mine.appId), 27_000);

  // Failed, cancelled, and of an app that is removed while it builds.
  for (const [index, state] of (["failed", "cancelled"] as const).entries()) {
    const next = await queued(mine);
    const claimed = await claimNextBuild(db, { worker: "w", leaseMs: 8000, busyWith: [] }, at(400));
    assert.equal(claimed?.build.id, next);
    await endBuild(db, { id: next, attempt: 1 }, state, { code: "build_failed", detail: "x" }, {}, at(402));
    assert.equal(await buildMillis(mine.appId), 29_000 + index * 2000);
  }
  await queued(mine);
  await claimNextBuild(db, { worker: "w", leaseMs: 8000, busyWith: [] }, at(500));
  await db.transaction(async (tx) => {
    await lockApp(tx, mine.appId);
    await removeApp(tx, mine.appId, at(504));
  });
  assert.equal(await buildMillis(mine.appId), 35_000);
  assert.deepEqual((await rowsOf(mine.appId)).map((row) => row.appName), [mine.appName], "the hours stay, with the app's name");
});

test("storage: layers, contexts and logs by the time they lie there; each moment once", async () => {
  const mine = await owner();
  const other = await seedApp(db, mine.tenantId);
  const start = new Date(Date.now() - 60 * 60_000);
  const blob = async (sizeBytes: number, createdAt: Date, ...repositories: string[]) => {
    const digest = `sha256:${newId("upload")}`;
    await db.insert(blobs).values({ digest, sizeBytes, storageKey: digest });
    for (const repository of repositories) await db.insert(repositoryBlobs).values({ repository: `${mine.tenantName}/${repository}`, digest, createdAt });
  };
  await blob(10_000, new Date(start.getTime() - HOUR), mine.appName, `${mine.appName}/cache`);
  await blob(500, new Date(start.getTime() - HOUR), mine.appName, other.name);
  await blob(70, new Date(start.getTime() - HOUR), "pushed-by-hand");
  await queued(mine, { createdAt: new Date(start.getTime() - HOUR), logBytes: 100 });
  assert.equal(await countStorage(db, start), 0, "the first pass begins");
  const later = (seconds: number) => new Date(start.getTime() + seconds * 1000);
  // This one came in the middle.
  await blob(3000, later(600), other.name);
  assert.equal(await countStorage(db, later(1000)), 1_000_000);
  const sums = async () => {
    const rows = await db.select().from(usage).where(eq(usage.tenantId, mine.tenantId));
    const of = (appId: string) => rows.filter((row) => row.appId === appId).reduce((sum, row) => sum + Number(row.storageByteSeconds), 0);
    return { mine: of(mine.appId), other: of(other.id), nobody: of("") };
  };
  const expected = { mine: 11_100 * 1000, other: 3000 * 400, nobody: 570 * 1000 };
  assert.deepEqual(await sums(), expected);
  // The same moment again, an earlier one of a slow clock, and two workers at once.
  await countStorage(db, later(1000));
  await countStorage(db, later(900));
  assert.deepEqual(await sums(), expected);
  await Promise.all(Array.from({ length: 4 }, () => countStorage(db, later(1010))));
  assert.deepEqual(await sums(), { mine: 11_100 * 1010, other: 3000 * 410, nobody: 570 * 1010 });
  // A pass that breaks off leaves neither a sum nor a step.
  await assert.rejects(
    db.transaction(async (tx) => {
      await countStorage(tx as unknown as Db, later(1020));
      throw new Error("broken off");
    }),
  );
  assert.equal((await sums()).nobody, 570 * 1010);
  await countStorage(db, later(1020));
  assert.equal((await sums()).nobody, 570 * 1020);
});

interface Heard {
  headers: IncomingHttpHeaders;
  body: string;
}

test("the billing hook is told each complete hour, signed, until it takes it; then never again", async () => {
  await db.delete(usage);
  const [one, two] = [await owner(), await owner()];
  const now = Math.floor(Date.now() / HOUR) * HOUR + 30 * 60_000;
  const hour = (back: number) => new Date(Math.floor(now / HOUR) * HOUR - back * HOUR);
  const row = (of: typeof one, back: number, cpuMicros: number) => db.insert(usage).values({ tenantId: of.tenantId, appId: of.appId, appName: of.appName, hour: hour(back), cpuMicros, memoryByteSeconds: 7n * 2n ** 60n });
  await row(one, 3, 1_500_000);
  await row(one, 1, 2_000_000);
  await row(two, 3, 3_000_000);
  // This hour is not over.
  await row(one, 0, 9_000_000);

  const heard: Heard[] = [];
  let answer: (body: BilledHour) => number = () => 200;
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      heard.push({ headers: request.headers, body });
      response.writeHead(answer(BilledHourSchema.parse(JSON.parse(body)))).end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const secret = "a secret of sixteen characters";
    const sink = httpSink(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, secret);
    const bill = () => billHours({ db, sink, log, clock: () => new Date(now) });
    const ids = () => heard.map(({ body }) => (JSON.parse(body) as BilledHour).id);

    // It is away, then refuses one tenant, then takes all.
    answer = () => 503;
    await assert.rejects(bill(), /503/);
    assert.equal(heard.length, 1);
    answer = ({ tenant }) => (tenant.id === one.tenantId ? 422 : 200);
    assert.equal(await bill(), 1);
    answer = () => 204;
    assert.equal(await bill(), 2);
    assert.equal(await bill(), 0);
    const expected = [`${one.tenantId}/${hour(3).toISOString()}`, `${one.tenantId}/${hour(1).toISOString()}`, `${two.tenantId}/${hour(3).toISOString()}`];
    assert.deepEqual(new Set(ids()), new Set(expected));
    assert.equal((await db.select().from(usageExports)).length, 3);
    // The same hour was told with the same words.
    const ofFirst = heard.filter(({ body }) => body.includes(expected[0] ?? ""));
    assert.ok(ofFirst.length >= 2);
    assert.equal(new Set(ofFirst.map(({ body }) => body)).size, 1);
    const { headers, body } = ofFirst.at(-1) as Heard;
    const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers["berth-signature"])) ?? [];
    assert.equal(v1, createHmac("sha256", secret).update(`${t}.${body}`).digest("hex"));
    assert.equal(headers["idempotency-key"], expected[0]);
    assert.equal(headers["content-type"], "application/json");
    const told = BilledHourSchema.parse(JSON.parse(body));
    assert.deepEqual([told.tenant.name, told.hour, told.apps[0]?.app?.name, told.apps[0]?.cpuSeconds], [one.tenantName, hour(3).toISOString(), one.appName, 1.5]);
    const [pass] = await db.select().from(usagePasses).where(eq(usagePasses.name, "billing"));
    assert.equal(pass?.at.getTime(), hour(0).getTime());
  } finally {
    server.close();
    server.closeAllConnections();
  }

  const dir = mkdtempSync(join(tmpdir(), "berth-billing-"));
  try {
    const sink = fileSink(join(dir, "hours.ndjson"));
    assert.equal(await billHours({ db, sink, log, clock: () => new Date(now + HOUR) }), 1);
    assert.equal(await billHours({ db, sink, log, clock: () => new Date(now + HOUR) }), 0);
    const lines = readFileSync(join(dir, "hours.ndjson"), "utf8").trimEnd().split("\n");
    assert.deepEqual(lines.map((line) => BilledHourSchema.parse(JSON.parse(line)).apps[0]?.cpuSeconds), [9]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
