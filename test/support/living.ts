/** Builds and rollouts come to life by what a worker and the rollout loop would write: for tests of who watches them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq, isNull } from "drizzle-orm";
import { BuildLogWriter } from "../../core/build-log.ts";
import { apps, builds, deployments } from "../../core/db/schema.ts";
import { publishRelease } from "../../core/db/system-queries/publish-release.ts";
import { goLive } from "../../core/db/system-queries/rollout.ts";
import { testImage, type TestApi } from "./api.ts";

export interface Living {
  /** What each build writes. */
  log?: readonly string[];
}

/** While `work` runs. */
export async function whileLiving<T>(api: TestApi, tenantName: string, work: () => Promise<T>, living: Living = {}): Promise<T> {
  let isDone = false;
  const loop = async () => {
    while (!isDone) {
      await endBuilds(api, tenantName, living);
      await endRollouts(api);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const looping = loop();
  try {
    return await work();
  } finally {
    isDone = true;
    await looping;
  }
}

/** Ends every build that is open, as a worker and the rollout loop would. */
async function endBuilds(api: TestApi, tenantName: string, { log = [] }: Living): Promise<void> {
  const open = await api.db.select().from(deployments).where(eq(deployments.state, "building"));
  for (const { id, buildId } of open) {
    if (buildId === null) continue;
    if (log.length > 0) await writeLog(api, buildId, log);
    await api.db.transaction(async (tx) => {
      await tx.update(builds).set({ state: "running" }).where(eq(builds.id, buildId));
      const [build] = await tx.update(builds).set({ state: "succeeded", finishedAt: new Date() }).where(eq(builds.id, buildId)).returning();
      const source = { image: testImage(), repository: `${tenantName}/hello`, buildId, buildKey: build?.buildKey ?? null };
      const published = await publishRelease(tx, id, source, new Date());
      if (published.outcome === "released") await goLive(tx, published.appId, { releaseId: published.releaseId, former: null, watch: null }, new Date());
    });
    api.deps.bells.ring("deployment", id);
  }
}

async function writeLog(api: TestApi, buildId: Parameters<typeof BuildLogWriter.open>[0]["buildId"], log: readonly string[]): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "berth-log-"));
  const writer = await BuildLogWriter.open({ redis: api.deps.redis, redisPrefix: api.deps.config.redisPrefix, buildId, path: join(dir, "log") });
  for (const text of log) writer.append({ step: 1, stream: "stdout", text });
  await writer.end();
  rmSync(dir, { recursive: true });
}

/** What `scale`, `env` and `rollback` start needs no build. */
async function endRollouts(api: TestApi): Promise<void> {
  for (const app of await api.db.select().from(apps).where(isNull(apps.deletedAt))) {
    if (app.targetReleaseId === null || app.targetReleaseId === app.liveReleaseId) continue;
    const targetReleaseId = app.targetReleaseId;
    const ended = await api.db.transaction((tx) => goLive(tx, app.id, { releaseId: targetReleaseId, former: null, watch: null }, new Date()));
    for (const id of ended) api.deps.bells.ring("deployment", id);
  }
}
