/** `GET /v1/builds/{id}/logs`: from Redis while the build runs, from the blob store afterwards. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Build } from "../../core/contract/api.ts";
import type { BuildLogEntry } from "../../core/contract/build-log.ts";
import { readArchive, readLive, type LivePage } from "../../core/build-log.ts";
import { findBuild } from "../../core/db/queries/builds.ts";
import type { BuildRow } from "../../core/db/queries/deployments.ts";
import { isDatabaseUnavailable } from "../../core/db/unavailable.ts";
import type { Actor, Deps } from "../deps.ts";
import { toBuild } from "../views/deployment.ts";

/** Lines come in at most this late; a build that says nothing is asked less often. */
const POLL_MIN_MS = 25;
const POLL_MAX_MS = 250;
/** How often the build's row is read. */
const LOOK_EVERY_MS = 500;
/** A build whose row has ended may still be writing its last lines. */
const ARCHIVE_WITHIN_MS = 3000;
const BATCH = 1000;

export type BuildLogPiece = { entries: BuildLogEntry[] } | { end: Build };

const isEnded = (build: BuildRow) => build.state !== "queued" && build.state !== "running";

/** Lines after number `after`; the last piece is the build, once it has ended. Without `follow` it ends with what there is. */
export async function* readBuildLog(deps: Deps, actor: Actor, build: BuildRow, options: { after: number; follow: boolean; signal: AbortSignal }): AsyncGenerator<BuildLogPiece> {
  const { follow, signal } = options;
  let { after } = options;
  let latest = build;
  let lookedAt = performance.now();
  for (let pauseMs = POLL_MIN_MS; !isEnded(latest) && !signal.aborted; ) {
    const page = await live(deps, build, after);
    if (page.entries.length > 0) {
      yield { entries: page.entries };
      after = page.entries.at(-1)?.seq ?? after;
      pauseMs = POLL_MIN_MS;
      continue;
    }
    if (!follow) return;
    if (page.ended || performance.now() - lookedAt >= LOOK_EVERY_MS) {
      latest = (await lookAt(deps, actor, build)) ?? latest;
      lookedAt = performance.now();
    }
    if (!isEnded(latest)) await pause(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 1.5, POLL_MAX_MS);
  }
  if (signal.aborted) return;
  yield* rest(deps, latest, after, options);
  yield { end: toBuild(latest) };
}

/** What an ended build wrote after number `after`. */
async function* rest(deps: Deps, build: BuildRow, after: number, { follow, signal }: { follow: boolean; signal: AbortSignal }): AsyncGenerator<BuildLogPiece> {
  let seen = after;
  for (const deadline = performance.now() + ARCHIVE_WITHIN_MS; !signal.aborted; ) {
    let batch: BuildLogEntry[] = [];
    let found = false;
    for await (const entry of readArchive(deps.blobs, build.tenantId, build.id, seen)) {
      found = true;
      batch.push(entry);
      seen = entry.seq;
      if (batch.length < BATCH) continue;
      yield { entries: batch };
      batch = [];
    }
    if (batch.length > 0) yield { entries: batch };
    if (found) return;
    for (;;) {
      const page = await live(deps, build, seen);
      if (page.entries.length > 0) yield { entries: page.entries };
      seen = page.entries.at(-1)?.seq ?? seen;
      if (page.ended) return;
      if (page.entries.length === 0) break;
    }
    // It was never begun, or ended long ago: no more lines will come.
    const isFresh = build.startedAt !== null && build.finishedAt !== null && deps.clock().getTime() - build.finishedAt.getTime() < ARCHIVE_WITHIN_MS;
    if (!follow || !isFresh || performance.now() >= deadline) return;
    await pause(POLL_MAX_MS, signal);
  }
}

/** Redis may be away: the archive comes later. */
async function live(deps: Deps, build: BuildRow, after: number): Promise<LivePage> {
  if (deps.redis.status !== "ready") return { entries: [], ended: false };
  return readLive(deps.redis, deps.config.redisPrefix, build.id, after).catch(() => ({ entries: [], ended: false }));
}

async function lookAt(deps: Deps, actor: Actor, build: BuildRow): Promise<BuildRow | undefined> {
  try {
    return await findBuild(deps.db, actor.tenantId, build.id);
  } catch (error) {
    if (isDatabaseUnavailable(error)) return undefined;
    throw error;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
