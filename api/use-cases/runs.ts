/** `/v1/apps/{app}/runs`: commands that run to their end beside an app. */
import { eq } from "drizzle-orm";
import { AppError } from "../../core/contract/errors.ts";
import { parseId, type AppId, type JobId } from "../../core/contract/ids.ts";
import type { RunRequest } from "../../core/contract/jobs.ts";
import type { Tx } from "../../core/db/client.ts";
import type { AppRow } from "../../core/db/queries/apps.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { findRelease } from "../../core/db/queries/releases.ts";
import { findRun, listRuns as readRuns, type RunDetails } from "../../core/db/queries/runs.ts";
import { runs } from "../../core/db/schema.ts";
import { requireRoomForRun } from "../../core/db/system-queries/jobs.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import { cancelRuns, insertRun } from "../../core/db/system-queries/runs.ts";
import type { Actor, Deps } from "../deps.ts";
import { keepInside } from "../idempotency.ts";
import { toRun, type Run } from "../views/run.ts";
import { cursorOf, pageOfRows, type Page, type PageRequest } from "./page.ts";
import { requireApp } from "./require.ts";

/** @throws AppError not_found */
export async function listRuns(deps: Deps, actor: Actor, app: string, page: PageRequest): Promise<Page<Run>> {
  return pageOfRuns(deps, actor, (await requireApp(deps.db, actor, app)).id, page);
}

/** `job`: of this one alone, by its name or id. */
export async function pageOfRuns(deps: Deps, actor: Actor, appId: AppId, page: PageRequest, job?: string): Promise<Page<Run>> {
  const rows = await readRuns(deps.db, actor.tenantId, appId, { limit: page.limit + 1, before: cursorOf("run", page), ...(job !== undefined && { job }) });
  return pageOfRows(rows, page, ({ run }) => run.id, toRun);
}

/** @throws AppError not_found */
export async function getRun(deps: Deps, actor: Actor, app: string, id: string): Promise<Run> {
  return toRun(await requireRun(deps.db, actor, await requireApp(deps.db, actor, app), id));
}

/** With the live release's image, variables and secrets. @throws AppError not_found, no_release, quota_exceeded */
export async function createRun(deps: Deps, actor: Actor, app: string, request: RunRequest): Promise<Run> {
  return begin(deps, actor, app, (_tx, found) => Promise.resolve({ request, detail: { name: found.name }, trigger: "once" as const }));
}

interface Asked {
  request: RunRequest;
  trigger: "once" | "manual";
  detail: Record<string, unknown>;
  job?: { id: JobId; name: string };
}

/** Whoever asks for a run, of a job or of none: all that it needs is looked at before it is written. */
export async function begin(deps: Deps, actor: Actor, app: string, ask: (tx: Tx, app: AppRow) => Promise<Asked>): Promise<Run> {
  const now = deps.clock();
  const run = await deps.db.transaction(async (tx) => {
    const { id: appId } = await requireApp(tx, actor, app);
    await lockApp(tx, appId);
    const found = await requireApp(tx, actor, appId);
    const { request, trigger, detail, job } = await ask(tx, found);
    const release = found.liveReleaseId === null ? undefined : await findRelease(tx, actor.tenantId, appId, found.liveReleaseId);
    if (release === undefined) throw new AppError("no_release", `${found.name} has no live release, whose image it would run with: deploy it first.`);
    const of = { tenantId: actor.tenantId, request, settings: release.settings };
    await requireRoomForRun(tx, of);
    const made = await insertRun(tx, { ...of, appId, releaseId: release.id, trigger, ...(job && { job }) }, now);
    const details = made && (await findRun(tx, actor.tenantId, appId, made.id));
    if (details === undefined) throw new Error("the run was not written");
    await writeAudit(tx, actor, "run.create", details.run.id, { ...detail, command: request.command ?? null });
    const shown = toRun(details);
    await keepInside(tx, actor, { status: 202, location: `/v1/apps/${found.name}/runs/${shown.id}`, body: shown });
    return { shown, appId };
  });
  deps.bells.ring("reconcile", run.appId);
  return run.shown;
}

/** What has ended stays as it is. @throws AppError not_found */
export async function cancelRun(deps: Deps, actor: Actor, app: string, id: string): Promise<Run> {
  const done = await deps.db.transaction(async (tx) => {
    const found = await requireApp(tx, actor, app);
    await lockApp(tx, found.id);
    const { run } = await requireRun(tx, actor, found, id);
    if (run.finishedAt === null && run.cancelRequestedAt === null) {
      await cancelRuns(tx, eq(runs.id, run.id), deps.clock());
      await writeAudit(tx, actor, "run.cancel", run.id, { name: found.name });
    }
    return { appId: found.id, shown: toRun(await requireRun(tx, actor, found, id)) };
  });
  deps.bells.ring("reconcile", done.appId);
  return done.shown;
}

/** @throws AppError not_found */
export async function requireRun(db: Parameters<typeof findRun>[0], actor: Actor, app: AppRow, text: string): Promise<RunDetails> {
  const id = parseId("run", text);
  const found = id === undefined ? undefined : await findRun(db, actor.tenantId, app.id, id);
  if (found === undefined) throw new AppError("not_found", `${app.name} has no run «${text}».`);
  return found;
}
