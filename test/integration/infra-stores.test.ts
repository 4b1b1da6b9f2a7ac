// needs no root
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { start } from "../../core/host/spawn.ts";
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import pg from "pg";
import { openRedisFailFast } from "../../core/redis.ts";
import { startTimeOf } from "../../core/host/process-stat.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
before(async () => {
  stores = await startStores();
});
after(() => stores.stop());

async function query(sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: stores.databaseUrl, connectionTimeoutMillis: 1500, query_timeout: 1500 });
  client.on("error", () => {});
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

test("the database has the schema", async () => {
  assert.deepEqual(await query("select count(*)::int as n from tenants"), [{ n: 0 }]);
});

test("redis answers with the password only", async () => {
  const redis = openRedisFailFast(stores.redisUrl, "test");
  await new Promise((resolve) => redis.once("ready", resolve));
  assert.equal(await redis.ping(), "PONG");
  assert.deepEqual(await redis.config("GET", "maxmemory-policy"), ["maxmemory-policy", "noeviction"]);
  redis.disconnect();
  const stranger = openRedisFailFast(stores.redisUrl.replace(/:[^:@]+@/, ":wrong@"), "test");
  await assert.rejects(new Promise((_, reject) => stranger.once("error", reject)));
  stranger.disconnect();
});

test("S3 keeps what is signed, and refuses the rest", async () => {
  const { BERTH_S3_ENDPOINT, BERTH_S3_ACCESS_KEY_ID, BERTH_S3_SECRET_ACCESS_KEY } = stores.s3;
  const client = new S3Client({
    endpoint: BERTH_S3_ENDPOINT!,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: BERTH_S3_ACCESS_KEY_ID!, secretAccessKey: BERTH_S3_SECRET_ACCESS_KEY! },
  });
  const object = { Bucket: "berth", Key: "a/b" };
  await client.send(new PutObjectCommand({ ...object, Body: Buffer.from("hello") }));
  assert.equal((await client.send(new HeadObjectCommand(object))).ContentLength, 5);
  const url = await getSignedUrl(client, new GetObjectCommand(object), { expiresIn: 60 });
  assert.equal(await (await fetch(url)).text(), "hello");
  assert.equal((await fetch(url.split("?")[0]!)).status, 403);
  assert.equal((await fetch(url.replace(/X-Amz-Signature=.{8}/, "X-Amz-Signature=00000000"))).status, 403);
  assert.equal((await fetch(url.replace(/X-Amz-Credential=[^%]+/, "X-Amz-Credential=S3RVER"))).status, 403);
});

test("a killed store is away, and comes back with its data", async () => {
  await query("create table kept (n int); insert into kept values (7)");
  await stores.kill("postgres");
  await assert.rejects(query("select 1"), /ECONNREFUSED/);
  await stores.start("postgres");
  assert.deepEqual(await query("select n from kept"), [{ n: 7 }]);
});

test("a paused store hangs, and goes on", async () => {
  stores.pause("postgres");
  await assert.rejects(query("select 1"), /timeout/);
  stores.resume("postgres");
  assert.deepEqual(await query("select 1 as n"), [{ n: 1 }]);
});

test("stores end with a test process that is killed", async () => {
  const script = `
    import { startStores } from ${JSON.stringify(new URL("../support/stores.ts", import.meta.url).pathname)};
    const stores = await startStores({ migrate: false });
    const { readdirSync, readFileSync } = await import("node:fs");
    console.log(JSON.stringify(stores.env));
    setInterval(() => {}, 1000);`;
  const child = start([process.execPath, "--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise<string>((resolve) => child.stdout!.once("data", (data: Buffer) => resolve(data.toString())));
  const env = JSON.parse(line) as Record<string, string>;
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ").map(Number);
  assert.equal(children.length, 3, `${children}`);
  child.kill("SIGKILL");
  for (let i = 0; i < 200 && children.some((pid) => startTimeOf(pid) !== undefined); i++) await sleep(25);
  assert.deepEqual(children.filter((pid) => existsSync(`/proc/${pid}`) && startTimeOf(pid) !== undefined), []);
  await assert.rejects(fetch(env["BERTH_S3_ENDPOINT"]!));
});
