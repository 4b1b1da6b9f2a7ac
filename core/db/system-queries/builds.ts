/**
 * What workers read and write of builds. A worker owns a build by its attempt number: every write names it, so that
 * a worker that was paused or cut off changes nothing once another one has taken over.
 */
import { and, asc, eq, gte, inArray, isNotNull, lt, sql } from "drizzle-orm";
import type { Failure } from "../../contract/errors.ts";
import type { AppId, BuildId, DeploymentId, TenantId } from "../../contract/ids.ts";
import type { Image } from "../../contract/release-config.ts";
import type { Db, Tx } from "../client.ts";
import { writeSystemAudit } from "../queries/audit.ts";
import { builds, deployments } from "../schema.ts";
import { countAttempts } from "./build-usage.ts";
import { endDeployment, publishRelease, type Published } from "./publish-release.ts";
import { lockApp } from "./rollout.ts";

/** A build that was lost so often is given up. */
export const BUILD_ATTEMPTS_MAX = 3;

export type BuildRow = typeof builds.$inferSelect;

/** A build's owner, as each of its writes names it. */
export interface Fence {
  id: BuildId;
  attempt: number;
}

const ownedBy = (fence: Fence) => and(eq(builds.id, fence.id), eq(builds.attempt, fence.attempt), eq(builds.state, "running"));

/** Says that the worker still lives. `lost`: another worker has it, or it has ended. */
export async function renewLease(db: Db, fence: Fence, leaseMs: number, now: Date): Promise<"held" | "cancelled" | "lost"> {
  const [row] = await db
    .update(builds)
    .set({ leaseUntil: new Date(now.getTime() + leaseMs) })
    .where(ownedBy(fence))
    .returning({ cancelRequestedAt: builds.cancelRequestedAt });
  if (row === undefined) return "lost";
  return row.cancelRequestedAt === null ? "held" : "cancelled";
}

/** Whether somebody asked for the end of the build. */
export async function isCancelRequested(db: Db, id: BuildId): Promise<boolean> {
  const [row] = await db.select({ at: builds.cancelRequestedAt }).from(builds).where(eq(builds.id, id));
  return row?.at !== null && row?.at !== undefined;
}

/** Gives the build back, as when the worker is told to end: the attempt does not count, but its time does. */
export async function returnBuild(db: Db, fence: Fence, now: Date): Promise<void> {
  await db.transaction(async (tx) => {
    const returned = await tx
      .update(builds)
      .set({ state: "queued", worker: null, leaseUntil: null, attempt: sql`${builds.attempt} - 1` })
      .where(ownedBy(fence))
      .returning();
    await countAttempts(tx, returned, now);
  });
}

/** How much of the blob store its archived log takes. */
export async function noteLogBytes(db: Db, id: BuildId, logBytes: number): Promise<void> {
  await db.update(builds).set({ logBytes }).where(eq(builds.id, id));
}

export interface BuildSuccess {
  image: Image;
  repository: string;
  timingsMs: Record<string, number>;
}

/** The build succeeded and its deployments get their release, all or nothing. Undefined when the build is another's by now. */
export async function succeedBuild(db: Db, fence: Fence, success: BuildSuccess, now: Date): Promise<Published[] | undefined> {
  return db.transaction(async (tx) => {
    await lockAppOf(tx, fence.id);
    const [build] = await tx
      .update(builds)
      .set({ state: "succeeded", manifestDigest: success.image.manifestDigest, timingsMs: success.timingsMs, finishedAt: now, leaseUntil: null })
      .where(ownedBy(fence))
      .returning();
    if (build === undefined) return undefined;
    const source = { image: success.image, repository: success.repository, buildId: build.id, buildKey: build.buildKey };
    const published: Published[] = [];
    await writeSystemAudit(tx, build.tenantId, "build.succeeded", build.id, { digest: success.image.manifestDigest });
    for (const id of await waitingDeployments(tx, build.id)) published.push(await publishRelease(tx, id, source, now));
    await countAttempts(tx, [build], now);
    return published;
  });
}

