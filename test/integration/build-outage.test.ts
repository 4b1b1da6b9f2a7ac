/** Stores that go away while a build runs: nothing is lost, and what cannot go on says why. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { eq } from "drizzle-orm";
import { releases } from "../../core/db/schema.ts";
import { runUnchecked } from "../../core/host/spawn.ts";
import { startBuildWorld, type BuildWorld, type BuiltDeployment } from "../support/build-world.ts";
import type { StoreName } from "../support/stores.ts";

let world: BuildWorld;
before(async () => {
  world = await startBuildWorld();
  await world.startWorker();
});
after(() => world?.stop());

/** Deploys an app whose step waits, takes the store away meanwhile, and lets the step end `awayMs` later. */
async function without(store: StoreName, app: string, awayMs: number, backBeforeItEnds: boolean): Promise<BuiltDeployment> {
  const seconds = `${Math.ceil(awayMs / 1000) + (backBeforeItEnds ? 2 : 0)}.${Date.now() % 1000}1`;
  const deployment = await world.upload(app, [["Dockerfile", `FROM busybox\nRUN sleep ${seconds} && echo ${app} > /made\n`]]);
  const running = async () => (await runUnchecked(["pgrep", "-f", `^sleep ${seconds}`])).code === 0;
  for (const deadline = Date.now() + 60_000; !(await running()); await sleep(20)) assert.ok(Date.now() < deadline, "the step did not start");
  await world.stores.kill(store);
  if (backBeforeItEnds) {
    await sleep(awayMs);
  } else if (store === "s3") {
    // Nothing may come back to help it before it has said that it failed.
    const result = await world.built(deployment);
    await world.stores.start(store);
    return result;
  } else {
    while (await running()) await sleep(50);
    await sleep(awayMs);
  }
  await world.stores.start(store);
  return world.built(deployment);
}

async function released({ build }: BuiltDeployment): Promise<void> {
  assert.equal(build.state, "succeeded", JSON.stringify(build.failure));
  assert.equal((await world.api.db.select().from(releases).where(eq(releases.buildId, build.id))).length, 1);
}

test("S3 away while a step runs: the build does not notice", async () => released(await without("s3", "s3-short", 2000, true)));

test("S3 away for a moment when the image is to be stored: it is stored a little later", async () => {
  const deployment = await world.upload("s3-blink", [["Dockerfile", "FROM busybox\nRUN sleep 1.5 && echo blink > /made\n"]]);
  const running = async () => (await runUnchecked(["pgrep", "-f", "^sleep 1.5"])).code === 0;
  for (const deadline = Date.now() + 60_000; !(await running()); await sleep(20)) assert.ok(Date.now() < deadline, "the step did not start");
  await world.stores.kill("s3");
  while (await running()) await sleep(20);
  await sleep(1000);
  await world.stores.start("s3");
  await released(await world.built(deployment));
});

test("S3 away when the image is to be stored: said so, and the next deployment works", async () => {
  const { build, deployment } = await without("s3", "s3-long", 1000, false);
  assert.equal(build.failure?.code, "storage_unavailable", JSON.stringify(build.failure));
  assert.deepEqual(deployment.failure, build.failure);
  assert.deepEqual(await world.api.db.select().from(releases).where(eq(releases.buildId, build.id)), []);
  await released(await world.deploy("s3-long", [["Dockerfile", "FROM busybox\nRUN echo again\n"]]));
});

test("PostgreSQL away while a step runs: the build goes on, and is released once", async () => released(await without("postgres", "pg-short", 3000, true)));

test("PostgreSQL away when the build ends: it is released once when it is back", async () => released(await without("postgres", "pg-long", 3000, false)));

test("Redis away while a step runs and when it ends: released once", async () => released(await without("redis", "redis-long", 2000, false)));
