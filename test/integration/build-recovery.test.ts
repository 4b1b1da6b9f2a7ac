/** Caches that outlive workers, and builds that outlive their worker's death. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { eq, sql } from "drizzle-orm";
import { builds, releases } from "../../core/db/schema.ts";
import { runUnchecked } from "../../core/host/spawn.ts";
import { openRedisFailFast } from "../../core/redis.ts";
import type { Entry } from "../support/contexts.ts";
import { startBuildWorld, type BuildWorld, type BuiltDeployment, type TestWorker } from "../support/build-world.ts";

let world: BuildWorld;
let worker: TestWorker;
before(async () => {
  world = await startBuildWorld();
  worker = await world.startWorker();
});
after(() => world?.stop());

const context = (text: string): Entry[] => [
  ["Dockerfile", "FROM busybox\nRUN sleep 1; cat /proc/sys/kernel/random/uuid > /made-once\nRUN cat /made-once\nCOPY file.txt /\nRUN cat /file.txt\n"],
  ["file.txt", text],
];

async function built(app: string, text: string): Promise<BuiltDeployment & { output: string }> {
  const result = await world.deploy(app, context(text));
  const output = (await world.log(result.build)).map((entry) => entry.text).join("\n");
  assert.equal(result.build.state, "succeeded", `${JSON.stringify(result.build.failure)}\n${output}`);
  return { ...result, output };
}

async function layersOf({ build }: BuiltDeployment): Promise<string[]> {
  const [release] = await world.api.db.select().from(releases).where(eq(releases.buildId, build.id));
  assert.ok(release);
  return release.image.layers.map((layer) => layer.diffId);
}

/** Until the worker has shared the steps of the app's last build. */
async function shared(app: string): Promise<void> {
  const repository = `${world.tenant.name}/${app}/cache`;
  for (let tries = 0; tries < 500; tries++) {
    const { rows } = await world.api.db.execute<{ count: string }>(sql`select count(*) from tags where repository = ${repository}`);
    if (Number(rows[0]?.count) >= 4) return;
    await sleep(20);
  }
  throw new Error(`the steps of ${app} were not shared`);
}

test("one changed file: every earlier layer is reused, also by a second worker with an empty disk", async () => {
  const first = await layersOf(await built("cached", "one"));
  const second = await built("cached", "two");
  const layers = await layersOf(second);
  assert.deepEqual(layers.slice(0, 3), first.slice(0, 3));
  assert.notDeepEqual(layers, first);
  assert.ok(second.output.includes("Using cache"));
  assert.ok(second.output.includes("two"));
  await shared("cached");
  await worker.stop();
  const other = await world.startWorker({}, "other-worker");
  try {
    const third = await built("cached", "three");
    assert.deepEqual((await layersOf(third)).slice(0, 3), first.slice(0, 3), third.output);
  } finally {
    await other.stop();
    worker = await world.startWorker();
  }
});

test("a file's time alone changes nothing", async () => {
  const entry = (mtime: Date) => [["Dockerfile", "FROM busybox\nCOPY a /\n"] as const, { name: "a", mtime, size: 1 }];
  const first = await world.deploy("times", entry(new Date(1e12)) as Entry[]);
  const second = await world.deploy("times", [...(entry(new Date(1.1e12)) as Entry[]), ["ignored", "x"]]);
  assert.deepEqual(await layersOf(second), await layersOf(first));
});

test("two builds of one tenant at once", async () => {
  const results = await Promise.all(["left", "right", "third"].map((app) => built(app, `of ${app}`)));
  for (const [index, app] of ["left", "right", "third"].entries()) assert.ok(results[index]?.output.includes(`of ${app}`));
});

async function uploadSlow(app: string): Promise<{ deployment: Awaited<ReturnType<BuildWorld["upload"]>>; marker: string }> {
  const marker = `sleep 3.${Date.now().toString().slice(-7)}`;
  const deployment = await world.upload(app, [["Dockerfile", `FROM busybox\nRUN ${marker}\nRUN echo whole\n`]]);
  while (!(await runs(marker))) await sleep(20);
  return { deployment, marker };
}
const runs = async (marker: string) => (await runUnchecked(["pgrep", "-f", `^${marker}`])).code === 0;

test("SIGKILL of the worker ends its sandbox, and another life of it builds again; one release comes of it", async () => {
  const { deployment, marker } = await uploadSlow("killed");
  await worker.kill();
  const killedAt = Date.now();
  while (await runs(marker)) {
    assert.ok(Date.now() - killedAt < 2000, "the sandbox outlived its worker");
    await sleep(20);
  }
  worker = await world.startWorker();
  const { build } = await world.built(deployment);
  assert.equal(build.state, "succeeded", JSON.stringify(build.failure));
  assert.ok(Date.now() - killedAt < 15_000, `${Date.now() - killedAt} ms`);
  const rows = await world.api.db.select().from(releases).where(eq(releases.buildId, build.id));
  assert.equal(rows.length, 1);
});

test("SIGTERM returns a build to the queue when the grace time is over; it does not count as lost", async () => {
  await worker.stop();
  worker = await world.startWorker({ BERTH_WORKER_DRAIN_MS: "0" });
  const { deployment, marker } = await uploadSlow("drained");
  await worker.stop();
  assert.ok(!(await runs(marker)));
  const [row] = await world.api.db.select().from(builds).where(eq(builds.id, deployment.build?.id as never));
  assert.deepEqual([row?.state, row?.attempt], ["queued", 0]);
  worker = await world.startWorker();
  assert.equal((await world.built(deployment)).build.state, "succeeded");
});

test("a queue that lost everything loses no build", async () => {
  await worker.stop();
  const deployment = await world.upload("flushed", [["Dockerfile", "FROM busybox\nRUN echo flushed\n"]]);
  const redis = openRedisFailFast(world.stores.redisUrl, "test");
  await new Promise((resolve) => redis.once("ready", resolve));
  await redis.flushall();
  worker = await world.startWorker();
  const startedAt = Date.now();
  const during = await uploadSlow("flushed-later");
  await redis.flushall();
  redis.disconnect();
  assert.equal((await world.built(deployment)).build.state, "succeeded");
  assert.equal((await world.built(during.deployment)).build.state, "succeeded");
  assert.ok(Date.now() - startedAt < 20_000);
});

test("a build that loses every worker is given up", async () => {
  await worker.stop();
  const deployment = await world.upload("lost", [["Dockerfile", "FROM busybox\nRUN echo never\n"]]);
  await world.api.db
    .update(builds)
    .set({ state: "running", attempt: 3, worker: "gone", leaseUntil: new Date(Date.now() - 1000) })
    .where(eq(builds.id, deployment.build?.id as never));
  worker = await world.startWorker();
  const { build, deployment: ended } = await world.built(deployment);
  assert.equal(build.failure?.code, "build_lost");
  assert.equal(ended.state, "failed");
});