/** The app's lock before any of its rows, as everywhere: two that wait for one another in a circle are ended by the database. */
async function lockAppOf(tx: Tx, buildId: BuildId): Promise<void> {
  const [build] = await tx.select({ appId: builds.appId }).from(builds).where(eq(builds.id, buildId));
  if (build !== undefined) await lockApp(tx, build.appId);
}

export interface EndedBuild {
  tenantId: TenantId;
  appId: AppId;
  deployments: DeploymentId[];
}

/** The build failed or was cancelled, and so its deployments. Undefined when the build is another's by now. */
export async function endBuild(
  db: Db,
  fence: Fence,
  state: "failed" | "cancelled",
  failure: Failure,
  timingsMs: Record<string, number>,
  now: Date,
): Promise<EndedBuild | undefined> {
  return db.transaction(async (tx) => {
    await lockAppOf(tx, fence.id);
    const [build] = await tx.update(builds).set({ state, failure, timingsMs, finishedAt: now, leaseUntil: null }).where(ownedBy(fence)).returning();
    if (build === undefined) return undefined;
    const ended = await endDeployments(tx, build, state, failure, now);
    await countAttempts(tx, [build], now);
    return ended;
  });
}

/** Gives up builds that lost too many workers. */
export async function giveUpLostBuilds(db: Db, now: Date): Promise<EndedBuild[]> {
  const failure: Failure = { code: "build_lost", detail: `The build lost its worker ${BUILD_ATTEMPTS_MAX} times. Deploy again; if it happens again, the build may be ending its worker.` };
  return db.transaction(async (tx) => {
    const lost = await tx
      .select()
      .from(builds)
      .where(and(eq(builds.state, "running"), lt(builds.leaseUntil, now), gte(builds.attempt, BUILD_ATTEMPTS_MAX)))
      .orderBy(asc(builds.id))
      .for("update", { skipLocked: true });
    if (lost.length === 0) return [];
    await tx.update(builds).set({ state: "failed", failure, finishedAt: now, leaseUntil: null }).where(inArray(builds.id, lost.map(({ id }) => id)));
    const ended: EndedBuild[] = [];
    for (const build of lost) ended.push(await endDeployments(tx, build, "failed", failure, now));
    await countAttempts(tx, lost.map((build) => ({ ...build, endedAt: build.leaseUntil })), now);
    return ended;
  });
}

/** Cancels queued builds whose end was asked for before a worker took them. */
export async function cancelQueuedBuilds(db: Db, now: Date): Promise<EndedBuild[]> {
  const failure: Failure = { code: "build_cancelled", detail: "It was cancelled before it began." };
  return db.transaction(async (tx) => {
    const cancelled = await tx
      .update(builds)
      .set({ state: "cancelled", failure, finishedAt: now })
      .where(and(eq(builds.state, "queued"), isNotNull(builds.cancelRequestedAt)))
      .returning();
    const ended: EndedBuild[] = [];
    for (const build of cancelled) ended.push(await endDeployments(tx, build, "cancelled", failure, now));
    return ended;
  });
}

/** A worker that starts knows that nothing of its former life goes on: its builds need not wait for their leases. */
export async function dropLeases(db: Db, worker: string, now: Date): Promise<void> {
  await db
    .update(builds)
    .set({ leaseUntil: new Date(now.getTime() - 1) })
    .where(and(eq(builds.state, "running"), eq(builds.worker, worker)));
}

async function waitingDeployments(tx: Tx, buildId: BuildId): Promise<DeploymentId[]> {
  const rows = await tx
    .select({ id: deployments.id })
    .from(deployments)
    .where(and(eq(deployments.buildId, buildId), eq(deployments.state, "building")))
    .orderBy(asc(deployments.id));
  return rows.map(({ id }) => id);
}

async function endDeployments(tx: Tx, build: BuildRow, state: "failed" | "cancelled", failure: Failure, now: Date): Promise<EndedBuild> {
  const ended = await waitingDeployments(tx, build.id);
  for (const id of ended) await endDeployment(tx, id, state, failure, now);
  await writeSystemAudit(tx, build.tenantId, `build.${state}`, build.id, { code: failure.code });
  return { tenantId: build.tenantId, appId: build.appId, deployments: ended };
}
